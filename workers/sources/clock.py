"""Clocks: when a picture was captured, by clocks that may jump, told by one that never does.

`Timeline` turns moments of time.monotonic() into UTC. It follows the machine's clock smoothly, and jumps only when that
clock was really set. `Arrivals` finds the moment of capture of a stream's pictures from when they came in and from the
stream's own time stamps, as the least delayed picture tells it, and how far reading is behind. All in seconds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta

CLOCK_SET = 1.0  # a clock that is off by more was set; by less, it is followed smoothly
_FOLLOW = 0.01
_LEAST_STEP = 1e-4
_DRIFT_FIRST, _DRIFT_MOST = 0.001, 0.05  # how fast a camera's clock may run away from ours, in parts of a second
_LONGEST_GAP = 10.0
_WILD_MOST, _WILD_OF = 3, 100  # time stamps of which so many are wild say nothing


class Clock:
    """The clocks of this machine, in one place so that tests can bring their own."""

    def monotonic(self) -> float:
        return time.monotonic()

    def utc(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits until the event is set or the time is over; whether it is set."""
        return stop.wait(seconds)


class Timeline:
    """UTC for moments of the monotonic clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at, self._utc = clock.monotonic(), clock.utc()

    def utc(self, moment: float) -> datetime:
        """The UTC time of a moment of time.monotonic() that is not long past."""
        now, wall = self._clock.monotonic(), self._clock.utc()
        passed = max(0.0, now - self._at)
        expected = self._utc + timedelta(seconds=passed)
        off = (wall - expected).total_seconds()
        if abs(off) <= CLOCK_SET:
            most = _FOLLOW * passed
            wall = expected + timedelta(seconds=max(-most, min(most, off)))
        self._at, self._utc = now, wall
        return wall + timedelta(seconds=moment - now)


class Arrivals:
    """The moments at which a live stream's pictures were captured; they only rise."""

    def __init__(self) -> None:
        self._offset: float | None = None  # our clock minus the stream's, by the least delayed picture
        self._before: tuple[float, float] | None = None  # time stamp and arrival of the last picture
        self._wild: deque[bool] = deque(maxlen=_WILD_OF)
        self._wilds = 0
        self._drift = _DRIFT_FIRST
        self._last = float("-inf")
        self.behind = 0.0

    def place(self, pts: float | None, received: float) -> float:
        """The moment of capture of a picture with this time stamp that came in then."""
        before, self._before = self._before, None if pts is None else (pts, received)
        self.behind = 0.0
        moment = received
        if pts is not None and self._is_sane(pts, received, before):
            moment = pts + self._anchor(pts, received, before)
            self.behind = max(0.0, received - moment)
        self._last = max(moment, self._last + _LEAST_STEP)
        return self._last

    def forgive(self) -> None:
        """What looked like being behind was the camera's clock: goes on from the last picture."""
        if self._before is not None:
            self._offset = self._before[1] - self._before[0]
        self._drift = min(_DRIFT_MOST, self._drift * 2)
        self.behind = 0.0

    def restart(self) -> None:
        """The stream is another one now, with time stamps of its own."""
        self._offset = self._before = None
        self._wild.clear()
        self._wilds = 0
        self.behind = 0.0

    def _is_sane(self, pts: float, received: float, before: tuple[float, float] | None) -> bool:
        """Whether the time stamp can be used; one that jumped starts the comparison anew."""
        jumped = before is not None and not 0 < pts - before[0] < _LONGEST_GAP + max(0.0, received - before[1])
        if len(self._wild) == _WILD_OF:
            self._wilds -= self._wild[0]
        self._wild.append(jumped)
        self._wilds += jumped
        if jumped:
            self._offset = None
        return self._wilds <= _WILD_MOST

    def _anchor(self, pts: float, received: float, before: tuple[float, float] | None) -> float:
        offset = received - pts
        if self._offset is None or before is None or offset <= self._offset:
            self._offset = offset
        else:
            self._offset = min(offset, self._offset + self._drift * max(0.0, received - before[1]))
        return self._offset
