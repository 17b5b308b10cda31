"""How long faces stayed in view: from sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cameras.movement.basis import Basis
from cameras.movement.slots import EDGES, Ints, longer_than, quantiles
from cameras.movement.sums import Sums

SHARES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraDwell:
    """Dwell times in seconds; `camera` None: of all cameras together."""

    camera: int | None
    name: str
    sightings: int
    mean: float | None
    quantiles: tuple[float, ...]  # of Dwell.shares; () of none
    longer: int  # sightings longer than Dwell.limit, as well as the bins tell


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dwell:
    """The distribution of dwell times, of all cameras and of each."""

    basis: Basis
    shares: tuple[float, ...]
    limit: float  # seconds
    edges: tuple[float, ...]  # (b + 1,) seconds; the last is infinity
    counts: Ints  # (b,)
    total: CameraDwell
    cameras: tuple[CameraDwell, ...]  # most sightings first


def dwell(sums: Sums, *, limit: float = 120.0) -> Dwell:
    """Dwell times, and how many sightings were longer than `limit` seconds."""
    tenths = sums.count("dwell").sum(axis=1)
    counts = np.asarray(sums.dwells.sum(axis=0), np.int64)
    cameras = [
        _camera(spot.id, spot.name, row, int(whole), limit)
        for spot, row, whole in zip(sums.place.spots, sums.dwells, tenths, strict=True)
    ]
    return Dwell(
        basis=sums.basis(
            "How long a face was in view without a break, from the first to the last picture of a sighting. Who turns"
            " away and back is two sightings: people stay longer than this says. Shares are read from bins whose edges"
            " are 1.4 times each other, and are right to a fifth at worst."
        ),
        shares=SHARES,
        limit=limit,
        edges=EDGES,
        counts=counts,
        total=_camera(None, "", counts, int(tenths.sum()), limit),
        cameras=tuple(sorted(cameras, key=lambda row: (-row.sightings, row.name))),
    )


def _camera(camera: int | None, name: str, counts: Ints, tenths: int, limit: float) -> CameraDwell:
    number = int(counts.sum())
    return CameraDwell(
        camera=camera,
        name=name,
        sightings=number,
        mean=tenths / 10 / number if number else None,
        quantiles=quantiles(counts, SHARES),
        longer=longer_than(counts, limit),
    )
