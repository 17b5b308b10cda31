"""Counts sightings by camera and slot of time: the arithmetic of the sums, without a database.

What belongs to a slot: sightings that *began* in it (so that a sum over slots counts each once), the seconds of
presence that lie in it, and transitions whose *second* sighting began in it. Shapes: c cameras, s slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from cameras.courses import unpack
from cameras.movement.packing import ARRIVAL, COUNTS, HEAT_SHAPE, ONCE, Arrivals, Rest
from cameras.movement.slots import (
    BINS,
    LIMIT_SECONDS,
    LONGEST_SECONDS,
    SLOT_SECONDS,
    SLOTS_A_DAY,
    Ints,
    Reals,
    bin_of,
)
from cameras.movement.spans import HAND, KNOWN, RECOGNISED, UNKNOWN, SpanArrays

BEFORE_SECONDS: Final = LIMIT_SECONDS + LONGEST_SECONDS  # sightings that began so long before a slot matter to it
_MOST_SLOTS: Final = 4 * SLOTS_A_DAY  # that are counted at once
_PARTS: Final = int(LONGEST_SECONDS // SLOT_SECONDS) + 1  # slots that a sighting's presence may touch


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Courses:
    """Where faces were: a row for each place of each sighting (cameras.courses)."""

    cameras: Ints  # (p,)
    slots: Ints  # (p,) in which the sighting began
    cells: Ints  # (p,) row * 16 + column
    tenths: Ints  # (p,) of a second until the next place


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """The sums of some cameras over the slots from `first` on."""

    first: int
    cameras: Ints  # (c,) ids, rising
    counts: Ints  # (c, s, 8) as cameras.movement.packing says
    dwells: Ints  # (c, s, BINS)
    heat: Ints  # (c, s, 9, 16)
    arrivals: Arrivals  # (n,) `slot` is not filled in
    arrival_cameras: Ints  # (n,) where they came to
    arrival_slots: Ints  # (n,) from `first` on


def tally(spans: SpanArrays, courses: Courses, *, first: int, slots: int) -> Tally:
    """The sums of `slots` slots. `spans`: with those that began up to BEFORE_SECONDS before."""
    cameras = np.unique(spans.cameras)
    at = np.searchsorted(cameras, spans.cameras)
    slot = (spans.first // SLOT_SECONDS).astype(np.int64) - first
    inside = (slot >= 0) & (slot < slots)
    cell = at * slots + slot
    size = len(cameras) * slots
    shape = (len(cameras), slots)
    counts = np.zeros((*shape, len(COUNTS)), np.int64)
    for name, chosen in _chosen(spans).items():
        counted = np.bincount(cell[inside & chosen], minlength=size)
        counts[..., COUNTS.index(name)] = counted.reshape(shape)
    seconds = spans.last - spans.first
    counts[..., COUNTS.index("dwell")] = _tenths(cell[inside], seconds[inside], size).reshape(shape)
    counts[..., COUNTS.index("identities")] = _distinct(spans, cell, inside, size).reshape(shape)
    counts[..., COUNTS.index("presence")] = _presence(spans, at, first, slots, size).reshape(shape)
    dwells = np.bincount(cell[inside] * BINS + bin_of(seconds[inside]), minlength=size * BINS)
    arrivals, to, when = _arrivals(spans, slot, inside)
    return Tally(
        first=first,
        cameras=cameras,
        counts=counts,
        dwells=dwells.reshape(*shape, BINS),
        heat=_heat(courses, cameras, first, slots),
        arrivals=arrivals,
        arrival_cameras=to,
        arrival_slots=when,
    )


def places(cameras: Ints, starts: Reals, seconds: Reals, lengths: Ints, data: bytes) -> Courses:
    """The courses of n sightings; `lengths`: bytes of each in `data`, one after the other.

    A place lasts until the next one, the last of a sighting until its end.
    """
    course = unpack(data)
    if len(data) % 8 or (lengths % 8).any():  # something else was stored: nothing is known
        course, lengths = unpack(None), np.zeros_like(lengths)
    numbers = lengths // 8
    owner = np.repeat(np.arange(len(numbers)), numbers)
    at = course[:, 0].astype(np.float64)
    until = np.append(at[1:], 0.0)
    ends = np.cumsum(numbers)[numbers > 0] - 1
    until[ends] = seconds[numbers > 0]
    rows, columns = HEAT_SHAPE
    x = np.minimum((course[:, 1] * columns).astype(np.int64), columns - 1)
    y = np.minimum((course[:, 2] * rows).astype(np.int64), rows - 1)
    return Courses(
        cameras=cameras[owner],
        slots=(starts[owner] // SLOT_SECONDS).astype(np.int64),
        cells=y * columns + x,
        tenths=np.round(np.clip(until - at, 0, LONGEST_SECONDS) * 10).astype(np.int64),
    )


def _chosen(spans: SpanArrays) -> dict[str, npt.NDArray[np.bool_]]:
    return {
        "sightings": np.ones(len(spans), bool),
        "known": spans.verdicts == KNOWN,
        "unknown": spans.verdicts == UNKNOWN,
        "followed": spans.identities > 0,
        "doubted": spans.doubted,
    }


def _tenths(cell: Ints, seconds: Reals, size: int) -> Ints:
    return np.round(np.bincount(cell, weights=seconds, minlength=size) * 10).astype(np.int64)


def _distinct(spans: SpanArrays, cell: Ints, inside: npt.NDArray[np.bool_], size: int) -> Ints:
    """How many different people began to be seen, by camera and slot."""
    told = inside & (spans.identities > 0)
    people, who = np.unique(spans.identities[told], return_inverse=True)
    pairs = np.unique(cell[told] * max(1, len(people)) + who)
    return np.bincount(pairs // max(1, len(people)), minlength=size).astype(np.int64)


def _presence(spans: SpanArrays, at: Ints, first: int, slots: int, size: int) -> Ints:
    """Tenths of a second in view, by the slot in which they lie."""
    begun = spans.first - first * SLOT_SECONDS
    ended = np.minimum(spans.last - first * SLOT_SECONDS, begun + LONGEST_SECONDS)
    own = np.floor(begun / SLOT_SECONDS).astype(np.int64)
    total = np.zeros(size)
    for part in range(_PARTS):
        slot = own + part
        within = np.minimum(ended, (slot + 1) * SLOT_SECONDS) - np.maximum(begun, slot * SLOT_SECONDS)
        wanted = (slot >= 0) & (slot < slots) & (within > 0)
        total += np.bincount(at[wanted] * slots + slot[wanted], weights=within[wanted], minlength=size)
    return np.round(total * 10).astype(np.int64)


def _arrivals(spans: SpanArrays, slot: Ints, inside: npt.NDArray[np.bool_]) -> tuple[Arrivals, Ints, Ints]:
    """Transitions between sightings of one person that follow each other, summed up; to where; in which slot."""
    order = np.argsort(spans.identities, kind="stable")
    order = order[spans.identities[order] > 0]
    before, after = order[:-1], order[1:]
    gap = spans.first[after] - spans.last[before]
    apart = spans.first[after] - spans.first[before]
    same = spans.identities[before] == spans.identities[after]
    wanted = same & inside[after] & (gap <= LIMIT_SECONDS) & (apart <= BEFORE_SECONDS)
    before, after, gap = before[wanted], after[wanted], gap[wanted]
    rest = np.maximum(_rest(spans.links[before]), _rest(spans.links[after]))
    bins = np.where(gap <= 0, ONCE, bin_of(gap))
    # One number for each kind of transition: numbers are sorted much faster than rows.
    cameras = np.unique(spans.cameras)
    start, end = np.searchsorted(cameras, spans.cameras[before]), np.searchsorted(cameras, spans.cameras[after])
    shape = (len(cameras), _MOST_SLOTS, len(cameras), BINS + 1, len(Rest))
    keys = np.ravel_multi_index((end, slot[after], start, bins, rest), shape)
    kinds, number = np.unique(keys, return_counts=True)
    to, when, came, bin_, rests = np.unravel_index(kinds, shape)
    found = np.zeros(len(kinds), ARRIVAL)
    found["start"], found["bin"], found["rest"], found["count"] = cameras[came], bin_, rests, number
    return found, cameras[to], when.astype(np.int64)


def _rest(links: Ints) -> Ints:
    told = np.where(links == HAND, Rest.HAND, Rest.LINKED)
    return np.where(links == RECOGNISED, Rest.RECOGNISED, told).astype(np.int64)


def _heat(courses: Courses, cameras: Ints, first: int, slots: int) -> Ints:
    """Tenths of a second in each part of the picture, by camera and the slot in which the sighting began."""
    cells = HEAT_SHAPE[0] * HEAT_SHAPE[1]
    slot = courses.slots - first
    wanted = (slot >= 0) & (slot < slots) & np.isin(courses.cameras, cameras)
    at = np.searchsorted(cameras, courses.cameras[wanted])
    where = (at * slots + slot[wanted]) * cells + courses.cells[wanted]
    found = np.bincount(where, weights=courses.tenths[wanted], minlength=len(cameras) * slots * cells)
    return found.reshape(len(cameras), slots, *HEAT_SHAPE).astype(np.int64)
