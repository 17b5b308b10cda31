"""The second stream: nothing is decoded until somebody wants a closer look, and then the right moment is there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from cameras.live import State
from cameras.sources import Source, parse_source
from cameras.video import Capture, CaptureOptions, Decode, EndOfSource, SourceFailed
from workers.sources import LiveReader, SecondStream
from workers.sources.detail import KEEP_BYTES
from workers.tests.captures import OPTIONS, FakeClock, Opener, ScriptedCapture, Step, steps
from workers.tests.test_sources_live import over, until

SMALL = parse_source("rtsp://viewer:hunter2@camera.example/small")
LARGE = parse_source("rtsp://viewer:hunter2@camera.example/large")


class Run:
    """A second stream that plays its steps once; at some of them somebody does things. Times are those of its clock."""

    def __init__(
        self,
        stream: list[Step],
        at: dict[int, Callable[[Run], object]],
        *,
        is_live: bool = True,
        size: tuple[int, int] = (64, 48),
    ) -> None:
        self.clock, self.seen = FakeClock(), list[int | None]()
        self.clock.waits_left = 1 if is_live else 10_000
        ready = threading.Event()
        script = [Step(after=0.0, pts=-0.04, does=ready.wait)]
        for number, s in enumerate(stream):
            does = (lambda what: lambda: what(self))(at[number]) if number in at else None
            script.append(Step(after=s.after, pts=s.pts, key=s.key, grey=s.grey, size=size, does=does))
        self.capture = ScriptedCapture(
            script, self.clock, is_live=is_live, then=SourceFailed if is_live else EndOfSource
        )
        self.stream = SecondStream(LARGE, options=OPTIONS, clock=self.clock, opener=Opener(self.capture))
        ready.set()
        self.stream._thread.join(30)
        assert not self.stream._thread.is_alive()

    def want(self) -> None:
        self.stream.want(True)

    def leave(self) -> None:
        self.stream.want(False)

    def look(self, back: float = 0.0) -> None:
        """Notes which picture there is of a moment that long ago."""
        picture = self.stream.near(self.clock.now - back)
        self.seen.append(None if picture is None else int(picture.image[0, 0, 0]))


def test_nothing_is_decoded_while_nobody_wants_it() -> None:
    run = Run(steps(100), {90: Run.look})
    assert set(run.capture.decodes) == {Decode.NOTHING}
    assert run.seen == [None]


def test_who_wants_it_gets_what_came_since_the_last_key_picture_too() -> None:
    """Wanted at picture 49; those from 25 on were kept, and one in 80 ms of them is there now."""

    def look(run: Run) -> None:
        for back in (0.05, 0.5, 1.2, 2.0):
            run.look(back)

    run = Run(steps(60), {49: Run.want, 51: look})
    newest, half, oldest, before = run.seen
    assert newest is not None
    assert abs(newest - 50) <= 2
    assert half is not None
    assert abs(half - 38) <= 2
    assert oldest in range(25, 29)  # the nearest of what there is
    assert before is None
    assert run.capture.wakes == 1


def test_pictures_are_kept_for_a_second_or_so_and_let_go_of_when_nobody_wants_them() -> None:
    def look(run: Run) -> None:
        for back in (0.0, 1.0, 1.9):
            run.look(back)

    run = Run(steps(200), {20: Run.want, 150: look, 160: Run.leave, 170: Run.look})
    assert run.seen[0] is not None
    assert run.seen[1] == pytest.approx(124, abs=3)
    assert run.seen[2:] == [None, None]
    assert run.capture.decodes[-20:] == [Decode.NOTHING] * 20


def test_large_pictures_are_kept_in_fewer_copies() -> None:
    def look(run: Run) -> None:
        for back in np.arange(0.0, 1.2, 0.02):
            run.look(float(back))

    size = (3840, 2160)
    run = Run(steps(60), {5: Run.want, 55: look}, size=size)
    found = set(run.seen)
    assert None not in found
    assert 2 <= len(found) <= KEEP_BYTES // (size[0] * size[1] * 3 // 2) + 1


def test_a_file_plays_at_its_pace_wanted_or_not() -> None:
    run = Run(steps(100, after=0.0), {50: Run.want, 90: Run.look}, is_live=False)
    assert run.seen[0] == pytest.approx(90, abs=3)
    assert sum(run.clock.waits) == pytest.approx(100 * 0.04, abs=0.1)


def test_its_failures_never_disturb_the_first_stream() -> None:
    clock = FakeClock()
    clock.waits_left = 1_000_000
    done, opened = threading.Event(), list[LiveReader]()
    small = ScriptedCapture(
        [Step(does=lambda: until(lambda: opened and "Second" in opened[0].error)), *steps(100), Step(does=done.wait)],
        clock,
    )

    def open_it(source: Source, options: CaptureOptions) -> Capture:
        if source is LARGE:
            raise SourceFailed("It has no second stream.")
        return small

    reader = LiveReader(SMALL, options=OPTIONS, detail=LARGE, clock=clock, opener=open_it)
    opened.append(reader)
    until(lambda: reader.frames_in >= 100)
    assert reader.state is State.ONLINE
    assert reader.error == "Second stream: It has no second stream."
    assert reader.detail is not None
    assert reader.detail.near(clock.now) is None
    clock.waits_left = 1
    done.set()
    over(reader)
    reader.close()
    assert reader.error == "The camera broke off."


def test_it_is_taken_up_again() -> None:
    clock = FakeClock()
    clock.waits_left = 3
    first, second = ScriptedCapture(steps(30), clock), ScriptedCapture(steps(30), clock)
    stream = SecondStream(
        LARGE, options=OPTIONS, clock=clock, opener=Opener(SourceFailed("It refuses."), first, second)
    )
    stream._thread.join(30)
    assert len(first.decodes) == len(second.decodes) == 30
    assert stream.error == "The camera broke off."
