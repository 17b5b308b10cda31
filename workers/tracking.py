"""Joins the detections of one camera into tracks: one track is one face for as long as it is in view.

Every pair of a track and a detection gets a log-likelihood ratio: how much better "this is that face" explains the
detection than "this is a face that was not there" (Bar-Shalom). Motion speaks first, with the uncertainty that each
track's course has by then, so that a face seen once, or hidden for a while, is looked for further away, and boxes need
not overlap: at five frames a second they often do not. Pairs that leave no doubt are joined. All others, that is after
an occlusion, where faces are close together, soon after they parted, after a cut and for faces that come from nowhere,
are looked at, and their appearance is added to the ratio; the best assignment of them all is taken (SORT's, with
appearance as in DeepSORT). So two people who cross keep their names, or get them back when they have parted.

A new track counts only when it is seen again, and several times when the detector was never sure of it (a weak
detection continues a track but hardly starts one, as in ByteTrack), so that false detections open nothing. More, and
what it was measured to be worth, in docs/tracking.md.

Boxes are xyxy pixels, times seconds on the source's clock. Pure computing; appearances are asked for only when needed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from recognition.engine import Embedding, FaceDetections, similarity
from workers.course import Course

Floats = npt.NDArray[np.float32]
Ratios = npt.NDArray[np.float64]
Look = Callable[[int], Embedding | None]

LOST_SECONDS = 2.8  # somebody hidden for two seconds comes back as the same track
CUT_SECONDS = 1.0
CONFIRM_HITS = 2
SURE_SCORE = 0.96  # a detection score that no false face reached in the clips this was set with
UNSURE_HITS = 4  # what a track needs that never reached it
CONFIRM_SECONDS = 1.0

# Similarities as shares of the way from a pack's threshold to 1: they hold for packs whose similarities differ.
USUAL_THRESHOLD = 0.83755
_OTHER_FACE = -0.23
_NEITHER = 0.1  # a look as alike as this speaks neither for nor against the same face (0.854 with the pack `compact`)
_ALIKE_WEIGHT = 12.0
_MOST_ALIKE, _LEAST_ALIKE = 5.0, -7.0

_PLACES = 120.0  # so many faces have room in a view: where one that is new may be
_ASTRAY = math.log(0.03)  # how seldom a face is where its course does not lead
_AFTER_CUT = -1.0
_SIZES = 0.15  # standard deviation of the logarithm of a face's size; more after a while
_SIZES_LATER = 0.3
_SAFE = 2.0  # from here on motion alone is believed …
_LEAD = 4.0  # … when every other pair of the two is so much worse
_GAP_SECONDS = 0.5  # … and the track was seen a moment ago
_CLOSE = 1.1  # faces nearer to each other than so many sizes may be taken for one another
_SETTLE_SECONDS = 0.6


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
    appearance: Embedding | None = None
    crowded: bool = False  # another face is, or was a moment ago, so close that looks may show that one
    settles_at: float = float("-inf")
    is_placed: bool = True  # false after a cut, until it is seen again
    course: Course = field(init=False)
    began_t: float = field(init=False)

    def __post_init__(self) -> None:
        self.course, self.began_t = Course(self.box, self.last_t), self.last_t

    def predict(self, t: float) -> Floats:
        """Where the box should be at time t."""
        return self.course.box_at(t)

    def see(self, found: FaceDetections, at: int, t: float) -> None:
        """Takes a detection into the track."""
        if self.is_placed:
            self.course.see(found.boxes[at], t)
        else:
            self.course, self.is_placed = Course(found.boxes[at], t), True
        self.box, self.points, self.last_t = found.boxes[at], found.points[at], t
        self.hits, self.score = self.hits + 1, max(self.score, float(found.scores[at]))
        enough = CONFIRM_HITS if self.score >= SURE_SCORE else UNSURE_HITS
        self.confirmed = self.confirmed or self.hits >= enough


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Update:
    """What one frame did: tracks with the index of their detection, and tracks that ended."""

    seen: list[tuple[Track, int]]
    ended: list[Track]


class Tracker:
    """The tracks of one camera. Owned by one thread. `threshold`: that of the pack whose embeddings are compared."""

    def __init__(self, threshold: float = USUAL_THRESHOLD) -> None:
        self.tracks: list[Track] = []
        self.threshold = threshold
        self._count = 0

    def update(self, t: float, found: FaceDetections, *, look: Look, cut: bool = False) -> Update:
        """Takes the detections of the frame at time t. `look` embeds a detection; after a cut, motion says nothing."""
        ended = self.expire(t, cut=cut)
        for track in self.tracks:
            track.is_placed = track.is_placed and not cut
        seen: list[tuple[Track, int]] = []
        if self.tracks and len(found):
            self._note_crowds(t)
            ratios = motion_ratios(self.tracks, found, t)
            certain = _certain(self.tracks, ratios, t)
            seen += [(self.tracks[row], column) for row, column in certain]
            rows = [row for row in range(len(self.tracks)) if row not in {r for r, _ in certain}]
            free = [column for column in range(len(found)) if column not in {c for _, c in certain}]
            seen += self._by_all([self.tracks[row] for row in rows], free, ratios[np.ix_(rows, free)], look)
            seen = self._resumed(seen, motion_ratios(self.tracks, found, t), look)
        for track, at in seen:
            track.see(found, at, t)
        taken = {at for _, at in seen}
        seen += [(self._start(found, at, t), at) for at in range(len(found)) if at not in taken]
        return Update(seen=seen, ended=ended)

    def expire(self, t: float, *, cut: bool = False) -> list[Track]:
        """Ends tracks that were not seen for too long; returns those that had been confirmed.

        Over a cut only faces go on that were in view before it: who was away already has left that scene.
        """
        patience = CUT_SECONDS if cut else LOST_SECONDS
        ended = [
            track for track in self.tracks if t - track.last_t > (patience if track.confirmed else CONFIRM_SECONDS)
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

    def _note_crowds(self, t: float) -> None:
        """Notes which tracks are so close together that one may be taken for the other."""
        middles = np.stack([track.course.middle_at(t) for track in self.tracks])
        scales = np.array([track.course.scale for track in self.tracks])
        away = np.linalg.norm(middles[:, None] - middles[None], axis=2)
        close = away < _CLOSE * (scales[:, None] + scales[None]) / 2
        np.fill_diagonal(close, val=False)
        for track, is_close in zip(self.tracks, close.any(axis=1), strict=True):
            if is_close:
                track.settles_at = t + _SETTLE_SECONDS
            track.crowded = t < track.settles_at

    def _by_all(
        self, tracks: Sequence[Track], free: Sequence[int], ratios: Ratios, look: Look
    ) -> list[tuple[Track, int]]:
        """The best assignment by motion and appearance together."""
        if not tracks or not free:
            return []
        known = [row for row, track in enumerate(tracks) if track.appearance is not None]
        looks = [look(at) for at in free] if known else []
        for row in known:
            for column, embedding in enumerate(looks):
                if embedding is not None:
                    ratios[row, column] += self._alike(tracks[row], embedding)
        rows, columns = linear_sum_assignment(np.maximum(ratios, 0.0), maximize=True)
        return [(tracks[r], free[c]) for r, c in zip(rows, columns, strict=True) if ratios[r, c] > 0]

    def _resumed(self, seen: list[tuple[Track, int]], ratios: Ratios, look: Look) -> list[tuple[Track, int]]:
        """The pairs, but faces that have just come continue a lost track that they resemble by their second look.

        The first look at somebody who comes from behind something often shows half a face.
        """
        rows = {track.number: row for row, track in enumerate(self.tracks)}
        unseen = {track.number for track, _ in seen} ^ set(rows)
        lost = [track for track in self.tracks if track.number in unseen and track.appearance is not None]
        found = []
        for track, at in seen:
            embedding = look(at) if lost and not track.confirmed else None
            if embedding is not None:
                ratio = {old.number: ratios[rows[old.number], at] + self._alike(old, embedding) for old in lost}
                old = max(lost, key=lambda one: ratio[one.number])
                if ratio[old.number] > 0 and old.last_t < track.began_t:
                    self.tracks.remove(track)
                    lost.remove(old)
                    track = old
            found.append((track, at))
        return found

    def _alike(self, track: Track, embedding: Embedding) -> float:
        """How much better the same face explains how alike a look is to the track than another face does."""
        if track.appearance is None:
            return 0.0
        share = (similarity(track.appearance, embedding) - self.threshold) / (1 - self.threshold)
        return min(_MOST_ALIKE, max(_LEAST_ALIKE, _ALIKE_WEIGHT * (share - _NEITHER)))


def motion_ratios(tracks: Sequence[Track], found: FaceDetections, t: float) -> Ratios:
    """(n, m) log-likelihood ratios of place and size: above 0 where a detection is the track's, not a new face."""
    middles = np.stack([track.course.middle_at(t) for track in tracks])
    variances = np.array([track.course.variance_at(t) for track in tracks])[:, None]
    scales = np.array([track.course.scale for track in tracks])[:, None]
    gaps = np.array([t - track.last_t for track in tracks])[:, None]
    off = (found.boxes[:, :2] + found.boxes[:, 2:])[None] / 2 - middles[:, None]
    sides = np.sqrt(np.maximum(np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1), 1.0))[None]
    place = np.log(_PLACES * scales**2 / (2 * math.pi * variances)) - (off**2).sum(axis=2) / (2 * variances)
    size = -((np.log(sides / scales) / (_SIZES + _SIZES_LATER * np.minimum(gaps, 1.0))) ** 2) / 2
    is_placed = np.array([track.is_placed for track in tracks])[:, None]
    return np.asarray(np.where(is_placed, np.maximum(place + size, _ASTRAY), _AFTER_CUT), np.float64)


def _certain(tracks: Sequence[Track], ratios: Ratios, t: float) -> list[tuple[int, int]]:
    """Pairs that motion alone leaves no doubt about, as rows and columns."""
    pairs = []
    for row, column in enumerate(ratios.argmax(axis=1)):
        best = ratios[row, column]
        others = max(
            np.delete(ratios[row], column).max(initial=-math.inf),
            np.delete(ratios[:, column], row).max(initial=-math.inf),
        )
        is_fresh = t - tracks[row].last_t <= _GAP_SECONDS and not tracks[row].crowded
        if best >= _SAFE and best - others >= _LEAD and is_fresh:
            pairs.append((row, int(column)))
    return pairs


def other_face(threshold: float) -> float:
    """The similarity below which a look is rather at another face than the track's, for a pack of this threshold."""
    return threshold + _OTHER_FACE * (1 - threshold)
