"""Which small faces are found, and at what cost? `python -m benchmarks.small_faces FOLDER` prints a table (Markdown).

Real faces (FOLDER has one subfolder a person) are shrunk to a known height and put, with their surroundings and soft
borders, into real pictures without faces (scikit-image's), 1280x720; stored as JPEG of quality 85, as cameras send
them. A face counts as found when a box overlaps its true one by 0.3 or more (intersection over union). Boxes that
overlap none are false.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import skimage.data

from benchmarks.faces import Portrait, portraits
from benchmarks.spoil import compressed
from recognition.engine import Detector, FaceDetections, Image, Pack, load_pack
from recognition.engine.second_pass import Closer, SecondPass
from recognition.engine.types import Floats

SIZES = (32, 24, 16, 12, 9)
FRAME = (1280, 720)
COLUMNS, ROWS = 8, 4
BACKGROUNDS = ("coffee", "immunohistochemistry", "chelsea", "brick", "grass", "gravel")
FOUND = 0.3

Look = Callable[[Image], Floats]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    image: Image
    boxes: Floats  # (n, 4) where the faces are


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_faces", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="one subfolder a person")
    parser.add_argument("--cache", type=Path, help="where the models are kept")
    parser.add_argument("--pack", action="append", default=[], help="packs beside compact")
    options = parser.parse_args()
    packs = [load_pack(name, cache=options.cache) for name in ["compact", *options.pack]]
    faces = portraits(options.folder, packs[0])
    scenes = {size: list(build(faces, size)) for size in SIZES}
    print(table({**{k: v for pack in packs for k, v in looks(pack).items()}, **hog()}, scenes))


def looks(pack: Pack) -> dict[str, Look]:
    """The ways to look with a pack's detector."""
    detector = pack.detector
    return {
        f"{pack.name}, from 24 px": lambda image: detector.detect(image, min_face=24).boxes,
        f"{pack.name}, from 12 px": lambda image: detector.detect(image, min_face=12).boxes,
        f"{pack.name}, from 24 px, second pass x1.5": _second(detector, 1.5),
        f"{pack.name}, from 24 px, second pass x2": _second(detector, 2.0),
    }


def _second(detector: Detector, scale: float) -> Look:
    twice = SecondPass(detector, Closer(scale=scale))

    def look(image: Image) -> Floats:
        found: FaceDetections = twice.detect(image, min_face=24)
        return found.boxes

    return look


def hog() -> dict[str, Look]:
    """What `face_recognition.face_locations` does, where dlib is installed."""
    try:
        import dlib
    except ImportError:
        return {}
    detector = dlib.get_frontal_face_detector()

    def look(image: Image, up: int) -> Floats:
        found = detector(np.ascontiguousarray(image[:, :, ::-1]), up)
        boxes = [(box.left(), box.top(), box.right(), box.bottom()) for box in found]
        return np.array(boxes, np.float32).reshape(-1, 4)

    return {"dlib HOG, up 1": lambda image: look(image, 1), "dlib HOG, up 2": lambda image: look(image, 2)}


def build(faces: Sequence[Portrait], size: int) -> Iterator[Scene]:
    """Scenes in which every face is `size` pixels high."""
    rng = np.random.default_rng(size)
    order = rng.permutation(len(faces))
    for number, name in enumerate(BACKGROUNDS):
        picture = getattr(skimage.data, name)()
        picture = picture[:, :, ::-1] if picture.ndim == 3 else cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
        image = np.ascontiguousarray(cv2.resize(picture, FRAME, interpolation=cv2.INTER_AREA), np.uint8)
        boxes = []
        for cell in range(COLUMNS * ROWS):
            portrait = faces[order[(number * COLUMNS * ROWS + cell) % len(faces)]]
            x = (cell % COLUMNS + 0.5) * FRAME[0] / COLUMNS + rng.uniform(-20, 20)
            y = (cell // COLUMNS + 0.5) * FRAME[1] / ROWS + rng.uniform(-20, 20)
            boxes.append(_put(image, portrait, x, y, size))
        yield Scene(image=compressed(image, np.zeros((5, 2), np.float32), 85), boxes=np.array(boxes, np.float32))


def _put(image: Image, portrait: Portrait, x: float, y: float, size: int) -> tuple[float, float, float, float]:
    """Draw the face around (x, y); gives its box."""
    left, top, right, bottom = portrait.face.box.tolist()
    border = 0.5 * (bottom - top)
    start = (max(0, int(left - border)), max(0, int(top - border)))
    crop = portrait.image[start[1] : int(bottom + border), start[0] : int(right + border)]
    scale = size / (bottom - top)
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    at = (round(x - width / 2), round(y - height / 2))
    mask = np.zeros((height, width, 1), np.float32)
    rim = max(1, round(0.15 * size))
    mask[rim:-rim, rim:-rim] = 1
    mask = cv2.blur(mask, (2 * rim + 1, 2 * rim + 1))[:, :, None]
    there = image[at[1] : at[1] + height, at[0] : at[0] + width]
    there[:] = (small * mask + there * (1 - mask)).astype(np.uint8)
    corner = (at[0] + (left - start[0]) * scale, at[1] + (top - start[1]) * scale)
    return (*corner, corner[0] + (right - left) * scale, corner[1] + (bottom - top) * scale)


def table(ways: dict[str, Look], scenes: dict[int, list[Scene]]) -> str:
    count = len(BACKGROUNDS) * COLUMNS * ROWS
    head = ["", *(f"{size} px" for size in scenes), "false boxes", "ms a frame"]
    lines = [f"{count} faces of each height; recall.", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for name, look in ways.items():
        hits, false, times = [], 0, []
        for group in scenes.values():
            found = 0
            for scene in group:
                started = time.perf_counter()
                boxes = look(scene.image)
                times.append(time.perf_counter() - started)
                overlaps = _iou(scene.boxes, boxes)
                found += int((overlaps.max(axis=1, initial=0) >= FOUND).sum())
                false += int((overlaps.max(axis=0, initial=0) < 0.1).sum())
            hits.append(f"{found / count:.3f}")
        lines.append(f"| {name} | {' | '.join(hits)} | {false} | {1000 * median(times):.0f} |")
    return "\n".join(lines)


def _iou(some: Floats, others: Floats) -> Floats:
    corner = np.maximum(some[:, None, :2], others[None, :, :2])
    end = np.minimum(some[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(end - corner, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (some, others)]
    return np.asarray(shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-6), np.float32)


if __name__ == "__main__":
    main()
