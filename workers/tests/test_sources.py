"""Sources of every kind, really opened: files at the pace of a camera, folders, the test pattern, streams, and what is
said of each that can not be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.conf import LazySettings

from cameras.drops import Drop
from cameras.live import State
from cameras.models import Camera, Decoding
from cameras.sources import parse_source
from cameras.video import CaptureOptions
from workers.sources import (
    FileReader,
    Frame,
    LiveReader,
    SourceFailed,
    capture_options,
    check,
    live,
    open_reader,
    retry,
)
from workers.sources.desk import Desk
from workers.tests.captures import OPTIONS, FakeClock
from workers.tests.scenes import SIZE, Shot, clip
from workers.tests.servers import absent_camera, mjpeg_camera, silent_camera
from workers.tests.test_sources_live import until

FPS = 10.0
QUICK = CaptureOptions(network=OPTIONS.network, open_seconds=0.5, read_seconds=0.5)


class Offers(Desk):
    """Remembers when each frame was offered, by the test's clock."""

    clock: FakeClock
    moments: list[float] = []
    slow_at: int = -1

    def put(self, frame: Frame) -> None:
        if len(self.moments) == self.slow_at:
            self.clock.pass_by(7)
        self.moments.append(self.clock.now)
        super().put(frame)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock()
    monkeypatch.setattr(Offers, "clock", clock, raising=False)
    monkeypatch.setattr(Offers, "moments", [])
    monkeypatch.setattr(live, "Desk", Offers)
    return clock


@pytest.fixture
def short_clip(tmp_path: Path) -> Path:
    return clip(tmp_path / "short.mp4", Shot(seconds=1), fps=FPS)


@pytest.fixture
def folder(tmp_path: Path, short_clip: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(path / f"gate {number}.png"), np.full((48, 64, 3), number, np.uint8))
    return path


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "RETRY_FIRST", 0.05)
    monkeypatch.setattr(retry, "RETRY_MOST", 0.1)


Open = Callable[..., LiveReader]


@pytest.fixture
def live_reader() -> Iterator[Open]:
    opened: list[LiveReader] = []

    def open_it(text: str, **more: object) -> LiveReader:
        opened.append(LiveReader(parse_source(text), options=OPTIONS, **more))  # type: ignore[arg-type]
        return opened[-1]

    yield open_it
    for reader in opened:
        reader.close()


def some_frame(reader: LiveReader) -> Frame:
    found: list[Frame] = []

    def arrived() -> bool:
        frame = reader.next(0.5)
        if frame is not None:
            found.append(frame)
        return bool(found)

    until(arrived)
    return found[0]


def why(text: str, options: CaptureOptions = OPTIONS) -> str:
    with pytest.raises(SourceFailed) as failure:
        check(parse_source(text), options)
    return str(failure.value)


# --- files, folders, the pattern --------------------------------------------------------------------------------------


def ended(reader: LiveReader) -> LiveReader:
    until(lambda: reader.state is State.ENDED)
    return reader


def test_a_file_is_paced_as_a_live_camera(clock: FakeClock, short_clip: Path, live_reader: Open) -> None:
    reader = ended(live_reader(str(short_clip), clock=clock))
    assert len(Offers.moments) == 10
    np.testing.assert_allclose(np.diff(Offers.moments), 1 / FPS, atol=1e-3)
    assert sum(clock.waits) == pytest.approx(1.0, rel=0.05)  # the last frame has its time, too
    assert reader.drops == {"newer frame": 9}
    frame = reader.next(0)
    assert frame is not None
    assert frame.image.shape == (SIZE[1], SIZE[0], 3)
    assert frame.t == pytest.approx(Offers.moments[-1])
    assert reader.next(0) is None


def test_a_file_that_was_stopped_does_not_hurry_after(
    clock: FakeClock, short_clip: Path, live_reader: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Offers, "slow_at", 4)
    reader = ended(live_reader(str(short_clip), clock=clock))
    assert Offers.moments[4] - Offers.moments[3] > 7
    np.testing.assert_allclose(np.diff(Offers.moments[5:]), 1 / FPS, rtol=1e-2)
    assert reader.drops[Drop.STOOD_STILL] == pytest.approx(69, abs=2)


def test_a_file_that_loops_starts_again_without_a_pause_or_a_rush(
    clock: FakeClock, short_clip: Path, live_reader: Open
) -> None:
    clock.waits_left = 45
    reader = live_reader(str(short_clip), clock=clock, loop=True)
    until(lambda: clock.waits_left <= 0)
    assert len(Offers.moments) > 25
    np.testing.assert_allclose(np.diff(Offers.moments), 1 / FPS, rtol=0.02)
    assert reader.state is State.ONLINE
    assert reader.restarts == 0


def test_a_file_ends_for_its_reader(short_clip: Path, live_reader: Open) -> None:
    reader = live_reader(str(short_clip))
    some_frame(reader)
    until(lambda: reader.next(0.1) is None and reader.state is State.ENDED)
    assert reader.error == ""


def test_a_folder_is_a_slow_camera(clock: FakeClock, folder: Path, live_reader: Open) -> None:
    ended(live_reader(f"{folder}/", clock=clock))
    np.testing.assert_allclose(np.diff(Offers.moments), [1.0, 1.0], atol=1e-3)


def test_the_test_pattern_runs_by_itself(live_reader: Open) -> None:
    reader = live_reader("pattern:64x48@20", idle=True)
    first = some_frame(reader)
    second = some_frame(reader)
    assert (second.width, second.height) == (64, 48)
    assert second.t > first.t
    assert reader.state is State.ONLINE


def test_the_unpaced_reader_gives_every_frame_in_order(short_clip: Path) -> None:
    reader = FileReader(parse_source(str(short_clip)), options=OPTIONS)
    given = []
    while (frame := reader.next(0)) is not None:
        given.append(frame)
    assert [round(frame.t, 3) for frame in given] == [round(n / FPS, 3) for n in range(10)]
    spans = [(b.captured_at - a.captured_at).total_seconds() for a, b in pairwise(given)]
    np.testing.assert_allclose(spans, 1 / FPS, atol=1e-3)
    assert (reader.state, reader.error) == (State.ENDED, "")
    assert (reader.frames_in, reader.size, reader.newest()) == (10, SIZE, None)
    reader.close()


def test_the_unpaced_reader_of_a_folder_goes_by_its_names(folder: Path) -> None:
    reader = FileReader(parse_source(f"{folder}/"), options=OPTIONS)
    given = [reader.next(0) for _ in range(4)]
    assert [frame and int(frame.image[0, 0, 0]) for frame in given] == [1, 2, 10, None]
    assert [frame.t for frame in given if frame] == [0, 1, 2]
    reader.close()


def test_what_is_wrong_with_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty, text, bare = tmp_path / "empty.mp4", tmp_path / "letter.mp4", tmp_path / "bare"
    empty.write_bytes(b"")
    text.write_text("Dear camera,\nI am a letter.\n")
    bare.mkdir()
    assert "is empty (0 bytes)" in why(str(empty))
    assert "not a video" in why(str(text))
    assert "does not exist" in why(str(tmp_path / "missing.mp4"))
    assert "holds no pictures" in why(str(bare))
    assert "can not be read" in why(str(tmp_path / ("long" * 100)))
    assert "USB camera 83" in why("83")


def test_a_video_that_was_cut_short_is_no_video(short_clip: Path) -> None:
    short_clip.write_bytes(short_clip.read_bytes()[:2000])
    assert "short.mp4" in why(str(short_clip))


@pytest.mark.usefixtures("quick_retries")
def test_a_file_that_is_missing_is_tried_again_until_it_is_there(live_reader: Open, tmp_path: Path) -> None:
    reader = live_reader(str(tmp_path / "late.mp4"))
    until(lambda: reader.state is State.OFFLINE)
    assert "does not exist" in reader.error
    clip(tmp_path / "unfinished.mp4", Shot(seconds=1)).rename(tmp_path / "late.mp4")
    some_frame(reader)
    assert reader.error == ""


# --- what a camera's settings make of it ------------------------------------------------------------------------------


@pytest.mark.parametrize(("paced", "kind"), [(True, LiveReader), (False, FileReader)])
def test_a_file_is_paced_unless_that_is_not_wanted(paced: bool, kind: type, short_clip: Path) -> None:
    reader = open_reader(Camera(name="Gate"), parse_source(str(short_clip)), None, paced=paced)
    assert type(reader) is kind
    assert reader.is_live is paced
    reader.close()


def test_a_camera_is_live_whatever_is_wanted() -> None:
    reader = open_reader(Camera(name="Gate"), parse_source("pattern:64x48@5"), None, paced=False)
    assert type(reader) is LiveReader
    reader.close()


def test_the_settings_of_site_and_camera_reach_the_decoder(settings: LazySettings) -> None:
    settings.CAMERA_TIMEOUT_SECONDS, settings.CAMERA_HARDWARE_DECODING = 3.0, "vaapi"
    settings.CAMERA_NETWORKS = ["10.0.0.0/8"]
    options = capture_options(Camera(name="Gate", transport="udp"))
    assert (options.transport, options.hardware, options.open_seconds, options.read_seconds) == ("udp", "vaapi", 3, 3)
    assert options.network.networks == ("10.0.0.0/8",)


@pytest.mark.parametrize(("decoding", "rests"), [(Decoding.ALL, False), (Decoding.KEYFRAMES, True)])
def test_a_camera_rests_where_its_settings_say_so(decoding: Decoding, rests: bool) -> None:
    camera = Camera(name="Gate", idle_decoding=decoding)
    reader = open_reader(camera, parse_source("pattern:64x48@20"), parse_source("pattern:128x96@20"))
    assert reader.detail is not None
    reader.rest()
    if rests:
        until(lambda: reader.drops[Drop.RESTING] > 5)
    else:
        until(lambda: reader.frames_in > 20)
        assert "not decoded: nothing moved" not in reader.drops
    reader.close()


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_retries")
def test_a_stream_that_breaks_off_is_taken_up_again(live_reader: Open) -> None:
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
        assert reader.restarts >= 1


@pytest.mark.usefixtures("quick_retries")
def test_a_stream_that_ends_is_offline_and_never_ended(live_reader: Open) -> None:
    with mjpeg_camera(pictures=5) as camera:
        reader = live_reader(camera.url)
        until(lambda: camera.connections >= 3)
        assert reader.state is not State.ENDED


def test_a_camera_that_never_answers_is_given_up() -> None:
    with silent_camera() as address:
        for scheme in ("http", "rtsp"):
            assert address in why(f"{scheme}://{address}/video", QUICK)


def test_closing_ends_a_reader_whose_camera_says_nothing(live_reader: Open) -> None:
    with silent_camera() as address:
        reader = live_reader(f"rtsp://{address}/video")
        reader.close()
        until(lambda: not reader._reading.is_alive)


@pytest.mark.parametrize("kind", ["absent", "silent"])
def test_credentials_are_never_said(kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    with silent_camera() as listening:
        address = listening if kind == "silent" else absent_camera()
        for scheme in ("http", "rtsp"):
            message = why(f"{scheme}://viewer:hunter2@{address}/video?pwd=letmein", QUICK)
            assert "hunter2" not in message
            assert "letmein" not in message
    said = "".join(capfd.readouterr())
    assert "hunter2" not in said
    assert "letmein" not in said
