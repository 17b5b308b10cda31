"""Quarters of an hour, bins of durations, and the hours on a wall's clock.

A slot is a quarter of an hour, numbered from 1970 (UTC): every time zone's hours begin with one. Durations are counted
in bins whose edges grow by the square root of two, from one second to 2.3 hours, so that a quantile that is read from
them is never off by more than half a bin (a fifth) and mostly far less. Shapes: s slots, b = BINS bins. Units: seconds.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

SLOT_SECONDS: Final = 900
SLOTS_A_DAY: Final = 96
HOUR_SLOTS: Final = 4
LIMIT_SECONDS: Final = 3600.0  # who is not seen again within it has left
LONGEST_SECONDS: Final = 7200.0  # of a sighting that is counted as presence

INNER: Final[Reals] = np.power(2.0, np.arange(27) / 2)  # 1 s … 8192 s
BINS: Final = len(INNER) + 1
EDGES: Final[tuple[float, ...]] = (0.0, *(float(edge) for edge in INNER), float("inf"))
_OPEN_ENDED: Final = float(INNER[-1]) * 2  # where the last bin is taken to end, for quantiles


def slot_of(moment: datetime) -> int:
    """The slot that a moment (aware) lies in."""
    return int(moment.timestamp() // SLOT_SECONDS)


def slot_after(moment: datetime) -> int:
    """The first slot that begins at or after a moment."""
    return -int(-moment.timestamp() // SLOT_SECONDS)


def start_of(slot: int) -> datetime:
    return datetime.fromtimestamp(slot * SLOT_SECONDS, UTC)


def day_of(slot: int) -> date:
    return start_of(slot).date()


def first_slot(day: date) -> int:
    """The first slot of a day in UTC."""
    return (day - date(1970, 1, 1)).days * SLOTS_A_DAY


def bin_of(seconds: Reals) -> Ints:
    """(n,) which bin each duration is in; what is below zero is in the first."""
    return np.searchsorted(INNER, seconds, side="right").astype(np.int64)


def quantiles(counts: Ints, shares: tuple[float, ...]) -> tuple[float, ...]:
    """The durations below which these shares of what was counted lie, spread evenly within a bin; () of nothing."""
    return tuple(quantiles_of(counts[None], shares)[0].tolist()) if counts.sum() else ()


def quantiles_of(counts: Ints, shares: tuple[float, ...]) -> Reals:
    """(n, shares) the quantiles of each of (n, BINS); NaN of nothing."""
    edges = np.array([*EDGES[:-1], _OPEN_ENDED])
    heights = np.cumsum(counts, axis=1)
    found = np.full((len(counts), len(shares)), np.nan)
    rows = np.arange(len(counts))
    for at, share in enumerate(shares):
        wanted = share * heights[:, -1]
        into = np.minimum((heights < wanted[:, None]).sum(axis=1), BINS - 1)
        inside = counts[rows, into]
        below = heights[rows, into] - inside
        part = np.divide(wanted - below, inside, out=np.full(len(counts), np.nan), where=inside > 0)
        found[:, at] = edges[into] + part * (edges[into + 1] - edges[into])
    return found


def longer_than(counts: Ints, limit: float) -> int:
    """How many of what was counted lasted longer than the limit, spread evenly within its bin."""
    edges = np.array([*EDGES[:-1], _OPEN_ENDED])
    heights = np.concatenate([[0], np.cumsum(counts)])
    return int(counts.sum()) - round(float(np.interp(limit, edges, heights)))


def wall_hours(first: int, count: int, zone: tzinfo) -> Ints:
    """(count,) for the slots from `first` on the hour on the wall's clock, numbered from midnight of 1 January 1970:
    `% 24` is the hour, `// 24` the day, and (day + 3) % 7 the weekday, Monday 0.

    Where the clock is set back, one hour holds eight slots; an hour that it leaves out holds none.
    """
    offsets = np.empty(count, np.int64)
    for at in range(count):  # an offset changes at any quarter of an hour at most
        shift = datetime.fromtimestamp((first + at) * SLOT_SECONDS, zone).utcoffset() or timedelta()
        offsets[at] = shift // timedelta(seconds=1)
    local = (first + np.arange(count, dtype=np.int64)) * SLOT_SECONDS + offsets
    return np.asarray(local // 3600, np.int64)


def weekday_of(wall: Ints) -> Ints:
    """Monday is 0; the first of January 1970 was a Thursday."""
    return (wall // 24 + 3) % 7


def hour_start(wall: int, zone: tzinfo) -> datetime:
    """When an hour on the wall's clock began (the first of two with the same name)."""
    naive = datetime(1970, 1, 1) + timedelta(hours=wall)
    return naive.replace(tzinfo=zone)
