"""What others see of a camera while its loop runs: its status once a second, and its live picture while somebody looks.

Nothing here waits for Redis: the process's `Reporter` takes both from here. Nobody watching: nothing is drawn.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable

from cameras.drops import Drop
from cameras.live import State, Status, View
from workers.preview import Mark, draw
from workers.rates import Pace
from workers.reporter import Reporter
from workers.sources import Frame, Reader

STATUS_SECONDS = 1.0


class Showing:
    """The public side of one loop."""

    def __init__(
        self, *, camera_id: int, worker: str, reader: Reader, pace: Pace, drops: Counter[Drop], reporter: Reporter
    ) -> None:
        self._id, self._worker = camera_id, worker
        self._reader, self._pace, self._drops, self._reporter = reader, pace, drops, reporter
        self._began = time.time()
        self._state, self._since = State.CONNECTING, time.time()
        self._view, self._trouble = View.CLEAR, ""
        self._said_at = self._drawn_at = float("-inf")
        self._processed: deque[float] = deque(maxlen=30)
        self._count = 0
        self._lag_ms = 0.0
        self.fps = 0  # live pictures that are wanted a second

    def note(self, frame: Frame) -> None:
        """A frame was looked at for faces, and what it showed is decided."""
        now = time.monotonic()
        self._processed.append(now)
        self._count += 1
        self._lag_ms = 0.8 * self._lag_ms + 0.2 * max(0.0, (now - frame.received) * 1000)

    def say(self, view: View, *, trouble: str = "") -> None:
        """Gives the status away, once a second and whenever the state or the view changes. `trouble`: for people."""
        now, changed = time.monotonic(), self._reader.state is not self._state or view is not self._view
        self.fps = self._reporter.wanted(self._id)
        if not changed and now - self._said_at < STATUS_SECONDS:
            return
        if changed:
            self._state, self._view, self._since = self._reader.state, view, time.time()
        self._said_at, self._trouble = now, trouble
        self._reporter.say(self._id, self._status(now))

    def is_picture_due(self) -> bool:
        """Whether somebody looks and waits for the next picture."""
        return self.fps > 0 and time.monotonic() - self._drawn_at >= 0.9 / self.fps

    @property
    def picture_due_at(self) -> float:
        """When the next picture is wanted, by time.monotonic()."""
        return self._drawn_at + 1.0 / self.fps if self.fps else float("inf")

    def draw(self, frame: Frame, marks: Iterable[Mark]) -> None:
        """Offers the frame with these marks as the live picture."""
        self._drawn_at = time.monotonic()
        self._reporter.offer(self._id, draw(frame.image, list(marks)))

    def leave(self) -> None:
        """Nothing more is said of this camera."""
        self._reporter.leave(self._id)

    def _status(self, now: float) -> Status:
        times = [at for at in self._processed if now - at < 10]
        span = times[-1] - times[0] if len(times) > 1 else 0.0
        width, height = self._reader.size
        drops = Counter(dict(self._reader.drops)) + Counter(dict(self._drops))  # copies: others count meanwhile
        return Status(
            state=self._state,
            view=self._view,
            fps_in=round(self._reader.fps, 1),
            fps_wanted=round(self._pace.fps, 1),
            fps_processed=round((len(times) - 1) / span, 1) if span > 0 else 0.0,
            lag_ms=round(self._lag_ms),
            decode_ms=round(self._reader.decode_ms, 2),
            width=width,
            height=height,
            frames_in=self._reader.frames_in,
            frames_wanted=self._pace.wanted,
            frames_missed=self._pace.missed,
            frames_processed=self._count,
            drops={drop.value: count for drop, count in drops.items()},
            restarts=self._reader.restarts,
            last_error=self._reader.error or self._trouble,
            worker=self._worker,
            began=self._began,
            since=self._since,
        )
