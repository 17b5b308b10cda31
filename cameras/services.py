"""The only writer of cameras and sightings (leases: `cameras.leases`; events and hours: `cameras.health`).

Every write of a sighting names the epoch of the lease it was made under; a worker that lost its lease can not write any
more (fencing). Sources are sealed in the vault, each bound to its column, and neither shown nor logged.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Unpack

from django.conf import settings
from django.db.models import Exists, F, OuterRef

from accounts import vault
from accounts.services import Actor, record
from cameras.leases import Lease, LeaseLost, held_rows, is_live
from cameras.models import (
    CAMERA_SCOPE,
    Camera,
    CameraLease,
    Link,
    Passage,
    PassageKind,
    Sighting,
    UnknownTemplate,
    Verdict,
    Zone,
    shot_scope,
)
from cameras.sources import Kind, Source, SourceError, parse_source
from cameras.unknown_faces import seal_unknown
from cameras.values import CameraError, CameraValues, cleaned, parse_detail
from config.transactions import brief_transaction
from recognition.engine.types import Embedding
from recognition.errors import RecognitionError
from recognition.models import NAME_LENGTH, Person
from recognition.names import clean_name, unique_name
from recognition.selectors import enhanced_templates

_SEEN_BY_LOOP: Final = (
    "name",
    "address",
    "detail_address",
    "transport",
    "latitude",
    "longitude",
    "enabled",
    "loop",
    "schedule",
    "priority",
    "idle_decoding",
    "detect_fps",
    "sensitivity",
    "masks",
    "clips",
)

_DECIDED: Final = frozenset({"verdict", "person_id", "similarity", "threshold", "pack", "enhanced"})
_SHOWN: Final = frozenset({"quality", "course", "sealed_shot", "shot_day"})  # what is nobody's of who was erased
_SETTLED: Final = (Link.HAND, Link.ERASED)  # whose it is no camera says any more


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageRecord:
    """A track's way into a zone, out of it, or over a line. `number`: which one of this track, from 0."""

    zone_id: int
    kind: PassageKind
    number: int
    at: datetime


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
    probe: Embedding | None = None  # the face itself, of this pack; stored only where it is nobody's who is enrolled
    keeps_probe: bool = False  # whether it is new or better than what is stored of the track
    course: bytes = b""  # where in the picture the face was (cameras.courses)
    passages: tuple[PassageRecord, ...] = ()  # those that may not be stored yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a write of a sighting did: its row, whether that is new, and the passages that were not stored before."""

    row: Sighting
    created: bool
    passages: tuple[Passage, ...]


@brief_transaction()
def add_camera(*, actor: Actor, **values: Unpack[CameraValues]) -> Camera:
    """Adds a camera; `name` and `source` are needed. Raises SourceError or RecognitionError with a sentence for people.

    A RecognitionError that is a CameraError says which value it is about; else it is the name.
    """
    source = parse_source(values.get("source", ""))
    camera = Camera(name=_free_name(values.get("name", "")), address=source.shown, sealed_source=_seal_source(source))
    _set_values(camera, values)
    with unique_name("camera", camera.name):
        camera.save()
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


@brief_transaction()
def change_camera(*, actor: Actor, camera: Camera, **values: Unpack[CameraValues]) -> Camera:
    """Changes what is named of a camera; a running loop starts anew where that matters to it.

    Raises SourceError or RecognitionError as `add_camera` does. The camera that is given stays as it is.
    """
    row = Camera.objects.select_for_update().filter(pk=camera.pk).first()
    if row is None:
        raise RecognitionError(f"{camera.name} was removed meanwhile. Add it again to watch it.")
    before = _seen_by_loop(row)
    if "name" in values:
        row.name = _free_name(values["name"], but=row.pk)
    if values.get("source", "").strip():
        source = parse_source(values["source"])
        row.sealed_source, row.address = _seal_source(source), source.shown
    _set_values(row, values)
    row.note = ""
    streams = values.get("source", "") + values.get("detail", "")
    if streams.strip() or _seen_by_loop(row) != before:
        row.revision += 1
    with unique_name("camera", row.name):
        row.save()
    record(actor=actor, verb="changed", target=f"camera {row.pk}")
    return row


@brief_transaction()
def restart_camera(*, actor: Actor, camera: Camera) -> None:
    """Lets the camera's loop end and start anew; one that is switched off stays so."""
    Camera.objects.filter(pk=camera.pk).update(revision=F("revision") + 1)
    record(actor=actor, verb="restarted", target=f"camera {camera.pk}")


@brief_transaction()
def set_enabled(*, actor: Actor, camera: Camera, enabled: bool) -> None:
    """Switches a camera on or off."""
    Camera.objects.filter(pk=camera.pk).update(enabled=enabled, note="", revision=F("revision") + 1)
    record(actor=actor, verb="enabled" if enabled else "disabled", target=f"camera {camera.pk}")


def end_camera(*, camera: Camera, note: str) -> None:
    """Switches off a camera that has nothing more to show, unless it was changed meanwhile; the note says why."""
    Camera.objects.filter(pk=camera.pk, revision=camera.revision).update(enabled=False, note=note)


@brief_transaction()
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


def detail_of(camera: Camera) -> Source | None:
    """The camera's second, larger stream with its credentials, or None where it has none. Raises as `source_of`."""
    sealed = Camera.objects.filter(pk=camera.pk).values_list("sealed_detail", flat=True).first()
    return parse_source(vault.unseal(CAMERA_SCOPE, sealed, bind="detail").decode()) if sealed is not None else None


@brief_transaction()
def save_sighting(sighting: SightingRecord) -> Saved:
    """Writes the sighting as it is now, and its passages that are not there yet.

    Raises LeaseLost when the lease it was made under is no longer held.
    """
    return write_sighting(sighting)


def write_sighting(sighting: SightingRecord) -> Saved:
    """`save_sighting` as a part of the transaction that runs already: with few statements, because all of a site's
    cameras wait for those who write alerts."""
    if not held_rows(sighting.lease).select_for_update(no_key=True).exists():
        raise LeaseLost(f"Camera {sighting.lease.camera_id} is run by another worker or was removed.")
    person = _kept(sighting.person_id)
    if sighting.person_id is not None and person is None:
        sighting = _without_person(sighting)
    before = _before(sighting.id)
    values = _columns(sighting)
    was_unknown = before is not None and before.verdict == Verdict.UNKNOWN
    if before is None:
        row = Sighting(id=sighting.id, **values)
        row.person = person
        row.save(force_insert=True)
    else:
        row = _changed(before, values, person)
    if row.link not in _SETTLED:
        _keep_template(sighting, row, was_unknown=was_unknown)
    passages = _save_passages(row, sighting.passages) if sighting.passages else ()
    return Saved(row=row, created=before is None, passages=passages)


def _before(id_: uuid.UUID) -> Sighting | None:
    """The sighting as it is stored, locked: whoever corrects it goes before or after."""
    return Sighting.objects.select_for_update(no_key=True).filter(pk=id_).first()


def _changed(row: Sighting, values: dict[str, Any], person: Person | None) -> Sighting:
    """Writes what is known by now. What a person has said of whom it shows stays as they said it."""
    if row.link == Link.ERASED:
        values = {name: value for name, value in values.items() if name not in _DECIDED | _SHOWN}
    elif row.link == Link.HAND:
        values = {name: value for name, value in values.items() if name not in _DECIDED}
    elif row.person_id != values["person_id"]:
        values |= {"identity_id": None, "link": "", "link_similarity": None, "is_doubted": False}
    Sighting.objects.filter(pk=row.pk).update(**values)
    for name, value in values.items():
        setattr(row, name, value)
    if row.link not in _SETTLED:
        row.person = person
    return row


def _keep_template(sighting: SightingRecord, row: Sighting, *, was_unknown: bool) -> None:
    """Seals the face of somebody unknown, so that they are found to be the same elsewhere; nobody else's is kept."""
    if row.verdict != Verdict.UNKNOWN:
        if was_unknown:
            UnknownTemplate.objects.filter(sighting=row).delete()
        return
    if not settings.UNKNOWN_HOURS or sighting.probe is None or not sighting.keeps_probe:
        return
    seal_unknown(row, sighting.probe, sighting.pack)


def _columns(sighting: SightingRecord) -> dict[str, Any]:
    """The sighting's columns; those of the best shot only where there is a new one."""
    values: dict[str, Any] = {
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
        "verdict": sighting.verdict,
        "person_id": sighting.person_id,
        "similarity": sighting.similarity,
        "threshold": sighting.threshold,
        "pack": sighting.pack,
        "enhanced": enhanced_templates([sighting.template]).get(sighting.template, "") if sighting.template else "",
        "quality": sighting.quality,
        "course": sighting.course or None,
    }
    if sighting.shot is not None:
        day = sighting.first_seen.date()
        sealed = vault.seal(shot_scope(day), sighting.shot, bind=shot_bind(sighting.id))
        values |= {"shot_day": day, "sealed_shot": sealed}
    return values


def _save_passages(row: Sighting, passages: tuple[PassageRecord, ...]) -> tuple[Passage, ...]:
    """Stores what is new; the lease that the caller has locked keeps everybody else from this sighting's passages."""
    stored = set(Passage.objects.filter(sighting=row).values_list("number", flat=True))
    # A zone that was removed meanwhile has no passages; one that is there stays until the transaction is over.
    wanted = {passage.zone_id for passage in passages}
    zones = set(Zone.objects.select_for_update(no_key=True).filter(pk__in=wanted).values_list("pk", flat=True))
    fresh = [
        Passage(
            sighting=row,
            zone_id=one.zone_id,
            kind=one.kind,
            number=one.number,
            at=one.at,
            first_seen=row.first_seen,
        )
        for one in passages
        if one.number not in stored and one.zone_id in zones
    ]
    return tuple(Passage.objects.bulk_create(fresh))


def _kept(person_id: int | None) -> Person | None:
    """The person, who can not be deleted before the transaction is over; None where they were already."""
    if person_id is None:
        return None
    return Person.objects.select_for_update(no_key=True).filter(pk=person_id).first()


def _without_person(sighting: SightingRecord) -> SightingRecord:
    """The sighting of somebody who was deleted since the gallery was read: it says nothing of whom they resembled."""
    verdict = Verdict.UNKNOWN if sighting.verdict is Verdict.KNOWN else sighting.verdict
    return replace(sighting, person_id=None, verdict=verdict, similarity=None, threshold=None, template=None)


def close_stale_sightings() -> int:
    """Closes open sightings whose worker is gone: nobody holds the lease they were written under."""
    alive = CameraLease.objects.filter(is_live(), camera=OuterRef("camera"), epoch=OuterRef("epoch"))
    return Sighting.objects.filter(~Exists(alive), is_open=True).update(is_open=False)


def shot_of(sighting: Sighting) -> bytes | None:
    """The best shot as JPEG, or None when there is none. Raises VaultError when it can not be opened any more."""
    if sighting.sealed_shot is None or sighting.shot_day is None:
        return None
    return vault.unseal(shot_scope(sighting.shot_day), sighting.sealed_shot, bind=shot_bind(sighting.id))


def shot_bind(sighting_id: uuid.UUID) -> str:
    """What a sealed best shot is bound to."""
    return f"shot|{sighting_id}"


def _free_name(name: str, but: int = 0) -> str:
    name = clean_name(name)
    if Camera.objects.filter(name=name).exclude(pk=but).exists():
        raise RecognitionError(f"There is a camera {name!r} already. Choose another name.")
    return name


def _set_values(camera: Camera, values: CameraValues) -> None:
    """Puts the values into the row, name and source left out; raises CameraError."""
    for column, value in cleaned(values).items():
        setattr(camera, column, value)
    if values.get("detail", "").strip():
        if values.get("remove_detail"):
            raise CameraError(
                "remove_detail", "Either give a second stream, or let the one there is be forgotten, not both."
            )
        detail = parse_detail(values["detail"])
        camera.sealed_detail, camera.detail_address = _seal_source(detail, bind="detail"), detail.shown
    elif values.get("remove_detail"):
        camera.sealed_detail, camera.detail_address = None, ""


def _seen_by_loop(camera: Camera) -> tuple[object, ...]:
    """What a running loop has taken from the row."""
    return tuple(getattr(camera, column) for column in _SEEN_BY_LOOP)


def _seal_source(source: Source, bind: str = "source") -> bytes:
    return vault.seal(CAMERA_SCOPE, source.text.encode(), bind=bind)
