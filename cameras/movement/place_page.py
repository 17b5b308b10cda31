"""What the pages of movement at all cameras, on a plan and at one camera show, put together from figures."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cameras.movement.drawing.charts import Chart, histogram, line
from cameras.movement.drawing.frames import Frame
from cameras.movement.drawing.grids import Grid, PictureGrid, matrix, picture_grid, week_grid
from cameras.movement.drawing.shades import Step, scale
from cameras.movement.drawing.sheets import Flow, Sheet, flow_sheet, heat_sheet
from cameras.movement.dwell import CameraDwell, Dwell, dwell
from cameras.movement.heat import PictureHeat, PlanHeat, picture_heat, plan_heat
from cameras.movement.hours import Nights, Timeline, WeekHours, nights, timeline, visits
from cameras.movement.place import Period
from cameras.movement.presence import (
    BackAndForth,
    Loitering,
    Occupancy,
    Revisits,
    back_and_forth,
    loitering,
    occupancy,
    revisits,
)
from cameras.movement.sites import Key
from cameras.movement.spans import read_spans
from cameras.movement.sums import Sums
from cameras.movement.transitions import Leg, Transitions, Travel, transitions, travel
from cameras.movement.unusual import UnusualHours, UnusualVisits, unusual_hours, unusual_visits
from cameras.movement.who import names
from cameras.templatetags.movement import duration

MOST_ROWS: Final = 20
Weekdays = Collection[int] | None
Hours = Collection[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """How many were in view at once."""

    figure: Occupancy
    chart: Chart | None
    steps: tuple[tuple[datetime, int, float], ...]  # begin, most, mean: what the chart shows, for its table


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """Ways between cameras: the most frequent legs, and the travel times of one of them."""

    figure: Transitions
    grid: Grid | None
    legs: tuple[Leg, ...]  # the most frequent that lead to another camera
    legs_in_all: int
    travel: Travel | None
    chart: Chart | None
    bins: tuple[tuple[str, int], ...]  # what the chart shows, for its table


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """How long faces were in view."""

    figure: Dwell
    chart: Chart | None
    bins: tuple[tuple[str, int], ...]
    rows: tuple[CameraDwell, ...]  # of all together, and of the cameras with most sightings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacePage:
    """The figures of a place. `names`: what the identities in them are called."""

    total: Timeline
    present: Present
    week: WeekHours
    week_grid: Grid | None
    ways: Ways | None
    stays: Stays
    loitering: Loitering
    revisits: Revisits
    back_and_forth: BackAndForth
    nights: Nights
    hours: UnusualHours
    odd: UnusualVisits
    names: dict[int, str]

    @property
    def sightings(self) -> int:
        return int(self.total.sightings.sum())

    @property
    def known(self) -> int:
        return int(self.total.known.sum())

    @property
    def unknown(self) -> int:
        return int(self.total.unknown.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPage:
    """What is drawn on a plan: where most were seen, and how they went."""

    heat: PlanHeat
    heat_sheet: Sheet
    legend: tuple[Step, ...]
    flows: Sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturePage:
    """Where in a camera's picture faces were."""

    figure: PictureHeat
    grid: PictureGrid | None


def place_page(sums: Sums, period: Period, *, ways: Ways | None) -> PlacePage:
    """All figures of the place that the sums are of."""
    place = sums.place
    spans = read_spans(place, period)
    week = visits(sums)
    stays, back, odd = loitering(spans), back_and_forth(spans), unusual_visits(spans)
    again = revisits(spans)
    people = {row.identity for row in stays.longest if row.identity is not None}
    people.update(row.identity for row in again.rows)
    people.update(row.identity for row in back.rows)
    people.update(row.identity for row in odd.rows)
    return PlacePage(
        total=timeline(sums, step="day"),
        present=_present(occupancy(spans)),
        week=week,
        week_grid=week_grid(week.means, name="week", caption="Sightings an hour, by hour and weekday"),
        ways=ways,
        stays=_stays(dwell(sums)),
        loitering=stays,
        revisits=again,
        back_and_forth=back,
        nights=nights(sums),
        hours=unusual_hours(place, period),
        odd=odd,
        names=names(people),
    )


def ways_of(sums: Sums, *, pair: tuple[int, int] | None, only: int | None = None) -> Ways:
    """The ways among the cameras of the place; `pair`: whose travel times are drawn, where not the most frequent
    one's; `only`: the ways from and to this camera."""
    figure = transitions(sums)
    away = [leg for leg in figure.legs if leg.start != leg.end and (only is None or only in (leg.start, leg.end))]
    known = {spot.id for spot in figure.spots}
    if pair is None or not known.issuperset(pair):
        pair = (away[0].start, away[0].end) if away else None
    found = travel(sums, start=pair[0], end=pair[1]) if pair is not None else None
    bins = _bins(found.edges, found.counts.tolist()) if found is not None else ()
    names_here = [spot.name for spot in figure.spots]
    return Ways(
        figure=figure,
        grid=matrix(names_here, figure.counts, name="matrix", caption="From the camera of a row to that of a column")
        if only is None
        else None,
        legs=tuple(away[:MOST_ROWS]),
        legs_in_all=len(away),
        travel=found,
        chart=histogram(
            bins,
            name="travel",
            title=f"Travel times from {found.leg.start_name} to {found.leg.end_name}",
            said=f"{found.leg.count:,} ways; the table has the numbers.",
        )
        if found is not None
        else None,
        bins=bins,
    )


def plan_page(sums: Sums, frame: Frame, found: Transitions, *, weekdays: Weekdays, hours: Hours, name: str) -> PlanPage:
    """The drawings on a plan (`sums` of its cameras), on these weekdays and in these hours."""
    heat = plan_heat(sums, weekdays=weekdays, hours=hours)
    values: dict[Key, tuple[float, str]] = {
        (row.spot.id, ""): (row.seconds, duration(row.seconds)) for row in heat.spots
    }
    most = max((row.seconds for row in heat.spots), default=0.0)
    flows = [Flow(start=(leg.start, ""), end=(leg.end, ""), count=leg.count) for leg in found.legs]
    return PlanPage(
        heat=heat,
        heat_sheet=heat_sheet(frame, values, name="heat", title=f"Where people were seen on {name}"),
        legend=_in_words(most),
        flows=flow_sheet(frame, flows, name="flows", title=f"How people went from camera to camera on {name}"),
    )


def picture_page(camera: int, period: Period, *, weekdays: Weekdays, hours: Hours, name: str) -> PicturePage | None:
    """The heat of a camera's picture; None where the camera was removed meanwhile."""
    figure = picture_heat(camera, period, weekdays=weekdays, hours=hours)
    if figure is None:
        return None
    grid = picture_grid(figure.seconds, name="picture", title=f"Where faces were in the picture of {name}")
    return PicturePage(figure=figure, grid=grid)


def _present(figure: Occupancy) -> Present:
    said = f"At most {figure.peak} at once. The table has the numbers of each step."
    chart = line(
        figure.most.tolist(),
        figure.starts,
        name="present",
        title="People in view at once, the most of each step",
        said=said,
    )
    steps = tuple(zip(figure.starts, figure.most.tolist(), figure.mean.tolist(), strict=True))
    return Present(figure=figure, chart=chart, steps=steps)


def _stays(figure: Dwell) -> Stays:
    bins = _bins(figure.edges, figure.counts.tolist())
    said = f"{figure.total.sightings:,} sightings; the table has the numbers."
    chart = histogram(bins, name="stays", title="How long faces were in view", said=said)
    rows = (figure.total, *(row for row in figure.cameras[:MOST_ROWS] if row.sightings))
    return Stays(figure=figure, chart=chart, bins=bins, rows=rows)


def _bins(edges: Sequence[float], counts: Iterable[int]) -> tuple[tuple[str, int], ...]:
    """What each bin is called, from the first to the last that is not empty."""
    rows = [(_bin(low, high), count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]
    used = [at for at, (_, n) in enumerate(rows) if n]
    return tuple(rows[used[0] : used[-1] + 1]) if used else ()


def _bin(low: float, high: float) -> str:
    if math.isinf(high):
        return f"over {_edge(low)}"
    return f"{_edge(low)} to {_edge(high)}" if low else f"under {_edge(high)}"


def _edge(seconds: float) -> str:
    """The end of a bin, with two digits that count."""
    if seconds < 60:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.2g} min" if seconds < 3570 else f"{seconds / 3600:.2g} h"


def _in_words(most: float) -> tuple[Step, ...]:
    """The scale of seconds, as people say them."""
    count = len(scale(most))
    return tuple(Step(shade=number, text=duration(most * (number / count) ** 2)) for number in range(1, count + 1))
