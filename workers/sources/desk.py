"""Hands frames from the thread that reads to the thread that looks at them: the newest one, never a queue of old ones.

There is one exception. A camera at rest decodes key pictures only; when something moves, what came since the last one
is decoded at once, and these pictures show how it began. They are handed over in order, thinned to one in BURST_EVERY
seconds and BURST_MOST at most, and none that is BURST_SECONDS older than the newest. All others are counted as dropped.
"""

from __future__ import annotations

import threading
from collections import Counter, deque

from cameras.drops import Drop
from workers.sources.frame import Frame

BURST_EVERY = 0.15
BURST_SECONDS = 2.5
BURST_MOST = 12


class Desk:
    """Where frames lie until they are taken."""

    def __init__(self, drops: Counter[Drop]) -> None:
        self._drops = drops
        self._there = threading.Condition()
        self._newest: Frame | None = None
        self._burst: deque[Frame] = deque()
        self._is_over = False

    def put(self, frame: Frame) -> None:
        with self._there:
            if self._newest is not None:
                self._drops[Drop.NEWER] += 1
            self._newest = frame
            self._there.notify()

    def put_older(self, frame: Frame) -> None:
        """A frame of before the camera was woken."""
        with self._there:
            burst = self._burst
            if burst and frame.t - burst[-1].t < BURST_EVERY:
                self._drops[Drop.BEFORE_WAKING] += 1
                return
            burst.append(frame)
            if len(burst) > BURST_MOST or frame.t - burst[0].t > BURST_SECONDS:
                burst.popleft()
                self._drops[Drop.BEFORE_WAKING] += 1
            self._there.notify()

    def take(self, timeout: float) -> Frame | None:
        with self._there:
            if self._newest is None and not self._burst and not self._is_over:
                self._there.wait(timeout)
            self._forget_old()
            if self._burst:
                return self._burst.popleft()
            frame, self._newest = self._newest, None
            return frame

    def take_newer(self) -> Frame | None:
        """A newer frame, if it lies there; never one that skips those of before the camera was woken."""
        with self._there:
            if self._burst:
                return None
            frame, self._newest = self._newest, None
            return frame

    def end(self) -> None:
        """No frame will come any more: nobody waits for one."""
        with self._there:
            self._is_over = True
            self._there.notify_all()

    def _forget_old(self) -> None:
        while self._burst and self._newest is not None and self._newest.t - self._burst[0].t > BURST_SECONDS:
            self._burst.popleft()
            self._drops[Drop.BEFORE_WAKING] += 1
