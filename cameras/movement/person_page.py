"""What the page of one identity's movement shows, and what the comparison of two does, put together from figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cameras import selectors
from cameras.models import Ground, Identity
from cameras.movement.asked import Asked
from cameras.movement.drawing.charts import Lanes, lanes
from cameras.movement.drawing.frames import ground_frame, plan_frame
from cameras.movement.drawing.grids import Grid, week_grid
from cameras.movement.drawing.sheets import Sheet, path_sheet
from cameras.movement.habits import Habits, habits
from cameras.movement.next import NextFigure, next_after
from cameras.movement.paths import Leg, Path, Stop, path_of
from cameras.movement.sites import Site, Spot, site
from cameras.movement.together import Meeting, Together, Walk, compare
from cameras.zones import ZoneShape

MOST_ROWS: Final = 100  # stops in a table; the newest
MOST_MEETINGS: Final = 25
MOST_PLANS: Final = 6
NamedZone = tuple[str, ZoneShape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Zones on plans, by plan, and on coordinates."""

    plans: dict[int, list[NamedZone]]
    ground: list[NamedZone]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A stop, and the way that led to it; None for the first."""

    stop: Stop
    leg: Leg | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPage:
    """One identity in a span. `rows`: the newest stops, newest first; `nowhere`: their cameras that are on no plan."""

    path: Path
    rows: tuple[Row, ...]
    sheets: tuple[Sheet, ...]
    ground: Sheet | None
    nowhere: tuple[str, ...]
    plans_left_out: int
    lanes: Lanes | None
    habits: Habits
    week: Grid | None
    next: NextFigure | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One visit in the table that has two people side by side. `whose`: 0 or 1."""

    whose: int
    stop: Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """Two identities in a span. `meetings`, `walks`, `beside`: the newest of each, newest first."""

    names: tuple[str, str]
    paths: tuple[Path, Path]
    found: Together
    meetings: tuple[Meeting, ...]
    walks: tuple[Walk, ...]
    lanes: Lanes | None
    beside: tuple[Beside, ...]
    beside_in_all: int


def person_page(identity: Identity, asked: Asked, *, with_zones: bool) -> PersonPage:
    """Everything of the page; some ten queries, whatever the number of sightings."""
    path = path_of(identity.pk, since=asked.period.since, until=asked.period.until)
    sheets, ground = _sheets(path, str(identity), zones() if with_zones else Zones(plans={}, ground=[]))
    made = habits(path)
    last = path.stops[-1] if path.stops else None
    return PersonPage(
        path=path,
        rows=_rows(path),
        sheets=sheets,
        ground=ground,
        nowhere=tuple(dict.fromkeys(stop.spot.name for stop in path.stops if stop.spot.plan is None)),
        plans_left_out=max(0, len(path.plans) - MOST_PLANS),
        lanes=lanes([(str(identity), path.stops)], name="lanes", title=f"When {identity} was at which camera"),
        habits=made,
        week=week_grid(made.week, name="usual", caption=f"Visits of {identity} that began in each hour of the week"),
        next=next_after(last.spot.camera, at=last.until, identity_id=identity.pk)
        if last is not None and last.spot.camera is not None
        else None,
    )


def compare_page(first: Identity, second: Identity, asked: Asked) -> ComparePage:
    """Two people side by side."""
    period = asked.period
    paths = (
        path_of(first.pk, since=period.since, until=period.until),
        path_of(second.pk, since=period.since, until=period.until),
    )
    found = compare(*paths, identities=(first.pk, second.pk), since=period.since, until=period.until)
    people = [(str(first), paths[0].stops), (str(second), paths[1].stops)]
    every = sorted(
        (Beside(whose=whose, stop=stop) for whose, path in enumerate(paths) for stop in path.stops),
        key=lambda one: one.stop.since,
        reverse=True,
    )
    return ComparePage(
        names=(str(first), str(second)),
        paths=paths,
        found=found,
        meetings=found.meetings[: -MOST_MEETINGS - 1 : -1],
        walks=found.walks[: -MOST_MEETINGS - 1 : -1],
        lanes=lanes(people, name="lanes", title=f"When {first} and {second} were at which camera"),
        beside=tuple(every[:MOST_ROWS]),
        beside_in_all=len(every),
    )


def zones() -> Zones:
    """All zones that can be drawn on plans and on coordinates; one query."""
    made = Zones(plans={}, ground=[])
    for zone in selectors.zones().filter(ground__in=(Ground.PLAN, Ground.COORDINATES)):
        named = (zone.name, selectors.shape_of(zone))
        if zone.ground == Ground.COORDINATES:
            made.ground.append(named)
        elif zone.plan_id is not None:
            made.plans.setdefault(zone.plan_id, []).append(named)
    return made


def _sheets(path: Path, name: str, drawn: Zones) -> tuple[tuple[Sheet, ...], Sheet | None]:
    """The path on each plan that it touches, and on coordinates, with the other cameras there."""
    if not path.stops:
        return (), None
    where = site()
    sheets = tuple(
        path_sheet(
            plan_frame(where.plans[pk], [*where.on_plan(pk), *_stood(path, pk)], drawn.plans.get(pk, ())),
            path,
            name=f"plan-{pk}",
            title=f"The path of {name} on {where.plans[pk].name}",
        )
        for pk in path.plans[:MOST_PLANS]
        if pk in where.plans
    )
    return sheets, _ground(path, name, where, drawn.ground)


def _ground(path: Path, name: str, where: Site, drawn: Sequence[NamedZone]) -> Sheet | None:
    frame = ground_frame(_spots(path), drawn, beside=where.spots.values())
    if frame is None:
        return None
    return path_sheet(frame, path, name="ground", title=f"The path of {name} on coordinates")


def _stood(path: Path, plan: int) -> Iterable[Spot]:
    return (spot for spot in _spots(path) if spot.plan == plan)


def _spots(path: Path) -> list[Spot]:
    """Each camera once, where it was at the newest stop."""
    return list({stop.key: stop.spot for stop in path.stops}.values())


def _rows(path: Path) -> tuple[Row, ...]:
    ways = {leg.end.number: leg for leg in path.legs}
    newest = path.stops[-MOST_ROWS:][::-1]
    return tuple(Row(stop=stop, leg=ways.get(stop.number)) for stop in newest)
