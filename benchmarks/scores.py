"""How well tracks follow the truth: CLEAR MOT (Bernardin and Stiefelhagen 2008) and IDF1 (Ristani et al. 2016).

A frame's truth and tracks are matched by intersection over union of at least MIN_IOU, one to one; a match of the frame
before is kept as long as it holds. Faces that can hardly be seen are neither asked for nor counted against a tracker
that finds them. Boxes are xyxy pixels, (n, 4) float32. Counts of several clips add up (`Scores.__add__`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from recognition.engine.types import Floats

MIN_IOU = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """One frame: who is where, which of them count, and what a tracker says."""

    identities: tuple[int, ...]
    boxes: Floats
    asked: tuple[bool, ...]  # whether a tracker must find it
    tracks: tuple[int, ...]
    track_boxes: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Counts; the rates follow from them."""

    faces: int = 0
    misses: int = 0
    false: int = 0
    switches: int = 0
    fragments: int = 0
    id_true: int = 0
    id_tracks: int = 0  # boxes of tracks that count, as the denominator of IDF1 has them

    def __add__(self, other: Scores) -> Scores:
        return Scores(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})

    @property
    def mota(self) -> float:
        return 1 - (self.misses + self.false + self.switches) / max(self.faces, 1)

    @property
    def idf1(self) -> float:
        return 2 * self.id_true / max(self.faces + self.id_tracks, 1)


def score(frames: Iterable[Frame]) -> Scores:
    """The counts of one clip."""
    total, last, together = Scores(), dict[int, int](), Counter[tuple[int, int]]()
    is_followed: dict[int, bool] = {}
    previous: dict[int, int] = {}
    for frame in frames:
        overlap = iou(frame.boxes, frame.track_boxes)
        pairs = _matches(frame, overlap, previous)
        previous = {frame.identities[row]: frame.tracks[column] for row, column in pairs}
        asked = [row for row, wanted in enumerate(frame.asked) if wanted]
        matched = dict(pairs)
        excused = {column for row, column in pairs if not frame.asked[row]}
        counted = [column for column in range(len(frame.tracks)) if column not in excused]
        switches = fragments = 0
        for row in asked:
            identity = frame.identities[row]
            if row not in matched:
                is_followed[identity] = False
                continue
            track = frame.tracks[matched[row]]
            switches += last.get(identity, track) != track
            fragments += identity in last and not is_followed[identity]
            last[identity], is_followed[identity] = track, True
        for row in asked:
            for column in counted:
                if overlap[row, column] >= MIN_IOU:
                    together[frame.identities[row], frame.tracks[column]] += 1
        hits = sum(row in matched for row in asked)
        total += Scores(
            faces=len(asked),
            misses=len(asked) - hits,
            false=len(counted) - hits,
            switches=switches,
            fragments=fragments,
            id_tracks=len(counted),
        )
    return total + Scores(id_true=_best_sum(together))


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every pair of boxes: (n, 4) and (m, 4) give (n, m) in [0, 1]."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = np.prod(a[:, 2:] - a[:, :2], axis=1)[:, None] + np.prod(b[:, 2:] - b[:, :2], axis=1)[None]
    return np.asarray(inner / np.maximum(areas - inner, 1e-9), np.float32)


def _matches(frame: Frame, overlap: Floats, previous: dict[int, int]) -> list[tuple[int, int]]:
    """Pairs of a truth and a track: those of the frame before that still hold, then the best of the rest.

    Faces that must be found come first: one that is hidden behind another has no right to that one's track.
    """
    pairs: list[tuple[int, int]] = []
    columns = {track: column for column, track in enumerate(frame.tracks)}
    for wanted in (True, False):
        rows = [row for row, asked in enumerate(frame.asked) if asked is wanted]
        for row in rows:
            column = columns.get(previous.get(frame.identities[row], -1))
            is_free = column is not None and column not in {c for _, c in pairs}
            if column is not None and is_free and overlap[row, column] >= MIN_IOU:
                pairs.append((row, column))
        rows = [row for row in rows if row not in {r for r, _ in pairs}]
        free = [column for column in range(len(frame.tracks)) if column not in {c for _, c in pairs}]
        left = overlap[np.ix_(rows, free)]
        # A pair that overlaps too little must not take the place of one that overlaps enough.
        found = zip(*linear_sum_assignment(np.where(left >= MIN_IOU, 1e3 + left, 0), maximize=True), strict=True)
        pairs += [(rows[r], free[c]) for r, c in found if left[r, c] >= MIN_IOU]
    return pairs


def _best_sum(together: Counter[tuple[int, int]]) -> int:
    """The most boxes that a one-to-one naming of identities by tracks gets right."""
    if not together:
        return 0
    rows: Sequence[int] = sorted({identity for identity, _ in together})
    columns: Sequence[int] = sorted({track for _, track in together})
    counts = np.array([[together[row, column] for column in columns] for row in rows])
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())
