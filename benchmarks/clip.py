"""The clip that everything is measured on: people who come and go before a brick wall, one after the other.

Each of the people is in view for SHOWN seconds and away for longer than a track waits, so that every appearance is a
sighting of its own. 1280x720, FPS frames a second, MPEG-4. The photos come with installed packages.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from recognition.engine import Image, encode_jpeg

SIZE = (1280, 720)
FPS = 15
SHOWN = 1.0
PAUSE = 0.35
_HEAD = 360  # pixels, of which the face is about half
_FILES = {"eileen": ("skimage", "data/astronaut.png"), "six": ("insightface", "data/images/t1.jpg")}
# name -> photo, and the head in it as xyxy pixels
_HEADS = {
    "Ada": ("six", (0, 190, 240, 480)),
    "Ben": ("six", (400, 180, 640, 490)),
    "Eileen": ("eileen", (90, 0, 350, 260)),
}
PEOPLE = tuple(_HEADS)
SECONDS = len(PEOPLE) * (SHOWN + PAUSE)


def busy(path: Path) -> Path:
    """All the people, one after the other."""
    heads = [_head(person) for person in PEOPLE]
    return _write(path, heads)


def still(path: Path) -> Path:
    """The wall alone, with the noise of a sensor, as long as the other."""
    return _write(path, [None] * len(PEOPLE))


def enrolment_photo(person: str) -> bytes:
    """A photo that the clip does not show: mirrored, darker, larger."""
    larger = cv2.resize(cv2.flip(_head(person), 1), None, fx=1.3, fy=1.3, interpolation=cv2.INTER_CUBIC)
    return encode_jpeg(np.clip(larger.astype(np.float32) * 0.92, 0, 255).astype(np.uint8), quality=90)


def _write(path: Path, heads: Sequence[Image | None]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    noise = np.random.default_rng(7)
    wall = _wall()
    for number, head in enumerate(heads):
        for frame in range(round((SHOWN + PAUSE) * FPS)):
            picture = wall.copy()
            if head is not None and frame < SHOWN * FPS:
                left, top = 120 + number * 330 + round(12 * math.sin(frame / 4)), 180 + round(6 * math.sin(frame / 5))
                picture[top : top + head.shape[0], left : left + head.shape[1]] = head
            grain = noise.normal(0, 1.5, (SIZE[1], SIZE[0], 1)).astype(np.float32)
            writer.write(np.clip(picture + grain, 0, 255).astype(np.uint8))
    writer.release()
    return path


def _head(person: str) -> Image:
    photo, (x1, y1, x2, y2) = _HEADS[person]
    crop = _photo(photo)[y1:y2, x1:x2]
    scale = _HEAD / max(crop.shape[:2])
    return np.asarray(cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _wall() -> Image:
    brick = _read("skimage", "data/brick.png")
    return np.asarray(cv2.resize(brick[: 512 * 9 // 16], SIZE, interpolation=cv2.INTER_LINEAR), np.uint8)


def _photo(name: str) -> Image:
    return _read(*_FILES[name])


def _read(package: str, inside: str) -> Image:
    spec = importlib.util.find_spec(package)
    path = Path(spec.origin or "").parent / inside if spec is not None else Path(inside)
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"The benchmark needs a picture of the package {package}. Run `make install`.")
    return image.astype(np.uint8)
