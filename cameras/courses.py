"""Where in the picture a face was while it was in view: some two dozen places, packed into a few bytes.

A place is (seconds since the track began, x, y, height): the middle of the face and its height, as shares of the
picture in [0, 1]. Packed: little-endian uint16 each, seconds in tenths (up to 6,553 s, later ones are cut there).
When a track grows longer every second place is dropped and the pause between places doubled, so that its whole way is
kept, coarsely.

Shapes: courses (n, 4) float32.
"""

from __future__ import annotations

import numpy as np

from recognition.engine.types import Floats

MOST = 24
FIRST_PAUSE = 0.5  # seconds between two places, at first
_FULL = 65535


class CourseKeeper:
    """Collects the places of one track."""

    __slots__ = ("_pause", "_places")

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._places: list[tuple[float, float, float, float]] = []

    def see(self, seconds: float, x: float, y: float, height: float) -> None:
        """Takes a place in where enough time has passed since the last one."""
        if self._places and seconds - self._places[-1][0] < self._pause:
            return
        self._places.append((seconds, x, y, height))
        if len(self._places) > MOST:
            self._places = self._places[::2]
            self._pause *= 2

    def packed(self) -> bytes:
        places = tuple(self._places)  # another thread may take one in meanwhile
        return pack(np.array(places, np.float32).reshape(-1, 4))


def pack(course: Floats) -> bytes:
    """The course as it is stored."""
    scaled = course.astype(np.float64) * (10.0, _FULL, _FULL, _FULL)
    return np.clip(np.round(scaled), 0, _FULL).astype("<u2").tobytes()


def unpack(data: bytes | memoryview | None) -> Floats:
    """(n, 4) float32 of what was stored; (0, 4) where nothing was, or it is no course."""
    raw = bytes(data or b"")
    if len(raw) % 8:
        return np.zeros((0, 4), np.float32)
    found = np.frombuffer(raw, "<u2").reshape(-1, 4).astype(np.float32)
    return np.asarray(found / np.array([10.0, _FULL, _FULL, _FULL], np.float32), np.float32)
