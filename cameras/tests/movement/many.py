"""Random sightings, as the database and a plain reading of the definitions see them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from cameras.courses import pack
from cameras.models import Camera, Identity, Link, Sighting, Verdict
from cameras.tests.factories import CameraFactory

NOW = datetime(2026, 3, 30, 12, 7, tzinfo=UTC)  # the day after clocks in Europe were set forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sighting as the references read it; seconds since 1970. `identity` 0: nobody who can be told."""

    camera: int
    identity: int
    first: float
    last: float
    verdict: str
    link: str
    doubted: bool
    course: tuple[tuple[float, float, float], ...] = ()  # seconds, x, y


def cameras(number: int = 4) -> list[Camera]:
    return [CameraFactory.create() for _ in range(number)]


def identities(number: int = 6) -> list[Identity]:
    return [Identity.objects.create() for _ in range(number)]


def sighting(
    camera: Camera | None, identity: Identity | None, begins: datetime, seconds: float = 8.0, **values: object
) -> Sighting:
    """A closed sighting, stored."""
    row = _row(camera, identity, begins, seconds)
    for name, value in values.items():
        setattr(row, name, value)
    row.save(force_insert=True)
    return row


def random_sightings(
    rng: np.random.Generator, *, number: int, since: datetime, days: float, of: list[Camera], who: list[Identity]
) -> list[Sighting]:
    """Stores sightings of all kinds: short and long, of people and nobody, doubted, with and without a course."""
    rows = []
    for _ in range(number):
        identity = who[int(rng.integers(len(who)))] if rng.random() < 0.7 else None
        begins = since + timedelta(milliseconds=int(rng.integers(round(days * 86_400_000))))
        seconds = round(
            float(rng.choice([0.0, rng.exponential(20.0), rng.exponential(2000.0)], p=[0.05, 0.85, 0.1])), 3
        )
        row = _row(of[int(rng.integers(len(of)))], identity, begins, seconds)
        row.is_doubted = identity is not None and bool(rng.random() < 0.05)
        if identity is not None:
            row.link = str(rng.choice([Link.RECOGNISED, Link.HAND, Link.LINKED, Link.NEW]))
        row.verdict = str(rng.choice([Verdict.KNOWN, Verdict.UNKNOWN, Verdict.UNDECIDED]))
        if rng.random() < 0.7:
            places = np.sort(rng.random((int(rng.integers(1, 6)), 1)) * seconds, axis=0)
            row.course = pack(np.hstack([places, rng.random((len(places), 3))]).astype(np.float32))
        rows.append(row)
    Sighting.objects.bulk_create(rows)
    return rows


def _row(camera: Camera | None, identity: Identity | None, begins: datetime, seconds: float) -> Sighting:
    return Sighting(
        id=uuid.uuid4(),
        camera=camera,
        camera_name=camera.name if camera else "A removed camera",
        identity=identity,
        track=0,
        first_seen=begins,
        last_seen=begins + timedelta(seconds=seconds),
        is_open=False,
        verdict=Verdict.KNOWN if identity else Verdict.UNKNOWN,
        link=Link.RECOGNISED if identity else "",
    )


def stored() -> list[Seen]:
    """What is stored, in order, of cameras that are there."""
    rows = Sighting.objects.defer(None).filter(camera__isnull=False).order_by("first_seen", "id")
    found = []
    for row in rows:
        places = np.frombuffer(bytes(row.course or b""), "<u2").reshape(-1, 4)
        found.append(
            Seen(
                camera=row.camera_id or 0,
                identity=0 if row.is_doubted else row.identity_id or 0,
                first=row.first_seen.timestamp(),
                last=row.last_seen.timestamp(),
                verdict=row.verdict,
                link=row.link,
                doubted=row.is_doubted,
                course=tuple((t / 10, x / 65535, y / 65535) for t, x, y, _ in places.tolist()),
            )
        )
    return found
