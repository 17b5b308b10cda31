"""What people should be asked about cameras: do their views overlap, and why is nobody there when they could be?

Rests on conflicts of the last DAYS (the newest MOST), and on what was learned. Reads only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from cameras.health import CLOCK_SECONDS
from cameras.models import Camera, CameraLease, ConflictKind, Route, SightingConflict, TravelTime
from cameras.topology.distances import placed, spot
from cameras.topology.reading import Distance, Pair, distance_of

DAYS: Final = 7
MOST: Final = 20_000
SHOWN: Final = 20
LEAST_PEOPLE: Final = 3  # of fewer nothing is said but what happened
LEAST_TIMES: Final = 5
_AT_ONCE_SHARE: Final = 0.3  # of the transitions that were learned: so many at once, and the views seem to overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Somebody was at two cameras at once, and nobody has said whether their views overlap."""

    start: Camera
    end: Camera
    times: int
    people: int

    @property
    def seems_so(self) -> bool:
        """Whether it was so often that it is no mistake."""
        return self.people >= LEAST_PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """People seem to do what nobody can between two cameras: a clock is wrong, or what is known of the way.

    `clocks`: those of their workers that are known to be wrong, by how many seconds ahead of the database's.
    """

    start: Camera
    end: Camera
    times: int
    people: int
    possible: int  # transitions that were possible
    distance: Distance | None
    clocks: tuple[tuple[Camera, float], ...]


@dataclass(slots=True, kw_only=True)
class _Pair:
    """What happened between two cameras, in either direction."""

    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    people: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    learned: list[TravelTime] = field(default_factory=list)

    @property
    def at_once(self) -> tuple[int, int]:
        """How often, and by how many people, as far as one of both ways of counting knows."""
        kind = ConflictKind.AT_ONCE.value
        rows = [row for row in self.learned if row.at_once >= _AT_ONCE_SHARE * row.count]
        times = max(self.times[kind], sum(row.at_once for row in rows))
        return times, max(len(self.people[kind]), max((row.people for row in rows), default=0))

    @property
    def impossible(self) -> tuple[int, int]:
        return sum(self.times.values()), len(set().union(*self.people.values()))

    @property
    def possible(self) -> int:
        return sum(row.count for row in self.learned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that people should look at, most often seen first."""

    questions: list[Question]
    suspicions: list[Suspicion]


def asked(*, now: datetime | None = None) -> Asked:
    """What is to be asked now, of SHOWN pairs of cameras each at most."""
    found = _happened((now or timezone.now()) - timedelta(days=DAYS))
    routes = {_pair(row.start_id, row.end_id): row for row in Route.objects.all()}
    cameras = placed().in_bulk({pk for pair in found for pk in pair})
    questions, suspicions = list[Question](), list[Suspicion]()
    for pair, seen in found.items():
        if not cameras.keys() >= set(pair):
            continue
        start, end = cameras[pair[0]], cameras[pair[1]]
        distance, route = distance_of(spot(start), spot(end)), routes.get(pair)
        is_far = distance is not None and distance.least > 0
        if route is None and not is_far:
            questions += _question(start, end, seen)
        elif route is None or not route.overlaps:
            suspicions += _suspicion(start, end, seen, distance)
    return Asked(
        questions=sorted(questions, key=lambda one: (-one.people, -one.times, one.start.name))[:SHOWN],
        suspicions=_with_clocks(sorted(suspicions, key=lambda one: (-one.people, -one.times))[:SHOWN]),
    )


def _question(start: Camera, end: Camera, seen: _Pair) -> list[Question]:
    times, people = seen.at_once
    return [Question(start=start, end=end, times=times, people=people)] if times else []


def _suspicion(start: Camera, end: Camera, seen: _Pair, distance: Distance | None) -> list[Suspicion]:
    """Where more was impossible than possible, or most people are faster than anybody can be."""
    times, people = seen.impossible
    least = distance.least if distance is not None else 0.0
    too_fast = [row for row in seen.learned if row.p50 < least and row.people >= LEAST_PEOPLE]
    if too_fast:
        times, people = max(times, sum(row.count for row in too_fast)), max(people, *(row.people for row in too_fast))
    possible = seen.possible - sum(row.count for row in too_fast)
    if people < LEAST_PEOPLE or times < LEAST_TIMES or times <= possible:
        return []
    made = Suspicion(start=start, end=end, times=times, people=people, possible=possible, distance=distance, clocks=())
    return [made]


def _happened(since: datetime) -> Mapping[Pair, _Pair]:
    """Conflicts and what was learned, by pairs of cameras whose lower id is first."""
    found: dict[Pair, _Pair] = defaultdict(_Pair)
    newest = SightingConflict.objects.filter(
        at__gte=since, stronger__camera__isnull=False, weaker__camera__isnull=False
    ).order_by("-id")
    columns = newest.values_list("stronger__camera", "weaker__camera", "identity", "kind")
    for stronger, weaker, identity, kind in columns[:MOST]:
        if stronger is not None and weaker is not None and stronger != weaker:
            seen = found[_pair(stronger, weaker)]
            seen.times[kind] += 1
            seen.people[kind].add(identity)
    for row in TravelTime.objects.all():
        if row.at_once or row.p50 < 0 or _pair(row.start_id, row.end_id) in found:
            found[_pair(row.start_id, row.end_id)].learned.append(row)
    return found


def _with_clocks(suspicions: list[Suspicion]) -> list[Suspicion]:
    """With the workers' clocks that are known to be wrong."""
    cameras = {camera.pk: camera for one in suspicions for camera in (one.start, one.end)}
    rows = CameraLease.objects.filter(camera__in=cameras, clock_offset__isnull=False)
    offsets = dict(rows.values_list("camera", "clock_offset"))
    wrong = {pk: seconds for pk, seconds in offsets.items() if seconds is not None and abs(seconds) > CLOCK_SECONDS}
    return [
        replace(one, clocks=tuple((each, wrong[each.pk]) for each in (one.start, one.end) if each.pk in wrong))
        for one in suspicions
    ]


def _pair(one: int, other: int) -> Pair:
    return (one, other) if one < other else (other, one)
