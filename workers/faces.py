"""The faces of one frame as far as they were looked at: qualities and embeddings, each computed once, when asked for.

With a second, larger stream a small face is taken from there when that shows it better: the picture nearest in time is
searched around the place where the face should be, and the face that lies there, and nearer to this one than to any
other of the frame, is used for quality, embedding and best shot.

Boxes are xyxy float32 pixels of the picture they belong to, points (5, 2) likewise, images (h, w, 3) uint8 BGR.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from recognition.engine import Embedding, FaceDetections, Image, Pack, Quality, assess
from recognition.engine.types import Floats
from workers.looking import MIN_FACE
from workers.sources import Frame

CLOSER_BELOW = 90.0  # pixels: larger faces have nothing to gain from a larger picture
_CLOSER_PAD = 1.0  # of the face's side: how far it may have moved between the two streams
_STRAY = 0.8  # of the face's side: how far its centre may lie from where it should
_ALIKE = (0.6, 1.7)  # by how much its side may differ from what it should be


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceView:
    """A face in a picture: where it is, and how good it is there."""

    image: Image
    box: Floats
    points: Floats
    quality: Quality


class Faces:
    """What was found in one frame."""

    def __init__(self, frame: Frame, pack: Pack, found: FaceDetections) -> None:
        self.frame = frame
        self.found = found
        self._pack = pack
        self._views: dict[int, FaceView] = {}
        self._embeddings: dict[int, Embedding] = {}

    def view(self, at: int) -> FaceView:
        """The best view of the face so far."""
        if at not in self._views:
            image, box, points = self.frame.image, self.found.boxes[at], self.found.points[at]
            self._views[at] = FaceView(image=image, box=box, points=points, quality=assess(image, box, points))
        return self._views[at]

    def quality(self, at: int) -> Quality:
        return self.view(at).quality

    def embed(self, wanted: Iterable[int]) -> None:
        """Computes the embeddings of these faces, those of one picture in one batch."""
        left = [at for at in wanted if at not in self._embeddings and self.quality(at).usable]
        while left:
            image = self.view(left[0]).image
            batch = [at for at in left if self.view(at).image is image]
            rows = self._pack.embed(image, np.stack([self.view(at).points for at in batch]))
            self._embeddings.update(zip(batch, rows, strict=True))
            left = [at for at in left if at not in batch]

    def embedding(self, at: int) -> Embedding | None:
        """None when the face is too poor to say anything."""
        self.embed([at])
        return self._embeddings.get(at)

    def look_closer(self, at: int, large: Image) -> bool:
        """Takes the face from the second stream's picture if it is better there; True when it was."""
        ratio = np.array([large.shape[1] / self.frame.width, large.shape[0] / self.frame.height] * 2, np.float32)
        if ratio.min() <= 1.0 or at in self._embeddings:
            return False
        places = self.found.boxes * ratio
        found = _around(large, places[at], self._pack)
        here = _fitting(found, places, at)
        if here is None:
            return False
        box, points = found.boxes[here], found.points[here]
        quality = assess(large, box, points)
        if quality.score <= self.quality(at).score:
            return False
        self._views[at] = FaceView(image=large, box=box, points=points, quality=quality)
        return True


def is_small(box: Floats) -> bool:
    """Whether a larger picture may show more of the face."""
    return float((box[2:] - box[:2]).min()) < CLOSER_BELOW


def _around(image: Image, place: Floats, pack: Pack) -> FaceDetections:
    """The faces around a place, in pixels of the whole picture."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(value) for value in place)
    side = max(x2 - x1, y2 - y1)
    pad = _CLOSER_PAD * side
    left, top = max(0, int(x1 - pad)), max(0, int(y1 - pad))
    right, bottom = min(width, int(x2 + pad) + 1), min(height, int(y2 + pad) + 1)
    if right - left < MIN_FACE or bottom - top < MIN_FACE:
        return FaceDetections.none()
    found = pack.detect(image[top:bottom, left:right], min_face=max(MIN_FACE, int(side * _ALIKE[0])))
    corner = np.array([left, top], np.float32)
    return FaceDetections(boxes=found.boxes + np.tile(corner, 2), scores=found.scores, points=found.points + corner)


def _fitting(found: FaceDetections, places: Floats, at: int) -> int | None:
    """Which of the faces found is the one of place `at`, or None."""
    if not len(found):
        return None
    side = float((places[at, 2:] - places[at, :2]).max())
    centres = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    expected = (places[:, :2] + places[:, 2:]) / 2
    away = np.linalg.norm(centres[:, None] - expected[None], axis=2)  # (found, places)
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1) / side
    fits = (away[:, at] <= _STRAY * side) & (away.argmin(axis=1) == at) & (sides >= _ALIKE[0]) & (sides <= _ALIKE[1])
    candidates = np.flatnonzero(fits)
    return int(candidates[away[candidates, at].argmin()]) if len(candidates) else None
