"""Embeds enrolment photos anew with another pack: each photo's face is found again where it was enrolled.

What was done is in the rows alone: a photo has a template of the pack, or a reason why it can not have one. Whoever is
killed in the middle has lost the chunk it was at, and two who do the same work do each other no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from accounts import vault
from recognition.engine import (
    EngineError,
    FaceDetections,
    Image,
    ModelError,
    Pack,
    PhotoError,
    assess,
    decode_photo,
)
from recognition.gallery import template_bind
from recognition.models import Person, Photo, Template, UnusablePhoto
from recognition.selectors import photo_bind

_log = logging.getLogger(__name__)
CHUNK = 8
_SAME_FACE = 0.3  # intersection over union; two detectors' boxes of one face overlap by 0.7 and more
_SMALLEST = 12  # pixels; no detector finds faces below
_MOST_PHOTO_BYTES = 400 * 2**20  # what was stored was within the limits of its day

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Embedded:
    photo: int
    person: int
    vector: bytes
    quality: float
    box: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unusable:
    photo: int
    person: int
    why: str


def missing_photos(version: str) -> QuerySet[Photo]:
    """The photos that shall be matched and were not looked at with the pack of this version yet, oldest first."""
    made = Template.objects.filter(photo=OuterRef("pk"), pack=version)
    refused = UnusablePhoto.objects.filter(photo=OuterRef("pk"), pack=version)
    return Photo.objects.filter(~Exists(made), ~Exists(refused), for_matching=True).order_by("id")


def embed_missing(pack: Pack) -> Iterator[int]:
    """Looks at every missing photo with the pack, a chunk at a time; yields how many after each.

    Raises engine.ModelError when the pack itself fails.
    """
    last = 0
    while True:
        ids = list(missing_photos(pack.version).filter(pk__gt=last).values_list("pk", flat=True)[:CHUNK])
        if not ids:
            return
        embed_photos(pack, ids)
        last = ids[-1]
        yield len(ids)


def embed_photos(pack: Pack, ids: Sequence[int]) -> None:
    """Looks at these photos with the pack and stores what was found, all at once."""
    photos = list(Photo.objects.filter(pk__in=ids).select_related("person").defer("sealed_portrait"))
    opened = vault.unseal_many([(p.person.scope, p.sealed, photo_bind(p.person_id)) for p in photos])
    boxes = _stored_boxes(photos)
    found: list[_Embedded | _Unusable] = []
    for photo, content in zip(photos, opened, strict=True):
        if isinstance(content, vault.VaultError):
            _log.error("Photo %s is not used: %s", photo.pk, content)
            why = "The stored photo does not open. Add a new photo of this person."
            found.append(_Unusable(photo=photo.pk, person=photo.person_id, why=why))
        else:
            found.append(_look(pack, photo, content, boxes.get(photo.pk)))
    _store(pack.version, found)


def _look(pack: Pack, photo: Photo, content: bytes, box: Box | None) -> _Embedded | _Unusable:
    try:
        image = decode_photo(content, max_bytes=_MOST_PHOTO_BYTES)
        faces, at = _find(pack, image, box)
        embedding = pack.embed(image, faces.points[at : at + 1])[0]
        quality = assess(image, faces.boxes[at], faces.points[at]).score
    except ModelError:
        raise
    except (PhotoError, EngineError) as error:
        return _Unusable(photo=photo.pk, person=photo.person_id, why=str(error)[:500])
    if not np.isfinite(embedding).all():
        raise ModelError(f"The pack {pack.name} gives numbers that are none. Install it again, or use another.")
    height, width = image.shape[:2]
    return _Embedded(
        photo=photo.pk,
        person=photo.person_id,
        vector=embedding.astype("<f4").tobytes(),
        quality=quality,
        box=[round(float(v) / side, 5) for v, side in zip(faces.boxes[at], (width, height) * 2, strict=True)],
    )


def _find(pack: Pack, image: Image, box: Box | None) -> tuple[FaceDetections, int]:
    """The faces of the photo and which of them was enrolled. Raises PhotoError where it is not found."""
    height, width = image.shape[:2]
    if box is None:
        faces = pack.detect(image, min_face=max(_SMALLEST, max(height, width) // 64))
        if len(faces) != 1:
            raise PhotoError(
                "no_face" if not len(faces) else "several_faces",
                f"This pack finds {len(faces) or 'no'} face{'s' if len(faces) > 1 else ''} in the photo, and which one "
                "was enrolled is not known any more. Add a new photo of this person.",
            )
        return faces, 0
    wanted = np.array(box, np.float32) * np.array([width, height, width, height], np.float32)
    side = float(min(wanted[2] - wanted[0], wanted[3] - wanted[1]))
    faces = pack.detect(image, min_face=max(_SMALLEST, int(side / 2)))
    overlaps = _overlaps(wanted, faces)
    if not len(faces) or overlaps.max() < _SAME_FACE:
        raise PhotoError(
            "no_face",
            "This pack finds no face where the photo shows it. Add a photo that shows the face from the front, "
            "larger and in good light.",
        )
    return faces, int(overlaps.argmax())


def _overlaps(box: npt.NDArray[np.float32], faces: FaceDetections) -> npt.NDArray[np.float32]:
    """Intersection over union of the box with every face: (n,) in [0, 1]."""
    low, high = np.maximum(box[:2], faces.boxes[:, :2]), np.minimum(box[2:], faces.boxes[:, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(faces.boxes[:, 2:] - faces.boxes[:, :2], axis=1)
    return np.asarray(inner / np.maximum(np.prod(box[2:] - box[:2]) + areas - inner, 1e-6), np.float32)


def _stored_boxes(photos: Iterable[Photo]) -> dict[int, Box]:
    """Where the face of each photo is, from the newest template of any pack: xyxy in [0, 1]."""
    rows = Template.objects.filter(photo__in=[p.pk for p in photos]).order_by("id").values_list("photo_id", "box")
    return {photo: (float(b[0]), float(b[1]), float(b[2]), float(b[3])) for photo, b in rows if len(b) == 4}


@transaction.atomic
def _store(version: str, found: Sequence[_Embedded | _Unusable]) -> None:
    """Writes the rows of those who are still there. Whoever deletes a person meanwhile waits, or was faster."""
    wanted = sorted({one.person for one in found})
    here = list(Person.objects.select_for_update(no_key=True).filter(pk__in=wanted).order_by("pk"))
    people = {person.pk: person for person in here}
    owners = dict(Photo.objects.filter(pk__in=[one.photo for one in found]).values_list("pk", "person_id"))
    templates, unusable = [], []
    for one in found:
        person = people.get(one.person)
        if person is None or owners.get(one.photo) != one.person:
            continue  # deleted, or merged with somebody else: then it is looked at again
        if isinstance(one, _Unusable):
            unusable.append(UnusablePhoto(photo_id=one.photo, pack=version, why=one.why))
            continue
        sealed = vault.seal(person.scope, one.vector, bind=template_bind(person.pk, version))
        templates.append(
            Template(person=person, photo_id=one.photo, pack=version, sealed=sealed, quality=one.quality, box=one.box)
        )
    Template.objects.bulk_create(templates, ignore_conflicts=True)
    UnusablePhoto.objects.bulk_create(unusable, ignore_conflicts=True)
