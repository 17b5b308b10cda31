"""Where a face is going: a Kalman filter of constant velocity for the middle of its box, in units of its own size.

Noise is given in sizes of the face, so that near and far faces, and 5 and 25 frames a second, are followed alike. After
a gap the new place says where the face went meanwhile, because the filter knows how little it knew of the velocity by
then (the idea of OC-SORT's re-update, Cao et al. 2023, without its virtual path).

Boxes are xyxy pixels, (4,) float32; times seconds.
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from recognition.engine.types import Floats

MEASURED = 0.08  # standard deviation of a detection's middle, in sizes
FIRST_SPEED = 5.0  # what is expected of a face seen once, in sizes a second
CHANGES = 4.0  # how much the velocity wanders within a second, in sizes a second
_GOES_ON = 0.5  # so many seconds a face that is not seen is expected to go on as before …
_EASES = 1.0  # … and to have lost most of its velocity after so many more
_SIZE_FOLLOW = 0.5


class Course:
    """The motion of one face."""

    __slots__ = ("_both", "_place", "_speed", "_t", "middle", "size", "speed")

    def __init__(self, box: Floats, t: float) -> None:
        self.middle, self.size = _middle(box), box[2:] - box[:2]
        self.speed = np.zeros(2, np.float32)
        self._t = t
        scale = self.scale**2
        # Variances of place and speed and their covariance, the same in x and y; pixels squared.
        self._place, self._both, self._speed = scale * MEASURED**2, 0.0, scale * FIRST_SPEED**2

    @property
    def scale(self) -> float:
        """The size of the face: the side of a square as large as its box."""
        return math.sqrt(max(float(self.size[0] * self.size[1]), 1.0))

    def box_at(self, t: float) -> Floats:
        """The box that is expected at time t."""
        middle, half = self.middle_at(t), self.size / 2
        return np.concatenate([middle - half, middle + half]).astype(np.float32)

    def middle_at(self, t: float) -> Floats:
        dt = max(t - self._t, 0.0)
        later = max(dt - _GOES_ON, 0.0)
        going = min(dt, _GOES_ON) + _EASES * (1 - math.exp(-later / _EASES))
        return np.asarray(self.middle + self.speed * np.float32(going), np.float32)

    def variance_at(self, t: float) -> float:
        """How far from there a detection may be: the variance in each direction, in pixels squared."""
        return self._ahead(t)[0] + (MEASURED * self.scale) ** 2

    def see(self, box: Floats, t: float) -> Self:
        """Takes a detection in."""
        place, both, speed = self._ahead(t)
        noise = (MEASURED * self.scale) ** 2
        gain, gain_speed = place / (place + noise), both / (place + noise)
        off = _middle(box) - self.middle_at(t)
        self.middle = self.middle_at(t) + np.float32(gain) * off
        self.speed = self.speed + np.float32(gain_speed) * off
        self._place, self._both, self._speed = (1 - gain) * place, (1 - gain) * both, speed - gain_speed * both
        self.size = self.size * np.float32(1 - _SIZE_FOLLOW) + (box[2:] - box[:2]) * np.float32(_SIZE_FOLLOW)
        self._t = t
        return self

    def _ahead(self, t: float) -> tuple[float, float, float]:
        """Variance of place, covariance, variance of speed at time t."""
        dt = max(t - self._t, 0.0)
        wander = (CHANGES * self.scale) ** 2
        place = self._place + 2 * dt * self._both + dt**2 * self._speed + wander * dt**3 / 3
        return place, self._both + dt * self._speed + wander * dt**2 / 2, self._speed + wander * dt


def _middle(box: Floats) -> Floats:
    return np.asarray((box[:2] + box[2:]) / 2, np.float32)
