"""Where cameras stand: on site plans and on coordinates, and how far it is between two.

Places on a plan are x and y from 0 to 1 of its width and height; coordinates are degrees of WGS 84. Distances are
metres as the crow flies: who walks has at least so far to go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cameras.models import Camera, CameraPlace, SitePlan
from cameras.zones import distance_m

Key = tuple[int | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A site plan's size. `metres_wide`: what its width is in life, where somebody said so."""

    pk: int
    name: str
    width: int
    height: int
    metres_wide: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A camera, and where it stands; `camera` None: one that was removed."""

    camera: int | None
    name: str
    plan: int | None = None
    x: float = 0.0
    y: float = 0.0
    latitude: float | None = None
    longitude: float | None = None

    @property
    def key(self) -> Key:
        """Which camera it is; removed ones are told apart by their names."""
        return self.camera, "" if self.camera is not None else self.name

    @property
    def coordinates(self) -> tuple[float, float] | None:
        if self.latitude is None or self.longitude is None:
            return None
        return self.latitude, self.longitude


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Plans and the cameras' places, as they are now."""

    plans: Mapping[int, Plan] = field(default_factory=dict)
    spots: Mapping[int, Spot] = field(default_factory=dict)

    def on_plan(self, plan: int) -> list[Spot]:
        return [spot for spot in self.spots.values() if spot.plan == plan]

    def metres(self, start: Spot, end: Spot) -> float | None:
        """The distance, by the plan that both are on where its scale is known, else by coordinates."""
        plan = self.plans.get(start.plan) if start.plan is not None else None
        if plan is not None and start.plan == end.plan and plan.metres_wide:
            across = (end.x - start.x) * plan.metres_wide
            down = (end.y - start.y) * plan.metres_wide * plan.height / plan.width
            return math.hypot(across, down)
        if start.coordinates is None or end.coordinates is None:
            return None
        return distance_m(start.coordinates, end.coordinates)


def site(cameras: Iterable[int] | None = None) -> Site:
    """Where these cameras, or all of them, stand; two queries."""
    rows = SitePlan.objects.all()
    plans = {
        row.pk: Plan(pk=row.pk, name=row.name, width=row.width, height=row.height, metres_wide=row.metres_wide)
        for row in rows
    }
    wanted = Camera.objects.only("name", "latitude", "longitude")
    places = CameraPlace.objects.all()
    if cameras is not None:
        ids = list(cameras)
        wanted, places = wanted.filter(pk__in=ids), places.filter(camera__in=ids)
    placed = {place.camera_id: place for place in places}
    return Site(plans=plans, spots={row.pk: _spot(row, placed.get(row.pk)) for row in wanted})


def _spot(camera: Camera, place: CameraPlace | None) -> Spot:
    return Spot(
        camera=camera.pk,
        name=camera.name,
        plan=place.plan_id if place is not None else None,
        x=place.x if place is not None else 0.0,
        y=place.y if place is not None else 0.0,
        latitude=camera.latitude,
        longitude=camera.longitude,
    )
