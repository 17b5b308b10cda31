"""How many at once, who stays long, comes back, or goes to and fro: from single sightings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from cameras.movement.basis import Basis
from cameras.movement.slots import Ints, Reals
from cameras.movement.spans import Spans
from cameras.movement.stays import Visits, alone, visits_of

MOST_ROWS: Final = 50
GAP: Final = 60.0  # seconds over which two sightings of one person at one camera are one visit


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Occupancy:
    """How many people were in view at once."""

    basis: Basis
    starts: tuple[datetime, ...]  # n beginnings of equal steps, in the period's zone
    step: float  # seconds
    most: Ints  # (n,) the most at once in each step
    mean: Reals  # (n,)
    peak: int
    peak_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One person at one camera, over short gaps. `identity` None: nobody who can be told."""

    identity: int | None
    camera: int
    name: str  # the camera's
    since: datetime
    until: datetime
    sightings: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Loitering:
    """Visits longer than a limit. Seconds."""

    basis: Basis
    limit: float
    gap: float
    visits: int  # in all
    count: int  # longer than the limit
    longest: tuple[Visit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisit:
    """One person's visits to one camera."""

    identity: int
    camera: int
    name: str
    visits: int
    returns: int  # visits that began within the span after the one before
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisits:
    """Who came back to the same camera. `within`: seconds."""

    basis: Basis
    within: float
    people: int  # who came at all
    returned: int  # who came back to a camera
    rows: tuple[Revisit, ...]  # most returns first


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAndFro:
    """One person who changed between two cameras again and again."""

    identity: int
    first: int
    first_name: str
    second: int
    second_name: str
    times: int  # changes in a row, at least 3: A B A B
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BackAndForth:
    """Who went to and fro between two cameras. `within`: seconds."""

    basis: Basis
    within: float
    rows: tuple[ToAndFro, ...]  # most changes first


def occupancy(spans: Spans, *, steps: int = 96) -> Occupancy:
    """How many people were in view at once, in equal steps. Raises ValueError for fewer than one step."""
    if steps < 1:
        raise ValueError("Time is divided into at least one step. Choose more.")
    since, until = alone(spans.rows)
    begin, end = np.sort(since), np.sort(until)
    edges = np.linspace(spans.since.timestamp(), spans.period.until.timestamp(), steps + 1)
    levels = np.searchsorted(begin, begin, side="right") - np.searchsorted(end, begin, side="left")
    most = np.searchsorted(begin, edges[:-1], side="right") - np.searchsorted(end, edges[:-1], side="left")
    np.maximum.at(most, np.clip(np.searchsorted(edges, begin, side="right") - 1, 0, steps - 1), levels)
    length = float(edges[1] - edges[0])
    peak = int(levels.max(initial=0))
    return Occupancy(
        basis=spans.basis(
            "How many people were in view at the same moment. Sightings of one person that overlap, by whichever"
            " cameras, are one person; who can not be told counts as one for every sighting. Who came into view before"
            " the period is not counted."
        ),
        starts=tuple(_moment(edge, spans) for edge in edges[:-1]),
        step=length,
        most=most.astype(np.int64),
        mean=np.diff(_filled(begin, edges) - _filled(end, edges)) / length,
        peak=peak,
        peak_at=_moment(float(begin[int(levels.argmax())]), spans) if peak else None,
    )


def loitering(spans: Spans, *, limit: float = 300.0, gap: float = GAP) -> Loitering:
    """Visits longer than the limit."""
    found = visits_of(spans, gap=gap)
    seconds = found.until - found.since
    long = np.flatnonzero(seconds > limit)
    order = long[np.lexsort((found.since[long], -seconds[long]))][:MOST_ROWS]
    return Loitering(
        basis=spans.basis(
            f"Visits of more than {limit:g} seconds. A visit is one person at one camera: their sightings there that"
            f" follow each other within {gap:g} seconds. Who can not be told has one visit for every sighting, so that"
            " their long visits are missed where the face was lost in between."
        ),
        limit=limit,
        gap=gap,
        visits=len(found),
        count=len(long),
        longest=tuple(_visit(found, int(at), spans) for at in order),
    )


def revisits(spans: Spans, *, within: float = 86_400.0, gap: float = GAP) -> Revisits:
    """Who came back to a camera within so many seconds after they had left it."""
    found = visits_of(spans, gap=gap)
    found = found.taken(found.identities > 0)
    again = np.zeros(len(found), bool)
    same = (found.identities[1:] == found.identities[:-1]) & (found.cameras[1:] == found.cameras[:-1])
    again[1:] = same & (found.since[1:] - found.until[:-1] <= within)
    begins = np.flatnonzero(np.concatenate([np.ones(min(1, len(found)), bool), ~same]))
    returns = np.add.reduceat(again.astype(np.int64), begins) if len(begins) else np.zeros(0, np.int64)
    numbers = np.diff(np.append(begins, len(found)))
    order = np.lexsort((begins, -returns))[:MOST_ROWS]
    names = _names(spans)
    rows = [
        Revisit(
            identity=int(found.identities[begins[at]]),
            camera=int(found.cameras[begins[at]]),
            name=names[int(found.cameras[begins[at]])],
            visits=int(numbers[at]),
            returns=int(returns[at]),
            first=_moment(float(found.since[begins[at]]), spans),
            last=_moment(float(found.since[begins[at] + numbers[at] - 1]), spans),
        )
        for at in order
        if returns[at]
    ]
    return Revisits(
        basis=spans.basis(
            f"A person came back to a camera when a visit there began more than {gap:g} seconds and at most"
            f" {within:g} seconds after the end of their visit before. Only people who can be followed are counted."
        ),
        within=within,
        people=len(np.unique(found.identities)),
        returned=len(np.unique(found.identities[begins][returns > 0])),
        rows=tuple(rows),
    )


def back_and_forth(spans: Spans, *, within: float = 1800.0, gap: float = GAP) -> BackAndForth:
    """Who went from one camera to another, back, and there again, within so many seconds."""
    found = visits_of(spans, gap=gap)
    found = found.taken(found.identities > 0)
    found = found.taken(np.lexsort((found.since, found.identities)))
    who, where, since, until = found.identities, found.cameras, found.since, found.until
    fourth = np.zeros(len(found), bool)
    if len(found) > 3:
        fourth[3:] = (
            (who[3:] == who[:-3])
            & (where[3:] == where[1:-2])
            & (where[2:-1] == where[:-3])
            & (where[3:] != where[2:-1])
            & (since[3:] - since[:-3] <= within)
        )
        apart = since[1:] > until[:-1]  # cameras that see the same spot at once are no way
        fourth[3:] &= apart[2:] & apart[1:-1] & apart[:-2]
    changes = np.flatnonzero(np.diff(np.concatenate([[False], fourth, [False]]).astype(np.int8)))
    names = _names(spans)
    rows = [
        ToAndFro(
            identity=int(who[begin]),
            first=int(where[begin - 3]),
            first_name=names[int(where[begin - 3])],
            second=int(where[begin]),
            second_name=names[int(where[begin])],
            times=int(end - begin) + 2,
            since=_moment(float(since[begin - 3]), spans),
            until=_moment(float(until[end - 1]), spans),
        )
        for begin, end in zip(changes[::2], changes[1::2], strict=True)
    ]
    return BackAndForth(
        basis=spans.basis(
            f"A person visited one camera, another, the first and the other again, the four visits beginning within"
            f" {within:g} seconds, none while the one before lasted. Only people who can be followed are counted."
        ),
        within=within,
        rows=tuple(sorted(rows, key=lambda row: (-row.times, row.since))[:MOST_ROWS]),
    )


def _filled(moments: Reals, edges: Reals) -> Reals:
    """For each edge the sum of seconds since these moments (sorted), as far as they were before it."""
    number = np.searchsorted(moments, edges, side="right")
    zero = float(edges[0])
    sums = np.concatenate([[0.0], np.cumsum(moments - zero)])
    return np.asarray(number * (edges - zero) - sums[number], np.float64)


def _moment(seconds: float, spans: Spans) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(spans.period.zone)


def _names(spans: Spans) -> dict[int, str]:
    return {int(camera): "" for camera in spans.rows.cameras} | {spot.id: spot.name for spot in spans.place.spots}


def _visit(found: Visits, at: int, spans: Spans) -> Visit:
    return Visit(
        identity=int(found.identities[at]) or None,
        camera=int(found.cameras[at]),
        name=_names(spans)[int(found.cameras[at])],
        since=_moment(float(found.since[at]), spans),
        until=_moment(float(found.until[at]), spans),
        sightings=int(found.sightings[at]),
        seconds=float(found.until[at] - found.since[at]),
    )
