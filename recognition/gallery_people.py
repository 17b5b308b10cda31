"""What the gallery knows of its people beside their templates: names, and the thresholds that watchlists ask for.

Each is read whole, or only for the people of whom something changed. Errors: DatabaseError.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from django.db.models import Case, F, Min, Q, Value, When

from recognition.engine import Pack
from recognition.gallery_changes import MOST, Subjects
from recognition.models import Person, WatchlistEntry
from recognition.overlay import overlaid
from recognition.selectors import valid_entries


def names(known: Mapping[int, str], changed: Subjects) -> Mapping[int, str]:
    """Everybody's name: the known ones, and those that changed (None: all) read anew."""
    if changed is None:
        return dict(Person.objects.order_by().values_list("id", "name"))
    if not changed:
        return known
    now = dict(Person.objects.filter(pk__in=changed).values_list("id", "name"))
    return overlaid(known, {person: now.get(person) for person in changed})


def thresholds(
    known: Mapping[int, float],
    *,
    pack: Pack,
    listed: Subjects,
    watchlists: Subjects,
    passed: tuple[datetime, datetime] | None,
) -> Mapping[int, float]:
    """The thresholds of those whose watchlists say something else than the pack.

    Read anew for the people with changed entries (`listed`; None: everybody), those on changed watchlists, and those
    whose entries began or were over in the span.
    """
    if listed is None or watchlists is None:
        return _thresholds(pack, None)
    people = set(listed)
    touched = Q(watchlist__in=watchlists) if watchlists else Q()
    if passed is not None:
        touched |= Q(starts_at__range=passed) | Q(expires_at__range=passed)
    if touched:
        found = WatchlistEntry.objects.filter(touched).order_by().values_list("person", flat=True)
        people.update(found[: MOST + 1])
    if len(people) > MOST:
        return _thresholds(pack, None)
    if not people:
        return known
    now = _thresholds(pack, people)
    return overlaid(known, {person: now.get(person) for person in people})


def next_expiry(now: datetime) -> datetime | None:
    """When the next entry of an active watchlist begins or is over: until then what is read now holds."""
    entries = WatchlistEntry.objects.filter(watchlist__is_active=True).order_by()
    starts = entries.filter(starts_at__gt=now).aggregate(first=Min("starts_at"))["first"]
    ends = entries.filter(expires_at__gt=now).aggregate(first=Min("expires_at"))["first"]
    return min((time for time in (starts, ends) if time is not None), default=None)


def _thresholds(pack: Pack, people: Collection[int] | None) -> dict[int, float]:
    """The lowest threshold among a person's valid watchlists, where that is not the pack's own.

    A watchlist's threshold is a similarity of one pack; with another pack the watchlist asks for that pack's own.
    """
    own = When(
        watchlist__threshold__isnull=False, watchlist__threshold_pack=pack.version, then=F("watchlist__threshold")
    )
    entries = valid_entries() if people is None else valid_entries().filter(person__in=people)
    lowest = entries.values_list("person").annotate(lowest=Min(Case(own, default=Value(pack.threshold))))
    return {person: threshold for person, threshold in lowest if threshold != pack.threshold}
