"""Charts with axes: histograms, a line over time, and the lanes of a timeline.

Places are percent of the chart, so that it is as wide as the screen while its text keeps its size. Ticks that are too
close on a narrow screen are marked, and left out there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from cameras.movement.drawing.labels import percent
from cameras.movement.paths import Stop
from cameras.movement.sites import Key

MOST_LANES: Final = 24
MOST_BARS: Final = 600  # of a timeline; the newest
LANE: Final = 44  # pixels
_THINNEST: Final = 0.0004  # of the width: a bar without any is not drawn at all
_BESIDE: Final = 9  # pixels from one person's bar to the other's


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis; `is_minor`: left out on narrow screens."""

    at: str
    text: str
    is_minor: bool = False
    anchor: str = "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One bar of a histogram."""

    left: str
    width: str
    top: str
    height: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A histogram (`columns`) or a line (`line`: points of a sheet of 100 by 100)."""

    name: str
    title: str
    said: str
    columns: tuple[Column, ...] = ()
    line: str = ""
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A bar of a timeline, in its lane. `whose`: 0 the first person, 1 the second."""

    left: str
    width: str
    top: int
    whose: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A camera's row; `text` and `line` are where its name and the line below it go, in pixels."""

    name: str
    top: int

    @property
    def text(self) -> int:
        return self.top + 13

    @property
    def line(self) -> int:
        return self.top + LANE - 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """A timeline: a lane for each camera, bars of one or two people in it."""

    name: str
    title: str
    said: str
    height: int
    lanes: tuple[Lane, ...]
    bars: tuple[Span, ...]
    across: tuple[Tick, ...]
    left_out: str = ""


def histogram(bins: Sequence[tuple[str, int]], *, name: str, title: str, said: str) -> Chart | None:
    """A bar for each bin; None where all are empty. Bins at the end that are empty are not drawn."""
    used = max((number for number, (_, count) in enumerate(bins, 1) if count), default=0)
    if not used:
        return None
    bins = bins[:used]
    most = nice(max(count for _, count in bins))
    room = 1 / used
    columns = tuple(
        Column(
            left=percent(room * (number + 0.06)),
            width=percent(room * 0.88),
            top=percent(1 - count / most),
            height=percent(count / most),
            title=f"{text}: {count:,}",
        )
        for number, (text, count) in enumerate(bins)
    )
    every = math.ceil(used / 8)
    across = tuple(
        Tick(at=percent(room * (number + 0.5)), text=text, is_minor=number // every % 2 == 1)
        for number, (text, _) in enumerate(bins)
        if number % every == 0
    )
    return Chart(name=name, title=title, said=said, columns=columns, across=across, up=_up(most))


def line(values: Sequence[float], starts: Sequence[datetime], *, name: str, title: str, said: str) -> Chart | None:
    """Values over equal steps of time, drawn as steps; None where all are 0."""
    if not values or max(values) <= 0:
        return None
    most = nice(max(values))
    room, points = 100 / len(values), []
    for number, value in enumerate(values):
        height = f"{100 - 100 * value / most:.2f}"
        points += [f"{room * number:.2f},{height}", f"{room * (number + 1):.2f},{height}"]
    step = starts[1] - starts[0] if len(starts) > 1 else timedelta(hours=1)
    across = _times(starts[0], starts[-1] + step)
    return Chart(name=name, title=title, said=said, line=" ".join(points), across=across, up=_up(most))


def lanes(people: Sequence[tuple[str, Sequence[Stop]]], *, name: str, title: str) -> Lanes | None:
    """When one or two people (names and stops) were at which camera; None where neither was anywhere."""
    every = [(whose, stop) for whose, (_, stops) in enumerate(people) for stop in stops]
    if not every:
        return None
    kept = sorted(every, key=lambda row: row[1].since)[-MOST_BARS:]
    cameras = _busiest(stop for _, stop in kept)
    shown = {key: number for number, key in enumerate(cameras[:MOST_LANES])}
    drawn = [(whose, stop) for whose, stop in kept if stop.key in shown]
    since, until = _padded(drawn)
    whole = (until - since).total_seconds()
    names = {stop.key: stop.spot.name for _, stop in drawn}
    bars = tuple(
        Span(
            left=percent((stop.since - since).total_seconds() / whole),
            width=percent(max(stop.seconds / whole, _THINNEST)),
            top=shown[stop.key] * LANE + 19 + whose * _BESIDE,
            whose=whose,
            title=f"{people[whose][0]}: {stop.spot.name}, {_clock(stop.since)} to {_clock(stop.until)}",
        )
        for whose, stop in drawn
    )
    return Lanes(
        name=name,
        title=title,
        said=f"{len(drawn)} visits to {len(shown)} cameras from {_clock(since)} to {_clock(until)}. The table of stops "
        "has the times.",
        height=len(shown) * LANE,
        lanes=tuple(Lane(name=names[key], top=number * LANE) for key, number in shown.items()),
        bars=bars,
        across=_times(since, until),
        left_out=_left_out(len(every), len(drawn), len(cameras), len(shown)),
    )


def nice(most: float) -> float:
    """The end of an axis that holds it: an even number, or 1, with zeros."""
    if most <= 1:
        return 1.0
    power = 10 ** math.floor(math.log10(most))
    return float(next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= most))


def _up(most: float) -> tuple[Tick, ...]:
    """Marks on the axis that goes up: none, half, all; whole numbers only."""
    shares = (0.0, 0.5, 1.0) if most >= 2 else (0.0, 1.0)
    return tuple(Tick(at=percent(1 - share), text=f"{most * share:,g}") for share in shares)


_STEPS: Final = (
    (timedelta(minutes=1), "%H:%M"),
    (timedelta(minutes=5), "%H:%M"),
    (timedelta(minutes=15), "%H:%M"),
    (timedelta(hours=1), "%H:%M"),
    (timedelta(hours=3), "%H:%M"),
    (timedelta(hours=6), "%d %b %H:%M"),
    (timedelta(days=1), "%d %b"),
    (timedelta(days=7), "%d %b"),
    (timedelta(days=28), "%d %b %y"),
)


def _times(since: datetime, until: datetime) -> tuple[Tick, ...]:
    """At most eight marks at round times of the site's clock."""
    whole = until - since
    step, form = next((one for one in _STEPS if whole / one[0] <= 8), _STEPS[-1])
    if whole > timedelta(hours=20) and form == "%H:%M":
        form = "%d %b %H:%M"
    midnight = timezone.localtime(since).replace(hour=0, minute=0, second=0, microsecond=0)
    first = midnight + step * math.ceil((timezone.localtime(since) - midnight) / step)
    shown = 4 if len(form) > 6 else 2  # one of so many, on a narrow screen
    ticks: list[Tick] = []
    while (moment := first + step * len(ticks)) <= until and len(ticks) < 16:
        # Wall-clock arithmetic, so that a day's mark is midnight also after the clock was changed.
        share = (moment.timestamp() - since.timestamp()) / whole.total_seconds()
        anchor = "start" if share < 0.05 else "end" if share > 0.95 else "middle"
        ticks.append(
            Tick(at=percent(share), text=moment.strftime(form), is_minor=len(ticks) % shown != 0, anchor=anchor)
        )
    return tuple(ticks)


def _padded(drawn: Iterable[tuple[int, Stop]]) -> tuple[datetime, datetime]:
    stops = [stop for _, stop in drawn]
    since, until = min(stop.since for stop in stops), max(stop.until for stop in stops)
    room = max(timedelta(seconds=30), (until - since) / 50)
    return since - room, until + room


def _busiest(stops: Iterable[Stop]) -> list[Key]:
    """Cameras in the order of their first visit; those with most visits where there are too many."""
    counts: dict[Key, int] = {}
    for stop in stops:
        counts[stop.key] = counts.get(stop.key, 0) + 1
    if len(counts) <= MOST_LANES:
        return list(counts)
    return sorted(counts, key=lambda key: -counts[key])


def _left_out(every: int, drawn: int, cameras: int, shown: int) -> str:
    parts = []
    if cameras > shown:
        parts.append(f"The {shown} busiest of {cameras} cameras are drawn.")
    if every > drawn:
        parts.append(f"{drawn} of {every} visits are drawn; the table has more.")
    return " ".join(parts)


def _clock(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%d %b %Y, %H:%M:%S}"
