"""Notices that a live source shows the very same picture again and again: the camera hangs while its stream goes on.

No two pictures of a sensor are the same, not even of a still scene, as long as they are encoded anew: that is what key
pictures are. So key pictures must be equal to the last bit (of a sample of one pixel in STEP x STEP); in between, where
a still scene may be encoded as "as before", one picture a second must only be close. A stream that sends no key picture
any more needs equal pictures for four times as long.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cameras.video import Picture

STEP = 8
_LOOK_SECONDS = 1.0
_CLOSE = 1.0  # mean difference in grey levels
_KEYS = 3
_WITHOUT_KEYS = 4.0


class FrozenWatch:
    """Looks at the pictures of one source; `frozen` says what was found."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sample: npt.NDArray[np.uint8] | None = None
        self._since = self._looked = 0.0
        self._keys = 0
        self._all_equal = True
        self.frozen = False

    def look(self, picture: Picture, now: float) -> bool:
        """Whether the picture stands still, `now` being seconds of a clock that never jumps."""
        if not self.frozen and now - self._looked < self._pause(picture):
            return False
        self._looked = now
        sample = np.array(picture.luma[::STEP, ::STEP])
        if not self._is_same(sample, picture.key):
            self._sample, self._since, self._keys = sample, now, int(picture.key)
            self._all_equal, self.frozen = True, False
            return False
        self._keys += picture.key
        lasted = now - self._since
        self.frozen = (self._keys >= _KEYS and lasted >= self._seconds) or (
            self._all_equal and lasted >= self._seconds * _WITHOUT_KEYS
        )
        return self.frozen

    def _pause(self, picture: Picture) -> float:
        """Where every picture is a key picture, four a second will do."""
        if not picture.key:
            return _LOOK_SECONDS
        return _LOOK_SECONDS / 4 if self._keys > _KEYS else 0.0

    def _is_same(self, sample: npt.NDArray[np.uint8], key: bool) -> bool:
        if self._sample is None or self._sample.shape != sample.shape:
            return False
        if np.array_equal(self._sample, sample):
            return True
        self._all_equal = False
        return not key and float(np.abs(self._sample.astype(np.int16) - sample).mean()) <= _CLOSE
