"""Zones: what may be drawn, and which cameras are in what was drawn on a plan or on coordinates.

Points are [x, y] in [0, 1] of the picture or plan, x to the right and y down; on coordinates [latitude, longitude] in
degrees of WGS 84, of a circle one point, its middle. An area closes itself. Distances on the ground are great circles
of a sphere (haversine; R. W. Sinnott, 1984), which is right to about 0.5 %; areas on coordinates are laid out in the
gnomonic projection around their middle, where great circles are straight lines, so that neither the antimeridian nor a
pole is a special place. No Django here. Who walks through a zone of a picture: `cameras.passing`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from shapely import LineString, Polygon

from cameras.masks import MOST_CORNERS, area

Point = tuple[float, float]

FEWEST_CORNERS = 3
MOST_LINE_POINTS = 16
SMALLEST_AREA = 1e-4  # of the picture: smaller ones are slips of the hand
SHORTEST_LINE = 0.01  # of the picture's side
RADIUS_M = (1.0, 100_000.0)
WIDEST_M = 1_000_000.0  # from the middle of an area on coordinates to any corner
SMALLEST_M2 = 1.0
EARTH_M = 6_371_008.8  # mean radius
_SHARE_DECIMALS = 5
_DEGREE_DECIMALS = 7  # a centimetre
SHAPES = {"picture": ("polygon", "line"), "plan": ("polygon",), "coordinates": ("polygon", "circle")}


class ZoneError(ValueError):
    """A zone can not be used so; the message is a sentence for people, `field` names the value it is about."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShape:
    """A zone as it is tested. `ground`, `shape` and `anchor` have the values of the enums in `cameras.models`."""

    id: int
    ground: str
    shape: str
    points: tuple[Point, ...]
    radius_m: float | None = None
    anchor: str = "face"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn, checked and rounded."""

    points: tuple[Point, ...]
    radius_m: float | None = None


# --- what may be drawn ---------------------------------------------------------------------------------------------


def clean_zone(*, ground: str, shape: str, points: object, radius_m: object = None) -> Drawn:
    """The points (lists, or JSON text of them) and the radius, checked and rounded; raises ZoneError."""
    if ground not in SHAPES:
        raise ZoneError("ground", "A zone is in a camera's picture, on a plan, or on coordinates. Choose one.")
    if shape not in SHAPES[ground]:
        raise ZoneError("shape", _SHAPES_SAID[ground])
    cleaned = _points(points, on_earth=ground == "coordinates")
    if shape == "circle":
        if len(cleaned) != 1:
            raise ZoneError("points", "A circle has one point, its middle. Give its latitude and longitude.")
        return Drawn(points=tuple(cleaned), radius_m=_radius(radius_m))
    if shape == "line":
        _check_line(cleaned)
        return Drawn(points=tuple(cleaned))
    if len(cleaned) > 1 and cleaned[0] == cleaned[-1]:
        cleaned.pop()
    if not FEWEST_CORNERS <= len(cleaned) <= MOST_CORNERS:
        raise ZoneError(
            "points",
            f"The area has {len(cleaned)} corners; {FEWEST_CORNERS} to {MOST_CORNERS} are taken. Draw it again.",
        )
    if ground == "coordinates":
        _check_land(cleaned)
    else:
        _check_area(cleaned, smallest=SMALLEST_AREA)
    return Drawn(points=tuple(cleaned))


_SHAPES_SAID = {
    "picture": "In a camera's picture an area or a line can be drawn. Choose one of them.",
    "plan": "On a plan an area is drawn around cameras; lines are drawn in a camera's picture. Choose an area.",
    "coordinates": "On coordinates a circle or an area can be set; lines are drawn in a camera's picture. Choose one.",
}


def _points(given: object, *, on_earth: bool) -> list[Point]:
    """The points without those that come twice in a row; raises ZoneError."""
    if isinstance(given, str):
        given = _parsed(given)
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ZoneError("points", "Nothing is drawn yet. Draw the zone, or write its points as in [[0, 0], [1, 0.5]].")
    if len(given) > 2 * MOST_CORNERS:
        raise ZoneError("points", f"The zone has {len(given)} points; at most {MOST_CORNERS} are taken. Draw it again.")
    points: list[Point] = []
    for each in given:
        point = _on_earth(each) if on_earth else _in_picture(each)
        if not points or point != points[-1]:
            points.append(point)
    return points


def _parsed(text: str) -> object:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ZoneError("points", "The points are no JSON. Write them as in [[0, 0], [0.5, 0], [0.5, 0.2]].") from None


def _pair(given: object) -> Point | None:
    if isinstance(given, str) or not isinstance(given, Sequence) or len(given) != 2:
        return None
    a, b = given
    return (float(a), float(b)) if _is_number(a) and _is_number(b) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e9 < value < 1e9  # no NaN either


def _in_picture(given: object) -> Point:
    pair = _pair(given)
    if pair is None or not (0 <= pair[0] <= 1 and 0 <= pair[1] <= 1):
        raise ZoneError("points", "A point of the zone is not [x, y] with both from 0 to 1. Draw the zone again.")
    return round(pair[0], _SHARE_DECIMALS), round(pair[1], _SHARE_DECIMALS)


def _on_earth(given: object) -> Point:
    pair = _pair(given)
    if pair is None or not (-90 <= pair[0] <= 90 and -180 <= pair[1] <= 180):
        raise ZoneError(
            "points", "A point is no latitude from -90 to 90 and longitude from -180 to 180. Correct its numbers."
        )
    return round(pair[0], _DEGREE_DECIMALS), round(pair[1], _DEGREE_DECIMALS)


def _radius(given: object) -> float:
    low, high = RADIUS_M
    if not isinstance(given, int | float) or isinstance(given, bool) or not low <= given <= high:
        said = f"The radius of a circle is {low:g} m to {high / 1000:g} km. Give it in metres."
        raise ZoneError("radius_m", said)
    return round(float(given), 2)


def _check_line(points: list[Point]) -> None:
    if not 2 <= len(points) <= MOST_LINE_POINTS:
        raise ZoneError("points", f"A line has 2 to {MOST_LINE_POINTS} points, this one {len(points)}. Draw it again.")
    line = LineString(points)
    if line.length < SHORTEST_LINE:
        raise ZoneError("points", "The line is too short to be crossed. Draw a longer one.")
    if not line.is_simple:
        raise ZoneError("points", "The line crosses itself, so that it has no two sides. Draw it again.")


def _check_area(points: Sequence[Point], *, smallest: float) -> None:
    if area(points) < smallest and Polygon(points).convex_hull.area < smallest:
        raise ZoneError("points", "The area covers nothing. Draw it larger.")
    if not Polygon(points).is_valid:
        raise ZoneError("points", "The outline crosses or touches itself. Move its corners so that it does not.")
    if area(points) < smallest:
        raise ZoneError("points", "The area covers nothing. Draw it larger.")


def _check_land(points: list[Point]) -> None:
    middle = middle_of(points)
    if middle is None or any(distance_m(middle, point) > WIDEST_M for point in points):
        said = f"An area on coordinates reaches {WIDEST_M / 1000:g} km from its middle at most. Set a smaller one."
        raise ZoneError("points", said)
    _check_area([flat for point in points if (flat := project(middle, point)) is not None], smallest=SMALLEST_M2)


# --- what is in it -------------------------------------------------------------------------------------------------


def contains_plan(shape: ZoneShape, x: float, y: float) -> bool:
    """Whether a place on the plan is in an area that was drawn on it; its border belongs to it."""
    if shape.ground != "plan" or shape.shape != "polygon":
        return False
    return is_inside(shape.points, x, y)


def contains_geo(shape: ZoneShape, lat: float, lon: float) -> bool:
    """Whether a place on earth is in a circle or an area on coordinates; its border belongs to it."""
    if shape.ground != "coordinates":
        return False
    if shape.shape == "circle":
        return shape.radius_m is not None and distance_m(shape.points[0], (lat, lon)) <= shape.radius_m
    middle = middle_of(shape.points)
    place = project(middle, (lat, lon)) if middle is not None else None
    if middle is None or place is None:
        return False
    corners = [flat for point in shape.points if (flat := project(middle, point)) is not None]
    return is_inside(corners, *place)


def is_inside(corners: Sequence[Point], x: float, y: float) -> bool:
    """Whether the polygon holds the point, or has it on its border (even-odd rule)."""
    inside = False
    x1, y1 = corners[-1]
    for x2, y2 in corners:
        side = (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1)
        if side == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return True
        if (y1 > y) != (y2 > y) and (side > 0) == (y2 > y1):
            inside = not inside
        x1, y1 = x2, y2
    return inside


def distance_m(a: Point, b: Point) -> float:
    """Metres along the ground between two (latitude, longitude)."""
    lat1, lat2 = math.radians(a[0]), math.radians(b[0])
    half_lat, half_lon = (lat2 - lat1) / 2, math.radians(b[1] - a[1]) / 2
    h = math.sin(half_lat) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin(half_lon) ** 2
    return 2 * EARTH_M * math.asin(math.sqrt(min(1.0, h)))


def project(middle: Point, place: Point) -> Point | None:
    """Metres east and north of the middle in the gnomonic projection; None on the other half of the earth."""
    lat0, lat = math.radians(middle[0]), math.radians(place[0])
    lon = math.radians(place[1] - middle[1])
    facing = math.sin(lat0) * math.sin(lat) + math.cos(lat0) * math.cos(lat) * math.cos(lon)
    if facing <= 1e-6:
        return None
    east = math.cos(lat) * math.sin(lon) / facing
    north = (math.cos(lat0) * math.sin(lat) - math.sin(lat0) * math.cos(lat) * math.cos(lon)) / facing
    return EARTH_M * east, EARTH_M * north


def middle_of(points: Sequence[Point]) -> Point | None:
    """The mean of the places as directions from the middle of the earth; None where they cancel out."""
    x = y = z = 0.0
    for lat, lon in points:
        phi, lam = math.radians(lat), math.radians(lon)
        x, y, z = x + math.cos(phi) * math.cos(lam), y + math.cos(phi) * math.sin(lam), z + math.sin(phi)
    if math.hypot(x, y, z) < 1e-9:
        return None
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
