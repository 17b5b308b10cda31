"""What folders and the test pattern have in common: pictures that are whole by themselves, one after the other.

Subclasses make the next picture when asked. Times in seconds.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections import Counter

from cameras.drops import Drop
from cameras.video.gop import KEY_SECONDS
from cameras.video.types import Decode, EndOfSource, Picture


class MadeCapture(ABC):
    """A capture whose pictures are numbered from 0 and made one at a time."""

    codec = ""
    is_live = False
    stirred = False

    def __init__(self, *, shown: str, fps: float) -> None:
        self._shown = shown
        self._closed = threading.Event()
        self._next = 0
        self._kept: int | None = None  # the newest that was not made
        self._every = max(1, round(KEY_SECONDS * fps))
        self.fps = fps
        self.seconds = 0.0
        self.decode = Decode.ALL
        self.decode_ms = 0.0
        self.skipped: Counter[Drop] = Counter()

    def step(self) -> list[Picture]:
        number = self._take()
        if self.decode is Decode.NOTHING or (self.decode is Decode.KEYFRAMES and number % self._every):
            self.skipped[Drop.NOT_WANTED if self.decode is Decode.NOTHING else Drop.NOT_KEY] += 1
            self._kept = number
            return []
        self._kept = None
        return self._make(number)

    def wake(self) -> list[Picture]:
        self.decode = Decode.ALL
        number, self._kept = self._kept, None
        return [] if number is None or self._closed.is_set() else self._make(number)

    def close(self) -> None:
        self._closed.set()

    def _take(self) -> int:
        if self._closed.is_set():
            raise EndOfSource(f"{self._shown} was closed.")
        number, self._next = self._next, self._next + 1
        return number

    def _make(self, number: int) -> list[Picture]:
        began = time.thread_time()
        pictures = self._picture(number)
        self.decode_ms += 0.05 * ((time.thread_time() - began) * 1000 - self.decode_ms)
        return pictures

    @abstractmethod
    def _picture(self, number: int) -> list[Picture]:
        """The picture of this number; nothing where it is damaged."""
