"""From camera to camera, and how long it took: from sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cameras.movement.basis import Basis
from cameras.movement.packing import ONCE, Arrivals, Rest
from cameras.movement.place import Spot
from cameras.movement.slots import BINS, EDGES, LIMIT_SECONDS, Ints, quantiles_of
from cameras.movement.sums import Sums

SHARES: Final = (0.05, 0.5, 0.95)
_WHAT: Final = (
    "Two sightings of one person that follow each other, the second at most an hour after the end of the first; its"
    " travel time is from the last sight to the first, 0 where both cameras saw them at once."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Transitions from one camera to another (or to itself: they were seen again)."""

    start: int
    start_name: str
    end: int
    end_name: str
    count: int
    share: float  # of the sightings at `start` of people who can be followed
    at_once: int  # of these, how often both cameras saw them at once
    recognised: int  # both were recognised
    hand: int  # a person said it of one, and the other was said or recognised
    linked: int  # one was linked by the likeness of an unknown face
    quantiles: tuple[float, ...]  # seconds from the last sight to the first, of SHARES


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Transitions:
    """The transition matrix of c cameras; rows are where they came from, the diagonal is who was seen again there."""

    basis: Basis
    shares: tuple[float, ...]
    limit: float  # seconds
    spots: tuple[Spot, ...]
    counts: Ints  # (c, c)
    departures: Ints  # (c,) sightings of people who can be followed
    leaves: Ints  # (c,) of these, those after which none of these cameras saw them next within the limit
    legs: tuple[Leg, ...]  # those that happened, most frequent first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Travel:
    """The travel times from one camera to another."""

    basis: Basis
    leg: Leg
    edges: tuple[float, ...]  # (b + 1,) seconds; the last is infinity
    counts: Ints  # (b,)


def transitions(sums: Sums) -> Transitions:
    """Transitions among the cameras of the place."""
    spots, size = sums.place.spots, len(sums.place.spots)
    departures = np.asarray(sums.count("followed").sum(axis=1), np.int64)
    rows, start, end = _among(sums)
    counts = np.bincount(start * size + end, weights=rows["count"], minlength=size * size)
    counts = counts.astype(np.int64).reshape(size, size)
    pairs = np.flatnonzero(counts)
    number = np.zeros(size * size, np.int64)
    number[pairs] = np.arange(len(pairs))
    bins, rests = _shapes(rows, number[start * size + end], len(pairs))
    ends = [(spots[pair // size], spots[pair % size]) for pair in pairs.tolist()]
    legs = _legs(ends, bins, rests, departures[pairs // size])
    return Transitions(
        basis=sums.basis(
            f"{_WHAT} Shares are of the sightings at the first camera of people who can be followed; who was not seen"
            " next by one of these cameras within the hour left. Doubted sightings take no part.",
            sightings=int(departures.sum()),
        ),
        shares=SHARES,
        limit=LIMIT_SECONDS,
        spots=spots,
        counts=counts,
        departures=departures,
        leaves=np.maximum(0, departures - counts.sum(axis=1)),
        legs=tuple(sorted(legs, key=lambda leg: (-leg.count, leg.start_name, leg.end_name))),
    )


def travel(sums: Sums, *, start: int, end: int) -> Travel:
    """The travel times from one camera to another. Raises ValueError where one of them is not in the place."""
    spots = {spot.id: spot for spot in sums.place.spots}
    if start not in spots or end not in spots:
        raise ValueError("There is no such camera here. It may have been removed: choose another.")
    rows, to = sums.arrivals
    rows = rows[(rows["start"] == start) & (to == end)]
    bins, rests = _shapes(rows, np.zeros(len(rows), np.int64), 1)
    at = sums.place.cameras.index(start)
    (leg,) = _legs([(spots[start], spots[end])], bins, rests, sums.count("followed")[at : at + 1].sum(axis=1))
    return Travel(basis=sums.basis(_WHAT, sightings=leg.count), leg=leg, edges=EDGES, counts=_durations(bins)[0])


def transitions_from(sums: Sums, start: int) -> tuple[tuple[Leg, ...], int]:
    """The transitions from one camera, most frequent first, and how many left; of no camera there are none."""
    if start not in sums.place.cameras:
        return (), 0
    spots = {spot.id: spot for spot in sums.place.spots}
    departures = int(sums.alone(spots[start]).count("followed").sum())
    rows, to = sums.arrivals
    chosen = (rows["start"] == start) & np.isin(to, np.array(sums.place.cameras, np.int64))
    rows, to = rows[chosen], to[chosen]
    ends, group = np.unique(to, return_inverse=True)
    bins, rests = _shapes(rows, group, len(ends))
    pairs = [(spots[start], spots[end]) for end in ends.tolist()]
    legs = _legs(pairs, bins, rests, np.full(len(pairs), departures))
    legs.sort(key=lambda leg: (-leg.count, leg.end_name))
    return tuple(legs), max(0, departures - sum(leg.count for leg in legs))


def _among(sums: Sums) -> tuple[Arrivals, Ints, Ints]:
    """Transitions between cameras of the place, and which ones of `place.spots` they are between."""
    cameras = np.array(sums.place.cameras, np.int64)
    order = np.argsort(cameras)
    rows, to = sums.arrivals
    inside = np.isin(rows["start"], cameras)
    rows, to = rows[inside], to[inside]
    start = order[np.searchsorted(cameras, rows["start"], sorter=order)] if len(rows) else np.zeros(0, np.int64)
    end = order[np.searchsorted(cameras, to, sorter=order)] if len(rows) else np.zeros(0, np.int64)
    return rows, start, end


def _shapes(rows: Arrivals, group: Ints, number: int) -> tuple[Ints, Ints]:
    """(n, BINS + 1) and (n, 3): how many of each group were in each bin, and rest on what."""
    bins = np.bincount(
        group * (BINS + 1) + rows["bin"].astype(np.int64), weights=rows["count"], minlength=number * (BINS + 1)
    )
    rests = np.bincount(
        group * len(Rest) + rows["rest"].astype(np.int64), weights=rows["count"], minlength=number * len(Rest)
    )
    return bins.astype(np.int64).reshape(number, BINS + 1), rests.astype(np.int64).reshape(number, len(Rest))


def _durations(bins: Ints) -> Ints:
    """(n, BINS) with those who were at both at once among the shortest."""
    found = bins[:, :BINS].copy()
    found[:, 0] += bins[:, ONCE]
    return found


def _legs(pairs: list[tuple[Spot, Spot]], bins: Ints, rests: Ints, departures: Ints) -> list[Leg]:
    counts = bins.sum(axis=1).tolist()
    long = quantiles_of(_durations(bins), SHARES).tolist()
    once = bins[:, ONCE].tolist()
    rows = zip(pairs, counts, once, rests.tolist(), long, departures.tolist(), strict=True)
    return [
        Leg(
            start=start.id,
            start_name=start.name,
            end=end.id,
            end_name=end.name,
            count=count,
            share=count / max(left, count, 1),
            at_once=at_once,
            recognised=rest[Rest.RECOGNISED],
            hand=rest[Rest.HAND],
            linked=rest[Rest.LINKED],
            quantiles=tuple(shares) if count else (),
        )
        for (start, end), count, at_once, rest, shares, left in rows
    ]
