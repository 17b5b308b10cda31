"""Sources of every kind: files at the pace of a camera, streams that fail and come back, and what is said of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from cameras.live import State
from cameras.sources import parse_source
from recognition.engine import Image
from workers import sources
from workers.sources import Capture, FileReader, Frame, LiveReader, SourceFailed, check
from workers.tests.scenes import SIZE, Shot, clip
from workers.tests.servers import absent_camera, mjpeg_camera, silent_camera

PATIENCE = 30.0  # for what happens in another thread; nothing is asserted about how long it takes
FPS = 10.0


class Clock:
    """A clock that only moves when somebody waits, for a reader that runs in the calling thread."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.waits_left: float = float("inf")
        self.stops = threading.Event()

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        self.waits.append(seconds)
        self.waits_left -= 1
        if self.waits_left <= 0:
            self.stops.set()
        return self.stops.is_set()

    def event(self) -> SimpleNamespace:
        return SimpleNamespace(wait=self.wait, set=self.stops.set, is_set=self.stops.is_set)


class InlineThread:
    """A thread that does its work at once, in the caller's."""

    def __init__(self, *, target: Callable[[], None], **kwargs: object) -> None:
        self._target = target

    def start(self) -> None:
        self._target()

    def join(self, timeout: float | None = None) -> None:
        """It has ended already."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Makes readers run in the calling thread, by a clock of the test's own."""
    clock = Clock()
    monkeypatch.setattr(sources, "time", clock)
    threads = SimpleNamespace(Event=clock.event, Condition=threading.Condition, Thread=InlineThread)
    monkeypatch.setattr(sources, "threading", threads)
    return clock


class RecordingReader(LiveReader):
    """Remembers when each frame was offered."""

    def __init__(self, path: Path, clock: Clock, *, loop: bool = False, slow_at: int = -1) -> None:
        self.offered: list[float] = []
        self._slow_at, self._clock = slow_at, clock
        super().__init__(parse_source(str(path)), loop=loop)

    def _offer(self, image: Image) -> None:
        if len(self.offered) == self._slow_at:
            self._clock.now += 3
        super()._offer(image)
        self.offered.append(self._clock.now)


@pytest.fixture
def short_clip(tmp_path: Path) -> Path:
    return clip(tmp_path / "short.mp4", Shot(seconds=1), fps=FPS)


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "RETRY_FIRST", 0.05)
    monkeypatch.setattr(sources, "RETRY_MOST", 0.1)


@pytest.fixture
def live_reader() -> Iterator[Callable[[str], LiveReader]]:
    opened: list[LiveReader] = []

    def open_reader(text: str) -> LiveReader:
        opened.append(LiveReader(parse_source(text)))
        return opened[-1]

    yield open_reader
    for reader in opened:
        reader.close()


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def some_frame(reader: LiveReader) -> Frame:
    found: list[Frame] = []

    def arrived() -> bool:
        frame = reader.next(0.5)
        if frame is not None:
            found.append(frame)
        return bool(found)

    until(arrived)
    return found[0]


def why(text: str) -> str:
    with pytest.raises(SourceFailed) as failure:
        Capture(parse_source(text))
    return str(failure.value)


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_paced_as_a_live_camera(clock: Clock, short_clip: Path) -> None:
    reader = RecordingReader(short_clip, clock)
    assert len(reader.offered) == 10
    np.testing.assert_allclose(np.diff(reader.offered), 1 / FPS, rtol=1e-3)
    assert reader.state is State.ENDED
    assert sum(clock.waits) == pytest.approx(1.0, rel=0.05)  # the last frame has its time, too


def test_a_file_that_fell_far_behind_does_not_hurry_after(clock: Clock, short_clip: Path) -> None:
    offered = RecordingReader(short_clip, clock, slow_at=4).offered
    assert offered[4] - offered[3] > 3
    np.testing.assert_allclose(np.diff(offered[5:]), 1 / FPS, rtol=1e-3)


def test_a_slow_consumer_gets_the_newest_frame_and_drops_are_counted(clock: Clock, short_clip: Path) -> None:
    reader = RecordingReader(short_clip, clock)
    frame = reader.next(0)
    assert frame is not None
    assert frame.t == reader.offered[-1]
    assert frame.image.shape == (SIZE[1], SIZE[0], 3)
    assert reader.drops == {"newer frame": 9}
    assert reader.next(0) is None


def test_a_file_that_loops_starts_again_without_a_pause_or_a_rush(clock: Clock, short_clip: Path) -> None:
    clock.waits_left = 35
    reader = RecordingReader(short_clip, clock, loop=True)
    assert len(reader.offered) > 25
    np.testing.assert_allclose(np.diff(reader.offered), 1 / FPS, rtol=0.02)
    assert reader.state is State.ONLINE


def test_a_file_ends_for_its_reader(live_reader: Callable[[str], LiveReader], short_clip: Path) -> None:
    reader = live_reader(str(short_clip))
    some_frame(reader)
    until(lambda: reader.next(0.1) is None and reader.state is State.ENDED)
    assert reader.error == ""


def test_the_unpaced_reader_gives_every_frame_in_order(short_clip: Path) -> None:
    reader = FileReader(parse_source(str(short_clip)))
    given = []
    while (frame := reader.next(0)) is not None:
        given.append(frame)
    assert [round(frame.t, 3) for frame in given] == [round(n / FPS, 3) for n in range(10)]
    spans = [(b.captured_at - a.captured_at).total_seconds() for a, b in pairwise(given)]
    np.testing.assert_allclose(spans, 1 / FPS, atol=1e-3)
    assert reader.state is State.ENDED
    reader.close()


def test_what_is_wrong_with_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "letter.mp4"
    empty.write_bytes(b"")
    text.write_text("Dear camera,\nI am a letter.\n")
    assert "is empty (0 bytes)" in why(str(empty))
    assert "not a video" in why(str(text))
    assert "does not exist" in why(str(tmp_path / "missing.mp4"))
    assert "is a folder" in why(str(tmp_path))
    assert "can not be read" in why(str(tmp_path / ("long" * 100)))
    assert "USB camera 83" in why("83")


def test_a_video_that_was_cut_short_is_no_video(short_clip: Path) -> None:
    short_clip.write_bytes(short_clip.read_bytes()[:2000])
    with pytest.raises(SourceFailed, match=r"short\.mp4"):
        check(parse_source(str(short_clip)))


def test_a_file_that_is_missing_is_tried_again_until_it_is_there(
    quick_retries: None, live_reader: Callable[[str], LiveReader], tmp_path: Path
) -> None:
    reader = live_reader(str(tmp_path / "late.mp4"))
    until(lambda: reader.state is State.OFFLINE)
    assert "does not exist" in reader.error
    clip(tmp_path / "unfinished.mp4", Shot(seconds=1)).rename(tmp_path / "late.mp4")
    some_frame(reader)
    assert reader.error == ""


# --- streams ----------------------------------------------------------------------------------------------------------


def test_a_stream_that_breaks_off_is_taken_up_again(
    quick_retries: None, live_reader: Callable[[str], LiveReader]
) -> None:
    with mjpeg_camera() as camera:
        reader = live_reader(camera.url)
        assert some_frame(reader).image.shape == (SIZE[1], SIZE[0], 3)
        camera.is_up = False
        until(lambda: reader.state is State.OFFLINE)
        assert reader.error
        seen = camera.connections
        camera.is_up = True
        until(lambda: camera.connections > seen)
        reader.next(0)
        some_frame(reader)


def test_a_stream_that_ends_is_offline_and_never_ended(
    quick_retries: None, live_reader: Callable[[str], LiveReader]
) -> None:
    with mjpeg_camera(pictures=5) as camera:
        reader = live_reader(camera.url)
        until(lambda: camera.connections >= 3)
        assert reader.state is not State.ENDED


def test_a_camera_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "OPEN_SECONDS", 0.3)
    monkeypatch.setattr(sources, "READ_SECONDS", 0.3)
    with silent_camera() as address:
        for scheme in ("http", "rtsp"):
            assert "does not answer" in why(f"{scheme}://{address}/video")


def test_a_camera_that_refuses_is_offline_and_asked_ever_less_often(clock: Clock) -> None:
    clock.waits_left = 8
    reader = LiveReader(parse_source(f"http://{absent_camera()}/video"))
    assert reader.state is State.OFFLINE
    assert "does not answer" in reader.error
    expected = [1, 2, 4, 8, 16, 30, 30, 30]
    for waited, pause in zip(clock.waits, expected, strict=True):
        assert 0.75 * pause <= waited <= 1.25 * pause


def test_after_good_pictures_the_pauses_start_short_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = np.zeros((8, 8, 3), np.uint8)

    class Stream:
        fps = 25.0

        def __init__(self, source: object) -> None:
            self.left = 60  # more than the reader remembers for its rate

        def read(self) -> Image | None:
            self.left -= 1
            return picture if self.left >= 0 else None

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(sources, "Capture", Stream)
    clock.waits_left = 12
    reader = LiveReader(parse_source("rtsp://camera.example/1"))
    assert "broke off" in reader.error
    pauses = [waited for waited in clock.waits if waited > 0]
    assert len(pauses) >= 6
    assert max(pauses) <= 1.25


@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_credentials_are_never_said(
    kind: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "OPEN_SECONDS", 0.3)
    with silent_camera() as listening:
        address = listening if kind == "silent" else absent_camera()
        for scheme in ("http", "rtsp"):
            message = why(f"{scheme}://viewer:hunter2@{address}/video?pwd=letmein")
            assert address in message
            assert "hunter2" not in message
            assert "letmein" not in message
    said = "".join(capfd.readouterr())
    assert "hunter2" not in said
    assert "letmein" not in said
