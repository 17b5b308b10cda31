"""Sightings of people who walk from camera to camera, for tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cameras.models import Camera, Identity, Link, Sighting
from cameras.tests.factories import NOON, SightingFactory
from recognition.tests.factories import PersonFactory


def somebody() -> Identity:
    """An enrolled person's identity."""
    return Identity.objects.create(person=PersonFactory.create())


def unknown() -> Identity:
    return Identity.objects.create()


def seen(
    identity: Identity | None,
    camera: Camera | None,
    at: float,
    lasted: float = 5.0,
    *,
    since: datetime = NOON,
    **more: Any,
) -> Sighting:
    """A sighting so many seconds after `since`."""
    first = since + timedelta(seconds=at)
    values: dict[str, Any] = {"link": Link.RECOGNISED, "sealed_shot": None, "shot_day": None}
    values |= {"person": identity.person if identity is not None else None}
    values |= more
    return SightingFactory.create(
        identity=identity, camera=camera, first_seen=first, last_seen=first + timedelta(seconds=lasted), **values
    )


def walk(identity: Identity, start: Camera, end: Camera, *, at: float, takes: float, **more: Any) -> None:
    """Somebody is seen for five seconds at one camera, and so many seconds after that at the other."""
    seen(identity, start, at, **more)
    seen(identity, end, at + 5 + takes, **more)
