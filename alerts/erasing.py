"""What alerts hold of somebody who has the right that nothing about them stays.

That there was an alert, who was told, who decided what and when, stays. Who it was about, what was written about them,
pictures, clips and attachments go, also from the alert log's files. What had left the house before can not be taken
back; what still waits to be sent is not sent.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from typing import Final

from django.db import transaction
from django.db.models import F, Q
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts import vault
from accounts.services import forget_words
from alerts import outbox
from alerts.channels import log
from alerts.models import Alert, AlertStep, Attachment, Delivery, DeliveryState, NotThisPerson, Review, StepKind
from alerts.rules.raising import one_after_the_other
from cameras.models import Link
from config.celery import app
from recognition.models import Person

_log = logging.getLogger(__name__)

WHO: Final = "Somebody who was erased"  # what alerts call them from then on
WHY: Final = "Everything about the person was erased before it was sent."
TASK: Final = "alerts.erasing_tasks.wipe_logs"
# Steps whose text says what was done with whom of those who work here.
_KEPT: Final = (StepKind.ACKNOWLEDGED, StepKind.ASSIGNED, StepKind.ESCALATED)


def erase(*, sightings: Collection[uuid.UUID], person: Person | None) -> int:
    """Wipes it; returns how many alerts were about them. Part of the transaction that erases the person."""
    one_after_the_other()
    about = Q(sighting__in=sightings)
    if person is not None:
        about |= Q(person=person)
    found = Alert.objects.filter(about).select_for_update(of=("self",), no_key=True).order_by("pk")
    ids = list(found.values_list("pk", flat=True))
    _wipe_texts(ids, person)
    _wipe_attachments(ids)
    _wipe_deliveries(ids)
    # A face of theirs that was taken for somebody else is kept under that one's key.
    NotThisPerson.objects.filter(Q(alert__in=ids) | Q(alert__sighting__in=sightings)).delete()
    forget_words([f"alert {pk}" for pk in ids])
    theirs = Alert.objects.filter(pk__in=ids).filter(Q(person=None) | Q(person=person))
    theirs.exclude(person_name="").update(person_name=WHO)
    theirs.update(person=None, similarity=None, threshold=None, enhanced="", detail="", named_at=None)
    Alert.objects.filter(pk__in=ids).update(version=F("version") + 1)
    if ids:
        transaction.on_commit(_after)
    return len(ids)


def wipe_logs() -> int:
    """Wipes from the alert log's files what they hold of erased people; returns how many lines."""
    wiped = Alert.objects.filter(Q(sighting__link=Link.ERASED) | Q(person_name=WHO)).values_list("pk", flat=True)
    return log.wipe(frozenset(wiped), who=WHO)


def _wipe_texts(ids: Collection[int], person: Person | None) -> None:
    AlertStep.objects.filter(alert__in=ids).exclude(kind__in=_KEPT).update(text="")
    Review.objects.filter(alert__in=ids).update(note="")
    if person is not None:  # an alert about somebody else may say that it was taken for them at a time
        said = AlertStep.objects.filter(kind__in=(StepKind.NAMED, StepKind.REVISED), text__contains=person.name)
        said.update(text="")


def _wipe_attachments(ids: Collection[int]) -> None:
    rows = Attachment.objects.filter(alert__in=ids)
    scopes = {row.scope for row in rows.defer("sealed")}
    rows.delete()
    for scope in scopes:
        vault.shred(scope)


def _wipe_deliveries(ids: Collection[int]) -> None:
    rows = Delivery.objects.filter(alert__in=ids)
    rows.exclude(error="").update(error="")
    waiting = rows.filter(state__in=(DeliveryState.PENDING, DeliveryState.HELD))
    waiting.update(state=DeliveryState.DROPPED, claimed_until=None, error=WHY)


def _after() -> None:
    """Open pages show it, and a worker wipes the log's files; without Redis that is done at night."""
    outbox.ring()
    try:
        app.send_task(TASK, retry=False)
    except (OperationalError, RedisError, OSError) as error:
        _log.warning("The alert log is wiped of an erased person later: %s", error)
