"""Captures and clocks for tests of readers: what a source does is written down, and time passes only when told to.

Pictures are (h, w, 3) uint8 BGR.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from cameras.drops import Drop
from cameras.network import NetworkPolicy
from cameras.sources import Source
from cameras.video import Capture, CaptureOptions, Decode, Picture, SourceFailed
from workers.sources.clock import Clock

OPTIONS = CaptureOptions(network=NetworkPolicy(), open_seconds=5.0, read_seconds=5.0)
PERIOD = 0.04


class FakeClock(Clock):
    """A clock that moves when somebody waits, and when a test says so. `waits_left`: then whoever waits is stopped."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.wall = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.waits: list[float] = []
        self.waits_left = 100_000

    def monotonic(self) -> float:
        return self.now

    def utc(self) -> datetime:
        return self.wall

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.waits.append(seconds)
        self.pass_by(seconds)
        self.waits_left -= 1
        if self.waits_left <= 0:
            stop.set()
        return stop.is_set()

    def pass_by(self, seconds: float) -> None:
        self.now += seconds
        self.wall += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One packet: how long it takes to come, and what is in it. `pts` None: without a time stamp."""

    after: float = PERIOD
    pts: float | None = None
    key: bool = True
    grey: int = 100
    size: tuple[int, int] = (64, 48)
    stirs: bool = False
    fails: str = ""
    does: Callable[[], object] | None = None


@dataclass(eq=False)
class ScriptedCapture:
    """A capture that follows its steps, then ends as `then` says; it decodes as the real ones do."""

    steps: Iterable[Step]
    clock: FakeClock
    is_live: bool = True
    then: type[Exception] = SourceFailed
    fps: float = 25.0
    codec: str = "written down"
    seconds: float = 0.0
    decode: Decode = Decode.ALL
    decode_ms: float = 2.0
    skipped: Counter[Drop] = field(default_factory=Counter)
    stirred: bool = False
    decodes: list[Decode] = field(default_factory=list)
    wakes: int = 0
    closed: bool = False

    def __post_init__(self) -> None:
        self._steps = iter(self.steps)
        self._kept: deque[Picture] = deque()

    def step(self) -> list[Picture]:
        step = next(self._steps, None)
        if step is None:
            raise self.then("The camera broke off.")
        self.clock.pass_by(step.after)
        if step.does is not None:
            step.does()
        if step.fails:
            raise SourceFailed(step.fails)
        self.decodes.append(self.decode)
        self.stirred = step.stirs
        return self._decoded(step)

    def _decoded(self, step: Step) -> list[Picture]:
        picture = made(step, self.clock.now)
        if self.decode is Decode.NOTHING or (self.decode is Decode.KEYFRAMES and not step.key):
            if step.key:
                self._forget()
            self._kept.append(picture)
            return []
        if step.key or self.decode is Decode.KEYFRAMES:
            self._forget()
        kept = [*self._kept, picture]
        self._kept.clear()
        return kept

    def _forget(self) -> None:
        self.skipped[Drop.NOT_KEY if self.decode is Decode.KEYFRAMES else Drop.NOT_WANTED] += len(self._kept)
        self._kept.clear()

    def wake(self) -> list[Picture]:
        self.decode = Decode.ALL
        self.wakes += 1
        kept = list(self._kept)
        self._kept.clear()
        return kept

    def close(self) -> None:
        self.closed = True


class BusyCapture(ScriptedCapture):
    """A live stream whose pictures come when it is their time, on a machine where decoding one takes `work` seconds."""

    def __init__(self, count: int, clock: FakeClock, *, work: Callable[[float], float], gop: int = 25) -> None:
        self.began, self.work = clock.now, work
        super().__init__(steps(count, gop=gop, after=0.0), clock)

    def _decoded(self, step: Step) -> list[Picture]:
        self.clock.pass_by(max(0.0, self.began + (step.pts or 0.0) - self.clock.now))
        pictures = super()._decoded(step)
        return self._worked(pictures)

    def wake(self) -> list[Picture]:
        return self._worked(super().wake())

    def _worked(self, pictures: list[Picture]) -> list[Picture]:
        self.clock.pass_by(self.work(self.clock.now - self.began) * len(pictures))
        return pictures


def made(step: Step, received: float) -> Picture:
    """The picture of a step."""
    width, height = step.size
    picture = Picture.of(np.full((height, width, 3), step.grey, np.uint8), pts=step.pts, received=received)
    picture.key = step.key
    return picture


def steps(
    count: int, *, start: float = 0.0, gop: int = 25, period: float = PERIOD, after: float = PERIOD
) -> list[Step]:
    """A stream that runs as it should: every picture another one, a key picture in every `gop`."""
    return [
        Step(after=after, pts=start + number * period, key=number % gop == 0, grey=number % 200)
        for number in range(count)
    ]


class Opener:
    """Gives one capture after the other; an exception in the list is raised, and the last one again and again."""

    def __init__(self, *captures: Capture | Exception) -> None:
        self._captures = list(captures)
        self.opened = 0

    def __call__(self, source: Source, options: CaptureOptions) -> Capture:
        self.opened += 1
        found = self._captures.pop(0) if len(self._captures) > 1 else self._captures[0]
        if isinstance(found, Exception):
            raise found
        return found
