"""From the cells that moved to the parts of the picture that are worth a look.

Often only an arm, the legs or an edge of somebody differs from what was there before, so each region is made wide
enough for a whole person: room at the sides, more above, where the head is. Boxes are xyxy, normalised to [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import cv2
import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
MOST = 4

_JOIN = np.ones((7, 5), np.uint8)  # cells: what lies this close belongs together, more so one above the other
_SIDE, _SIDE_LEAST = 0.35, 5  # of the width of what moved, and in cells
_ABOVE, _ABOVE_LEAST = 0.6, 12
_BELOW, _BELOW_LEAST = 0.3, 5
_SHOULDERS = 3.5  # of the width of a face
_ROOM = 1.5  # likewise: what is left beside a person is wider than that when another one moves there
_PARTS_MOST = 16  # more are joined coarsely first: rain, leaves, a crowd


def regions_of(cells: npt.NDArray[np.uint8]) -> tuple[Box, ...]:
    """At most MOST boxes around the cells that are 1, none of which overlap; (h, w) uint8."""
    height, width = cells.shape
    while True:
        cells = cv2.dilate(cells, _JOIN).astype(np.uint8, copy=False)
        count, _, parts, _ = cv2.connectedComponentsWithStats(cells, connectivity=8)
        if count - 1 <= _PARTS_MOST:
            break
    boxes = [_grown(int(x), int(y), int(w), int(h), width, height) for x, y, w, h, _ in parts[1:]]
    return tuple(sorted(_merged(boxes)))


def beside(regions: Iterable[Box], faces: Sequence[Box]) -> list[Box]:
    """What of the regions the people of these faces do not explain: there somebody else may be.

    A face explains what moves in a column as wide as its shoulders. What is left of a region counts where it has room
    for another person.
    """
    left: list[Box] = []
    for x1, y1, x2, y2 in regions:
        inside = sorted(face for face in faces if x1 <= _middle(face) <= x2 and y1 <= (face[1] + face[3]) / 2 <= y2)
        room = _ROOM * max((face[2] - face[0] for face in inside), default=0.0)
        start = x1
        for face in inside:
            shoulders = _SHOULDERS * (face[2] - face[0]) / 2
            end = _middle(face) - shoulders
            left += [(start, y1, end, y2)] if end - start >= room else []
            start = max(start, _middle(face) + shoulders)
        left += [(start, y1, x2, y2)] if x2 - start >= room else []
    return left


def _middle(face: Box) -> float:
    return (face[0] + face[2]) / 2


def _grown(x: int, y: int, w: int, h: int, width: int, height: int) -> Box:
    side = max(_SIDE_LEAST, _SIDE * w)
    return (
        max(0.0, (x - side) / width),
        max(0.0, (y - max(_ABOVE_LEAST, _ABOVE * h)) / height),
        min(1.0, (x + w + side) / width),
        min(1.0, (y + h + max(_BELOW_LEAST, _BELOW * h)) / height),
    )


def _merged(boxes: list[Box]) -> list[Box]:
    """Boxes that overlap become one; then, while there are too many, the two that waste least together."""
    while len(boxes) > 1:
        pairs = list(combinations(boxes, 2))
        pair = next((each for each in pairs if overlap(*each)), None)
        if pair is None and len(boxes) <= MOST:
            break
        a, b = pair or min(pairs, key=lambda each: _area(_around(*each)) - _area(each[0]) - _area(each[1]))
        boxes = [box for box in boxes if box not in (a, b)] + [_around(a, b)]
    return boxes


def overlap(a: Box, b: Box) -> bool:
    """Whether the boxes have some of the picture in common."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _around(a: Box, b: Box) -> Box:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
