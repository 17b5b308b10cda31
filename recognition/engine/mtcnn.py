"""Find faces and their five points with MTCNN (Zhang et al., IEEE SPL 23(10), 2016) in ONNX Runtime.

Three networks in a row: P-net proposes boxes at every scale of the picture, R-net refines and rejects them,
O-net decides and finds the points. Each stage ends with non-maximum suppression. Boxes are followed in
float32 as rows x1, y1, x2, y2.

Shapes: images (h, w, 3) uint8 BGR of any size; a picture with a side below 12 px has no faces.
Errors: ModelError where a network gives NaN or infinity.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ModelError
from recognition.engine.nms import suppress
from recognition.engine.sessions import Session
from recognition.engine.types import FaceDetections, Floats, Image, check_image

# The window of P-net, and so the smallest face that can be found.
CELL = 12
# Proposals kept a scale and in all: bounds time and memory on pictures that look like faces all over.
_MAX_PROPOSALS = 1000
# Patches a run: bounds the memory of a session.
_BATCH = 64
_GREY = (127, 127, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What a stage's score must reach. O-net's is above the original's .8, which lets false faces pass."""

    propose: float = 0.6
    refine: float = 0.7
    decide: float = 0.9


class MtcnnDetector:
    """A `Detector`. Holds sessions only, so any number of threads may share it."""

    def __init__(
        self,
        pnet: Session,
        rnet: Session,
        onet: Session,
        *,
        min_face: int = 40,
        pyramid_step: float = 0.709,
        thresholds: Thresholds | None = None,
    ) -> None:
        self._pnet, self._rnet, self._onet = pnet, rnet, onet
        self._min_face = min_face
        self._step = pyramid_step
        self._thresholds = thresholds or Thresholds()

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        """Find faces from about `min_face` pixels on (never below 12), at best first."""
        check_image(image)
        boxes = self._propose(image, max(CELL, min_face if min_face is not None else self._min_face))
        # An empty batch is legal ONNX, but not every device can run one.
        if len(boxes):
            boxes = self._refine(image, boxes)
        return self._decide(image, boxes) if len(boxes) else FaceDetections.none()

    def _propose(self, image: Image, min_face: int) -> Floats:
        """Square boxes that P-net takes for faces."""
        height, width = image.shape[:2]
        scale = CELL / min_face
        found = [np.zeros((0, 5), np.float32)]
        level = image
        while min(height, width) * scale >= CELL:
            size = (max(CELL, round(width * scale)), max(CELL, round(height * scale)))
            # Each level is made from the one above: a fraction of the cost of starting from the picture.
            level = np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), np.uint8)
            found.append(self._propose_at(level, width / size[0], height / size[1]))
            scale *= self._step
        rows = np.concatenate(found)
        keep = suppress(rows[:, :4], rows[:, 4], 0.7)[:_MAX_PROPOSALS]
        return _square(rows[keep, :4])

    def _propose_at(self, level: Image, scale_x: float, scale_y: float) -> Floats:
        """(n, 5) boxes with scores from one level of the pyramid, in pixels of the picture."""
        offsets, scores = self._pnet.run(["box", "score"], {"pictures": level[None]})
        scores = _numbers(scores)[0, 0]
        rows, columns = np.nonzero(scores > self._thresholds.propose)
        chosen = scores[rows, columns]
        if len(chosen) > _MAX_PROPOSALS:
            best = np.argsort(-chosen, kind="stable")[:_MAX_PROPOSALS]
            rows, columns, chosen = rows[best], columns[best], chosen[best]
        corners = np.stack([columns, rows, columns, rows], axis=1).astype(np.float32) * 2
        corners[:, 2:] += CELL
        corners += offsets[0][:, rows, columns].T * CELL
        corners *= np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        keep = suppress(corners, chosen, 0.5)
        return np.concatenate([corners[keep], chosen[keep, None]], axis=1)

    def _refine(self, image: Image, boxes: Floats) -> Floats:
        """R-net: fewer and better square boxes."""
        offsets, scores = _run_patches(self._rnet, ("box", "score"), _patches(image, boxes, 24))
        sure = scores[:, 0] > self._thresholds.refine
        boxes = _moved(boxes[sure], offsets[sure])
        return _square(boxes[suppress(boxes, scores[sure, 0], 0.7)])

    def _decide(self, image: Image, boxes: Floats) -> FaceDetections:
        """O-net: the final boxes, clipped to the picture, with points."""
        outputs = _run_patches(self._onet, ("box", "score", "points"), _patches(image, boxes, 48))
        sure = outputs[1][:, 0] > self._thresholds.decide
        offsets, scores, shares = outputs[0][sure], outputs[1][sure, 0], outputs[2][sure]
        squares = boxes[sure]
        sides = squares[:, 2:] - squares[:, :2] + 1
        points = shares.reshape(-1, 2, 5).transpose(0, 2, 1) * sides[:, None] + squares[:, None, :2] - 1
        boxes = _moved(squares, offsets)
        height, width = image.shape[:2]
        clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
        keep = suppress(boxes, scores, 0.7, of_smaller=True)
        keep = keep[(clipped[keep, 2] - clipped[keep, 0] >= 1) & (clipped[keep, 3] - clipped[keep, 1] >= 1)]
        return FaceDetections(boxes=clipped[keep], scores=scores[keep], points=points[keep])


def _square(boxes: Floats) -> Floats:
    """The squares around the same middles, as large as the longer sides."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0, keepdims=True) / 2
    return np.concatenate([middle - half, middle + half], axis=1)


def _moved(boxes: Floats, offsets: Floats) -> Floats:
    """Boxes with their corners moved by shares of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * np.tile(sides, 2)


def _patches(image: Image, boxes: Floats, size: int) -> Image:
    """(n, size, size, 3): each box sampled corner to corner; what lies outside the picture is grey."""
    patches = np.empty((len(boxes), size, size, 3), np.uint8)
    corners, steps = boxes[:, :2].tolist(), ((boxes[:, 2:] - boxes[:, :2]) / (size - 1)).tolist()
    for patch, (left, top), (step_x, step_y) in zip(patches, corners, steps, strict=True):
        cv2.warpAffine(
            image,
            np.array([(step_x, 0, left), (0, step_y, top)]),
            (size, size),
            dst=patch,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderValue=_GREY,
        )
    return patches


def _run_patches(session: Session, outputs: tuple[str, ...], patches: Image) -> tuple[Floats, ...]:
    """Run a network over any number of patches but none, in batches."""
    starts = range(0, len(patches), _BATCH)
    runs = [session.run(list(outputs), {"pictures": patches[at : at + _BATCH]}) for at in starts]
    return tuple(_numbers(np.concatenate(parts)) for parts in zip(*runs, strict=True))


def _numbers(output: npt.NDArray[Any]) -> Floats:
    """An output, unless there is NaN or infinity in it: a comparison with NaN would only say that there is no face."""
    if not np.isfinite(output).all():
        raise ModelError(
            "A network of MTCNN gave scores or boxes that are no numbers. Its file may be damaged: verify it."
        )
    return output
