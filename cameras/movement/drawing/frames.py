"""What a drawing of places stands on: a site plan's picture, or coordinates laid out flat.

Units: 1000 across whatever the size on the screen; `ratio` times that from top to bottom. Coordinates are laid out
equirectangularly around their middle (east is right, north is up, a degree of longitude as wide as it is there), which
is right for a site and a town and roughly so for a country. There are no map tiles: only what is known here is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cameras.movement.sites import Key, Plan, Spot
from cameras.zones import EARTH_M, Point, ZoneShape

UNITS: Final = 1000.0
GROUND_RATIO: Final = 0.64
_MARGIN: Final = 0.14  # of the frame, on each side
_SMALLEST_M: Final = 40.0  # cameras that are closer together than that are drawn as on so much ground
_BAR: Final = 0.22  # of the width, at most
_METRES_A_DEGREE: Final = math.pi * EARTH_M / 180


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A zone. An area has points; a circle has a middle and a radius."""

    name: str
    points: str = ""
    x: float = 0.0
    y: float = 0.0
    radius: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A scale's bar: its width in units, and what that is."""

    width: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`plan`: whose picture is behind it, None on coordinates; `places`: where cameras stand, in units."""

    ratio: float
    plan: Plan | None = None
    places: Mapping[Key, Point]
    names: Mapping[Key, str]
    areas: tuple[Area, ...] = ()
    bar: Bar | None = None

    @property
    def height(self) -> float:
        return round(UNITS * self.ratio, 1)


def plan_frame(plan: Plan, spots: Iterable[Spot], zones: Iterable[tuple[str, ZoneShape]] = ()) -> Frame:
    """The cameras that stand on a plan, and the zones that were drawn on it."""
    ratio = plan.height / max(1, plan.width)
    here = [spot for spot in spots if spot.plan == plan.pk]
    high = UNITS * ratio
    return Frame(
        ratio=ratio,
        plan=plan,
        places={spot.key: (spot.x * UNITS, spot.y * high) for spot in here},
        names={spot.key: spot.name for spot in here},
        areas=tuple(
            Area(name=name, points=_joined((x * UNITS, y * high) for x, y in shape.points)) for name, shape in zones
        ),
        bar=bar_of(plan.metres_wide) if plan.metres_wide else None,
    )


def ground_frame(
    spots: Sequence[Spot], zones: Iterable[tuple[str, ZoneShape]] = (), *, beside: Iterable[Spot] = ()
) -> Frame | None:
    """Cameras on coordinates, and those `beside` them and zones that are in the same view; None where none has any."""
    located = {spot.key: spot.coordinates for spot in spots if spot.coordinates is not None}
    if not located:
        return None
    flat = _Flat(list(located.values()))
    places = {key: flat.place(point) for key, point in located.items()}
    names = {spot.key: spot.name for spot in spots if spot.key in places}
    for spot in beside:
        if spot.coordinates is not None and spot.key not in places and flat.holds(spot.coordinates):
            places[spot.key], names[spot.key] = flat.place(spot.coordinates), spot.name
    areas = tuple(area for name, shape in zones if (area := flat.area(name, shape)) is not None)
    bar = bar_of(flat.metres_wide)
    return Frame(ratio=GROUND_RATIO, places=places, names=names, areas=areas, bar=bar)


def bar_of(metres_wide: float) -> Bar:
    """A bar of 1, 2 or 5 with zeros for a drawing that is so wide in life."""
    most = metres_wide * _BAR
    power = 10.0 ** math.floor(math.log10(most))
    metres = next(step * power for step in (5, 2, 1, 0.5) if step * power <= most)
    text = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    return Bar(width=round(UNITS * metres / metres_wide, 1), text=text)


class _Flat:
    """Lays coordinates out on a frame around the middle of some of them."""

    def __init__(self, points: Sequence[Point]) -> None:
        # Longitudes as differences to the first one's, so that the antimeridian is no special place.
        self._from = points[0][1]
        east = [self._across(lon) for _, lon in points]
        north = [lat for lat, _ in points]
        self._lat = (min(north) + max(north)) / 2
        self._lon = (min(east) + max(east)) / 2
        self._narrow = max(0.01, math.cos(math.radians(self._lat)))
        wide = (max(east) - min(east)) * _METRES_A_DEGREE * self._narrow
        high = (max(north) - min(north)) * _METRES_A_DEGREE
        room = 1 - 2 * _MARGIN
        self.metres_wide = max(_SMALLEST_M, wide, high / GROUND_RATIO) / room

    def _across(self, lon: float) -> float:
        return (lon - self._from + 180) % 360 - 180

    def place(self, point: Point) -> Point:
        scale = UNITS / self.metres_wide
        east = (self._across(point[1]) - self._lon) * _METRES_A_DEGREE * self._narrow
        north = (point[0] - self._lat) * _METRES_A_DEGREE
        return round(UNITS / 2 + east * scale, 1), round(UNITS * GROUND_RATIO / 2 - north * scale, 1)

    def holds(self, point: Point) -> bool:
        x, y = self.place(point)
        return 0 <= x <= UNITS and 0 <= y <= UNITS * GROUND_RATIO

    def area(self, name: str, shape: ZoneShape) -> Area | None:
        """A zone of which a corner or the middle is in view."""
        if not any(map(self.holds, shape.points)):
            return None
        if shape.radius_m is None:
            return Area(name=name, points=_joined(map(self.place, shape.points)))
        x, y = self.place(shape.points[0])
        return Area(name=name, x=x, y=y, radius=round(UNITS * shape.radius_m / self.metres_wide, 1))


def _joined(points: Iterable[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
