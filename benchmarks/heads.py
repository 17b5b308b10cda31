"""Real heads on plain bodies, cut softly from photos, for the clips that benchmarks/walks.py makes.

The people come with installed packages (scikit-image's astronaut, the six of insightface's `t1.jpg`); a folder adds
more: one subfolder a person, or photos named `ada_1.jpg`, `ada_2.jpg`. Every look is brought to one size and place by
the middle of the eyes and of the mouth, feathered, and set on shoulders of cloth. The box of the face is the detector's
on the photo itself, so that truth and detections mean the same.

Pictures are (h, w, 3) uint8 BGR, masks (h, w) float32 in [0, 1], boxes xyxy pixels of the sprite.
"""

from __future__ import annotations

import importlib.util
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from recognition.engine import Embedding, EngineError, Image, Pack, decode_photo, encode_jpeg, similarity
from recognition.engine.types import Floats

CANVAS = (560, 640)  # width and height of a sprite
FACE = (280, 190)  # where the middle of the face is in it
FACE_HEIGHT = 200.0  # about; the box of each look says it precisely
_EYES_TO_MOUTH = 70.0
_HEAD_AXES = (122, 160)
_SAME_PHOTO = 0.95  # similarity from which two photos are one
_PACKAGES = {
    # name -> package, photo, middle of the eyes, middle of the mouth, box of the face
    "Eileen": ("skimage", "data/astronaut.png", (224, 101), (222, 139), (180, 64, 265, 171)),
    "Ada": ("insightface", "data/images/t1.jpg", (106, 318), (128, 361), (53, 267, 159, 394)),
    "Ben": ("insightface", "data/images/t1.jpg", (516, 325), (507, 372), (467, 263, 571, 407)),
    "Cleo": ("insightface", "data/images/t1.jpg", (935, 115), (947, 172), (907, 59, 1011, 199)),
    "Dora": ("insightface", "data/images/t1.jpg", (781, 398), (784, 439), (745, 344, 840, 474)),
    "Emil": ("insightface", "data/images/t1.jpg", (306, 196), (325, 238), (269, 148, 368, 265)),
    "Fay": ("insightface", "data/images/t1.jpg", (1170, 323), (1175, 365), (1130, 276, 1226, 397)),
}
_CLOTHES = ((150, 90, 60), (70, 70, 160), (80, 130, 70), (140, 140, 150), (60, 60, 60), (70, 130, 170), (130, 80, 130))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Look:
    """One photo of a person as a sprite."""

    image: Image
    mask: Floats
    box: Floats  # (4,) of the face in the sprite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """A person whom clips can show: the looks for the clip, and a photo to enrol with that no clip shows."""

    name: str
    looks: tuple[Look, ...]
    enrolment: bytes
    is_other_photo: bool  # whether the enrolment is another photo, and not a changed copy of the one shown


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Photo:
    image: Image
    eyes: tuple[float, float]
    mouth: tuple[float, float]
    box: tuple[float, float, float, float]


@cache
def package_people() -> tuple[Head, ...]:
    """The seven people whose photos come with installed packages; no detector is needed for them."""
    heads = []
    for number, (name, (package, inside, eyes, mouth, box)) in enumerate(_PACKAGES.items()):
        photo = _Photo(image=_package_photo(package, inside), eyes=eyes, mouth=mouth, box=box)
        heads.append(_head(name, [photo], number))
    return tuple(heads)


def people(pack: Pack, folder: Path | None = None, *, at_least: int = 80) -> tuple[Head, ...]:
    """The people of the packages and those of a folder, whose faces must be `at_least` so many pixels high."""
    heads = list(package_people())
    seen = [embedding for head in heads if (embedding := _seen(head, pack)) is not None]
    for number, (name, paths) in enumerate(_by_person(folder).items(), start=len(heads)):
        photos = [photo for path in paths if (photo := _found(path, pack, at_least)) is not None]
        if not photos:
            continue
        head = _head(name, photos, number)
        embedding = _seen(head, pack)
        if embedding is not None and not any(similarity(embedding, other) >= _SAME_PHOTO for other in seen):
            heads.append(head)
            seen.append(embedding)
    return tuple(heads)


def _seen(head: Head, pack: Pack) -> Embedding | None:
    """The embedding of the enrolment photo, which tells whether two names have one photo; None without a face."""
    faces = pack.analyse(decode_photo(head.enrolment))
    return faces[0].embedding if faces else None


def _by_person(folder: Path | None) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob("*")) if folder is not None else []:
        if path.is_file():
            named = re.sub(r"[_-]\d+$", "", path.stem)
            found[named if path.parent == folder else path.parent.name].append(path)
    return found


def _found(path: Path, pack: Pack, at_least: int) -> _Photo | None:
    """The largest face of a photo, or None where there is none that is large enough."""
    try:
        image = decode_photo(path.read_bytes())
        faces = pack.analyse(image, embed=False)
    except EngineError:
        return None
    if not faces or faces[0].box[3] - faces[0].box[1] < at_least:
        return None
    points, box = faces[0].points, faces[0].box
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    left, top, right, bottom = (float(value) for value in box)
    return _Photo(
        image=image,
        eyes=(float(eyes[0]), float(eyes[1])),
        mouth=(float(mouth[0]), float(mouth[1])),
        box=(left, top, right, bottom),
    )


def _head(name: str, photos: Sequence[_Photo], number: int) -> Head:
    """The first photo enrols where there are several; where there is one, a changed copy of it does."""
    shown = photos[1:] or photos
    return Head(
        name=name,
        looks=tuple(_look(photo, _CLOTHES[number % len(_CLOTHES)]) for photo in shown),
        enrolment=_enrolment(photos[0], changed=len(photos) == 1),
        is_other_photo=len(photos) > 1,
    )


def _look(photo: _Photo, cloth: tuple[int, int, int]) -> Look:
    width, height = CANVAS
    scale = _EYES_TO_MOUTH / float(np.hypot(photo.mouth[0] - photo.eyes[0], photo.mouth[1] - photo.eyes[1]))
    middle = ((photo.eyes[0] + photo.mouth[0]) / 2, (photo.eyes[1] + photo.mouth[1]) / 2)
    move = np.array([[scale, 0, FACE[0] - scale * middle[0]], [0, scale, FACE[1] - scale * middle[1]]])
    source = _softened(photo.image, scale)
    head = cv2.warpAffine(source, move, CANVAS, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones(source.shape[:2], np.float32), move, CANVAS, flags=cv2.INTER_LINEAR)
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (FACE[0], FACE[1] - 12), _HEAD_AXES, 0, 0, 360, (1.0,), -1)
    mask = _feather(mask * cv2.erode(inside, np.ones((9, 9), np.uint8)), 6)
    body, body_mask = _body(cloth)
    image = body * (1 - mask[:, :, None]) + head * mask[:, :, None]
    corners = np.array(photo.box, np.float32) * np.float32(scale) + np.tile(move[:, 2], 2).astype(np.float32)
    return Look(
        image=np.clip(image, 0, 255).astype(np.uint8),
        mask=np.maximum(mask, body_mask).astype(np.float32),
        box=corners.astype(np.float32),
    )


def _softened(image: Image, scale: float) -> Image:
    """The photo without what would alias when it is made smaller."""
    if scale >= 0.7:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 / scale), np.uint8)


def _body(cloth: tuple[int, int, int]) -> tuple[Floats, Floats]:
    """Shoulders of a woven cloth, below the head."""
    width, height = CANVAS
    mask = np.zeros((height, width), np.float32)
    cv2.ellipse(mask, (FACE[0], 560), (215, 250), 0, 180, 360, (1.0,), -1)
    cv2.rectangle(mask, (FACE[0] - 215, 560), (FACE[0] + 215, height), (1.0,), -1)
    cv2.rectangle(mask, (FACE[0] - 48, FACE[1] + 60), (FACE[0] + 48, 400), (1.0,), -1)
    rows, columns = np.mgrid[0:height, 0:width]
    weave = 1 + 0.12 * np.sin(rows / 3.1) * np.sin(columns / 2.7) - 0.3 * np.abs(columns - FACE[0]) / width
    body = weave[:, :, None] * np.array(cloth, np.float32)
    return body.astype(np.float32), _feather(mask, 4)


def _feather(mask: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32)


def _enrolment(photo: _Photo, *, changed: bool) -> bytes:
    """The photo around its face; `changed`: mirrored, darker, larger and of another camera's colours."""
    left, top, right, bottom = photo.box
    side = 0.9 * max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    height, width = photo.image.shape[:2]
    rows = slice(max(0, int(y - side)), min(height, int(y + side)))
    crop = photo.image[rows, max(0, int(x - side)) : min(width, int(x + side))]
    if not changed:
        return encode_jpeg(np.ascontiguousarray(crop), quality=92)
    larger = cv2.resize(cv2.flip(crop, 1), None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    other = np.clip(larger * np.array([0.86, 0.92, 0.95], np.float32) + 4, 0, 255)
    return encode_jpeg(other.astype(np.uint8), quality=88)


@cache
def _package_photo(package: str, inside: str) -> Image:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin or "").parent / inside if spec is not None else Path(inside)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"The clips need a picture of the package {package}. Run `make install-dev`.")
    return image.astype(np.uint8)
