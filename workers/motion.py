"""Says whether and where anything moved, so that a still scene costs almost nothing, and whether the picture was cut.

A picture's luma, (h, w) uint8 (or (h, w, 3) BGR), is reduced to a small grey one of SIZE. Motion is where that differs
from a slowly following background by more than the noise of this camera, which is learned, in cells that hang together:
thin rain and the specks of a dark night do not. A change of light all over the picture, by an offset and a factor, is
taken out first; one that is as large as when somebody switches a light counts as motion, once. Where somebody was a
moment ago the background still differs; the picture before tells that from where something moves now.

A cut is when the picture does not resemble the one before any more (their correlation is low), or has another size:
that holds in dark scenes too, where few pixels differ by much, and a change of light alone is none. Grey levels are 0
to 255; regions are boxes xyxy, normalised to [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from workers.regions import WHOLE, Box, regions_of

SIZE = (160, 90)
USUAL_SENSITIVITY = 5
Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Polygons = Sequence[Sequence[Sequence[float]]]

_FOLLOW = 0.1
_FRESH = 0.6  # of the level by which a cell must differ from the background: from here on it moves now
_REACH = np.ones((5, 5), np.uint8)  # so near to such cells, all that differs belongs to them
_LEVEL, _LEVEL_STEP = 12.0, 1.2  # at the usual sensitivity; each step of it divides by the second number
_SHARE, _SHARE_STEP = 0.002, 1.6
_NOISE_FOLLOW = 0.05
_NOISE_TIMES = 9.0  # the median of |difference| is 0.67 sd of the noise: six standard deviations
_LEVEL_MOST = 40.0
_SWITCHED = 30.0  # so many levels at once are no flicker and no cloud
_LIT_SHARE = 0.25  # from here on a change may be one of light
_SAMPLE = 3  # every third cell in both directions is enough to know light and noise
_NEIGHBOURS = 5  # of the nine cells around one, itself included
_CUT_CORRELATION = 0.25  # people before a still camera stay above 0.9, a fast pan above 0.35
_CUT_LEVEL = 5.0  # a smaller mean difference is noise on an empty picture, which does not correlate either


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What changed since the pictures before. The first picture counts as moved, everywhere.

    `regions`: where something moves now, at most four boxes, wide enough for all of a person of whom a part moves;
    none where what moved has come to rest.
    """

    moved: bool
    cut: bool
    regions: tuple[Box, ...] = ()


class MotionGate:
    """Keeps the background of one camera. `sensitivity`: 1 (much must move) to 10; `masks`: polygons to ignore."""

    def __init__(self, sensitivity: int = USUAL_SENSITIVITY, masks: Polygons = ()) -> None:
        steps = USUAL_SENSITIVITY - sensitivity
        self._level = _LEVEL * _LEVEL_STEP**steps
        self._seen = _seen(masks)
        self._cells = _SHARE * _SHARE_STEP**steps * float(np.count_nonzero(self._seen))
        self._shape: tuple[int, ...] = ()
        self._background: Floats = np.zeros(SIZE[::-1], np.float32)
        self._before = self._background
        self._noise = 0.0
        self.grey: Grey = np.zeros(SIZE[::-1], np.uint8)  # the newest picture, small, not blurred

    def look(self, picture: Grey) -> Motion:
        """Compares the picture with what was seen before."""
        self.grey = _reduced(picture)
        now = cv2.GaussianBlur(self.grey, (5, 5), 0).astype(np.float32)
        known, self._shape = self._shape, picture.shape[:2]
        if known != self._shape:
            self._background, self._before = now.copy(), now
            return Motion(moved=True, cut=bool(known), regions=(WHOLE,))
        cut = self._is_cut(now)
        moved, regions = (True, (WHOLE,)) if cut else self._compare(now)
        cv2.accumulateWeighted(now, self._background, 1.0 if cut else _FOLLOW)
        self._before = now
        return Motion(moved=moved, cut=cut, regions=regions)

    def _compare(self, now: Floats) -> tuple[bool, tuple[Box, ...]]:
        if cv2.norm(now, self._background, cv2.NORM_INF) <= self._level / 2:
            self._noise *= 1 - _NOISE_FOLLOW  # so little, that neither noise nor light can make a difference
            return False, ()
        difference = now - self._background
        shift = float(np.median(difference[::_SAMPLE, ::_SAMPLE]))
        if abs(shift) > _SWITCHED:
            self._background += shift
            return True, (WHOLE,)
        difference -= shift
        level = self._learned_level(difference)
        cells = self._moving(difference, level)
        count = np.count_nonzero(cells)
        if count > _LIT_SHARE * cells.size:
            cells = self._moving(_without_light(now, self._background), level)
            count = np.count_nonzero(cells)
        if count <= self._cells:
            return False, ()
        return True, regions_of(cells & self._fresh(now, level))

    def _fresh(self, now: Floats, level: float) -> Grey:
        """1 near what differs from the picture before."""
        over = (np.abs(now - self._before) > _FRESH * level).view(np.uint8)
        return cv2.dilate(over, _REACH).astype(np.uint8, copy=False)

    def _learned_level(self, difference: Floats) -> float:
        """How much a cell must differ: more where the camera itself is noisy."""
        noise = float(np.median(np.abs(difference[::_SAMPLE, ::_SAMPLE])))
        self._noise += _NOISE_FOLLOW * (noise - self._noise)
        return max(self._level, min(_LEVEL_MOST, _NOISE_TIMES * self._noise))

    def _moving(self, difference: Floats, level: float) -> Grey:
        """1 where a cell and most of those around it moved."""
        over = (np.abs(difference) > level).view(np.uint8) & self._seen
        around = cv2.boxFilter(over, -1, (3, 3), normalize=False, borderType=cv2.BORDER_REPLICATE)
        return over & (around >= _NEIGHBOURS).view(np.uint8)

    def _is_cut(self, now: Floats) -> bool:
        if cv2.norm(now, self._before, cv2.NORM_L1) < _CUT_LEVEL * now.size:
            return False
        inside = self._seen.view(bool)
        a, b = self._before[inside], now[inside]
        a, b = a - a.mean(), b - b.mean()
        scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
        return float((a * b).sum()) <= _CUT_CORRELATION * scale if a.size else False


def _reduced(picture: Grey) -> Grey:
    """Every so many pixels, then the mean of four: as good as the mean of all here, for a tenth of the time."""
    down, across = picture.shape[0] // (2 * SIZE[1]), picture.shape[1] // (2 * SIZE[0])
    some = np.ascontiguousarray(picture[:: max(1, down), :: max(1, across)])
    small = cv2.resize(some, SIZE, interpolation=cv2.INTER_AREA)
    return (small if small.ndim == 2 else cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)).astype(np.uint8, copy=False)


def _without_light(now: Floats, background: Floats) -> Floats:
    """What differs after the best offset and factor, found on the cells that agree best."""
    a, b = background[::_SAMPLE, ::_SAMPLE].ravel(), now[::_SAMPLE, ::_SAMPLE].ravel()
    agree = np.ones(a.shape, bool)
    gain, offset = 1.0, 0.0
    for _ in range(3):
        x, y = a[agree], b[agree]
        spread = float(x.var())
        gain = float(np.clip(((x - x.mean()) * (y - y.mean())).mean() / spread, 0.4, 2.5)) if spread > 1 else 1.0
        offset = float(y.mean() - gain * x.mean())
        off = np.abs(b - gain * a - offset)
        agree = off <= np.quantile(off, 0.7)
    return now - np.float32(gain) * background - np.float32(offset)


def _seen(masks: Polygons) -> Grey:
    """1 in the cells that count."""
    seen = np.ones(SIZE[::-1], np.uint8)
    shapes = [np.asarray(polygon, np.float64) for polygon in masks if len(polygon) >= 3]
    sixteenths = [np.round((shape * SIZE - 0.5) * 16).astype(np.int32) for shape in shapes]
    if sixteenths:
        cv2.fillPoly(seen, sixteenths, 0, shift=4)
    return seen
