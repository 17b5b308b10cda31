"""Says whether anything moved, so that a still scene costs almost nothing, and whether the picture was cut.

Frames are reduced to a small grey picture; motion is where it differs from a slowly following background by more than
the noise. A cut is when the picture does not resemble the one before any more (their correlation is low): that holds in
dark scenes too, where few pixels differ by much, and a change of light alone is none. Grey levels of 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine import Image

SIZE = (160, 90)
_FOLLOW = 0.1
_NOISE = 12.0
_MOVED_SHARE = 0.002
_CUT_CORRELATION = 0.25  # people before a still camera stay above 0.9, a fast pan above 0.35
_CUT_LEVEL = 5.0  # a smaller mean difference is noise on an empty picture, which does not correlate either


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What changed since the frame before. `moved` is also true for the first frame."""

    moved: bool
    cut: bool


class MotionGate:
    """Keeps the background of one camera."""

    def __init__(self) -> None:
        self._background: npt.NDArray[np.float32] | None = None
        self._before: npt.NDArray[np.float32] | None = None

    def look(self, image: Image) -> Motion:
        """Compares the frame with what was seen before."""
        small = cv2.cvtColor(cv2.resize(image, SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        grey: npt.NDArray[np.float32] = cv2.GaussianBlur(small, (5, 5), 0).astype(np.float32)
        if self._background is None or self._before is None:
            self._background, self._before = grey.copy(), grey
            return Motion(moved=True, cut=False)
        moved = float(np.mean(np.abs(grey - self._background) > _NOISE)) > _MOVED_SHARE
        cut = _is_cut(self._before, grey)
        cv2.accumulateWeighted(grey, self._background, 1.0 if cut else _FOLLOW)
        self._before = grey
        return Motion(moved=moved, cut=cut)


def _is_cut(before: npt.NDArray[np.float32], now: npt.NDArray[np.float32]) -> bool:
    if float(np.abs(now - before).mean()) < _CUT_LEVEL:
        return False
    a, b = before - before.mean(), now - now.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) <= _CUT_CORRELATION * scale
