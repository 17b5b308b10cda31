"""How a camera's day in sums is packed into the columns of a CameraDay; all numbers are little-endian.

- counts: (8, 96) uint32, a row for each of COUNTS, so that one can be read alone. `presence` and `dwell` are tenths of
  a second: those that lie in the slot, and those of the sightings that began in it. `followed`: sightings of somebody
  with an identity.
- dwells: (96, BINS) uint16: how many sightings that began in the slot lasted how long (cameras.movement.slots).
- dwells_day: (BINS,) uint32: the same for the whole day, which is all that most figures need and far smaller.
- arrivals: transitions that ended at this camera, by slot, 8 bytes each: from which camera (uint32), in which slot,
  by which bin of travel times (ONCE: both cameras saw them at the same time) and resting on what (Rest), how many
  (uint16).
- arrivals_day: the same for the whole day, with slot 0.
- heat: (96, 9, 16) uint16: tenths of a second that faces were in each part of the picture, row 0 at the top; empty
  where no face's way is known.

A count that does not fit stays at the most that does.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from cameras.movement.slots import BINS, SLOTS_A_DAY, Ints

COUNTS: Final = ("sightings", "known", "unknown", "identities", "presence", "followed", "doubted", "dwell")
HEAT_SHAPE: Final = (9, 16)
ONCE: Final = BINS
ARRIVAL: Final = np.dtype([("start", "<u4"), ("slot", "u1"), ("bin", "u1"), ("rest", "u1"), ("count", "<u4")])
_STORED: Final = np.dtype([("start", "<u4"), ("slot", "u1"), ("kind", "u1"), ("count", "<u2")])
ARRIVAL_BYTES: Final = _STORED.itemsize
_BIN_BITS: Final = 5
Arrivals = npt.NDArray[np.void]  # (n,) of ARRIVAL
NO_COUNTS: Final = bytes(SLOTS_A_DAY * len(COUNTS) * 4)
NO_DWELLS: Final = bytes(SLOTS_A_DAY * BINS * 2)
_SHORT: Final = 65535
_LONG: Final = 2**32 - 1


class Rest(IntEnum):
    """What a transition rests on: the weaker of the two sightings' links."""

    RECOGNISED = 0
    HAND = 1
    LINKED = 2


def pack_counts(counts: Ints) -> bytes:
    """Of (96, 8)."""
    return np.clip(counts.T, 0, _LONG).astype("<u4").tobytes()


def unpack_counts(data: bytes | memoryview) -> Ints:
    """(96, 8)."""
    return np.frombuffer(data, "<u4").reshape(len(COUNTS), SLOTS_A_DAY).T.astype(np.int64)


def pack_dwells(dwells: Ints) -> bytes:
    return np.clip(dwells, 0, _SHORT).astype("<u2").tobytes()


def pack_dwells_day(dwells: Ints) -> bytes:
    """Of (96, BINS)."""
    return bytes(np.clip(dwells.sum(axis=0), 0, _LONG).astype("<u4").tobytes())


def unpack_dwells(data: bytes | memoryview) -> Ints:
    return np.frombuffer(data, "<u2").reshape(SLOTS_A_DAY, BINS).astype(np.int64)


def pack_heat(heat: Ints) -> bytes:
    return np.clip(heat, 0, _SHORT).astype("<u2").tobytes() if heat.any() else b""


def unpack_heat(data: bytes | memoryview) -> Ints:
    if not len(data):
        return np.zeros((SLOTS_A_DAY, *HEAT_SHAPE), np.int64)
    return np.frombuffer(data, "<u2").reshape(SLOTS_A_DAY, *HEAT_SHAPE).astype(np.int64)


def pack_arrivals(arrivals: Arrivals) -> bytes:
    found = np.zeros(len(arrivals), _STORED)
    for name in ("start", "slot"):
        found[name] = arrivals[name]
    found["kind"] = arrivals["rest"] << _BIN_BITS | arrivals["bin"]
    found["count"] = np.minimum(arrivals["count"], _SHORT)
    return found.tobytes()


def unpack_arrivals(data: bytes | memoryview) -> Arrivals:
    rows = np.frombuffer(data, _STORED)
    found = np.zeros(len(rows), ARRIVAL)
    for name in ("start", "slot", "count"):
        found[name] = rows[name]
    found["bin"], found["rest"] = rows["kind"] & (1 << _BIN_BITS) - 1, rows["kind"] >> _BIN_BITS
    return found


def whole_day(arrivals: Arrivals) -> Arrivals:
    """Arrivals by slot, summed over the day."""
    keys, first, inverse = np.unique(_key(arrivals, by_slot=False), return_index=True, return_inverse=True)
    found = arrivals[first].copy()
    found["slot"] = 0
    found["count"] = np.bincount(inverse, weights=arrivals["count"], minlength=len(keys))
    return found


def in_order(arrivals: Arrivals) -> Arrivals:
    """In the order in which they are stored, so that the same transitions are the same bytes."""
    return arrivals[np.argsort(_key(arrivals, by_slot=True), kind="stable")]


def _key(arrivals: Arrivals, *, by_slot: bool) -> Ints:
    """A number for each kind of transition."""
    slot, start, bin_, rest = (arrivals[name].astype(np.int64) for name in ("slot", "start", "bin", "rest"))
    key: Ints = start << 8 | rest << _BIN_BITS | bin_
    return slot << 48 | key if by_slot else key
