"""Says whether anything moved, so that a still scene costs almost nothing, and whether the picture was cut.

Frames are reduced to a small grey picture; motion is where it differs from a slowly following background by more than
the noise, a cut is when most of it differs from the picture before. All in grey levels of 0 to 255.
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
_CUT_LEVEL = 28.0
_CUT_SHARE = 0.45


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
        cut = float(np.mean(np.abs(grey - self._before) > _CUT_LEVEL)) > _CUT_SHARE
        cv2.accumulateWeighted(grey, self._background, 1.0 if cut else _FOLLOW)
        self._before = grey
        return Motion(moved=moved, cut=cut)
