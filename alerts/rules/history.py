"""What was seen before, from stored sightings. Each question is one query, bounded in time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from alerts.rules.facts import Before, SightingFacts, facts_of
from cameras.models import Passage, Sighting
from recognition.selectors import valid_entries

LAG_SECONDS: Final = 4.0  # what is in view was written last so long ago at most
MOST: Final = 500


class StoredHistory:
    """Asks the database; the same question is asked once a sighting."""

    def __init__(self) -> None:
        self._before: dict[tuple[object, datetime], tuple[Before, ...]] = {}

    def before(self, facts: SightingFacts, *, since: datetime) -> tuple[Before, ...]:
        if facts.person is None:
            return ()
        key = (facts.id, since)
        if key not in self._before:
            self._before[key] = _before(facts, since)
        return self._before[key]

    def together(self, facts: SightingFacts, *, cameras: Collection[int] | None) -> tuple[SightingFacts, ...]:
        lag = timedelta(seconds=LAG_SECONDS)
        found = Sighting.objects.filter(first_seen__lte=facts.at, last_seen__gte=facts.at - lag).exclude(pk=facts.id)
        if cameras is not None:
            found = found.filter(camera__in=cameras)
        # One who is closed was in view until then; one who is open may have been written a moment ago.
        rows = list(found.filter(Q(is_open=True) | Q(last_seen__gte=facts.at)).defer("sealed_shot")[:MOST])
        passages: dict[object, list[Passage]] = {}
        for passage in Passage.objects.filter(sighting__in=rows):
            passages.setdefault(passage.sighting_id, []).append(passage)
        lists = _lists(rows)
        others = [
            facts_of(
                row,
                at=facts.at,
                lists=lists.get(row.person_id or 0, {}),
                member_of=lists.get(row.person_id or 0, {}),
                passages=passages.get(row.pk, ()),
            )
            for row in rows
        ]
        return (facts, *others)


def _before(facts: SightingFacts, since: datetime) -> tuple[Before, ...]:
    rows = (
        Sighting.objects.filter(
            person=facts.person,
            verdict="known",
            first_seen__gte=since - timedelta(days=1),  # of the index by person; nobody is in view for longer
            first_seen__lt=facts.first_seen,
            last_seen__gte=since,
        )
        .exclude(pk=facts.id)
        .order_by("-first_seen")
        .values_list("camera", "camera_name", "latitude", "longitude", "first_seen", "last_seen")[:MOST]
    )
    found = [
        Before(
            camera=row[0], camera_name=row[1], latitude=row[2], longitude=row[3], first_seen=row[4], last_seen=row[5]
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda one: one.last_seen, reverse=True))


def _lists(rows: Collection[Sighting]) -> dict[int, dict[int, str]]:
    """The watchlists that these people are on, by person."""
    people = {row.person_id for row in rows if row.person_id is not None}
    found: dict[int, dict[int, str]] = {}
    if people:
        for entry in valid_entries().filter(person__in=people):
            found.setdefault(entry.person_id, {})[entry.watchlist_id] = entry.watchlist.name
    return found
