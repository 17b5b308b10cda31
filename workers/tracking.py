"""Joins the detections of one camera into tracks: one track is one face for as long as it is in view.

Motion first: the boxes that tracks are expected at (constant velocity) are assigned to detections by intersection over
union (SORT, Bewley et al. 2016). Then appearance: a face that motion alone can not place, after an occlusion or a cut,
continues the track it resembles. A new track counts only when it is seen again, and several times when the detector was
never sure of it, so that false detections open nothing.

Boxes are xyxy pixels, times seconds on the source's clock. Pure computing; appearances are asked for only when needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from recognition.engine import Embedding, FaceDetections, similarity

Floats = npt.NDArray[np.float32]
Look = Callable[[int], Embedding | None]

LOST_SECONDS = 2.0
CONFIRM_HITS = 2
SURE_SCORE = 0.96  # a detection score that no false face reached in the clips this was set with
UNSURE_HITS = 4  # what a track needs that never reached it
CONFIRM_SECONDS = 1.0
MIN_IOU = 0.15
SAME_FACE = 0.88  # similarity from which two looks are taken for the same face; others of one scene reach 0.87
_SMOOTH = 0.5


@dataclass(slots=True, eq=False)
class Track:
    """One face in view. `appearance` is what its owner knows of it; the tracker only compares it."""

    number: int
    box: Floats
    points: Floats
    last_t: float
    score: float  # the best detection's
    hits: int = 1
    confirmed: bool = False
    velocity: Floats = field(default_factory=lambda: np.zeros(4, np.float32))
    appearance: Embedding | None = None

    def predict(self, t: float) -> Floats:
        """Where the box should be at time t."""
        return self.box + self.velocity * np.float32(min(t - self.last_t, 1.0))

    def see(self, found: FaceDetections, at: int, t: float) -> None:
        """Takes a detection into the track."""
        box = found.boxes[at]
        elapsed = max(t - self.last_t, 1e-3)
        self.velocity = _SMOOTH * self.velocity + (1 - _SMOOTH) * (box - self.box) / np.float32(elapsed)
        self.box, self.points, self.last_t = box, found.points[at], t
        self.hits, self.score = self.hits + 1, max(self.score, float(found.scores[at]))
        enough = CONFIRM_HITS if self.score >= SURE_SCORE else UNSURE_HITS
        self.confirmed = self.confirmed or self.hits >= enough


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Update:
    """What one frame did: tracks with the index of their detection, and tracks that ended."""

    seen: list[tuple[Track, int]]
    ended: list[Track]


class Tracker:
    """The tracks of one camera. Owned by one thread."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._count = 0

    def update(self, t: float, found: FaceDetections, *, look: Look, cut: bool = False) -> Update:
        """Takes the detections of the frame at time t. `look` embeds a detection; after a cut, motion says nothing."""
        seen: list[tuple[Track, int]] = []
        free_tracks, free = list(self.tracks), list(range(len(found)))
        if not cut:
            seen += self._by_motion(t, found, free_tracks, free)
        seen += self._by_appearance(t, found, free_tracks, free, look)
        seen += [(self._start(found, at, t), at) for at in free]
        return Update(seen=seen, ended=self.expire(t))

    def expire(self, t: float) -> list[Track]:
        """Ends tracks that were not seen for too long; returns those that had been confirmed."""
        ended = [
            track for track in self.tracks if t - track.last_t > (LOST_SECONDS if track.confirmed else CONFIRM_SECONDS)
        ]
        self.tracks = [track for track in self.tracks if track not in ended]
        return [track for track in ended if track.confirmed]

    def split(self, track: Track, found: FaceDetections, at: int, t: float) -> Track:
        """Another face stands where the track's was: ends the track and starts a new one from the detection."""
        self.tracks = [other for other in self.tracks if other is not track]
        return self._start(found, at, t)

    def drop_all(self) -> list[Track]:
        """Ends everything; returns the tracks that had been confirmed."""
        ended, self.tracks = [track for track in self.tracks if track.confirmed], []
        return ended

    def _start(self, found: FaceDetections, at: int, t: float) -> Track:
        self._count += 1
        score = float(found.scores[at])
        track = Track(self._count, found.boxes[at], found.points[at], t, score)
        self.tracks.append(track)
        return track

    def _by_motion(
        self, t: float, found: FaceDetections, tracks: list[Track], free: list[int]
    ) -> list[tuple[Track, int]]:
        if not tracks or not free:
            return []
        overlap = iou(np.stack([track.predict(t) for track in tracks]), found.boxes)
        rows, columns = linear_sum_assignment(-overlap)
        pairs = [(tracks[r], int(c)) for r, c in zip(rows, columns, strict=True) if overlap[r, c] >= MIN_IOU]
        return self._take(t, found, pairs, tracks, free)

    def _by_appearance(
        self, t: float, found: FaceDetections, tracks: list[Track], free: list[int], look: Look
    ) -> list[tuple[Track, int]]:
        known = [track for track in tracks if track.appearance is not None]
        if not known or not free:
            return []
        looks = {at: embedding for at in free if (embedding := look(at)) is not None}
        alike = np.array(
            [
                [
                    similarity(track.appearance, looks[at]) if at in looks and track.appearance is not None else -1.0
                    for at in free
                ]
                for track in known
            ]
        )
        rows, columns = linear_sum_assignment(-alike)
        pairs = [(known[r], free[c]) for r, c in zip(rows, columns, strict=True) if alike[r, c] >= SAME_FACE]
        return self._take(t, found, pairs, tracks, free)

    @staticmethod
    def _take(
        t: float, found: FaceDetections, pairs: list[tuple[Track, int]], tracks: list[Track], free: list[int]
    ) -> list[tuple[Track, int]]:
        for track, at in pairs:
            track.see(found, at, t)
            tracks.remove(track)
            free.remove(at)
        return pairs


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every pair of boxes: (n, 4) and (m, 4) xyxy give (n, m) in [0, 1]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    union = np.maximum(area_a[:, None] + area_b[None, :] - inner, 1e-9)
    shares: Floats = (inner / union).astype(np.float32)
    return shares
