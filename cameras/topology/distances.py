"""How far cameras are from each other, and how many seconds anybody needs at least from one to another.

Two cameras on one plan that says how wide it is are measured on it; others by their coordinates, as the crow flies
(haversine; metres). Where neither is known nothing is. Nobody is faster than this: the first 50 m may be no way at all,
because a camera sees that far; then on foot, running; beyond half a kilometre by car or train, beyond 300 km by plane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import asin, cos, hypot, radians, sin, sqrt
from typing import Final

from django.db.models import QuerySet

from cameras.models import Camera, CameraPlace

EARTH_M: Final = 6_371_008.8  # mean radius
# From how many metres on at how many metres a second; what is nearer than the first takes no time.
SPEEDS: Final = ((50.0, 10.0), (500.0, 70.0), (300_000.0, 300.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """Where a camera is: degrees, and metres on a plan (whose id stands for it); as far as it is known."""

    degrees: tuple[float, float] | None = None
    plan: int | None = None
    metres: tuple[float, float] = (0.0, 0.0)


def placed() -> QuerySet[Camera]:
    """All cameras with their places, as `least_seconds` takes them; drawings are left where they are."""
    return Camera.objects.select_related("plan_place__plan").defer("plan_place__plan__image")


def metres(camera: Camera, other: Camera) -> float | None:
    """How far two cameras are from each other; None where that is not known."""
    return apart(spot(camera), spot(other))


def seconds_for(distance: float) -> float:
    """How long the fastest way takes that there may be."""
    bounds = [*(since for since, _ in SPEEDS[1:]), float("inf")]
    parts = zip(SPEEDS, bounds, strict=True)
    return sum(max(0.0, min(distance, until) - since) / speed for (since, speed), until in parts)


def least_seconds(cameras: Sequence[Camera]) -> Mapping[tuple[int, int], float]:
    """By (camera, other camera): nobody is faster. Pairs whose distance is not known, or is next to nothing, are left
    out. The cameras come with `plan_place` and its plan. What is returned belongs to all who ask: read it only."""
    return _least(tuple((camera.pk, spot(camera)) for camera in cameras))


@lru_cache(maxsize=2)  # cameras rarely move, and who links asks every few seconds
def _least(spots: tuple[tuple[int, Spot], ...]) -> dict[tuple[int, int], float]:
    found: dict[tuple[int, int], float] = {}
    for at, (one, here) in enumerate(spots):
        for other, there in spots[:at]:
            distance = apart(here, there)
            if distance is not None and distance > SPEEDS[0][0]:
                found[one, other] = found[other, one] = round(seconds_for(distance), 2)
    return found


def spot(camera: Camera) -> Spot:
    """Where the camera is."""
    degrees: tuple[float, float] | None = None
    if camera.latitude is not None and camera.longitude is not None:
        degrees = camera.latitude, camera.longitude
    place: CameraPlace | None = getattr(camera, "plan_place", None)
    if place is None or place.plan.metres_wide is None:
        return Spot(degrees=degrees)
    wide, shape = place.plan.metres_wide, place.plan.height / place.plan.width
    return Spot(degrees=degrees, plan=place.plan_id, metres=(place.x * wide, place.y * wide * shape))


def apart(here: Spot, there: Spot) -> float | None:
    """Metres between two places; None where that is not known."""
    if here.plan is not None and here.plan == there.plan:
        return hypot(here.metres[0] - there.metres[0], here.metres[1] - there.metres[1])
    if here.degrees is None or there.degrees is None:
        return None
    return _on_earth(here.degrees, there.degrees)


def _on_earth(here: tuple[float, float], there: tuple[float, float]) -> float:
    north, other_north = radians(here[0]), radians(there[0])
    across = sin((other_north - north) / 2) ** 2
    along = sin(radians(there[1] - here[1]) / 2) ** 2
    return 2 * EARTH_M * asin(sqrt(min(1.0, across + cos(north) * cos(other_north) * along)))
