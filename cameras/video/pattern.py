"""A test pattern that runs like a live camera: colour bars, a grey ramp, a running clock and a ball that rolls.

It needs no camera, no file and no network, so it shows whether everything behind the camera works. (h, w, 3) uint8 BGR.
"""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import cv2
import numpy as np

from cameras.sources import Source, parse_pattern
from cameras.video.made import MadeCapture
from cameras.video.types import EndOfSource, Picture, Pixels

_BARS = ((191, 191, 191), (0, 191, 191), (191, 191, 0), (0, 191, 0), (191, 0, 191), (0, 0, 191), (191, 0, 0))
_LATE_MOST = 1.0


class PatternCapture(MadeCapture):
    """Pictures of the pattern, each when it is due."""

    is_live = True

    def __init__(self, source: Source) -> None:
        pattern = parse_pattern(source.text)
        super().__init__(shown=source.shown, fps=pattern.fps)
        self._ground = _ground(pattern.width, pattern.height)
        self._due = time.monotonic()

    def _take(self) -> int:
        wait = self._due - time.monotonic()
        if wait < -_LATE_MOST:  # the machine slept or was held up: go on from now
            self._due = time.monotonic()
        elif wait > 0 and self._closed.wait(wait):
            raise EndOfSource(f"{self._shown} was closed.")
        self._due += 1.0 / self.fps
        return super()._take()

    def _picture(self, number: int) -> list[Picture]:
        seconds = number / self.fps
        image = self._ground.copy()
        height, width = image.shape[:2]
        radius = max(3, height // 12)
        way = (seconds / 6) % 2  # six seconds from one side to the other, and back
        x = round(radius + (width - 2 * radius) * (way if way < 1 else 2 - way))
        y = round(height * 0.62 + height * 0.1 * math.sin(seconds * 2))
        cv2.circle(image, (x, y), radius, (255, 255, 255), -1, cv2.LINE_AA)
        scale = height / 360
        clock = f"{datetime.now(UTC):%H:%M:%S}.{datetime.now(UTC).microsecond // 100000} UTC"
        place = (round(width * 0.05), round(height * 0.93))
        cv2.putText(image, clock, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), max(1, round(2 * scale)))
        return [Picture.of(image, pts=seconds)]


def _ground(width: int, height: int) -> Pixels:
    image = np.zeros((height, width, 3), np.uint8)
    edges = np.linspace(0, width, len(_BARS) + 1).round().astype(int)
    for colour, left, right in zip(_BARS, edges[:-1], edges[1:], strict=True):
        image[: height // 2, left:right] = colour
    image[height * 4 // 5 :] = np.linspace(0, 120, width).astype(np.uint8)[None, :, None]
    return image
