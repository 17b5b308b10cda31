"""The faces in a sighting's best shot: the one that it is about, and those who only stood beside.

A best shot is cut around one face, whose longer side is then 1/1.7 of the picture's (recognition.photos.portrait_jpeg),
in its middle unless the face was near the border of the frame.

Shapes: images (h, w, 3) uint8 BGR, boxes (4,) xyxy pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine import Face, Image, Pack, decode_photo, encode_jpeg

_FACE_SHARE = 1 / 1.7
_SMALLEST = 10  # pixels; a bystander whose face is smaller can not be told
_MARGIN = 0.25  # of a face's side, around it: hair and ears tell people apart too
_MOSAIC = 5  # blocks a side are left of a face
_MOST_BYTES = 400 * 2**20  # what Lynceus wrote itself


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """A best shot and the faces in it. `subject` None: the face that it is about was not found again."""

    image: Image
    subject: Face | None
    bystanders: tuple[Face, ...]


def look(jpeg: bytes, pack: Pack, *, embed: bool) -> Shot:
    """Finds the faces of a best shot. Raises engine.EngineError where that is not possible."""
    image = decode_photo(jpeg, max_bytes=_MOST_BYTES)
    faces = pack.analyse(image, embed=embed, min_face=_SMALLEST)
    at = _subject(faces, image)
    others = tuple(face for number, face in enumerate(faces) if number != at)
    return Shot(image=image, subject=None if at is None else faces[at], bystanders=others)


def without_bystanders(shot: Shot) -> Image:
    """The picture in which nobody but its subject can be recognised.

    What is left of the others' faces is five blocks a side, so that no filter brings them back.
    """
    image = shot.image.copy()
    for face in shot.bystanders:
        x1, y1, x2, y2 = _around(face.box, image)
        part = image[y1:y2, x1:x2]
        blocks = cv2.resize(part, (_MOSAIC, _MOSAIC), interpolation=cv2.INTER_AREA)
        image[y1:y2, x1:x2] = cv2.resize(blocks, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    if shot.subject is not None:
        x1, y1, x2, y2 = _pixels(shot.subject.box, image)
        image[y1:y2, x1:x2] = shot.image[y1:y2, x1:x2]
    return image


def to_hand_out(jpeg: bytes, pack: Pack) -> bytes:
    """The best shot as it may leave the house, as JPEG: the same where nobody else is in it, else without bystanders.

    Raises engine.EngineError where it can not be looked at.
    """
    shot = look(jpeg, pack, embed=False)
    return encode_jpeg(without_bystanders(shot)) if shot.bystanders else jpeg


def _subject(faces: Sequence[Face], image: Image) -> int | None:
    """Which of the faces lies best where the one that the picture was cut around has to be."""
    height, width = image.shape[:2]
    half = max(height, width) * _FACE_SHARE / 2
    middle = np.array([width, height], np.float32) / 2
    wanted = np.concatenate([middle - half, middle + half]).astype(np.float32)
    overlaps = [_overlap(face.box, wanted) for face in faces]
    best = max(range(len(faces)), key=overlaps.__getitem__, default=None)
    return best if best is not None and overlaps[best] > 0 else None


def _overlap(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Intersection over union of two boxes."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    inner = float(sides.prod())
    both = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod())
    return inner / max(both - inner, 1e-6)


def _around(box: npt.NDArray[np.float32], image: Image) -> tuple[int, int, int, int]:
    margin = _MARGIN * float((box[2:] - box[:2]).max())
    return _pixels(np.concatenate([box[:2] - margin, box[2:] + margin]), image)


def _pixels(box: npt.NDArray[np.floating], image: Image) -> tuple[int, int, int, int]:
    """Whole pixels within the picture, at least one each way."""
    height, width = image.shape[:2]
    x1, y1 = max(0, min(width - 1, int(box[0]))), max(0, min(height - 1, int(box[1])))
    return x1, y1, max(x1 + 1, min(width, int(np.ceil(box[2])))), max(y1 + 1, min(height, int(np.ceil(box[3]))))
