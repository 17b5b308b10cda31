"""Faces the way the `face_recognition` library finds and encodes them: dlib itself, kept as the reference.

Needs the package dlib (the extra `dlib`) and three or four of its model files; slow, and held by a lock: dlib's objects
are not made for many threads. Equal, to the last bit, to `face_recognition.face_locations` with `face_encodings(...,
model="small")`.

The detector is dlib's HOG (80 px and up, each upsampling halves that) or, where its file is given, the CNN. dlib's
landmark model knows five other points than the engine: both corners of each eye, and the bottom of the nose. `points`
turns them into the engine's five (middles of the eyes, tip of the nose, corners of the mouth) by fixed proportions of a
face, in a way that loses nothing: `landmarks` gives back exactly what dlib found, so that `align` cuts dlib's own chip.

Shapes: images (h, w, 3) uint8 BGR, chips (150, 150, 3) uint8 BGR, embeddings (n, 128) float32, not of unit length.
Scores are 1 / (1 + exp(-s)) of dlib's score s: at least about one half.
Errors: ModelError where dlib or a file is missing or is not what it should be.
"""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ModelError, ShapeError
from recognition.engine.types import FaceDetections, Floats, Image, check_image

DIMENSION = 128
CHIP_SIZE = 150

# The height of the smallest face that HOG sees without upsampling.
_HOG_FACE = 80
_MAX_UPSAMPLE = 3
# Enlarged pictures above this many pixels take gigabytes and minutes; they are then enlarged less often.
_MAX_PIXELS = 64_000_000

# Shares of the line from the nose's bottom to the middle between the eyes, and of the line between the eyes, by which
# the tip of the nose and the corners of the mouth lie apart from it in dlib's mean face.
_NOSE_UP = 0.286
_MOUTH_DOWN = 0.309
_MOUTH_OUT = 0.28

# In dlib's order: image-right eye's outer and inner corner, image-left eye's outer and inner corner, nose.
Landmarks = npt.NDArray[np.int64]


class DlibDetector:
    """A `Detector`. The model files are read at the first picture."""

    def __init__(self, predictor: Path, cnn: Path | None = None, *, upsample: int = 1) -> None:
        """`predictor` finds the landmarks; with `cnn` that network finds the faces. `upsample` as dlib has it."""
        self._predictor_file, self._cnn_file = predictor, cnn
        self._upsample = upsample
        self._lock = threading.Lock()

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        """Find faces; `min_face` chooses how often the picture is enlarged, by default as the constructor says."""
        check_image(image)
        rgb = np.ascontiguousarray(image[:, :, ::-1])
        height, width = image.shape[:2]
        with self._lock:
            found = self._find(rgb, self._times(width * height, min_face))
            rows = [self._row(rgb, rectangle, score, width, height) for rectangle, score in found]
        rows = [row for row in rows if row is not None]
        if not rows:
            return FaceDetections.none()
        boxes, scores, points = (np.array(column, np.float32) for column in zip(*rows, strict=True))
        return FaceDetections(boxes=boxes, scores=scores, points=points)

    def _times(self, pixels: int, min_face: int | None) -> int:
        wanted = self._upsample
        if min_face is not None:
            wanted = int(np.clip(np.ceil(np.log2(_HOG_FACE / max(1, min_face))), 0, _MAX_UPSAMPLE))
        while wanted and pixels * 4**wanted > _MAX_PIXELS:
            wanted -= 1
        return wanted

    def _find(self, rgb: Image, upsample: int) -> list[tuple[Any, float]]:
        if self._cnn is not None:
            return [(one.rect, one.confidence) for one in self._cnn(rgb, upsample)]
        rectangles, scores, _ = self._hog.run(rgb, upsample)
        return list(zip(rectangles, scores, strict=True))

    def _row(
        self, rgb: Image, rectangle: Any, score: float, width: int, height: int
    ) -> tuple[list[float], float, Floats] | None:
        """Box, score and points of one face; None where nothing of it is inside the picture."""
        left, top = max(0, rectangle.left()), max(0, rectangle.top())
        right, bottom = min(width, rectangle.right()), min(height, rectangle.bottom())
        if right <= left or bottom <= top:
            return None
        parts = self._predictor(rgb, _dlib().rectangle(left, top, right, bottom)).parts()
        five = to_points(np.array([(part.x, part.y) for part in parts], np.int64))
        return [left, top, right, bottom], float(1 / (1 + np.exp(-score))), five

    @cached_property
    def _hog(self) -> Any:
        return _dlib().get_frontal_face_detector()

    @cached_property
    def _cnn(self) -> Any:
        return _loaded(_dlib().cnn_face_detection_model_v1, self._cnn_file) if self._cnn_file is not None else None

    @cached_property
    def _predictor(self) -> Any:
        return _loaded(_dlib().shape_predictor, self._predictor_file)


class DlibEncoder:
    """A `Recogniser`: dlib's network, run by dlib. The model file is read at the first face."""

    def __init__(self, network: Path) -> None:
        self._file = network
        self._lock = threading.Lock()

    @property
    def dimension(self) -> int:
        return DIMENSION

    def align(self, image: Image, points: Floats, /) -> Image:
        """dlib's own chip; exactly that of `face_recognition` for the points of a `DlibDetector`."""
        check_image(image)
        dlib = _dlib()
        parts = [dlib.point(int(x), int(y)) for x, y in to_landmarks(points)]
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 1, 1), parts)
        chip = dlib.get_face_chip(np.ascontiguousarray(image[:, :, ::-1]), shape, CHIP_SIZE)
        return np.ascontiguousarray(chip[:, :, ::-1])

    def embed(self, chips: Sequence[Image], /) -> Floats:
        for chip in chips:
            if chip.shape != (CHIP_SIZE, CHIP_SIZE, 3) or chip.dtype != np.uint8:
                raise ShapeError(f"a chip must be uint8 of shape (150, 150, 3), got {chip.dtype} {chip.shape}")
        rows = np.zeros((len(chips), DIMENSION), np.float32)
        with self._lock:
            for row, chip in zip(rows, chips, strict=True):
                row[:] = self._network.compute_face_descriptor(np.ascontiguousarray(chip[:, :, ::-1]))
        return rows

    @cached_property
    def _network(self) -> Any:
        return _loaded(_dlib().face_recognition_model_v1, self._file)


def to_points(landmarks: Landmarks) -> Floats:
    """The engine's five points, (5, 2) float32, from dlib's (5, 2) landmarks."""
    if landmarks.shape != (5, 2):
        raise ModelError(
            f"The landmark model must find 5 points, and finds {len(landmarks)}. Use dlib's 5-point model."
        )
    right_outer, right_inner, left_outer, left_inner, bottom = landmarks.astype(np.float64)
    left, right = (left_outer + left_inner) / 2, (right_outer + right_inner) / 2
    nose, left_base, right_base = _proportions(left, right, bottom)
    return np.array([left, right, nose, left_base + left_outer - left, right_base + right_outer - right], np.float32)


def to_landmarks(points: Floats) -> Landmarks:
    """dlib's (5, 2) whole-pixel landmarks from the engine's five points: undoes `to_points`.

    Five points of another detector give the landmarks of a face of average proportions. Raises ShapeError unless they
    are five finite points a dlib image could hold.
    """
    if points.shape != (5, 2) or not (np.abs(points) < 1e7).all():
        raise ShapeError(f"points must be five finite (x, y) pairs, got {points.tolist()!r}")
    left, right, nose, left_mouth, right_mouth = points.astype(np.float64)
    middle = (left + right) / 2
    bottom = middle + (nose - middle) / (1 - _NOSE_UP)
    _, left_base, right_base = _proportions(left, right, bottom)
    left_outer, right_outer = left + left_mouth - left_base, right + right_mouth - right_base
    found = [right_outer, 2 * right - right_outer, left_outer, 2 * left - left_outer, bottom]
    return np.round(found).astype(np.int64)


def _proportions(
    left: npt.NDArray[np.float64], right: npt.NDArray[np.float64], bottom: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], ...]:
    """Nose tip and, before the width of each eye is added, the mouth's left and right corner."""
    down, out = bottom - (left + right) / 2, left - right
    base = bottom + _MOUTH_DOWN * down
    return bottom - _NOSE_UP * down, base + _MOUTH_OUT * out, base - _MOUTH_OUT * out


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise ModelError(
            "This pack needs dlib, which is not installed. Run `pip install dlib-bin`, or choose another pack."
        ) from error
    return dlib


def _loaded(make: Callable[[str], Any], file: Path) -> Any:
    if not file.is_file():
        raise ModelError(f"dlib's model {file.name} is not at {file.parent}. Install the pack again.")
    try:
        return make(str(file))
    except RuntimeError as error:  # dlib raises nothing more exact
        raise ModelError(f"dlib cannot read its model {file}: {error}. Install the pack again.") from error
