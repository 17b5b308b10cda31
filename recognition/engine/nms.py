"""Greedy non-maximum suppression: of boxes that show the same face, keep the best.

Shapes: boxes (n, 4) float32 xyxy, scores (n,) float32. Memory stays below some 10 MB for any n: boxes are compared in
blocks, best first, and what a block has suppressed is dropped before the next.
"""

import numpy as np
import numpy.typing as npt

from recognition.engine.types import Floats

_BLOCK = 256

Indices = npt.NDArray[np.intp]


def suppress(
    boxes: Floats, scores: Floats, threshold: float, *, of_smaller: bool = False, pixel: float = 0.0
) -> Indices:
    """Indices of the boxes kept, best first.

    A box goes when it overlaps a better one that stays by more than `threshold`, measured as intersection over union
    or, with `of_smaller`, over the smaller of the two. Equal scores keep the order they came in. `pixel` is added to
    the sides before areas are taken: 1 where coordinates name the last pixel inside, as InsightFace reads them.
    """
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order):
        block, rest = order[:_BLOCK], order[_BLOCK:]
        overlap = _overlap(boxes[block], boxes[order], threshold, of_smaller, pixel)
        alive = np.ones(len(order), bool)
        for at in range(len(block)):
            if alive[at]:
                alive[at + 1 :] &= ~overlap[at, at + 1 :]
        kept.append(block[alive[: len(block)]])
        order = rest[alive[len(block) :]]
    return np.concatenate(kept) if kept else order


def _overlap(boxes: Floats, others: Floats, threshold: float, of_smaller: bool, pixel: float) -> npt.NDArray[np.bool_]:
    """(n, m): which of the boxes overlap which of the others by more than the threshold."""
    left, top, right, bottom = boxes.T[:, :, None]
    other_left, other_top, other_right, other_bottom = others.T
    width = np.minimum(right, other_right) - np.maximum(left, other_left) + pixel
    height = np.minimum(bottom, other_bottom) - np.maximum(top, other_top) + pixel
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    area = (right - left + pixel) * (bottom - top + pixel)
    other_area = (other_right - other_left + pixel) * (other_bottom - other_top + pixel)
    whole = np.minimum(area, other_area) if of_smaller else area + other_area - shared
    return np.asarray(shared > threshold * np.maximum(whole, 1e-6))
