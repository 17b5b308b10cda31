"""What somebody usually does, from the stops of their path: hours, cameras, coming back, to and fro, at night.

Hours and weekdays are the site's. Night is from NIGHT[0] to NIGHT[1]. *To and fro*: A, B, A and B again, or more, each
way within MINUTES. What is counted are visits, so that standing in view for long counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from cameras.movement.paths import Path, Stop
from cameras.movement.sites import Key

NIGHT: Final = (22, 6)
MINUTES: Final = 30
FEWEST_CHANGES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAndFro:
    """Two cameras between which they changed `changes` times in a row."""

    first: str
    second: str
    changes: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Returns:
    """A camera to which they came more than once. `days`: on so many days of the site's clock."""

    name: str
    visits: int
    days: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Habits:
    """`week`: (7, 24) visits that began in each hour of the week, Monday first."""

    week: npt.NDArray[np.float64]
    visits: int
    days: int
    night: tuple[Stop, ...]
    returns: tuple[Returns, ...]
    to_and_fro: tuple[ToAndFro, ...]

    @property
    def usual_hour(self) -> int | None:
        """The hour of the day in which most visits began; the first of several."""
        return int(self.week.sum(axis=0).argmax()) if self.visits else None


def habits(path: Path) -> Habits:
    """What a path says of its person's habits."""
    week = np.zeros((7, 24))
    for stop in path.stops:
        local = timezone.localtime(stop.since)
        week[local.weekday(), local.hour] += 1
    return Habits(
        week=week,
        visits=len(path.stops),
        days=len(_days(path.stops)),
        night=tuple(stop for stop in path.stops if _is_night(stop.since)),
        returns=tuple(_returns(path.stops)),
        to_and_fro=tuple(_to_and_fro(path)),
    )


def _is_night(moment: datetime) -> bool:
    hour = timezone.localtime(moment).hour
    return hour >= NIGHT[0] or hour < NIGHT[1]


def _days(stops: Iterable[Stop]) -> set[object]:
    return {timezone.localtime(stop.since).date() for stop in stops}


def _returns(stops: Sequence[Stop]) -> Iterable[Returns]:
    found: dict[Key, list[Stop]] = {}
    for stop in stops:
        found.setdefault(stop.key, []).append(stop)
    for visits in sorted(found.values(), key=len, reverse=True):
        if len(visits) > 1:
            yield Returns(
                name=visits[0].spot.name,
                visits=len(visits),
                days=len(_days(visits)),
                first=visits[0].since,
                last=visits[-1].since,
            )


def _to_and_fro(path: Path) -> Iterable[ToAndFro]:
    """The longest rows of legs between the same two cameras, one after the other."""
    row: list[Stop] = []
    for leg in path.legs:
        goes_on = leg.is_away and leg.seconds <= MINUTES * 60
        if goes_on and len(row) >= 2 and leg.end.key == row[-2].key:
            row.append(leg.end)
            continue
        yield from _said(row)
        row = [leg.start, leg.end] if goes_on else []
    yield from _said(row)


def _said(row: Sequence[Stop]) -> Iterable[ToAndFro]:
    if len(row) - 1 >= FEWEST_CHANGES:
        yield ToAndFro(
            first=row[0].spot.name,
            second=row[1].spot.name,
            changes=len(row) - 1,
            since=row[0].since,
            until=row[-1].until,
        )
