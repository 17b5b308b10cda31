"""Finds the faces of a frame where it is worth it: in what moves, and around the faces that are followed.

A detector's cost is that of the pixels it is given, so that regions are cut out in their full resolution and what is
found is shifted back. Two kinds of regions: to *search* for new faces, which goes down to the smallest size that is
looked for, and to *follow* a face whose place and size are known, which needs few levels of the detector's pyramid and
costs about a tenth of the whole frame. Where regions are most of the frame it is looked at as a whole.

A face that a region's border cuts is looked at again with room around it. Boxes are xyxy float32 pixels of the frame
(motion's regions: normalised to [0, 1]); images are (h, w, 3) uint8 BGR. Pure computing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from recognition.engine import FaceDetections, Image, Pack
from recognition.engine.second_pass import merged
from recognition.engine.types import Floats
from workers.regions import Box

MIN_FACE = 32  # pixels; nobody is recognised from fewer
LARGE_FRAME = 24  # in a large frame, a face is at least this part of the shorter side
MIN_SIDE = 160  # pixels; smaller regions are hardly cheaper, and cut more faces
NEARLY_ALL = 0.6  # of the frame: from here on the whole of it is looked at
FOLLOW_PAD = 0.75  # of the face's side: how far it may have strayed from where it is expected
STRAY_PAD = 1.0  # of the face's side, for each second in which it was not seen
FOLLOW_LEAST = 0.6  # of the face's side: the least size that is looked for around it
JUST_SEEN = 0.5  # seconds: who was seen so lately is looked for twice
_MARGIN = 2.0  # pixels; a box that is nearer to a region's border than this is cut by it


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A part of the frame that is looked at: xyxy whole pixels, and the smallest face that is looked for."""

    box: tuple[int, int, int, int]
    min_face: int
    follows: bool = False
    twice: bool = False  # where nothing is found, it is looked at once more for smaller faces

    @property
    def area(self) -> int:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """A face that is followed: where it should be, and for how long it was not seen (s)."""

    box: Floats
    unseen: float


class Masks:
    """Parts of the picture in which no face counts: polygons of (x, y) normalised to [0, 1]."""

    def __init__(self, polygons: Sequence[Sequence[Sequence[float]]]) -> None:
        self._polygons = [np.array(polygon, np.float32).reshape(-1, 1, 2) for polygon in polygons]

    def hides(self, x: float, y: float) -> bool:
        """Whether the place (normalised) lies in one of them."""
        return any(cv2.pointPolygonTest(polygon, (x, y), False) >= 0 for polygon in self._polygons)

    def without(self, found: FaceDetections, image: Image) -> FaceDetections:
        """The faces whose centre is not hidden."""
        if not self._polygons or not len(found):
            return found
        height, width = image.shape[:2]
        middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2 / np.array([width, height], np.float32)
        keep = np.array([not self.hides(float(x), float(y)) for x, y in middles], bool)
        return FaceDetections(boxes=found.boxes[keep], scores=found.scores[keep], points=found.points[keep])


def smallest_face(image: Image) -> int:
    """The least side in pixels of a face that is looked for in such a frame."""
    return max(MIN_FACE, int(min(image.shape[:2])) // LARGE_FRAME)


def whole(image: Image) -> list[Region]:
    """The frame as one region."""
    height, width = image.shape[:2]
    return [Region(box=(0, 0, width, height), min_face=smallest_face(image))]


def plan(image: Image, *, search: Iterable[Box], follow: Iterable[Expected]) -> list[Region]:
    """What to look at: `search` are normalised boxes in which somebody may have appeared."""
    height, width = image.shape[:2]
    least = smallest_face(image)
    scale = (width, height, width, height)
    boxes = [_roomy([value * side for value, side in zip(box, scale, strict=True)], width, height) for box in search]
    regions = [Region(box=box, min_face=least) for box in _apart(boxes)]
    for expected in follow:
        region = _around(expected, image)
        if region is not None and not any(_holds(other, region) for other in regions):
            regions.append(region)
    cost = sum(region.area for region in regions if not region.follows)
    return whole(image) if cost > NEARLY_ALL * width * height else regions


def find(image: Image, regions: Sequence[Region], pack: Pack, *, small_faces: bool = False) -> FaceDetections:
    """The faces in the regions, each once, surest first."""
    looks = [_find_in(image, region, pack, small_faces=small_faces) for region in regions]
    if not looks:
        return FaceDetections.none()
    return looks[0] if len(looks) == 1 else merged(looks)


def _find_in(image: Image, region: Region, pack: Pack, *, small_faces: bool) -> FaceDetections:
    found = _detect(image, region, pack, small_faces=small_faces and not region.follows)
    least = smallest_face(image)
    if region.twice and not len(found) and least < region.min_face:
        found = _detect(image, Region(box=region.box, min_face=least), pack, small_faces=False)
    cut = _is_cut(found, region, image)
    if not cut.any():
        return found
    looks = [_chosen(found, ~cut)]
    for box in found.boxes[cut]:
        again = _around(Expected(box=box, unseen=0.0), image)
        if again is not None:
            seen = _detect(image, again, pack, small_faces=False)
            looks.append(_chosen(seen, ~_is_cut(seen, again, image)))
    return merged(looks)


def _detect(image: Image, region: Region, pack: Pack, *, small_faces: bool) -> FaceDetections:
    """What the detector finds in the region, in pixels of the frame."""
    left, top, right, bottom = region.box
    found = pack.detect(image[top:bottom, left:right], min_face=region.min_face, small_faces=small_faces)
    corner = np.array([left, top], np.float32)
    return FaceDetections(boxes=found.boxes + np.tile(corner, 2), scores=found.scores, points=found.points + corner)


def _is_cut(found: FaceDetections, region: Region, image: Image) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which faces touch a border of the region that is none of the frame's."""
    left, top, right, bottom = region.box
    height, width = image.shape[:2]
    boxes = found.boxes
    cut = np.zeros(len(found), bool)
    for is_inner, away in (
        (left > 0, boxes[:, 0] - left),
        (top > 0, boxes[:, 1] - top),
        (right < width, right - boxes[:, 2]),
        (bottom < height, bottom - boxes[:, 3]),
    ):
        if is_inner:
            cut |= away < _MARGIN
    return cut


def _chosen(found: FaceDetections, keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> FaceDetections:
    return FaceDetections(boxes=found.boxes[keep], scores=found.scores[keep], points=found.points[keep])


def _around(expected: Expected, image: Image) -> Region | None:
    """The region in which a face is followed; None when it is expected outside the frame."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in expected.box)
    side = max(x2 - x1, y2 - y1)
    pad = side * (FOLLOW_PAD + STRAY_PAD * expected.unseen)
    left, top = max(0, int(x1 - pad)), max(0, int(y1 - pad))
    right, bottom = min(width, int(x2 + pad) + 1), min(height, int(y2 + pad) + 1)
    if side < 1 or right - left < MIN_FACE or bottom - top < MIN_FACE:
        return None
    least = max(smallest_face(image), int(FOLLOW_LEAST * min(x2 - x1, y2 - y1)))
    twice = expected.unseen <= JUST_SEEN
    return Region(box=(left, top, right, bottom), min_face=least, follows=True, twice=twice)


def _roomy(box: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least MIN_SIDE wide and high where the frame has so much."""
    low_x, high_x = _stretched(box[0], box[2], width)
    low_y, high_y = _stretched(box[1], box[3], height)
    return low_x, low_y, high_x, high_y


def _stretched(low: float, high: float, most: int) -> tuple[int, int]:
    lack = max(0.0, min(MIN_SIDE, most) - (high - low)) / 2
    start, end = low - lack, high + lack
    shift = max(0.0, -start) - max(0.0, end - most)  # what would lie outside goes to the other side
    return max(0, int(start + shift)), min(most, int(end + shift) + 1)


def _apart(boxes: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """The boxes, those that overlap joined to one."""
    left = list(boxes)
    joined: list[tuple[int, int, int, int]] = []
    while left:
        box = left.pop()
        other = next((one for one in joined if _overlap(one, box)), None)
        if other is None:
            joined.append(box)
            continue
        joined.remove(other)
        left.append((min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])))
    return joined


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _holds(outer: Region, inner: Region) -> bool:
    a, b = outer.box, inner.box
    return a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3]
