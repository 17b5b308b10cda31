"""Templates of unknown people are kept for UNKNOWN_HOURS and no longer; then the keys that sealed them go as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Least
from django.utils import timezone

from accounts.models import DataKey
from cameras.identities.locks import one_after_the_other
from cameras.models import Correction, Identity, Sighting, UnknownTemplate, unknown_scope
from config.transactions import brief_transaction

_MOST = 50_000  # rows a time: the next time goes on


@brief_transaction()
def prune_unknowns() -> int:
    """Deletes what has expired (all, where linking is switched off); returns how many templates.

    A key is shredded once nothing that is stored needs it and nothing more will be sealed under it. Identities of
    nobody, to whom nothing belongs any more, go too.
    """
    one_after_the_other()
    now = timezone.now()
    over = UnknownTemplate.objects.all()
    if settings.UNKNOWN_HOURS:
        _shorten(now)
        over = over.filter(expires_at__lte=now)
    gone = UnknownTemplate.objects.filter(pk__in=list(over.values_list("pk", flat=True)[:_MOST])).delete()[0]
    needed = {unknown_scope(hour) for hour in UnknownTemplate.objects.datetimes("seen_at", "hour", tzinfo=UTC)}
    last = unknown_scope(now - timedelta(hours=2 + settings.UNKNOWN_HOURS))
    DataKey.objects.filter(scope__startswith="unknowns:", scope__lt=last).exclude(scope__in=needed).delete()
    left = Identity.objects.filter(person=None, label="", sightings=None, merged_into=None, merged=None)
    told = Correction.objects.filter(other__isnull=False).values("other")  # whose page a correction's history leads to
    empty = left.filter(corrections=None, created_at__lt=now - timedelta(hours=1)).exclude(pk__in=told)
    Identity.objects.filter(pk__in=list(empty.values_list("pk", flat=True)[:_MOST])).delete()
    return gone


def _shorten(now: datetime) -> None:
    """Where something would be kept for longer than what is sealed now, the setting was longer, or a clock ahead: all
    that is there is kept no longer than is allowed now."""
    span = timedelta(hours=settings.UNKNOWN_HOURS)
    if not UnknownTemplate.objects.filter(expires_at__gt=now + span).exists():
        return
    seen = Subquery(Sighting.objects.filter(pk=OuterRef("sighting")).values("last_seen")[:1])
    UnknownTemplate.objects.update(expires_at=Least("expires_at", seen + span, now + span))
