"""Stored sightings as facts for a preview, with what the rule's watchlists ask for and with passages of its zones."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db.models import Q, QuerySet

from alerts.models import Trigger, Who
from alerts.rules.book import CompiledRule
from alerts.rules.evaluate import GAP_SECONDS, LEFT_SECONDS
from alerts.rules.facts import Passed, SightingFacts
from cameras.models import Passage, PassageKind, Sighting, Verdict
from recognition.models import WatchlistEntry
from recognition.selectors import threshold_on, valid_entries

_MOST_PASSAGES: Final = 200_000
_CHUNK: Final = 2000


class _Row(NamedTuple):
    """The columns that are read, in the order in which they are asked for."""

    id: uuid.UUID
    camera: int | None
    camera_name: str
    latitude: float | None
    longitude: float | None
    first_seen: datetime
    last_seen: datetime
    verdict: str
    person: int | None
    similarity: float | None
    quality: float
    frames: int
    pack: str


def lookback(rule: CompiledRule) -> timedelta:
    """How far before the first sighting that counts the earlier ones matter."""
    if rule.trigger in (Trigger.STAYS, Trigger.RETURNS, Trigger.FOLLOWS):
        return timedelta(seconds=rule.seconds + GAP_SECONDS)
    return timedelta(seconds=LEFT_SECONDS)


def sightings_for(rule: CompiledRule) -> QuerySet[Sighting]:
    """The sightings that can matter; where the rule asks what was before, all of the people's."""
    found = Sighting.objects.all()
    if rule.who is Who.LISTED:
        on = WatchlistEntry.objects.filter(watchlist__in=rule.watchlists).values("person")
        found = found.filter(Q(person__in=rule.people) | Q(person__in=on), verdict=Verdict.KNOWN)
    elif rule.who is Who.UNKNOWN:
        found = found.filter(verdict=Verdict.UNKNOWN)
    elif rule.who is Who.NOT_LISTED:
        found = found.exclude(verdict=Verdict.UNDECIDED)
    reach = rule.where.reach
    if reach is None or rule.where.placed_zones:
        return found
    return found.filter(camera__in=reach | rule.before.cameras)


def facts_of_all(found: QuerySet[Sighting], rule: CompiledRule, start: datetime) -> Iterator[SightingFacts]:
    """The facts of these sightings, each with all that became of it, in the order in which they began."""
    listed, passages = _Lists(rule), _passages(rule, start)
    for values in found.order_by("first_seen", "id").values_list(*_Row._fields).iterator(chunk_size=_CHUNK):
        row = _Row(*values)
        person = row.person if row.verdict == Verdict.KNOWN else None
        yield SightingFacts(
            id=row.id,
            camera=row.camera,
            camera_name=row.camera_name,
            latitude=row.latitude,
            longitude=row.longitude,
            first_seen=row.first_seen,
            last_seen=max(row.first_seen, row.last_seen),
            verdict=Verdict(row.verdict),
            person=person,
            similarity=row.similarity,
            quality=row.quality,
            frames=row.frames,
            at=row.first_seen,
            lists=listed.reached(person, row.similarity, row.pack),
            member_of=listed.of(person),
            passages=tuple(passages.get(row.id, ())),
        )


class _Lists:
    """Who is on the rule's watchlists now, and what these ask for."""

    def __init__(self, rule: CompiledRule) -> None:
        self._entries: dict[int, list[WatchlistEntry]] = defaultdict(list)
        self._thresholds: dict[tuple[int, str], float] = {}
        if rule.watchlists:
            for entry in valid_entries().filter(watchlist__in=rule.watchlists):
                self._entries[entry.person_id].append(entry)

    def reached(self, person: int | None, similarity: float | None, pack: str) -> Mapping[int, str]:
        """The lists whose threshold the similarity reaches, with their names."""
        if person is None or similarity is None:
            return {}
        return {
            entry.watchlist_id: entry.watchlist.name
            for entry in self._entries.get(person, ())
            if similarity >= self._asked(entry, pack)
        }

    def of(self, person: int | None) -> frozenset[int]:
        return frozenset(entry.watchlist_id for entry in self._entries.get(person or 0, ()))

    def _asked(self, entry: WatchlistEntry, pack: str) -> float:
        key = (entry.watchlist_id, pack)
        if key not in self._thresholds:
            self._thresholds[key] = threshold_on(entry.watchlist, pack)
        return self._thresholds[key]


def _passages(rule: CompiledRule, start: datetime) -> Mapping[uuid.UUID, list[Passed]]:
    found: dict[uuid.UUID, list[Passed]] = defaultdict(list)
    zones = rule.where.picture_zones
    if not zones:
        return found
    rows = Passage.objects.filter(zone__in=zones, at__gte=start).order_by("-at")
    values = list(rows.values_list("sighting", "number", "zone", "kind", "at")[:_MOST_PASSAGES])
    for sighting, _, zone, kind, at in sorted(values, key=lambda one: (one[4], one[1])):
        found[sighting].append(Passed(zone=zone, kind=PassageKind(kind), at=at))
    return found
