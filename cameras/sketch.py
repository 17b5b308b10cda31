"""A sketch of a zone on coordinates with the cameras around it, north up: there is no map without a network.

What it holds are numbers for an SVG; `templates/cameras/partials/_sketch.html` draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cameras.models import Camera
from cameras.zones import Point, ZoneShape, contains_geo, middle_of, project

WIDTH, HEIGHT = 480, 320
_ROOM = 0.8  # the zone takes this much of the way from the middle to the border
_BAR = 90  # pixels that the scale's bar has at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A camera on the sketch. `label`: where its name begins, and whether it ends there instead."""

    name: str
    x: float
    y: float
    inside: bool
    at_end: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """An SVG's worth of numbers; a circle has a radius, an area has points."""

    width: int
    height: int
    middle: Point
    radius: float | None
    points: str
    dots: tuple[Dot, ...]
    inside: tuple[str, ...]
    bar: float
    bar_text: str


def sketch(shape: ZoneShape, cameras: Sequence[Camera]) -> Sketch | None:
    """The zone and the cameras near it; None where it can not be laid out flat."""
    middle = middle_of(shape.points)
    if middle is None:
        return None
    flat = [place for point in shape.points if (place := project(middle, point)) is not None]
    reach = shape.radius_m if shape.radius_m is not None else max(math.hypot(*place) for place in flat)
    scale = _ROOM * min(WIDTH, HEIGHT) / 2 / max(reach, 1.0)
    dots = [dot for camera in cameras if (dot := _dot(shape, camera, middle, scale)) is not None]
    bar_m = _round_down(_BAR / scale)
    return Sketch(
        width=WIDTH,
        height=HEIGHT,
        middle=(WIDTH / 2, HEIGHT / 2),
        radius=round(shape.radius_m * scale, 1) if shape.radius_m is not None else None,
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in (_on_sheet(place, scale) for place in flat)),
        dots=tuple(dots),
        inside=tuple(
            camera.name
            for camera in cameras
            if camera.latitude is not None
            and camera.longitude is not None
            and contains_geo(shape, camera.latitude, camera.longitude)
        ),
        bar=round(bar_m * scale, 1),
        bar_text=f"{bar_m:g} m" if bar_m < 1000 else f"{bar_m / 1000:g} km",
    )


def _on_sheet(place: Point, scale: float) -> Point:
    return WIDTH / 2 + place[0] * scale, HEIGHT / 2 - place[1] * scale


def _dot(shape: ZoneShape, camera: Camera, middle: Point, scale: float) -> Dot | None:
    if camera.latitude is None or camera.longitude is None:
        return None
    place = project(middle, (camera.latitude, camera.longitude))
    if place is None:
        return None
    x, y = _on_sheet(place, scale)
    if not (0 <= x <= WIDTH and 0 <= y <= HEIGHT):
        return None
    inside = contains_geo(shape, camera.latitude, camera.longitude)
    return Dot(name=camera.name, x=round(x, 1), y=round(y, 1), inside=inside, at_end=x > WIDTH * 0.6)


def _round_down(metres: float) -> float:
    """A number that is easily read: 1, 2 or 5 with zeros."""
    power = 10 ** math.floor(math.log10(metres))
    return float(next(step * power for step in (5, 2, 1) if step * power <= metres))
