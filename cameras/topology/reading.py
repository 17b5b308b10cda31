"""What is known of the ways between cameras, as pages show it, and what people should be asked about them.

Distances in metres, times in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from django.db.models import Q, QuerySet

from cameras.models import Camera, Route, TravelTime
from cameras.topology.distances import SPEEDS, Spot, apart, placed, seconds_for, spot

A_PAGE: Final = 50
Pair = tuple[int, int]
Row = TypeVar("Row", Route, TravelTime)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far two cameras are from each other; `least`: what anybody needs for it, 0 where that may be nothing."""

    metres: float
    least: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WayRow:
    """What is known of the way from one camera to another. `is_back`: it was stated from the other end, both ways."""

    start: Camera
    end: Camera
    stated: Route | None
    is_back: bool
    learned: TravelTime | None
    distance: Distance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WayPage:
    """One page of the ways of all cameras, or of one. Pages count from 1."""

    rows: list[WayRow]
    page: int
    pages: int
    found: int


def way_page(*, camera: int | None = None, page: int = 1) -> WayPage:
    """The ways that were stated or learned, by the names of their cameras."""
    stated = _stated(camera)
    learned = {(row.start_id, row.end_id): row for row in _of(TravelTime.objects.all(), camera)}
    names = dict(Camera.objects.values_list("pk", "name"))
    # What is stated both ways has a row for the way back only where that was learned: it would say nothing new.
    pairs = {pair for pair, (_, is_back) in stated.items() if not is_back} | learned.keys()
    ordered = sorted(pairs, key=lambda pair: (names.get(pair[0], ""), names.get(pair[1], ""), pair))
    pages = max(1, -(-len(ordered) // A_PAGE))
    page = min(max(page, 1), pages)
    shown = ordered[(page - 1) * A_PAGE : page * A_PAGE]
    cameras = placed().in_bulk({pk for pair in shown for pk in pair})
    rows = [
        _row(cameras, pair, stated.get(pair), learned.get(pair))
        for pair in shown
        if cameras.keys() >= set(pair)  # none was removed meanwhile
    ]
    return WayPage(rows=rows, page=page, pages=pages, found=len(ordered))


def distance_of(here: Spot, there: Spot) -> Distance | None:
    """How far two places are from each other, where that is known."""
    metres = apart(here, there)
    if metres is None:
        return None
    return Distance(metres=metres, least=seconds_for(metres) if metres > SPEEDS[0][0] else 0.0)


def stated_pairs(routes: Iterable[Route]) -> dict[Pair, tuple[Route, bool]]:
    """What was stated, by (camera, next camera), and whether it is the way back of what was stated both ways."""
    found: dict[Pair, tuple[Route, bool]] = {}
    rows = list(routes)
    for row in rows:
        if row.both_ways:
            found[row.end_id, row.start_id] = row, True
    return found | {(row.start_id, row.end_id): (row, False) for row in rows}


def _stated(camera: int | None) -> dict[Pair, tuple[Route, bool]]:
    return stated_pairs(_of(Route.objects.all(), camera))


def _of(rows: QuerySet[Row], camera: int | None) -> QuerySet[Row]:
    return rows if camera is None else rows.filter(Q(start=camera) | Q(end=camera))


def _row(
    cameras: Mapping[int, Camera], pair: Pair, stated: tuple[Route, bool] | None, learned: TravelTime | None
) -> WayRow:
    start, end = cameras[pair[0]], cameras[pair[1]]
    route, is_back = stated or (None, False)
    return WayRow(
        start=start,
        end=end,
        stated=route,
        is_back=is_back,
        learned=learned,
        distance=distance_of(spot(start), spot(end)),
    )
