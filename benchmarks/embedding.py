"""Embedding and whole frames beside the library `face_recognition` (dlib): how fast, how equal, what is found.

The pictures are the six people of insightface's t1.jpg, cut to 1280x720, and the portrait of scikit-image; their
faces are varied mildly (mirrored, darker, lighter, smaller, turned, compressed) until there are enough chips, and a
folder of photos adds its own. Both sides take turns at every chip and every frame, each with one thread. Images and
chips are (h, w, 3) uint8 BGR, times seconds.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TypeVar

import cv2
import numpy as np

from benchmarks.peer import Boxes, DlibWay
from recognition.engine import EngineError, Image, Pack, decode_photo

CHIPS = 224
Result = TypeVar("Result")
# Where the six faces of the frame are, by eye: a point between eyes and mouth of each.
SIX: tuple[tuple[int, int], ...] = ((110, 330), (320, 205), (516, 335), (790, 410), (960, 130), (1180, 335))


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Seconds a face, medians; `difference`: the largest of any number of any embedding."""

    chips: int
    ours: float
    ours_of_8: float
    theirs: float
    difference: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """One way with a frame: median seconds, faces of SIX that were found, and what was no face."""

    name: str
    seconds: float
    found: int
    false: int


def frame() -> Image:
    """1280x720, six faces."""
    return np.ascontiguousarray(_packaged("insightface", "data/images/t1.jpg")[:720])


def chips(pack: Pack, folder: Path | None, count: int = CHIPS) -> list[Image]:
    """At least `count` chips of real faces, aligned by the pack."""
    pictures = [frame(), _packaged("skimage", "data/astronaut.png"), *(_photos(folder) if folder else [])]
    found = []
    for variation in _VARIATIONS:
        for picture in pictures:
            image = variation(picture)
            faces = pack.detect(image, min_face=32)
            found += [pack.recogniser.align(image, points) for points in faces.points]
        if len(found) >= count:
            return found
    raise SystemExit(f"Only {len(found)} chips were found in the packaged pictures, {count} are needed.")


def compare_embedding(pack: Pack, faces: Sequence[Image], dlib: DlibWay) -> Embedded:
    """Every chip by both, one at a time; then ours in batches of eight."""
    times: tuple[list[float], list[float], list[float]] = ([], [], [])
    largest = 0.0
    pack.recogniser.embed(faces[:8])
    dlib.embed(faces[0])
    for chip in faces:
        ours, mine = timed(partial(pack.recogniser.embed, [chip]))
        theirs, other = timed(partial(dlib.embed, chip))
        times[0].append(ours)
        times[1].append(theirs)
        largest = max(largest, float(np.abs(mine[0] - other).max()))
    for start in range(0, len(faces) - 7, 8):
        times[2].append(timed(partial(pack.recogniser.embed, faces[start : start + 8]))[0] / 8)
    return Embedded(
        chips=len(faces),
        ours=median(times[0]),
        ours_of_8=median(times[2]),
        theirs=median(times[1]),
        difference=largest,
    )


def compare_frames(packs: Sequence[Pack], dlib: DlibWay, *, repeat: int) -> list[Framed]:
    """The whole way of a frame (detect, align, embed every face), all in turns."""
    picture = frame()
    ways: dict[str, Callable[[], Boxes]] = {"`face_recognition`": lambda: dlib.faces(picture)[0]}
    for pack in packs:
        ways[f"`{pack.name}`"] = partial(_whole, pack, picture)
    times: dict[str, list[float]] = {name: [] for name in ways}
    boxes = {name: way() for name, way in ways.items()}
    for _ in range(repeat):
        for name, way in ways.items():
            times[name].append(timed(way)[0])
    return [
        Framed(
            name=name,
            seconds=median(times[name]),
            found=_hits(boxes[name]),
            false=len(boxes[name]) - _hits(boxes[name]),
        )
        for name in ways
    ]


def timed(work: Callable[[], Result]) -> tuple[float, Result]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _whole(pack: Pack, picture: Image) -> Boxes:
    found = pack.detect(picture)
    pack.embed(picture, found.points)
    return found.boxes


def _hits(boxes: Boxes) -> int:
    """How many of the six faces lie in a box of their own."""
    return sum(any(x1 <= x <= x2 and y1 <= y <= y2 for x1, y1, x2, y2 in boxes) for x, y in SIX)


def _photos(folder: Path) -> list[Image]:
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            found.append(decode_photo(path.read_bytes()))
        except EngineError:
            continue
    return found


def _packaged(module: str, path: str) -> Image:
    spec = importlib.util.find_spec(module)
    folder = next(iter(spec.submodule_search_locations or ()), None) if spec is not None else None
    image = cv2.imread(str(Path(folder) / path)) if folder is not None else None
    if image is None:
        raise SystemExit(f"The package {module}, which carries a picture, is not installed. Run `make install`.")
    return np.asarray(image, np.uint8)


def _lit(gain: float) -> Callable[[Image], Image]:
    return lambda image: np.clip(image.astype(np.float32) * gain, 0, 255).astype(np.uint8)


def _scaled(scale: float) -> Callable[[Image], Image]:
    return lambda image: cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _turned(degrees: float) -> Callable[[Image], Image]:
    def turn(image: Image) -> Image:
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
        return cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)

    return turn


def _compressed(quality: int) -> Callable[[Image], Image]:
    def compress(image: Image) -> Image:
        data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        return decoded.astype(np.uint8)

    return compress


def _mirrored(then: Callable[[Image], Image]) -> Callable[[Image], Image]:
    return lambda image: then(np.ascontiguousarray(image[:, ::-1]))


_PLAIN: tuple[Callable[[Image], Image], ...] = (
    lambda image: image,
    *(_lit(gain) for gain in (0.5, 0.7, 0.85, 1.2, 1.4)),
    *(_scaled(scale) for scale in (0.5, 0.6, 0.7, 0.8, 0.9)),
    *(_turned(degrees) for degrees in (-12, -8, -4, 4, 8, 12)),
    *(_compressed(quality) for quality in (20, 40, 60, 80)),
)
_VARIATIONS = tuple(each for plain in _PLAIN for each in (plain, _mirrored(plain)))
