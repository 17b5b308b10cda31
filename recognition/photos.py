"""From an uploaded photo to the one face that is enrolled: what passes, what is refused and why, and portraits.

Nothing here writes anything. Uploads are hostile until they are decoded, see engine.images.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from django.conf import settings

from recognition.engine import (
    Embedding,
    Enhanced,
    Face,
    Image,
    Pack,
    PhotoError,
    decode_photo,
    encode_jpeg,
    enhance,
)
from recognition.packs import current_pack

PORTRAIT_SIDE = 320
# A photo of 50 million pixels takes hundreds of MB while it is decoded: so many at once, the others wait.
PHOTOS_AT_ONCE = threading.BoundedSemaphore(2)
TOO_LARGE = "The photo has more than the {} MB that are allowed. Save it smaller."


class UnreadableError(Exception):
    """A photo's file can not be read; the message is a sentence for people."""


class Treatment(StrEnum):
    """What is done to a photo before it is enrolled. Enhancing is only ever asked for by a person."""

    AS_IT_IS = "as_it_is"
    ENHANCED_PICTURE = "enhanced_picture"  # kept to be looked at; cameras never compare with it
    ENHANCED_MATCHING = "enhanced_matching"  # also compared with, and marked wherever that shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A photo as it came in: its name, for messages, and its bytes. `face` picks one of several: 1 is the largest."""

    name: str
    data: bytes
    face: int | None = None
    treatment: Treatment = Treatment.AS_IT_IS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsablePhoto:
    """A photo that passed: the upright picture, its one face, and the version of the pack that looked at it."""

    image: Image
    face: Face
    pack: str
    enhanced: str = ""  # what was done to the picture
    for_matching: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enhancement:
    """A photo before and after: two JPEG portraits, sentences on what was done, and on what is wrong even so.

    `embedding` is that of the enhanced face: with it is asked whether the face is enrolled for somebody else.
    """

    before: bytes
    after: bytes
    embedding: Embedding
    steps: tuple[str, ...]
    problems: tuple[str, ...]


def read_file(path: Path) -> bytes:
    """A photo's file, never more of it than a photo may have; raises UnreadableError."""
    limit = settings.MAX_PHOTO_MB * 2**20
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise UnreadableError("There is no such file. Check the path.") from None
    except IsADirectoryError:
        raise UnreadableError("This is a folder. Name the photos in it, such as folder/*.jpg.") from None
    except PermissionError:
        raise UnreadableError("The file may not be read by this account. Change its permissions.") from None
    except (OSError, ValueError):
        raise UnreadableError("The file can not be read. Check that the disk is there.") from None
    if len(data) > limit:
        raise UnreadableError(TOO_LARGE.format(settings.MAX_PHOTO_MB))
    return data


def read_photo(upload: Upload) -> Image:
    """Decodes an uploaded photo within the configured limits; raises PhotoError."""
    return decode_photo(upload.data, max_bytes=settings.MAX_PHOTO_MB * 2**20)


def check_photo(upload: Upload) -> UsablePhoto:
    """The photo's one usable face, after the treatment that was asked for.

    Raises PhotoError with what is wrong and what to do.
    """
    with PHOTOS_AT_ONCE:
        image, pack = read_photo(upload), current_pack()
        face = _the_face(pack.analyse(image), upload.face)
        text = ""
        if upload.treatment is not Treatment.AS_IT_IS:
            done, face = _enhanced(pack, image, face)
            image, text = done.image, done.text
    problems = face.quality.sentences()
    if problems and upload.treatment is not Treatment.ENHANCED_PICTURE:
        raise PhotoError("quality", " ".join(problems))
    return UsablePhoto(
        image=image,
        face=face,
        pack=pack.version,
        enhanced=text,
        for_matching=upload.treatment is not Treatment.ENHANCED_PICTURE,
    )


def enhancement(upload: Upload) -> Enhancement | None:
    """What enhancing would make of a photo; None where nothing can be done for it. Raises PhotoError."""
    with PHOTOS_AT_ONCE:
        image, pack = read_photo(upload), current_pack()
        face = _the_face(pack.analyse(image), upload.face)
        before = portrait_jpeg(image, face.box)
        try:
            done, new_face = _enhanced(pack, image, face)
        except PhotoError:
            return None
    return Enhancement(
        before=before,
        after=portrait_jpeg(done.image, new_face.box),
        embedding=new_face.embedding,
        steps=tuple(done.sentences()),
        problems=tuple(new_face.quality.sentences()),
    )


def _enhanced(pack: Pack, image: Image, face: Face) -> tuple[Enhanced, Face]:
    """The enhanced picture and the same face in it; raises PhotoError where nothing helps."""
    done = enhance(image, face.quality)
    if not done.steps:
        raise PhotoError("quality", "Nothing can be done for this photo. Use another one.")
    middle = (face.box[:2] + face.box[2:]) / 2 * done.scale
    for one in pack.analyse(done.image):
        if (one.box[:2] <= middle).all() and (middle <= one.box[2:]).all():
            return done, one
    raise PhotoError("quality", "In the enhanced photo the face is not found any more. Use another photo.")


def _the_face(faces: Sequence[Face], number: int | None) -> Face:
    if not faces:
        raise PhotoError(
            "no_face", "No face was found. Use a photo that shows the face from the front, upright and in good light."
        )
    if number is None:
        if len(faces) > 1:
            raise PhotoError(
                "several_faces",
                f"The photo shows {len(faces)} faces. Crop it to one person, or say which face (1 is the largest).",
            )
        return faces[0]
    if not 1 <= number <= len(faces):
        raise PhotoError(
            "no_such_face",
            f"Face {number} was asked for, but the photo shows {len(faces)}. Choose one, 1 is the largest.",
        )
    return faces[number - 1]


def portrait_jpeg(
    image: Image, box: np.ndarray[tuple[int], np.dtype[np.float32]], *, side: int = PORTRAIT_SIDE
) -> bytes:
    """A square JPEG of the face with some surroundings, at most `side` pixels wide. `box`: xyxy pixels."""
    x1, y1, x2, y2 = (float(v) for v in box)
    half = 0.85 * max(x2 - x1, y2 - y1)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = image.shape[:2]
    left, top = max(0, int(cx - half)), max(0, int(cy - half))
    crop: Image = image[top : min(height, int(cy + half) + 1), left : min(width, int(cx + half) + 1)]
    scale = side / max(crop.shape[:2])
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encode_jpeg(np.ascontiguousarray(crop), quality=88)
