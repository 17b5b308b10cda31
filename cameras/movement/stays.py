"""Sightings joined into visits: the arithmetic that figures of single sightings share.

A visit is one person at one camera: their sightings there that follow each other within `gap` seconds, whatever other
cameras saw meanwhile. A sighting of nobody who can be told is a visit of its own. Times are seconds since 1970 (UTC),
right to a millisecond; shapes (n,).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cameras.movement.slots import Ints, Reals
from cameras.movement.spans import SpanArrays, Spans


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Visits:
    """Visits, by identity, camera and beginning; `identities` 0: nobody who can be told."""

    identities: Ints
    cameras: Ints
    since: Reals
    until: Reals
    sightings: Ints

    def __len__(self) -> int:
        return len(self.since)

    def taken(self, chosen: Ints | npt.NDArray[np.bool_]) -> Visits:
        """Some of them, in this order."""
        return Visits(
            identities=self.identities[chosen],
            cameras=self.cameras[chosen],
            since=self.since[chosen],
            until=self.until[chosen],
            sightings=self.sightings[chosen],
        )


def visits_of(spans: Spans, *, gap: float) -> Visits:
    """The visits that these sightings make; made once."""
    if gap not in spans.kept:
        spans.kept[gap] = joined(spans.rows, gap=gap)
    found: Visits = spans.kept[gap]
    return found


def joined(rows: SpanArrays, *, gap: float) -> Visits:
    """The visits that sightings make."""
    owner = _owners(rows.identities)
    order = np.lexsort((rows.first, rows.cameras, owner))
    owner, cameras = owner[order], rows.cameras[order]
    other = np.ones(len(order), bool)
    other[1:] = (owner[1:] != owner[:-1]) | (cameras[1:] != cameras[:-1])
    begins, until = stretches(rows.first[order], rows.last[order], other, gap=gap)
    return Visits(
        identities=rows.identities[order][begins],
        cameras=cameras[begins],
        since=rows.first[order][begins],
        until=until,
        sightings=np.diff(np.append(begins, len(order))),
    )


def alone(rows: SpanArrays) -> tuple[Reals, Reals]:
    """When somebody came into view and went out, wherever: sightings of one person that overlap are one."""
    owner = _owners(rows.identities)
    order = np.lexsort((rows.first, owner))
    other = np.ones(len(order), bool)
    other[1:] = owner[order][1:] != owner[order][:-1]
    begins, until = stretches(rows.first[order], rows.last[order], other, gap=0.0)
    return rows.first[order][begins], until


def stretches(first: Reals, last: Reals, other: npt.NDArray[np.bool_], *, gap: float) -> tuple[Ints, Reals]:
    """Where stretches begin in spans that are sorted by group and beginning, and when each ends; `other`: where a
    group begins. A span goes on with a stretch when it begins at most `gap` seconds after all of that has ended."""
    if not len(first):
        return np.zeros(0, np.int64), np.zeros(0)
    zero = float(first.min())
    begin = np.round((first - zero) * 1000).astype(np.int64)
    end = np.round((last - zero) * 1000).astype(np.int64)
    # Each group is moved behind all before it, so that one running maximum serves all.
    moved = (np.cumsum(other) - 1) * (int(end.max()) + int(gap * 1000) + 2)
    furthest = np.maximum.accumulate(end + moved)
    starts = other.copy()
    starts[1:] |= begin[1:] + moved[1:] > furthest[:-1] + int(gap * 1000)
    begins = np.flatnonzero(starts)
    return begins, np.maximum.reduceat(last, begins)


def _owners(identities: Ints) -> Ints:
    """Whom each is of; who can not be told is somebody of their own."""
    return np.where(identities > 0, identities, -1 - np.arange(len(identities)))
