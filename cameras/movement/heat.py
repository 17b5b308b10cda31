"""Where in a camera's picture faces were, and where on a plan people were seen: from sums."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from cameras.movement.basis import Basis
from cameras.movement.packing import HEAT_SHAPE, unpack_heat
from cameras.movement.place import Period, Spot, at_camera
from cameras.movement.slots import SLOTS_A_DAY, Reals
from cameras.movement.sums import Sums, read_sums


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PictureHeat:
    """Seconds that faces were in each part of a camera's picture; row 0 is the top."""

    basis: Basis
    camera: int
    name: str
    seconds: Reals  # (9, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSpot:
    """A camera on a plan and what it saw. `share`: its seconds of those of the camera with most, in [0, 1]."""

    spot: Spot
    sightings: int
    seconds: float  # of faces in view
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanHeat:
    """How much each camera on a plan saw, most first."""

    basis: Basis
    spots: tuple[PlanSpot, ...]


def picture_heat(
    camera: int,
    period: Period,
    *,
    weekdays: Collection[int] | None = None,
    hours: Collection[int] | None = None,
) -> PictureHeat | None:
    """The heat of a camera's picture, on these weekdays (Monday 0) and in these hours; None: the camera was removed."""
    place = at_camera(camera)
    if not place.spots:
        return None
    sums = read_sums(place, period)
    wanted = sums.chosen(weekdays, hours)
    tenths = np.zeros(HEAT_SHAPE, np.int64)
    for _, number, data in sums.rows("heat"):
        day = number * SLOTS_A_DAY
        begin, end = max(sums.first, day), min(sums.first + sums.slots, day + SLOTS_A_DAY)
        if len(data):
            chosen = wanted[begin - sums.first : end - sums.first]
            tenths += unpack_heat(data)[begin - day : end - day][chosen].sum(axis=0)
    return PictureHeat(
        basis=sums.basis(
            "Seconds that the middle of a face was in each part of the picture, from some two dozen places of every"
            " sighting; who stands still counts as long as they stand. Faces that were not found leave no trace.",
            sightings=int(sums.count("sightings")[:, wanted].sum()),
        ),
        camera=camera,
        name=place.spots[0].name,
        seconds=tenths / 10,
    )


def plan_heat(sums: Sums, *, weekdays: Collection[int] | None = None, hours: Collection[int] | None = None) -> PlanHeat:
    """What the cameras of a plan saw (`sums` of `on_plan`), on these weekdays (Monday 0) and in these hours."""
    wanted = sums.chosen(weekdays, hours)
    seen = sums.count("sightings")[:, wanted].sum(axis=1)
    seconds = sums.count("presence")[:, wanted].sum(axis=1) / 10
    most = float(seconds.max(initial=0.0)) or 1.0
    rows = [
        PlanSpot(spot=spot, sightings=int(number), seconds=float(long), share=float(long) / most)
        for spot, number, long in zip(sums.place.spots, seen, seconds, strict=True)
        if spot.x is not None and spot.y is not None
    ]
    return PlanHeat(
        basis=sums.basis(
            "Seconds that faces were in view of each camera, drawn where the camera stands on the plan now. Between"
            " cameras nobody is seen: the colour there says nothing.",
            sightings=int(seen.sum()),
        ),
        spots=tuple(sorted(rows, key=lambda row: (-row.seconds, row.spot.name))),
    )
