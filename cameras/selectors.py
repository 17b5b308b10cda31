"""Reads of cameras and sightings that pages, the API and commands share."""

from __future__ import annotations

from django.db.models import QuerySet
from django.db.models.functions import Now

from cameras.models import Camera, Sighting


def sightings(*, person: int | None = None, camera: int | None = None, verdict: str = "") -> QuerySet[Sighting]:
    """Sightings, newest first, without their pictures' bytes."""
    found = Sighting.objects.defer("sealed_shot").select_related("person", "camera")
    if person is not None:
        found = found.filter(person=person)
    if camera is not None:
        found = found.filter(camera=camera)
    if verdict:
        found = found.filter(verdict=verdict)
    return found


def unattended() -> QuerySet[Camera]:
    """Enabled cameras whose lease nobody holds."""
    return Camera.objects.filter(enabled=True).exclude(lease__expires_at__gt=Now())
