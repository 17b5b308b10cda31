"""Reads of people and watchlists that pages, the API and commands share."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import vault
from recognition.models import Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.packs import current_pack, threshold_of, version_in_use


def people(*, search: str = "", watchlist: int | None = None) -> QuerySet[Person]:
    """People by name, with their watchlists, `photo_count` and `template_count`: what the pack in use finds them by."""
    found = (
        Person.objects.annotate(
            photo_count=_count_of(Photo.objects.all()),
            template_count=_count_of(Template.objects.filter(pack=version_in_use())),
        )
        .prefetch_related("entries__watchlist")
        .order_by("name", "id")
    )
    if search:
        found = found.filter(name__icontains=search)
    if watchlist is not None:
        found = found.filter(entries__watchlist=watchlist)
    return found


def only_person_named(name: str) -> Person | None:
    """The person of this name when there is exactly one: then more photos of them need no id."""
    found = list(Person.objects.filter(name=name)[:2])
    return found[0] if len(found) == 1 else None


def watchlists() -> QuerySet[Watchlist]:
    """Watchlists by name, with `people_count`."""
    return Watchlist.objects.annotate(people_count=Count("entries"))


def valid_entries(person_id: int | None = None) -> QuerySet[WatchlistEntry]:
    """Entries that have an effect now, on active watchlists: everybody's, or one person's."""
    now = timezone.now()
    found = WatchlistEntry.objects.filter(
        Q(starts_at=None) | Q(starts_at__lte=now), Q(expires_at=None) | Q(expires_at__gt=now), watchlist__is_active=True
    ).select_related("watchlist", "person")
    return found if person_id is None else found.filter(person=person_id)


def threshold_on(watchlist: Watchlist, pack: str) -> float:
    """What the watchlist asks of similarities of this pack: its own threshold where that is of it, or the pack's."""
    if watchlist.threshold is not None and watchlist.threshold_pack == pack:
        return watchlist.threshold
    asked = threshold_of(pack)
    return current_pack().threshold if asked is None else asked


def portrait(person_id: int) -> bytes | None:
    """The JPEG of the person's first enrolled face, or None when there is none."""
    photo = Photo.objects.filter(person=person_id).select_related("person").defer("sealed").first()
    if photo is None:
        return None
    return vault.unseal(photo.person.scope, photo.sealed_portrait, bind=portrait_bind(photo.person_id))


def enhanced_templates(templates: Collection[int]) -> dict[int, str]:
    """Those of these templates that were made from enhanced photos, with what was done to them."""
    if not templates:
        return {}
    rows = Template.objects.filter(pk__in=templates).exclude(photo__enhanced="")
    return dict(rows.values_list("pk", "photo__enhanced"))


def digest_bind(person_id: int) -> str:
    """What the sealed digest of an enrolment photo is bound to."""
    return f"digest|{person_id}"


def photo_bind(person_id: int) -> str:
    """What a sealed enrolment photo is bound to."""
    return f"photo|{person_id}"


def portrait_bind(person_id: int) -> str:
    """What a sealed portrait is bound to."""
    return f"portrait|{person_id}"


def _count_of(rows: QuerySet[Photo] | QuerySet[Template]) -> Coalesce:
    """How many of these rows a person has: counted only for the people that are shown, without a join."""
    mine = rows.filter(person=OuterRef("pk")).order_by().values("person").annotate(count=Count("id"))
    return Coalesce(Subquery(mine.values("count")), 0, output_field=IntegerField())
