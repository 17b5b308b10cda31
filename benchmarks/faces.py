"""Labelled faces for the measurements of quality, small faces and enhancement: photos of known people, cut to one face.

A folder has one subfolder a person. Every photo is cut to its largest face with its surroundings and made no larger
than 128 px a face, so that one amount of spoiling means about the same on all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from recognition.engine import Embedding, EngineError, Face, Image, Pack, decode_photo
from recognition.engine.types import Floats

FACE_PX = 128
SURROUNDINGS = 1.4  # on each side, in widths of the face


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Portrait:
    """One face of one person, as good as it was photographed."""

    person: str
    image: Image
    face: Face


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """The face of a portrait in a spoiled picture of it."""

    box: Floats
    points: Floats
    embedding: Embedding


def portraits(folder: Path, pack: Pack) -> list[Portrait]:
    """All faces of a labelled folder; photos that can not be read, or without a face, are left out."""
    found = []
    for path in sorted(path for path in folder.glob("*/*") if path.is_file()):
        try:
            portrait = cut(decode_photo(path.read_bytes()), path.parent.name, pack)
        except EngineError:
            continue
        if portrait is not None:
            found.append(portrait)
    return found


def cut(photo: Image, person: str, pack: Pack, *, which: int = 0) -> Portrait | None:
    """The photo's largest face (or the one at `which`) with its surroundings, or None where there is none."""
    faces = pack.analyse(photo, embed=False, min_face=20)
    if len(faces) <= which:
        return None
    left, top, right, bottom = faces[which].box.tolist()
    width = max(right - left, bottom - top)
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    start = np.maximum(middle - SURROUNDINGS * width, 0).astype(int)
    end = (middle + SURROUNDINGS * width).astype(int)
    crop = photo[start[1] : end[1], start[0] : end[0]]
    scale = min(1.0, FACE_PX / width)
    image = np.ascontiguousarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    again = pack.analyse(image, min_face=20)
    if not again:
        return None
    there = (middle - start) * scale
    nearest = min(again, key=lambda face: float(np.hypot(*(face.points.mean(axis=0) - there))))
    return Portrait(person=person, image=image, face=nearest)


def find(portrait: Portrait, spoiled: Image, pack: Pack) -> Found | None:
    """The portrait's face in a spoiled picture of it, which may be smaller but not moved; None when it is not found."""
    # A picture that was cut at its right edge kept its height.
    scale = spoiled.shape[0] / portrait.image.shape[0]
    size = scale * min(portrait.face.box[2:] - portrait.face.box[:2])
    found = pack.detect(spoiled, min_face=int(np.clip(0.6 * size, 12, 60)))
    if not len(found):
        return None
    away = np.hypot(*(found.points.mean(axis=1) - scale * portrait.face.points.mean(axis=0)).T)
    at = int(np.argmin(away))
    if away[at] > scale * float(np.hypot(*(portrait.face.points[1] - portrait.face.points[0]))):
        return None
    (embedding,) = pack.embed(spoiled, found.points[at : at + 1])
    return Found(box=found.boxes[at], points=found.points[at], embedding=embedding)
