"""The only writer of cameras, leases and sightings.

A lease says who runs a camera: a conditional UPDATE takes it when it is free or over, and raises its epoch. Every
write of a sighting names the epoch it was made under; a worker that lost its lease can not write any more (fencing).
All comparisons use the database's clock, so that the clocks of workers may differ.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from accounts import vault
from accounts.services import Actor, record
from cameras.models import CAMERA_SCOPE, Camera, CameraLease, Sighting, Verdict, shot_scope
from cameras.sources import Kind, Source, SourceError, parse_source
from recognition.errors import RecognitionError
from recognition.models import NAME_LENGTH, Person
from recognition.names import clean_name, unique_name
from recognition.selectors import enhanced_templates


class LeaseLost(Exception):
    """The camera is run by somebody else now, or is gone; what was to be written was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run a camera until it expires or is lost."""

    camera_id: int
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingRecord:
    """A track as it shall be stored now. Writing it twice changes nothing. `shot`: JPEG, None: unchanged."""

    id: uuid.UUID
    lease: Lease
    camera_name: str
    latitude: float | None
    longitude: float | None
    track: int
    first_seen: datetime
    last_seen: datetime
    frames: int
    is_open: bool
    verdict: Verdict
    person_id: int | None
    similarity: float | None
    threshold: float | None
    pack: str
    quality: float
    shot: bytes | None
    template: int | None = None  # the enrolled one that the face resembles most


@transaction.atomic
def add_camera(
    *,
    actor: Actor,
    name: str,
    source: str,
    latitude: float | None = None,
    longitude: float | None = None,
    loop: bool = False,
    enabled: bool = True,
) -> Camera:
    """Adds a camera; raises SourceError or RecognitionError with a sentence for people."""
    parsed = parse_source(source)
    with unique_name("camera", name):
        camera = Camera.objects.create(
            name=_free_name(name),
            sealed_source=_seal_source(parsed),
            address=parsed.shown,
            latitude=latitude,
            longitude=longitude,
            loop=loop,
            enabled=enabled,
        )
    CameraLease.objects.create(camera=camera)
    record(actor=actor, verb="added", target=f"camera {camera.pk}")
    return camera


def camera_by_hand(*, source: str) -> Camera:
    """The camera that stands for a source is run by hand: never dispatched to workers, used again for it."""
    parsed = parse_source(source)
    label = parsed.shown if parsed.kind is not Kind.FILE else Path(parsed.shown).name
    name = f"{label[: NAME_LENGTH - 10]} (by hand)"
    known = Camera.objects.filter(name=name).first()
    if known is None:
        return add_camera(actor=None, name=name, source=source, enabled=False)
    if source_of(known).text == parsed.text:
        return known
    return change_camera(
        actor=None, camera=known, name=name, source=source, latitude=None, longitude=None, loop=False, enabled=False
    )


@transaction.atomic
def change_camera(
    *,
    actor: Actor,
    camera: Camera,
    name: str,
    source: str,
    latitude: float | None,
    longitude: float | None,
    loop: bool,
    enabled: bool,
) -> Camera:
    """Changes a camera; a running loop starts anew with what changed. An empty source keeps the one there is."""
    camera.name = _free_name(name, but=camera.pk)
    if source.strip():
        parsed = parse_source(source)
        camera.sealed_source, camera.address = _seal_source(parsed), parsed.shown
    camera.latitude, camera.longitude = latitude, longitude
    camera.loop, camera.enabled, camera.note = loop, enabled, ""
    camera.revision = F("revision") + 1
    with unique_name("camera", name):
        camera.save()
    camera.refresh_from_db()
    record(actor=actor, verb="changed", target=f"camera {camera.pk}")
    return camera


@transaction.atomic
def set_enabled(*, actor: Actor, camera: Camera, enabled: bool) -> None:
    """Switches a camera on or off."""
    Camera.objects.filter(pk=camera.pk).update(enabled=enabled, note="", revision=F("revision") + 1)
    record(actor=actor, verb="enabled" if enabled else "disabled", target=f"camera {camera.pk}")


def end_camera(*, camera: Camera, note: str) -> None:
    """Switches off a camera that has nothing more to show, unless it was changed meanwhile; the note says why."""
    Camera.objects.filter(pk=camera.pk, revision=camera.revision).update(enabled=False, note=note)


@transaction.atomic
def remove_camera(*, actor: Actor, camera: Camera) -> None:
    """Removes a camera; its loop ends, its sightings and alerts remain under the name it had."""
    target = f"camera {camera.pk}"
    # Whoever is writing a sighting of this camera ends first, and has no lease after.
    list(CameraLease.objects.select_for_update().filter(camera=camera))
    Sighting.objects.filter(camera=camera, is_open=True).update(is_open=False)
    camera.delete()
    record(actor=actor, verb="removed", target=target)


def source_of(camera: Camera) -> Source:
    """The camera's source with its credentials, for the loop that opens it. Never shown, never logged.

    Raises SourceError when the camera was removed, VaultError when the source can not be opened.
    """
    sealed = Camera.objects.filter(pk=camera.pk).values_list("sealed_source", flat=True).first()
    if sealed is None:
        raise SourceError(f"{camera.name} was removed meanwhile. Add it again to watch it.")
    return parse_source(vault.unseal(CAMERA_SCOPE, sealed, bind="source").decode())


def take_lease(*, camera_id: int, owner: str) -> Lease | None:
    """The lease, when nobody holds a live one. `owner` names one loop, not one worker."""
    free = Q(expires_at=None) | Q(expires_at__lt=Now())
    taken = CameraLease.objects.filter(free, camera=camera_id).update(
        owner=owner, epoch=F("epoch") + 1, expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS)
    )
    if not taken:
        return None
    row = CameraLease.objects.filter(camera=camera_id, owner=owner).first()
    return Lease(camera_id=camera_id, owner=owner, epoch=row.epoch) if row is not None else None


def renew_lease(lease: Lease) -> bool:
    """Holds the lease for longer; False when it was lost."""
    return bool(_held(lease).update(expires_at=Now() + timedelta(seconds=settings.LEASE_SECONDS)))


def release_lease(lease: Lease) -> None:
    """Gives the lease back, so that another worker can go on at once."""
    _held(lease).update(expires_at=None, owner="")


@transaction.atomic
def save_sighting(sighting: SightingRecord) -> Sighting:
    """Writes the sighting as it is now; raises LeaseLost when the lease it was made under is no longer held."""
    if not _held(sighting.lease).select_for_update(no_key=True).exists():
        raise LeaseLost(f"Camera {sighting.lease.camera_id} is run by another worker or was removed.")
    person_id = sighting.person_id
    if person_id is not None and not Person.objects.select_for_update(no_key=True).filter(pk=person_id).exists():
        person_id = None  # deleted since the gallery was read
    values: dict[str, object] = {
        "camera_id": sighting.lease.camera_id,
        "camera_name": sighting.camera_name,
        "latitude": sighting.latitude,
        "longitude": sighting.longitude,
        "track": sighting.track,
        "epoch": sighting.lease.epoch,
        "first_seen": sighting.first_seen,
        "last_seen": sighting.last_seen,
        "frames": sighting.frames,
        "is_open": sighting.is_open,
        "verdict": Verdict.UNKNOWN if sighting.verdict is Verdict.KNOWN and person_id is None else sighting.verdict,
        "person_id": person_id,
        "similarity": sighting.similarity,
        "threshold": sighting.threshold,
        "pack": sighting.pack,
        "enhanced": enhanced_templates([sighting.template]).get(sighting.template, "") if sighting.template else "",
        "quality": sighting.quality,
    }
    if sighting.shot is not None:
        day = sighting.first_seen.date()
        values |= {
            "shot_day": day,
            "sealed_shot": vault.seal(shot_scope(day), sighting.shot, bind=shot_bind(sighting.id)),
        }
    row, _ = Sighting.objects.update_or_create(id=sighting.id, defaults=values)
    return row


def move_sightings(*, kept: Person, gone: Person) -> int:
    """Gives the sightings of a person to another one, who turned out to be the same; returns how many."""
    return Sighting.objects.filter(person=gone).update(person=kept)


def close_stale_sightings() -> int:
    """Closes open sightings whose worker is gone: nobody holds the lease they were written under."""
    alive = CameraLease.objects.filter(camera=OuterRef("camera"), epoch=OuterRef("epoch"), expires_at__gt=Now())
    return Sighting.objects.filter(~Exists(alive), is_open=True).update(is_open=False)


def shot_of(sighting: Sighting) -> bytes | None:
    """The best shot as JPEG, or None when there is none. Raises VaultError when it can not be opened any more."""
    if sighting.sealed_shot is None or sighting.shot_day is None:
        return None
    return vault.unseal(shot_scope(sighting.shot_day), sighting.sealed_shot, bind=shot_bind(sighting.id))


def shot_bind(sighting_id: uuid.UUID) -> str:
    """What a sealed best shot is bound to."""
    return f"shot|{sighting_id}"


def _held(lease: Lease) -> QuerySet[CameraLease]:
    """The lease's row as long as nobody else took it; a lease that is over but untaken may still be renewed."""
    return CameraLease.objects.filter(camera=lease.camera_id, owner=lease.owner, epoch=lease.epoch)


def _free_name(name: str, but: int = 0) -> str:
    name = clean_name(name)
    if Camera.objects.filter(name=name).exclude(pk=but).exists():
        raise RecognitionError(f"There is a camera {name!r} already. Choose another name.")
    return name


def _seal_source(source: Source) -> bytes:
    return vault.seal(CAMERA_SCOPE, source.text.encode(), bind="source")
