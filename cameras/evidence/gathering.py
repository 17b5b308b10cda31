"""What goes into a package of evidence: which sightings of an identity, and what is said of each.

Leads, which reviewers have not confirmed, are not handed out, and nobody but the one whom it is about can be recognised
in a picture. There is no way to leave others recognisable: who needs that has the pictures looked at here.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import cv2
import numpy as np
from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.services import record
from accounts.vault import VaultError
from cameras import release, shots
from cameras.history.exporting import rows_of
from cameras.history.filters import can_be_kept
from cameras.history.words import entries
from cameras.models import CASE_LENGTH, REASON_LENGTH, Correction, Identity, Link, Sighting
from cameras.services import shot_of
from recognition.engine import EngineError, encode_jpeg
from recognition.errors import RecognitionError
from recognition.packs import current_pack
from recognition.photos import PHOTOS_AT_ONCE

MOST: Final = 1000  # sightings in one package
LEAST_REASON: Final = 5
_THUMB: Final = 160  # pixels


class EvidenceError(RecognitionError):
    """The package can not be made; `field` says which value that is about, or is empty."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Cut(Exception):
    """What is being written must not go on; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for. No cameras: all. `only`: these alone. `doubted`: also those that can not be theirs."""

    reason: str
    case_number: str
    since: datetime | None = None
    until: datetime | None = None
    cameras: Collection[int] = ()
    doubted: bool = False
    only: Collection[uuid.UUID] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package that may be written: it is on record. `sightings` are in order of time."""

    actor: User
    identity: int
    person: int | None
    wanted: Wanted
    sightings: tuple[uuid.UUID, ...]

    @property
    def target(self) -> str:
        """What the audit trail says it is about."""
        return f"identity {self.identity}"

    @property
    def name(self) -> str:
        return f"evidence-identity-{self.identity}.zip"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """A sighting in the package. `facts` as exports of history have them; `shot`: the name of its picture in the ZIP,
    `thumb`: the same small, as a data: address; both empty where there is none. `similarity`: to an enrolled photo."""

    number: int
    sighting: uuid.UUID
    first_seen: datetime
    last_seen: datetime
    camera_name: str
    place: str
    how: str
    doubts: tuple[str, ...]
    similarity: float | None
    threshold: float | None
    pack: str
    facts: dict[str, Any]
    shot: str
    thumb: str
    is_open: bool = False
    gap: float | None = None  # seconds since the one before ended; None for the first, and where it is doubted


def begin(*, actor: User, identity: Identity, wanted: Wanted) -> Package:
    """Puts on record who takes what and why. Raises EvidenceError."""
    reason, case = _clean(wanted.reason), _clean(wanted.case_number)
    if len(reason) < LEAST_REASON:
        raise EvidenceError(
            "Say for what the package is needed; it stands in it and in the audit trail.", field="reason"
        )
    if not case:
        raise EvidenceError("Give the case number that the package belongs to.", field="case_number")
    for field, moment in (("since", wanted.since), ("until", wanted.until)):
        if not can_be_kept(moment):
            raise EvidenceError("Times are from 1970 to 9999. Choose another one.", field=field)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise EvidenceError("The span ends before it begins. Choose a later end.", field="until")
    found = list(chosen(identity, wanted).values_list("pk", flat=True)[: MOST + 1])
    if not found:
        raise EvidenceError("There is no sighting in this span that may be handed out. Choose another span.")
    if len(found) > MOST:
        raise EvidenceError(f"More than {MOST:,} sightings are too many for one package. Choose a shorter span.")
    record(
        actor=actor,
        verb="takes evidence",
        target=f"identity {identity.pk}",
        reason=reason[:REASON_LENGTH],
        case=case[:CASE_LENGTH],
        sightings=len(found),
    )
    clean = replace(
        wanted,
        reason=reason[:REASON_LENGTH],
        case_number=case[:CASE_LENGTH],
        cameras=tuple(wanted.cameras),
        only=tuple(wanted.only),
    )
    return Package(actor=actor, identity=identity.pk, person=identity.person_id, wanted=clean, sightings=tuple(found))


def chosen(identity: Identity, wanted: Wanted) -> QuerySet[Sighting]:
    """The sightings that are asked for and may be handed out, the oldest first."""
    found = Sighting.objects.filter(identity=identity)
    if wanted.since is not None:
        found = found.filter(first_seen__gte=wanted.since)
    if wanted.until is not None:
        found = found.filter(first_seen__lte=wanted.until)
    if wanted.cameras:
        found = found.filter(camera__in=wanted.cameras)
    if wanted.only:
        found = found.filter(pk__in=wanted.only)
    if not wanted.doubted:
        found = found.filter(is_doubted=False)
    return release.released(found).order_by("first_seen", "id")


def check(package: Package, sightings: Collection[uuid.UUID]) -> None:
    """Raises Cut where whom it is about is gone, or one of these sightings is not theirs any more."""
    there = Identity.objects.filter(pk=package.identity, person=package.person, merged_into=None)
    if not there.exists():
        raise Cut("Whom it is about was deleted, named, or made one with another, while it was written.")
    own = release.released(Sighting.objects.filter(identity=package.identity, pk__in=sightings)).count()
    if own < len(set(sightings)):
        raise Cut("Whose some of the sightings are was changed while it was written. Export again.")


def look(package: Package, number: int, before: Item | None) -> tuple[Item, bytes | None]:
    """The sighting with this number (from 1), and its picture without bystanders. Raises Cut."""
    pk = package.sightings[number - 1]
    check(package, [pk])
    row = Sighting.objects.defer(None).select_related("person", "identity__person").get(pk=pk)
    jpeg = _picture(row)
    said = entries([row])[0]
    (facts,) = rows_of([row], leads_too=False) or ({},)
    is_recognised = row.person_id is not None and row.link in ("", Link.RECOGNISED)
    name = f"shots/{number:04d}.jpg" if jpeg is not None else ""
    item = Item(
        number=number,
        sighting=pk,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        camera_name=row.camera_name,
        place=row.place,
        how=said.how,
        doubts=said.doubts,
        similarity=row.similarity if is_recognised else None,
        threshold=row.threshold if is_recognised else None,
        pack=row.pack,
        facts=facts | {"pack": row.pack, "shot": name},
        shot=name,
        thumb=_thumb(jpeg) if jpeg is not None else "",
        is_open=row.is_open,
        gap=_gap(before, row),
    )
    return item, jpeg


def corrections(identity: int) -> list[Correction]:
    """What was put right about them by hand, the oldest first."""
    about = Q(identity=identity) | Q(other=identity)
    return list(Correction.objects.filter(about).select_related("identity__person", "other__person").order_by("id"))


def _gap(before: Item | None, row: Sighting) -> float | None:
    if before is None or row.is_doubted:
        return None
    return max(0.0, (row.first_seen - before.last_seen).total_seconds())


def _picture(row: Sighting) -> bytes | None:
    """The best shot as it may leave the house; None where there is none, or its key was deleted."""
    try:
        jpeg = shot_of(row)
        if jpeg is None:
            return None
        with PHOTOS_AT_ONCE:
            return shots.to_hand_out(jpeg, current_pack())
    except VaultError:
        return None
    except EngineError as error:
        raise Cut(f"Bystanders in a picture can not be hidden, so nothing more is exported. {error}") from error


def _thumb(jpeg: bytes) -> str:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return ""
    scale = min(1.0, _THUMB / max(image.shape[:2]))
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    data = encode_jpeg(np.ascontiguousarray(small, np.uint8), quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()


def _clean(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())
