"""Who goes into a zone of a camera's picture, out of it, or over a line: from where faces are, look by look.

Where a face is jitters from look to look, so nothing counts that happens within a margin of a border (a Schmitt
trigger). The margin grows with the face and never fills more than half of a zone.

- Areas: a track begins outside. It has entered when two looks (none on the other side between them) were farther inside
  than the margin, since the first of these; who begins inside has entered likewise. It has left when two looks were
  farther outside. A track that ends inside has not left: how long it was there, its last look tells. A small area that
  a face jumps over between two looks is not noticed.
- Lines: a track has crossed when it was beyond the margin before, is so now, and its way in between crosses the line
  itself (not what would be its prolongation) to the other side. The crossings of the way are summed up with their
  signs, so that there and back again is none. One look beyond counts: by the next one, who hurries may be gone.

Where a person stands is an estimate: FOOT_FACES heights of the face below its top (about what a standing adult
measures), and no farther down than the picture shows. Borders of a zone that lie at the picture's border are none:
who is cut off there may well be farther out.

Boxes are xyxy pixels, times seconds on the frames' clock. Pure computing; one watch belongs to one thread.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from shapely import Polygon, maximum_inscribed_circle

from cameras.masks import area
from cameras.zones import Point, ZoneShape, is_inside

Box = tuple[float, float, float, float]

FOOT_FACES = 7.5
LOOKS = 2
_MARGINS = {"face": 0.2, "foot": 0.5}  # of the face's height: an estimate from afar jitters more
_LEAST_MARGIN, _MOST_MARGIN = 0.01, 0.05  # of the picture's height
_MOST_OF_ZONE = 0.5  # of the largest circle that the zone holds
_EDGE = 0.01  # of the picture: what is drawn so near to its border is meant to lie on it
_WITHIN = 1e-6


class Way(StrEnum):
    """What a passage is; the values are those of `cameras.models.PassageKind`."""

    ENTERED = "entered"
    LEFT = "left"
    TO_RIGHT = "right"
    TO_LEFT = "left_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A track passed a zone's border; `t`: when the look was that first showed it."""

    zone_id: int
    way: Way
    t: float


def anchor_of(box: Box, anchor: str, width: float, height: float) -> Point:
    """The point of a face, in pixels, that zones are tested with; always within the picture."""
    x1, y1, x2, y2 = box
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    if anchor == "foot":
        y = y1 + FOOT_FACES * (y2 - y1)
    return (
        min(max(x, width * _WITHIN), width * (1 - _WITHIN)),
        min(max(y, height * _WITHIN), height * (1 - _WITHIN)),
    )


@dataclass(slots=True, eq=False)
class _InArea:
    """What is known of a track and an area."""

    inside: bool = False
    looks: int = 0  # beyond the margin on the other side than `inside` says
    since: float = 0.0  # the first of them


@dataclass(slots=True, eq=False)
class _AtLine:
    """What is known of a track and a line."""

    last: Point | None = None
    clear: bool = False  # whether it was beyond the margin since it is followed
    sum: int = 0  # crossings to the right less those to the left, since it was beyond the margin last


@dataclass(slots=True, eq=False)
class _Track:
    areas: dict[int, _InArea] = field(default_factory=dict)
    lines: dict[int, _AtLine] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sized:
    """A zone in pixels."""

    zone: ZoneShape
    points: tuple[Point, ...]
    borders: tuple[tuple[Point, Point], ...]  # those that can be crossed
    most_margin: float


class ZoneWatch:
    """The zones of one camera's picture and the tracks in it."""

    def __init__(self, zones: Sequence[ZoneShape] = ()) -> None:
        self._zones: tuple[ZoneShape, ...] = ()
        self._sized: list[_Sized] = []
        self._size = (0.0, 0.0)
        self._tracks: dict[int, _Track] = {}
        self.change(zones)

    def change(self, zones: Sequence[ZoneShape]) -> None:
        """Goes on with other zones. Who was in an area that is still there, however it is drawn now, still was."""
        kept = {zone.id for zone in self._zones if zone in zones}
        self._zones = tuple(zone for zone in zones if zone.ground == "picture")
        self._size = (0.0, 0.0)
        ids = {zone.id for zone in self._zones}
        for track in self._tracks.values():
            track.areas = {zone: state for zone, state in track.areas.items() if zone in ids}
            track.lines = {zone: state for zone, state in track.lines.items() if zone in kept}

    def see(self, track: int, box: Box, *, width: int, height: int, t: float) -> list[Passed]:
        """Takes a look at a track's face into account; what it passed by that."""
        if self._size != (width, height):
            self._size = (width, height)
            self._sized = [_sized(zone, width, height) for zone in self._zones]
        state = self._tracks.setdefault(track, _Track())
        passed = []
        for sized in self._sized:
            zone = sized.zone
            place = anchor_of(box, zone.anchor, width, height)
            margin = _margin(zone.anchor, box[3] - box[1], height, sized.most_margin)
            if zone.shape == "line":
                found = _cross(state.lines.setdefault(zone.id, _AtLine()), sized, place, margin, t)
            else:
                found = _enter(state.areas.setdefault(zone.id, _InArea()), sized, place, margin, t)
            if found is not None:
                passed.append(found)
        return passed

    def cut(self) -> None:
        """The view changed at once: from where faces were to where they are now there is no way."""
        for track in self._tracks.values():
            track.lines.clear()

    def keep(self, tracks: Collection[int]) -> None:
        """Forgets all other tracks."""
        if not self._tracks.keys() <= set(tracks):
            self._tracks = {number: state for number, state in self._tracks.items() if number in tracks}


def _margin(anchor: str, face: float, height: int, most: float) -> float:
    return min(max(_MARGINS[anchor] * face, _LEAST_MARGIN * height), _MOST_MARGIN * height, most)


def _enter(state: _InArea, sized: _Sized, place: Point, margin: float, t: float) -> Passed | None:
    if _away(sized, place) <= margin:
        return None
    inside = is_inside(sized.points, *place)
    if inside == state.inside:
        state.looks = 0
        return None
    state.since = state.since if state.looks else t
    state.looks += 1
    if state.looks < LOOKS:
        return None
    state.inside, state.looks = inside, 0
    return Passed(zone_id=sized.zone.id, way=Way.ENTERED if inside else Way.LEFT, t=state.since)


def _cross(state: _AtLine, sized: _Sized, place: Point, margin: float, t: float) -> Passed | None:
    if state.last is not None:
        state.sum += sum(_crossed(state.last, place, a, b) for a, b in sized.borders)
    state.last = place
    if _away(sized, place) <= margin:
        return None
    crossed, state.sum = state.sum if state.clear else 0, 0
    state.clear = True
    if crossed == 0:
        return None
    return Passed(zone_id=sized.zone.id, way=Way.TO_RIGHT if crossed > 0 else Way.TO_LEFT, t=t)


def _crossed(p: Point, q: Point, a: Point, b: Point) -> int:
    """1 where the way from p to q goes from the left to the right of the line from a to b, -1 the other way, else 0.

    A point on a line counts as on its left, for the way and for the line alike: so a way through a corner, or one that
    stops on the line, is counted once. With y down, a positive cross product is on the right of who goes from a to b.
    """
    from_right, to_right = _turn(a, b, p) > 0, _turn(a, b, q) > 0
    if from_right == to_right or (_turn(p, q, a) > 0) == (_turn(p, q, b) > 0):
        return 0
    return 1 if to_right else -1


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _away(sized: _Sized, place: Point) -> float:
    """How far the place is from the nearest border, in pixels."""
    return min((_to_segment(place, a, b) for a, b in sized.borders), default=math.inf)


def _to_segment(p: Point, a: Point, b: Point) -> float:
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = dx * dx + dy * dy
    share = ((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length if length else 0.0
    share = min(1.0, max(0.0, share))
    return math.hypot(p[0] - a[0] - share * dx, p[1] - a[1] - share * dy)


def _sized(zone: ZoneShape, width: int, height: int) -> _Sized:
    if zone.shape == "line":
        points = tuple((x * width, y * height) for x, y in zone.points)
        borders = tuple(pairwise(points))
        return _Sized(zone=zone, points=points, borders=borders, most_margin=math.inf)
    shares = at_edges(zone.points)
    points = tuple((x * width, y * height) for x, y in shares)
    every = zip(shares, points, shares[1:] + shares[:1], points[1:] + points[:1], strict=True)
    inner = tuple((p, q) for a, p, b, q in every if not _is_at_edge(a, b))
    room = maximum_inscribed_circle(Polygon(points)).length
    return _Sized(zone=zone, points=points, borders=inner, most_margin=_MOST_OF_ZONE * room)


def at_edges(points: tuple[Point, ...]) -> tuple[Point, ...]:
    """The area with what lies next to the picture's border drawn out to it, unless little of it were left."""
    out = tuple((_to_edge(x), _to_edge(y)) for x, y in points)
    return out if area(out) >= area(points) / 2 and Polygon(out).is_valid else points


def _to_edge(share: float) -> float:
    return 0.0 if share < _EDGE else 1.0 if share > 1 - _EDGE else share


def _is_at_edge(a: Point, b: Point) -> bool:
    return any(a[axis] == b[axis] and a[axis] in (0.0, 1.0) for axis in (0, 1))
