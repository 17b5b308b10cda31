"""Reads of cameras and sightings that pages, the API and commands share."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Min, QuerySet
from django.utils import timezone

from cameras.leases import is_live
from cameras.models import Camera, CameraEvent, CameraHour, CameraLease, Ground, Sighting, Zone
from cameras.schedule import is_scheduled
from cameras.zones import ZoneShape


def sightings(*, person: int | None = None, camera: int | None = None, verdict: str = "") -> QuerySet[Sighting]:
    """Sightings, newest first, without their pictures' bytes."""
    found = Sighting.objects.select_related("person")
    if person is not None:
        found = found.filter(person=person)
    if camera is not None:
        found = found.filter(camera=camera)
    if verdict:
        found = found.filter(verdict=verdict)
    return found


def unattended() -> list[Camera]:
    """Enabled cameras, not off by their schedules, whose lease nobody holds; important ones first."""
    rows = Camera.objects.filter(enabled=True).exclude(is_live("lease__")).order_by("-priority", "pk")
    now = timezone.now()
    return [camera for camera in rows if is_scheduled(camera.schedule, now)]


def attended() -> QuerySet[CameraLease]:
    """The leases that somebody holds, with their cameras."""
    return CameraLease.objects.filter(is_live()).select_related("camera")


def events(*, camera: int, kind: str = "") -> QuerySet[CameraEvent]:
    """What was wrong with a camera, newest first, each with the first `alert` that tells of it."""
    found = CameraEvent.objects.filter(camera=camera).annotate(alert=Min("alerts"))
    return found.filter(kind=kind) if kind else found


def hours(*, camera: int) -> QuerySet[CameraHour]:
    """What a camera did, by the hour, newest first."""
    return CameraHour.objects.filter(camera=camera)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """Where a page of sightings ended, as it stands in an address."""

    first_seen: datetime
    id: uuid.UUID

    @classmethod
    def of(cls, sighting: Sighting) -> Cursor:
        return cls(first_seen=sighting.first_seen, id=sighting.pk)

    @classmethod
    def parse(cls, text: str) -> Cursor | None:
        """The cursor, or None where the text is none."""
        moment, _, key = text.partition("_")
        try:
            return cls(first_seen=datetime.fromtimestamp(int(moment) / 1e6, UTC), id=uuid.UUID(key))
        except (ValueError, OverflowError, OSError):
            return None

    def __str__(self) -> str:
        since = self.first_seen - datetime(1970, 1, 1, tzinfo=UTC)
        return f"{since // timedelta(microseconds=1)}_{self.id}"


def zones() -> QuerySet[Zone]:
    """Zones with their camera or plan, but without what those have sealed, and without drawings."""
    joined = Zone.objects.select_related("camera", "plan")
    return joined.defer("camera__sealed_source", "camera__sealed_detail", "plan__image")


def shape_of(zone: Zone) -> ZoneShape:
    """The zone as it is tested."""
    return ZoneShape(
        id=zone.pk,
        ground=zone.ground,
        shape=zone.shape,
        points=tuple((float(a), float(b)) for a, b in zone.points),
        radius_m=zone.radius_m,
        anchor=zone.anchor,
    )


def picture_zones() -> dict[int, tuple[ZoneShape, ...]]:
    """The zones that are drawn in pictures, by camera."""
    found: dict[int, tuple[ZoneShape, ...]] = {}
    for zone in Zone.objects.filter(ground=Ground.PICTURE, camera__isnull=False).order_by("pk"):
        if zone.camera_id is not None:
            found[zone.camera_id] = (*found.get(zone.camera_id, ()), shape_of(zone))
    return found
