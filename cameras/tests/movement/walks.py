"""Paths for tests: stops that are made up, and sightings of one identity that are written."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from cameras.models import Camera, Identity, Link, Sighting, Verdict
from cameras.movement.paths import Path, Stop, legs_of, path_of
from cameras.movement.sites import Site, Spot
from cameras.tests.factories import NOON, SightingFactory

SINCE, UNTIL = NOON - timedelta(hours=1), NOON + timedelta(days=1)


def walked(identity: Identity) -> Path:
    """The path of somebody from SINCE to UNTIL."""
    return path_of(identity.pk, since=SINCE, until=UNTIL)


def spot(number: int, name: str = "", **where: Any) -> Spot:
    return Spot(camera=number, name=name or f"Camera {number}", **where)


def stop(where: Spot, after: float, lasted: float = 10.0, *, number: int = 1, begin: datetime = NOON) -> Stop:
    """A stop so many seconds after noon."""
    since = begin + timedelta(seconds=after)
    until = since + timedelta(seconds=lasted)
    return Stop(number=number, spot=where, since=since, until=until, sightings=(uuid.UUID(int=number),), links=())


def path(*stops: tuple[Spot, float], site: Site | None = None, lasted: float = 10.0) -> Path:
    """A path of stops at these spots, so many seconds after noon each."""
    made = tuple(stop(where, after, lasted, number=number) for number, (where, after) in enumerate(stops, 1))
    return Path(stops=made, legs=legs_of(made, site or Site(), {}))


def seen(
    identity: Identity | None, camera: Camera | None, after: float, *, lasted: float = 10.0, **values: Any
) -> Sighting:
    """A sighting of somebody so many seconds after noon, linked by its likeness unless said otherwise."""
    begin = NOON + timedelta(seconds=after)
    given = {
        "verdict": Verdict.UNKNOWN,
        "person": None,
        "link": Link.LINKED,
        "link_similarity": 0.9,
        "sealed_shot": None,
        "first_seen": begin,
        "last_seen": begin + timedelta(seconds=lasted),
    }
    return SightingFactory.create(identity=identity, camera=camera, **(given | values))
