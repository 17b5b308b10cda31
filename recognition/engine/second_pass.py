"""Look again, closer, for faces too small for the first look: the picture enlarged, in overlapping tiles.

`SecondPass` is a `Detector` around another one. Its first look is the detector's own; the second goes over the
picture, enlarged by `scale`, tile by tile, and takes what fits into the overlap of tiles: such a face lies whole in at
least one of them. Faces cut by the border between tiles are left to the neighbour; what both looks found is merged by
non-maximum suppression, the surer one stays, with its points.

A detector that follows `min_face` down to any size by itself (MTCNN from 12 px on) gains only below that; one whose
input has a fixed size gains whenever the picture is larger than it. docs/quality.md has the measurements.

Shapes: images (h, w, 3) uint8 BGR, boxes (n, 4) and points (n, 5, 2) in pixels of the image.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from recognition.engine.nms import suppress
from recognition.engine.types import Detector, FaceDetections, Image, check_image

# Two boxes of one face, from pictures of two sizes, overlap less than two of one look.
_SAME_FACE = 0.4
_SAME_SMALLER = 0.7
# A box this near to a border between tiles may be cut by it.
_MARGIN = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """How the second look is taken. Its cost is bounded by `max_tiles` runs on `tile` x `tile` pixels."""

    smallest: int = 12  # pixels of the image
    scale: float = 2.0  # made less where more than max_tiles would be needed
    tile: int = 640  # pixels of the enlarged picture a side
    overlap: int = 128  # the largest face that the second look takes
    max_tiles: int = 32


class SecondPass:
    """A `Detector` that looks twice. As thread-safe as the one it wraps."""

    def __init__(self, detector: Detector, closer: Closer | None = None) -> None:
        self._detector = detector
        self._closer = closer or Closer()

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        """The faces of both looks; `min_face` is what the first one gets."""
        check_image(image)
        looks = [self._detector.detect(image, min_face=min_face)]
        scale = _scale(image, self._closer)
        smallest = max(1, round(self._closer.smallest * scale))
        for left, top, tile in _tiles(image, self._closer, scale):
            found = self._detector.detect(tile, min_face=smallest)
            looks.append(self._whole(found, image, left, top, tile, scale))
        return merged(looks)

    def _whole(
        self, found: FaceDetections, image: Image, left: int, top: int, tile: Image, scale: float
    ) -> FaceDetections:
        """The faces of a tile that are small and not cut by its inner borders, in pixels of the image."""
        height, width = tile.shape[:2]
        end = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        boxes = found.boxes
        keep = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) <= self._closer.overlap
        for is_inner, away in (
            (left > 0, boxes[:, 0]),
            (top > 0, boxes[:, 1]),
            (left + width < end[0], width - boxes[:, 2]),
            (top + height < end[1], height - boxes[:, 3]),
        ):
            if is_inner:
                keep &= away > _MARGIN
        corner = np.array([left, top], np.float32)
        limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        shrink = np.float32(1 / scale)
        return FaceDetections(
            boxes=np.clip((boxes[keep] + np.tile(corner, 2)) * shrink, 0, limits).astype(np.float32),
            scores=found.scores[keep],
            points=((found.points[keep] + corner) * shrink).astype(np.float32),
        )


def merged(looks: list[FaceDetections]) -> FaceDetections:
    """All faces of several looks at one image, each once, surest first."""
    boxes = np.concatenate([look.boxes for look in looks])
    scores = np.concatenate([look.scores for look in looks])
    points = np.concatenate([look.points for look in looks])
    keep = suppress(boxes, scores, _SAME_FACE)
    keep = keep[suppress(boxes[keep], scores[keep], _SAME_SMALLER, of_smaller=True)]
    return FaceDetections(boxes=boxes[keep], scores=scores[keep], points=points[keep])


def _scale(image: Image, closer: Closer) -> float:
    """As wanted, or what keeps the tiles within their number."""
    step = closer.tile - closer.overlap
    scale = closer.scale
    while math.prod(_count(side * scale, closer.tile, step) for side in image.shape[:2]) > closer.max_tiles:
        scale *= 0.95
    return scale


def _count(length: float, tile: int, step: int) -> int:
    return 1 + max(0, math.ceil((length - tile) / step))


def _tiles(image: Image, closer: Closer, scale: float) -> Iterator[tuple[int, int, Image]]:
    """Left, top and pixels of each tile of the enlarged picture."""
    width, height = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    step = closer.tile - closer.overlap
    large = np.asarray(
        cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR if scale >= 1 else cv2.INTER_AREA), np.uint8
    )
    for top in _starts(height, closer.tile, step):
        for left in _starts(width, closer.tile, step):
            yield left, top, np.ascontiguousarray(large[top : top + closer.tile, left : left + closer.tile])


def _starts(length: int, tile: int, step: int) -> list[int]:
    """Where tiles begin: every `step`, the last one flush with the end."""
    last = max(0, length - tile)
    return [*range(0, last, step), last]
