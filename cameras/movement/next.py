"""Where somebody is likely to be seen next: everybody's ways, and their own.

Outcomes after a camera are the next camera (the same one too: seen again), or that they leave: nobody sees them within
the hour. How likely each is for everybody follows from the sums of the HISTORY_DAYS days before. Somebody's own habits
are mixed with them as a Dirichlet prior worth PRIOR departures: of somebody who went ten times from here, half of the
answer is their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from django.utils import timezone

from cameras.movement.basis import Basis
from cameras.movement.place import Period, everywhere
from cameras.movement.slots import LIMIT_SECONDS
from cameras.movement.spans import read_each
from cameras.movement.sums import read_sums
from cameras.movement.tally import BEFORE_SECONDS
from cameras.movement.transitions import transitions_from

HISTORY_DAYS: Final = 90
PRIOR: Final = 10.0
_MOST_OWN: Final = 1_000  # of somebody's sightings, the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """An outcome. `camera` None: they leave. `seconds`: the median travel time, None where nothing is known."""

    camera: int | None
    name: str  # the camera's; empty where they leave
    likelihood: float  # of all outcomes together 1
    own: int  # of their own departures from here
    everybody: int  # of everybody's
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NextFigure:
    """What comes after a camera; for everybody, or for somebody who is followed."""

    basis: Basis
    own: int  # departures of their own that it rests on
    everybody: int
    outcomes: tuple[Next, ...]  # likeliest first


def next_cameras(identity_id: int, camera_id: int, at: datetime) -> tuple[Next, ...]:
    """What comes after this camera saw this identity at this moment, likeliest first. Empty: nothing is known, as of a
    camera that was removed. Rests on the HISTORY_DAYS days before, without doubted sightings."""
    return next_after(camera_id, at=at, identity_id=identity_id).outcomes


def next_after(camera_id: int, *, at: datetime, identity_id: int | None = None) -> NextFigure:
    """What comes after a camera; `identity_id` None: for everybody."""
    place = everywhere()
    zone = timezone.get_default_timezone()
    sums = read_sums(place, Period(since=at - timedelta(days=HISTORY_DAYS), until=at, zone=zone), names=("followed",))
    legs, leaves = transitions_from(sums, camera_id)
    everybody = {leg.end: leg.count for leg in legs}
    own = own_departures(identity_id, camera_id, at) if identity_id is not None else {}
    there = {spot.id: spot.name for spot in place.spots}
    theirs = {camera: count for camera, count in own.items() if camera is None or camera in there}
    medians = {leg.end: leg.quantiles[1] for leg in legs}
    cameras = list(dict.fromkeys([*everybody, *(camera for camera in theirs if camera is not None)]))
    counts: dict[int | None, int] = {**{camera: everybody.get(camera, 0) for camera in cameras}, None: leaves}
    number, total = sum(theirs.values()), sum(counts.values())
    outcomes = [
        Next(
            camera=camera,
            name=there[camera] if camera is not None else "",
            likelihood=likelihood(theirs.get(camera, 0), number, count, total),
            own=theirs.get(camera, 0),
            everybody=count,
            seconds=medians.get(camera) if camera is not None else None,
        )
        for camera, count in counts.items()
    ]
    known = sorted(outcomes, key=lambda one: (-one.likelihood, one.name)) if number + total else []
    return NextFigure(
        basis=sums.basis(
            "How often the next camera that saw somebody within an hour after this one was which, and how often none"
            f" did, in the {HISTORY_DAYS} days before. For somebody who is followed everybody's ways count as much as"
            f" {PRIOR:g} of their own.",
            sightings=number + total,
        ),
        own=number,
        everybody=total,
        outcomes=tuple(known),
    )


def likelihood(own: int, number: int, everybody: int, total: int) -> float:
    """`own` of `number` of their departures, `everybody` of `total` of everybody's."""
    if not total:
        return own / number if number else 0.0
    return (own + PRIOR * everybody / total) / (number + PRIOR)


def own_departures(identity_id: int, camera_id: int, at: datetime) -> dict[int | None, int]:
    """How often somebody went from this camera where, None: left. The one that is still going on is left out."""
    since = at - timedelta(days=HISTORY_DAYS)
    rows = read_each(identities=[identity_id], since=since, until=at, most=_MOST_OWN)
    told = rows.identities > 0
    cameras, first, last = rows.cameras[told], rows.first[told], rows.last[told]
    gap, apart = first[1:] - last[:-1], first[1:] - first[:-1]
    went = np.append((gap <= LIMIT_SECONDS) & (apart <= BEFORE_SECONDS), False)
    over = np.append(np.ones(len(gap), bool), at.astimezone(UTC).timestamp() - last[-1:] > LIMIT_SECONDS)[: len(last)]
    found: dict[int | None, int] = {}
    for number in np.flatnonzero((cameras == camera_id) & over).tolist():
        outcome = int(cameras[number + 1]) if went[number] else None
        found[outcome] = found.get(outcome, 0) + 1
    return found
