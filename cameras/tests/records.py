"""Leases and sighting records for tests, as a camera loop makes them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from cameras.leases import Lease, take_lease
from cameras.models import Camera, CameraLease, Verdict
from cameras.services import SightingRecord
from cameras.tests.factories import NOON
from recognition.tests.factories import PACK, picture


def held(camera: Camera, owner: str = "worker-1") -> Lease:
    """The camera's lease, newly taken."""
    lease = take_lease(camera_id=camera.pk, owner=owner)
    assert lease is not None
    return lease


def let_expire(camera: Camera) -> None:
    """As if the lease's time had passed."""
    CameraLease.objects.filter(camera=camera).update(expires_at=Now() - timedelta(seconds=1))


def known(camera: Camera, lease: Lease, person_id: int | None, **changes: Any) -> SightingRecord:
    """A track of the camera that was recognised as the person."""
    made = SightingRecord(
        id=uuid.uuid4(),
        lease=lease,
        camera_name=camera.name,
        latitude=camera.latitude,
        longitude=camera.longitude,
        track=1,
        first_seen=NOON,
        last_seen=NOON + timedelta(seconds=2),
        frames=10,
        is_open=True,
        verdict=Verdict.KNOWN,
        person_id=person_id,
        similarity=0.93,
        threshold=0.84,
        pack=PACK,
        quality=0.8,
        shot=picture(1),
    )
    return replace(made, **changes)
