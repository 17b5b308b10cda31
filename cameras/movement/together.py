"""Were two people together? What their sightings say, and how much of it chance alone would say.

*Met*: a visit of the first to a camera with a visit of the second to the same camera at most `near` seconds before or
after it; 0 apart is both in view at once. *Went together*: from one camera to another, met at both ends.

How often they would meet by chance is said in two ways. First, the days of the second are moved by one day, two days
and so on, around the span, the time of day kept: who comes at the same hours every day meets whoever else does, without
knowing them (a permutation test on circular shifts). Second, everybody else who was seen near the first one's visits:
how many met them at least as often. Times of day are the site's; where a clock was changed a shifted hour may be off by
one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final

import numpy as np
import numpy.typing as npt
from django.db import connection
from django.utils import timezone

from cameras.models import Sighting
from cameras.movement.paths import Leg, Path, Stop
from cameras.movement.sites import Key

NEAR: Final = 60.0  # seconds
MOST_SHIFTS: Final = 60
FEWEST_SHIFTS: Final = 6  # fewer say nothing
UNLIKELY: Final = 0.05
MOST_VISITS: Final = 500  # of the first one, whose neighbours are looked for
_LONGEST: Final = 3600.0  # seconds: sightings that began longer before a visit are not its neighbours
_DAY: Final = 86_400.0
Seconds = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """Two visits to one camera. `apart`: seconds between them, 0 where both were in view at once."""

    first: Stop
    second: Stop
    apart: float

    @property
    def since(self) -> datetime:
        return min(self.first.since, self.second.since)

    @property
    def until(self) -> datetime:
        return max(self.first.until, self.second.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A leg that both went: met where it began and where it ended."""

    first: Leg
    second: Leg


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """How often visits of the first would be met by the second if they had nothing to do with each other.

    `observed`: visits of the first that were met; `shifts`: how often the second's days were moved; `mean`, `most`: so
    many met then; `as_many`: in how many of the shifts at least as many as observed.
    """

    observed: int
    shifts: int = 0
    mean: float = 0.0
    most: int = 0
    as_many: int = 0

    @property
    def says_something(self) -> bool:
        return self.shifts >= FEWEST_SHIFTS

    @property
    def by_chance(self) -> float:
        """How likely so many or more are by chance, as far as the shifts tell: never 0, they are some of all."""
        return (1 + self.as_many) / (1 + self.shifts)

    @property
    def is_unlikely(self) -> bool:
        return self.observed > 0 and self.by_chance <= UNLIKELY


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Everybody who was seen near the first one's visits, the second aside; and how many of them at least as often."""

    visits: int
    seen: int
    as_often: int
    is_cut: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """What can be said of two people in a span."""

    meetings: tuple[Meeting, ...]
    walks: tuple[Walk, ...]
    chance: Chance
    others: Others
    unlinked: int  # sightings of the span, at the cameras where either was, that are nobody's yet

    @property
    def seconds_at_once(self) -> float:
        """How long both were in view of one camera at the same time."""
        return sum(
            max(0.0, (min(one.first.until, one.second.until) - max(one.first.since, one.second.since)).total_seconds())
            for one in self.meetings
        )


def compare(
    first: Path, second: Path, *, identities: tuple[int, int], since: datetime, until: datetime, near: float = NEAR
) -> Together:
    """Compares the paths that these two identities took in the span."""
    return Together(
        meetings=meetings(first.stops, second.stops, near),
        walks=walks(first.legs, second.legs, near),
        chance=chance(first.stops, second.stops, near),
        others=_others(first.stops, identities, near),
        unlinked=_unlinked(first, second, since, until),
    )


def meetings(first: Sequence[Stop], second: Sequence[Stop], near: float) -> tuple[Meeting, ...]:
    """Each visit of the first with each one of the second that met it, in order of time."""
    by_camera = {key: _Visits(stops) for key, stops in _by_camera(second).items()}
    found = [
        Meeting(first=one, second=other, apart=_apart(one, other))
        for one in first
        if one.key in by_camera
        for other in by_camera[one.key].near(one, timedelta(seconds=near))
    ]
    return tuple(sorted(found, key=lambda meeting: meeting.since))


class _Visits:
    """Visits to one camera in order of time, of which those near another one are found without a look at all."""

    def __init__(self, stops: Sequence[Stop]) -> None:
        self._stops = sorted(stops, key=lambda stop: stop.since)
        self._begins = [stop.since for stop in self._stops]
        self._latest = list(accumulate((stop.until for stop in self._stops), max))  # end of all until this one

    def near(self, one: Stop, margin: timedelta) -> Iterable[Stop]:
        at = bisect_right(self._begins, one.until + margin) - 1
        while at >= 0 and self._latest[at] >= one.since - margin:
            if self._stops[at].until >= one.since - margin:
                yield self._stops[at]
            at -= 1


def walks(first: Sequence[Leg], second: Sequence[Leg], near: float) -> tuple[Walk, ...]:
    """The legs to another camera that both went, met at both ends."""
    by_ends: dict[tuple[Key, Key], list[Leg]] = {}
    for leg in second:
        by_ends.setdefault((leg.start.key, leg.end.key), []).append(leg)
    return tuple(
        Walk(first=leg, second=other)
        for leg in first
        if leg.is_away
        for other in by_ends.get((leg.start.key, leg.end.key), ())
        if _apart(leg.start, other.start) <= near and _apart(leg.end, other.end) <= near
    )


def chance(first: Sequence[Stop], second: Sequence[Stop], near: float) -> Chance:
    """The visits of the first that the second met, and how many it would be with the second's days moved."""
    observed = len({one.first.number for one in meetings(first, second, near)})
    days = _days(first, second)
    if days is None:
        return Chance(observed=observed)
    begin, length = days
    mine, theirs = _clock(first, begin), _clock(second, begin)
    moves = range(1, length)
    if len(moves) > MOST_SHIFTS:
        moves = range(1, length, -(-len(moves) // MOST_SHIFTS))
    met = [
        sum(_met(mine[key], theirs[key], move, length, near) for key in mine.keys() & theirs.keys()) for move in moves
    ]
    if not met:
        return Chance(observed=observed)
    return Chance(
        observed=observed,
        shifts=len(met),
        mean=float(np.mean(met)),
        most=max(met),
        as_many=sum(count >= observed for count in met),
    )


def _met(mine: Seconds, theirs: Seconds, move: int, length: int, near: float) -> int:
    """How many of my visits (n, 2: begin and end in seconds of the span) are met by theirs, moved by so many days."""
    lasted = theirs[:, 1] - theirs[:, 0]
    begins = (theirs[:, 0] + move * _DAY) % (length * _DAY)
    order = np.argsort(begins)
    begins, ends = begins[order], (begins + lasted)[order]
    latest = np.maximum.accumulate(ends)  # the last end of all that began before
    before = np.searchsorted(begins, mine[:, 1] + near, side="right")
    has = before > 0
    return int(np.count_nonzero(latest[before[has] - 1] >= mine[has, 0] - near))


def _days(first: Sequence[Stop], second: Sequence[Stop]) -> tuple[date, int] | None:
    """The first local day of either, and how many days there are until the last one of either."""
    stops = [*first, *second]
    if not first or not second:
        return None
    begin = min(timezone.localtime(stop.since).date() for stop in stops)
    end = max(timezone.localtime(stop.since).date() for stop in stops)
    return begin, (end - begin).days + 1


def _clock(stops: Iterable[Stop], begin: date) -> dict[Key, Seconds]:
    """Visits by camera, in seconds of the wall clock since the first day began."""
    origin = datetime(begin.year, begin.month, begin.day)
    found: dict[Key, list[tuple[float, float]]] = {}
    for stop in stops:
        since = (timezone.localtime(stop.since).replace(tzinfo=None) - origin).total_seconds()
        found.setdefault(stop.key, []).append((since, since + stop.seconds))
    return {key: np.array(rows, np.float64) for key, rows in found.items()}


def _by_camera(stops: Iterable[Stop]) -> Mapping[Key, list[Stop]]:
    found: dict[Key, list[Stop]] = {}
    for stop in stops:
        found.setdefault(stop.key, []).append(stop)
    return found


def _apart(one: Stop, other: Stop) -> float:
    between = max((other.since - one.until).total_seconds(), (one.since - other.until).total_seconds())
    return max(0.0, between)


# Each visit with everybody whose sighting at that camera was near it. The index on (camera, first_seen) finds them.
_NEIGHBOURS = """
SELECT found.identity_id, count(DISTINCT visit.number)
FROM unnest(%s::int[], %s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS visit(number, camera, since, until)
JOIN cameras_sighting AS found ON found.camera_id = visit.camera AND NOT found.is_doubted
    AND found.first_seen BETWEEN visit.since - make_interval(secs => %s) AND visit.until
    AND found.last_seen >= visit.since
WHERE found.identity_id IS NOT NULL AND found.identity_id <> %s GROUP BY found.identity_id
"""


def _others(stops: Sequence[Stop], identities: tuple[int, int], near: float) -> Others:
    """Who else was near the newest visits of the first; one query."""
    kept = [stop for stop in stops if stop.spot.camera is not None]
    asked = kept[-MOST_VISITS:]
    margin = timedelta(seconds=near)
    columns = (
        [stop.number for stop in asked],
        [stop.spot.camera for stop in asked],
        [stop.since - margin for stop in asked],
        [stop.until + margin for stop in asked],
    )
    me, other = identities
    with connection.cursor() as cursor:
        cursor.execute(_NEIGHBOURS, [*columns, _LONGEST, me])
        met = dict(cursor.fetchall())
    often = met.pop(other, 0)
    return Others(
        visits=len(asked),
        seen=len(met),
        as_often=sum(count >= often for count in met.values()) if often else 0,
        is_cut=len(kept) > len(asked),
    )


def _unlinked(first: Path, second: Path, since: datetime, until: datetime) -> int:
    cameras = {stop.spot.camera for path in (first, second) for stop in path.stops if stop.spot.camera is not None}
    nobody = Sighting.objects.filter(camera__in=cameras, identity=None, first_seen__gte=since, first_seen__lt=until)
    return nobody.count()
