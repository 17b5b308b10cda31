"""A live camera's reader: what it does when its source breaks off, hangs, freezes, falls behind, or changes."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from cameras.drops import Drop
from cameras.live import State
from cameras.sources import Source, parse_source
from cameras.video import Capture, CaptureOptions, Decode, SourceFailed
from workers.sources import LiveReader, live
from workers.sources.desk import Desk
from workers.sources.frame import Frame
from workers.tests.captures import OPTIONS, BusyCapture, FakeClock, Opener, ScriptedCapture, Step, steps

PATIENCE = 30.0  # for what happens in another thread; nothing is asserted about how long it takes
CAMERA = parse_source("rtsp://viewer:hunter2@camera.example/1")


class RecordingDesk(Desk):
    """Remembers every frame that was put on it."""

    frames: list[Frame] = []
    older: list[Frame] = []

    def put(self, frame: Frame) -> None:
        self.frames.append(frame)
        super().put(frame)

    def put_older(self, frame: Frame) -> None:
        self.older.append(frame)
        super().put_older(frame)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """Every frame that the readers of the test offered."""
    monkeypatch.setattr(RecordingDesk, "frames", [])
    monkeypatch.setattr(RecordingDesk, "older", [])
    monkeypatch.setattr(live, "Desk", RecordingDesk)
    return RecordingDesk.frames


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are as long as chance allows."""
    monkeypatch.setattr(random, "uniform", lambda low, high: high)


Open = Callable[..., LiveReader]


@pytest.fixture
def reader(clock: FakeClock) -> Iterator[Open]:
    """Opens a reader by the test's clock, which ends after `pauses` waits."""
    opened: list[LiveReader] = []

    def open_it(opener: Opener, *, pauses: int = 1, source: Source = CAMERA, **more: object) -> LiveReader:
        clock.waits_left = pauses
        opened.append(LiveReader(source, options=OPTIONS, clock=clock, opener=opener, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def over(reader: LiveReader) -> None:
    """Waits until the reading thread has come to its end."""
    until(lambda: not reader._reading.is_alive)


# --- failing and coming back ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("longest")
def test_a_camera_that_refuses_is_asked_ever_less_often(clock: FakeClock, reader: Open) -> None:
    camera = reader(Opener(SourceFailed("Nobody is there.")), pauses=8)
    over(camera)
    assert clock.waits == [2, 4, 8, 16, 32, 60, 60, 60]
    assert (camera.state, camera.error) == (State.OFFLINE, "Nobody is there.")


def test_pauses_are_drawn_by_chance_so_that_cameras_do_not_come_back_at_once(clock: FakeClock, reader: Open) -> None:
    over(reader(Opener(SourceFailed("Nobody is there.")), pauses=300))
    later = clock.waits[6:]
    assert all(1 <= wait <= 60 for wait in clock.waits)
    assert min(later) < 10
    assert max(later) > 50


@pytest.mark.usefixtures("longest")
def test_pauses_start_short_again_only_after_it_has_been_well_for_a_while(clock: FakeClock, reader: Open) -> None:
    failed = SourceFailed("Nobody is there.")
    short, long = ScriptedCapture(steps(50), clock), ScriptedCapture(steps(500), clock)
    camera = reader(Opener(failed, failed, short, failed, long, failed), pauses=7)
    over(camera)
    assert clock.waits == [2, 4, 8, 16, 2, 4, 8]
    assert short.closed
    assert long.closed
    assert camera.restarts == 1
    assert camera.frames_in == 550


def test_a_reason_that_repeats_is_logged_once(reader: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refused, silent = SourceFailed("It refuses."), SourceFailed("It is silent.")
    over(reader(Opener(refused, refused, silent, silent, refused), pauses=9))
    assert [record.getMessage() for record in caplog.records] == ["It refuses.", "It is silent.", "It refuses."]
    assert "hunter2" not in caplog.text


def test_a_mistake_of_ours_ends_no_camera(clock: FakeClock, reader: Open, caplog: pytest.LogCaptureFixture) -> None:
    broken = ScriptedCapture([*steps(3), Step(fails="")], clock, then=RecursionError)
    camera = reader(Opener(broken, RecursionError("too deep"), SourceFailed("Nobody is there.")), pauses=12)
    over(camera)
    assert camera.error == "Nobody is there."
    (mistake,) = [record for record in caplog.records if record.exc_info]
    assert mistake.getMessage().endswith("broke the reader (RecursionError); the worker's log says where.")
    assert "hunter2" not in caplog.text


def test_that_pictures_come_again_is_logged(clock: FakeClock, reader: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    over(reader(Opener(SourceFailed("It refuses."), ScriptedCapture(steps(400), clock)), pauses=2))
    assert [record.getMessage() for record in caplog.records] == [
        "It refuses.",
        "rtsp://camera.example/1 gives pictures again.",
        "The camera broke off.",
    ]


def test_errors_go_when_pictures_come(clock: FakeClock, reader: Open) -> None:
    seen: list[tuple[State, str]] = []
    opened: list[LiveReader] = []
    look = Step(does=lambda: seen.append((opened[0].state, opened[0].error)))
    wait_for_reader = threading.Event()

    def failing() -> Capture:
        wait_for_reader.wait(PATIENCE)
        raise SourceFailed("It refuses.")

    class Late(Opener):
        def __call__(self, source: Source, options: CaptureOptions) -> Capture:
            return super().__call__(source, options) if self.opened else self._first(source, options)

        def _first(self, source: Source, options: CaptureOptions) -> Capture:
            self.opened += 1
            return failing()

    opened.append(reader(Late(ScriptedCapture([look, Step(), look], clock)), pauses=2))
    wait_for_reader.set()
    over(opened[0])
    assert seen == [(State.OFFLINE, "It refuses."), (State.ONLINE, "")]


def test_a_decoder_that_hangs_is_left_and_the_source_opened_anew(clock: FakeClock, reader: Open) -> None:
    hangs, leave = threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        leave.wait(PATIENCE)

    stuck = ScriptedCapture([Step(), Step(does=hang)], clock)
    well = ScriptedCapture(steps(5), clock)
    camera = reader(Opener(stuck, well), pauses=1)
    until(hangs.is_set)
    clock.pass_by(14)
    camera.next(0)
    assert camera.state is State.ONLINE  # a time-out may be on its way
    clock.pass_by(2)
    camera.next(0)
    until(lambda: camera.frames_in == 6)
    assert camera.restarts == 1
    leave.set()
    until(lambda: stuck.closed)
    assert camera.frames_in == 6  # what came late is nobody's


def test_a_source_that_hangs_again_and_again_is_left_alone(clock: FakeClock, reader: Open) -> None:
    leave = threading.Event()
    opened: list[int] = []

    class Hanging(Opener):
        def __call__(self, source: Source, options: CaptureOptions) -> Capture:
            opened.append(1)
            leave.wait(PATIENCE)
            raise SourceFailed("It refuses.")

    camera = reader(Hanging(SourceFailed("")), pauses=1)
    for count in range(1, 8):
        until(lambda count=count: len(opened) >= min(count, 4))  # type: ignore[misc]
        clock.pass_by(16)
        camera.next(0)
    assert len(opened) == 4
    assert camera.state is State.OFFLINE
    assert "hangs again and again" in camera.error
    leave.set()


def test_closing_waits_for_nobody(clock: FakeClock) -> None:
    leave = threading.Event()

    class Hanging(Opener):
        def __call__(self, source: Source, options: CaptureOptions) -> Capture:
            leave.wait(PATIENCE)
            raise SourceFailed("It refuses.")

    camera = LiveReader(CAMERA, options=OPTIONS, opener=Hanging(SourceFailed("")), detail=CAMERA)
    closing = threading.Thread(target=camera.close)
    closing.start()
    closing.join(PATIENCE / 2)
    assert not closing.is_alive()
    assert not leave.is_set()
    leave.set()


# --- pictures ---------------------------------------------------------------------------------------------------------


def test_the_newest_frame_is_handed_over_and_older_ones_are_counted(clock: FakeClock, reader: Open) -> None:
    camera = reader(Opener(ScriptedCapture(steps(10), clock)))
    over(camera)
    frame = camera.next(0)
    assert frame is not None
    assert frame.image[0, 0, 0] == 9
    assert camera.drops == {"newer frame": 9}
    assert camera.next(0) is None
    assert camera.newest() is None
    assert (camera.frames_in, camera.size, camera.decode_ms) == (10, (64, 48), 2.0)
    assert camera.fps == pytest.approx(25)
    clock.pass_by(60)
    assert camera.fps == 0


def test_a_newer_frame_is_there_only_once(clock: FakeClock, reader: Open) -> None:
    camera = reader(Opener(ScriptedCapture(steps(3), clock)))
    over(camera)
    assert camera.newest() is not None
    assert camera.newest() is None


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_stretches_no_span(
    hours: int, clock: FakeClock, reader: Open, offered: list[Frame]
) -> None:
    def set_clock() -> None:
        clock.wall += timedelta(hours=hours)

    stream = steps(50)
    stream[25] = Step(pts=1.0, does=set_clock)
    over(reader(Opener(ScriptedCapture(stream, clock))))
    np.testing.assert_allclose(np.diff([frame.t for frame in offered]), 0.04, atol=1e-3)
    for part in (offered[:25], offered[25:]):
        spans = [(b.captured_at - a.captured_at).total_seconds() for a, b in pairwise(part)]
        np.testing.assert_allclose(spans, 0.04, atol=1e-3)
    assert clock.wall - offered[-1].captured_at < timedelta(seconds=3)  # the pause before it is opened again


def test_time_stamps_that_jump_do_not_move_frames(clock: FakeClock, reader: Open, offered: list[Frame]) -> None:
    stream = [Step(pts=number * 0.04 + (-3600 if number > 20 else 0)) for number in range(50)]
    camera = reader(Opener(ScriptedCapture(stream, clock)))
    over(camera)
    np.testing.assert_allclose(np.diff([frame.t for frame in offered]), 0.04, atol=1e-3)
    assert camera.drops == {"newer frame": 49}


def test_another_size_in_mid_stream_is_no_error(clock: FakeClock, reader: Open, offered: list[Frame]) -> None:
    stream = [*steps(5), Step(size=(128, 96)), Step(size=(128, 96)), Step()]
    camera = reader(Opener(ScriptedCapture(stream, clock)))
    over(camera)
    assert camera.resizes == 2
    assert [(frame.width, frame.height) for frame in offered[4:]] == [(64, 48), (128, 96), (128, 96), (64, 48)]
    assert camera.size == (64, 48)


# --- standing still ---------------------------------------------------------------------------------------------------


def still(seconds: float, grey: int) -> list[Step]:
    return [Step(after=0.2, pts=n * 0.2, key=n % 10 == 0, grey=grey) for n in range(round(seconds * 5))]


@pytest.mark.usefixtures("longest")
def test_a_picture_that_stands_still_is_said_and_the_source_opened_again(clock: FakeClock, reader: Open) -> None:
    opened: list[LiveReader] = []
    seen: list[tuple[bool, State, str]] = []
    look = [Step(grey=9, does=lambda: seen.append((opened[0].frozen, opened[0].state, opened[0].error)))]
    first = ScriptedCapture([Step(does=lambda: until(lambda: opened)), *still(200, 9)], clock)
    second = ScriptedCapture([*still(1, 9), *look, *still(200, 9)], clock)
    third = ScriptedCapture([*look, *still(1, 9), Step(grey=77), Step(grey=9), *look, *still(20, 9)], clock)
    opened.append(reader(Opener(first, second, third)))
    over(opened[0])
    assert seen == [(True, State.ONLINE, ""), (True, State.ONLINE, ""), (False, State.ONLINE, "")]
    # Frozen after 30 s; opened again 2 s later, and 4 s after that.
    assert len(first.decodes) / 5 == pytest.approx(32, abs=1)
    assert len(second.decodes) / 5 == pytest.approx(4, abs=1)
    assert opened[0].restarts == 2
    assert not opened[0].frozen


def test_a_test_pattern_or_a_file_never_freezes(clock: FakeClock, reader: Open) -> None:
    for source in ("pattern:64x48@5", "/videos/gate.mp4"):
        camera = reader(Opener(ScriptedCapture(still(100, 9), clock)), source=parse_source(source))
        over(camera)
        assert camera.frames_in == 500
        assert not camera.frozen


# --- falling behind ---------------------------------------------------------------------------------------------------


def modes(capture: ScriptedCapture) -> list[Decode]:
    """How much was decoded, one after the other."""
    return [mode for mode, before in zip(capture.decodes, [None, *capture.decodes], strict=False) if mode != before]


def test_a_reader_that_is_behind_decodes_less_until_it_has_caught_up(clock: FakeClock, reader: Open) -> None:
    """The machine is busy with something else for four seconds: a picture then takes 60 ms, and comes every 40."""
    capture = BusyCapture(400, clock, work=lambda t: 0.06 if 4 < t < 8 else 0.002)
    camera = reader(Opener(capture))
    over(camera)
    assert modes(capture)[:4] == [Decode.ALL, Decode.REFERENCES, Decode.KEYFRAMES, Decode.ALL]
    assert capture.decodes[-100:] == [Decode.ALL] * 100
    assert 10 <= camera.drops[Drop.BEHIND] <= 60
    assert camera.frames_in == 400


def test_a_reader_with_too_much_to_do_never_falls_behind_for_good(
    clock: FakeClock, reader: Open, offered: list[Frame]
) -> None:
    capture = BusyCapture(3000, clock, work=lambda t: 0.06, gop=50)
    lags: list[float] = []
    camera = reader(Opener(capture))
    over(camera)
    lags = [picture.received - capture.began - (picture.picture.pts or 0) for picture in offered]
    assert max(lags) < 1.5
    assert 0.2 * 3000 < camera.drops[Drop.BEHIND] < 0.6 * 3000


def test_a_camera_with_a_slow_clock_of_its_own_is_not_taken_for_being_behind(clock: FakeClock, reader: Open) -> None:
    stream = [Step(after=0.04, pts=number * 0.038, key=number % 100 == 0) for number in range(3000)]
    capture = ScriptedCapture(stream, clock)
    camera = reader(Opener(capture))
    over(camera)
    assert capture.decodes.count(Decode.KEYFRAMES) < 15
    assert camera.drops[Drop.BEHIND] < 5


def test_a_stream_that_comes_in_parts_is_played_at_its_pace(
    clock: FakeClock, reader: Open, offered: list[Frame]
) -> None:
    """HLS: two seconds of video at once, every two seconds; one part is three seconds late."""
    stream = steps(500, after=0.0)
    for number in range(0, 500, 50):
        stream[number] = Step(after=0.3 if number != 250 else 3.3, pts=number * 0.04, grey=number % 200)
    camera = reader(
        Opener(ScriptedCapture(stream, clock)), pauses=10_000, source=parse_source("http://c.example/a.m3u8?b=1")
    )
    until(lambda: len(offered) >= 500)
    clock.waits_left = 1
    over(camera)
    spans = np.diff([frame.t for frame in offered[:500]])
    assert np.sum(np.abs(spans - 0.04) > 1e-3) == 1
    assert spans.max() == pytest.approx(3.3, abs=0.1)
    assert camera.drops.keys() == {"newer frame"}


# --- at rest ----------------------------------------------------------------------------------------------------------


def resting(
    stream: list[Step], clock: FakeClock, reader: Open, *, wakes_at: int = -1, rests_at: int = 30
) -> tuple[LiveReader, ScriptedCapture]:
    """A camera that the loop lets rest at one picture and wakes at another one."""
    opened: list[LiveReader] = []
    says = {rests_at: lambda: opened[0].rest(), wakes_at: lambda: opened[0].wake()}
    script = [
        Step(after=s.after, pts=s.pts, key=s.key, grey=s.grey, stirs=s.stirs, does=says.get(number))
        for number, s in enumerate(stream)
    ]
    start = Step(after=0.0, pts=-0.04, does=lambda: until(lambda: opened))
    capture = ScriptedCapture([start, *script], clock)
    opened.append(reader(Opener(capture), idle=True))
    over(opened[0])
    return opened[0], capture


def test_at_rest_only_key_pictures_are_decoded(clock: FakeClock, reader: Open, offered: list[Frame]) -> None:
    camera, capture = resting(steps(200), clock, reader)
    assert capture.decodes.count(Decode.KEYFRAMES) > 160
    assert len(offered) < 45
    assert camera.drops[Drop.RESTING] >= 130
    assert camera.frames_in + len(capture._kept) == 201
    assert camera.fps == pytest.approx(25, abs=1)


def test_without_idle_nobody_rests(clock: FakeClock, reader: Open, offered: list[Frame]) -> None:
    capture = ScriptedCapture(steps(50), clock)
    camera = reader(Opener(capture))
    camera.rest()
    over(camera)
    assert len(offered) == 50


def test_who_is_woken_sees_what_came_since_the_last_key_picture_in_its_time(
    clock: FakeClock, reader: Open, offered: list[Frame]
) -> None:
    camera, capture = resting(steps(120), clock, reader, wakes_at=72)
    assert capture.wakes == 1
    older = RecordingDesk.older
    assert [frame.image[0, 0, 0] for frame in older] == list(range(51, 73))
    np.testing.assert_allclose(np.diff([frame.t for frame in older]), 0.04, atol=1e-3)
    assert [frame.image[0, 0, 0] for frame in offered[-47:]] == list(range(73, 120))
    taken = []
    while (frame := camera.next(0)) is not None:
        taken.append(frame)
    assert 2 <= len(taken) <= 13
    assert all(b.t > a.t for a, b in pairwise(taken))
    assert taken[-1].image[0, 0, 0] == 119
    assert all(abs((b.captured_at - a.captured_at).total_seconds() - (b.t - a.t)) < 1e-3 for a, b in pairwise(taken))


def test_what_stirs_wakes_it_without_the_loop(clock: FakeClock, reader: Open, offered: list[Frame]) -> None:
    stream = steps(200)
    stream[65] = Step(pts=65 * 0.04, key=False, grey=65, stirs=True)
    _, capture = resting(stream, clock, reader)
    assert capture.wakes == 1
    assert {frame.image[0, 0, 0] for frame in (*offered, *RecordingDesk.older)} >= set(range(50, 115))
    assert capture.decodes[-20:] == [Decode.KEYFRAMES] * 20  # the loop still says that nothing goes on
