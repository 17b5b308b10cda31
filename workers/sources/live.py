"""A camera, read in a thread of its own: it offers the newest frame only, and goes on whatever the source does.

A file or folder is paced as a camera would be. What was not looked at is counted by its reason. A source that fails, or
whose picture stands still, is opened again with growing pauses (workers.sources.retry); a decoder that hangs is left
alone with its thread, and another one is started.

A camera before which nothing goes on (`rest`) is decoded roughly, until the loop says that something does (`wake`).
With `idle` it has only its key pictures decoded, until then or until what comes encoded grows so much that something
probably moves. What came since the last key
picture is decoded then, and handed over with the times at which it was captured (workers.sources.desk).

With `doze` (seconds) pictures may be handed over that much later, several at once; that saves a good part of the work.
"""

from __future__ import annotations

from cameras.live import State
from cameras.sources import Kind, Source
from cameras.video import CaptureOptions, open_capture
from workers.sources.clock import Clock, Timeline
from workers.sources.desk import Desk
from workers.sources.detail import Detail, SecondStream
from workers.sources.frame import Frame
from workers.sources.frozen import FrozenWatch
from workers.sources.reading import Reading
from workers.sources.retry import Opener
from workers.sources.tally import Tallied

FROZEN_SECONDS = 30.0
HUNG_SECONDS = 5.0  # beyond the time-outs that the decoder was given
HUNG_MOST = 3
CLOSE_SECONDS = 1.5


class LiveReader(Tallied):
    """Reads a source in a thread and offers the newest frame only."""

    def __init__(
        self,
        source: Source,
        *,
        options: CaptureOptions,
        loop: bool = False,
        idle: bool = False,
        detail: Source | None = None,
        frozen_seconds: float = FROZEN_SECONDS,
        doze: float = 0.0,
        clock: Clock | None = None,
        opener: Opener = open_capture,
    ) -> None:
        super().__init__()
        self._source, self._options, self._loop, self._idle = source, options, loop, idle
        self._clock, self._opener, self._doze = clock or Clock(), opener, doze
        self._desk = Desk(self._tally.drops)
        self._timeline = Timeline(self._clock)
        # A file, a folder and a pattern may well show the same picture for long.
        self._frozen = FrozenWatch(frozen_seconds) if source.kind in (Kind.STREAM, Kind.USB) else None
        self._detail: SecondStream | None = None
        if detail is not None:
            self._detail = SecondStream(detail, options=options, loop=loop, doze=doze, clock=self._clock, opener=opener)
        self._hung: list[Reading] = []
        self._reading = self._read()

    @property
    def is_live(self) -> bool:
        return True

    @property
    def error(self) -> str:
        if super().error or self._detail is None or not self._detail.error:
            return super().error
        return f"Second stream: {self._detail.error}"

    @property
    def resizes(self) -> int:
        """How often the pictures changed their size."""
        return self._tally.resizes

    @property
    def detail(self) -> Detail | None:
        return self._detail

    @property
    def fps(self) -> float:
        return self._tally.rate(self._clock.monotonic())

    def next(self, timeout: float) -> Frame | None:
        self._watch()
        return self._desk.take(timeout)

    def newest(self) -> Frame | None:
        return self._desk.take_newer()

    def wake(self) -> None:
        self._tally.wants_rest = False

    def rest(self) -> None:
        self._tally.wants_rest = True

    def close(self) -> None:
        deadline = self._clock.monotonic() + CLOSE_SECONDS
        self._reading.stop.set()
        self._desk.end()
        if self._detail is not None:
            self._detail.close()
        self._reading.join(deadline - self._clock.monotonic())

    def _read(self) -> Reading:
        return Reading(
            self._source,
            options=self._options,
            loop=self._loop,
            idle=self._idle,
            tally=self._tally,
            desk=self._desk,
            timeline=self._timeline,
            frozen=self._frozen,
            doze=self._doze,
            clock=self._clock,
            opener=self._opener,
        )

    def _watch(self) -> None:
        """Leaves a thread alone that hangs in its decoder beyond every time-out, and starts another one."""
        since = self._reading.line.busy_since
        allowed = self._options.open_seconds + self._options.read_seconds + HUNG_SECONDS
        if since is None or self._clock.monotonic() - since < allowed or self._reading.stop.is_set():
            return
        self._tally.state = State.OFFLINE
        self._tally.error = (
            f"{self._source.shown} hangs: it has not answered for {allowed:.0f} seconds. It is opened anew."
        )
        self._hung = [reading for reading in self._hung if reading.is_alive]
        if len(self._hung) >= HUNG_MOST:
            self._tally.error = (
                f"{self._source.shown} hangs again and again, and does not answer any more. Check the camera; if it is "
                "well, restart the camera worker."
            )
            return
        self._reading.stop.set()
        self._hung.append(self._reading)
        self._tally.restarts += 1
        self._reading = self._read()
