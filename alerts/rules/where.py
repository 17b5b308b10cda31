"""Where a rule applies: cameras, groups of cameras, and zones on pictures, plans and coordinates.

A zone of a picture is about where in the picture a track is; it says so itself by its passages. A zone on a plan or on
coordinates is about the camera: who is seen by a camera that is in it is in the zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cameras.models import Ground, Zone
from cameras.selectors import shape_of
from cameras.zones import ZoneShape, contains_geo, contains_plan

PlanPlace = tuple[int, float, float]  # plan, x, y


class Seen(Protocol):
    """Whatever was seen by a camera somewhere."""

    @property
    def camera(self) -> int | None: ...
    @property
    def latitude(self) -> float | None: ...
    @property
    def longitude(self) -> float | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedZone:
    """A zone that is about cameras: on a plan (with where on it the cameras are) or on coordinates."""

    id: int
    name: str
    shape: ZoneShape
    on: Mapping[int, tuple[float, float]] | None  # by camera; None: coordinates

    def spot(self, seen: Seen) -> tuple[float, float] | None:
        """Where on the zone's ground it was seen: (x, y), or (latitude, longitude)."""
        if self.on is not None:
            return self.on.get(seen.camera) if seen.camera is not None else None
        if seen.latitude is None or seen.longitude is None:
            return None
        return seen.latitude, seen.longitude

    def holds(self, seen: Seen) -> bool:
        """Whether who was seen there was in the zone."""
        spot = self.spot(seen)
        if spot is None:
            return False
        return contains_plan(self.shape, *spot) if self.on is not None else contains_geo(self.shape, *spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """The places of a rule. `anywhere`: it names none.

    `cameras`: those that are named, in a named group, or in a named zone of a plan. `picture_zones`: by id, with their
    camera and name.
    """

    anywhere: bool
    cameras: frozenset[int] = frozenset()
    picture_zones: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    placed_zones: tuple[PlacedZone, ...] = ()

    def camera_holds(self, seen: Seen) -> bool:
        """Whether it was seen at a place of the rule, as far as cameras tell; zones of pictures are asked apart."""
        if self.anywhere or (seen.camera is not None and seen.camera in self.cameras):
            return True
        return any(zone.holds(seen) for zone in self.placed_zones)

    @property
    def needs_coordinates(self) -> bool:
        """Whether cameras alone do not tell."""
        return any(zone.on is None for zone in self.placed_zones)

    @property
    def reach(self) -> frozenset[int] | None:
        """The only cameras whose sightings can matter; None: any camera's may."""
        if self.anywhere or self.needs_coordinates:
            return None
        return self.cameras | {camera for camera, _ in self.picture_zones.values()} | self._near()

    def _near(self) -> frozenset[int]:
        """Cameras on the plans of zones: who leaves a zone is seen outside of it."""
        return frozenset(camera for zone in self.placed_zones for camera in (zone.on or {}))


def where_of(*, cameras: Iterable[int], zones: Iterable[Zone], placed: bool, places: Mapping[int, PlanPlace]) -> Where:
    """The places of a rule: its cameras (those of its groups included) and zones.

    `placed`: it named places once; if all of them are gone it applies nowhere.
    """
    pictures: dict[int, tuple[int, str]] = {}
    others: list[PlacedZone] = []
    for zone in zones:
        if zone.is_orphaned:
            continue
        if zone.ground == Ground.PICTURE:
            pictures[zone.pk] = (zone.camera_id or 0, zone.name)
            continue
        on = None
        if zone.ground == Ground.PLAN:
            on = {camera: (x, y) for camera, (plan, x, y) in places.items() if plan == zone.plan_id}
        others.append(PlacedZone(id=zone.pk, name=zone.name, shape=shape_of(zone), on=on))
    return Where(anywhere=not placed, cameras=frozenset(cameras), picture_zones=pictures, placed_zones=tuple(others))
