"""What a real stream does wrong, seen from a live reader: it says so, goes on, and comes back by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from cameras.live import State
from cameras.sources import parse_source
from cameras.tests.streams.clips import FPS, SIZE
from cameras.tests.streams.faults import Fault
from cameras.tests.streams.rtsp import RtspCamera, rtsp_camera
from cameras.video import CaptureOptions
from workers.sources import Frame, LiveReader, retry
from workers.tests.captures import OPTIONS
from workers.tests.test_sources_live import until

QUICK = CaptureOptions(network=OPTIONS.network, open_seconds=3.0, read_seconds=1.5)

Open = Callable[..., LiveReader]


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with rtsp_camera(user="viewer", password="hunter2") as camera:
        yield camera


@pytest.fixture
def reader(camera: RtspCamera, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveReader]:
    """Reads the camera, and tries again soon."""
    monkeypatch.setattr(retry, "RETRY_FIRST", 0.1)
    monkeypatch.setattr(retry, "RETRY_MOST", 0.3)
    reader = LiveReader(parse_source(camera.url), options=QUICK, frozen_seconds=1.5, doze=0.1)
    until(lambda: reader.state is State.ONLINE)
    yield reader
    reader.close()


def take(reader: LiveReader, count: int) -> list[Frame]:
    found: list[Frame] = []

    def came() -> bool:
        frame = reader.next(0.2)
        if frame is not None:
            found.append(frame)
        return len(found) >= count

    until(came)
    return found


def well(reader: LiveReader) -> bool:
    return reader.state is State.ONLINE and reader.error == "" and not reader.frozen


def test_a_camera_that_drops_in_mid_picture_is_back_soon(camera: RtspCamera, reader: LiveReader) -> None:
    camera.fault = Fault.DROP
    until(lambda: reader.state is State.OFFLINE)
    assert f"127.0.0.1:{camera.port}" in reader.error
    assert "hunter2" not in reader.error
    camera.fault = Fault.NONE
    until(lambda: well(reader))
    assert reader.restarts >= 1
    take(reader, 3)


def test_a_camera_that_says_nothing_more_is_offline(camera: RtspCamera, reader: LiveReader) -> None:
    camera.fault = Fault.HANG
    until(lambda: reader.state is State.OFFLINE)
    assert reader.error
    camera.fault = Fault.NONE
    until(lambda: well(reader))


@pytest.mark.parametrize(("fault", "says"), [(Fault.UNAUTHORIZED, "password"), (Fault.MISSING, "no stream")])
def test_why_it_does_not_come_back_is_said(fault: Fault, says: str, camera: RtspCamera, reader: LiveReader) -> None:
    camera.fault = fault
    camera.drop()
    until(lambda: says in reader.error)
    assert reader.state is State.OFFLINE
    assert "hunter2" not in reader.error
    camera.fault = Fault.NONE
    until(lambda: well(reader))


def test_a_picture_that_stands_still_is_no_reason_to_be_offline(camera: RtspCamera, reader: LiveReader) -> None:
    camera.fault = Fault.FREEZE
    until(lambda: reader.frozen)
    assert reader.state is State.ONLINE
    plays = camera.plays
    until(lambda: camera.plays > plays + 1)  # opened again and again, in case that helps
    until(lambda: reader.frozen and reader.state is State.ONLINE)
    camera.fault = Fault.NONE
    until(lambda: well(reader))


def test_another_size_goes_on_in_that_size(camera: RtspCamera, reader: LiveReader) -> None:
    camera.fault = Fault.RESIZE
    until(lambda: reader.size == (480, 272))
    assert reader.state is State.ONLINE
    camera.fault = Fault.NONE
    until(lambda: reader.size == SIZE)
    assert reader.resizes == 2
    assert reader.restarts == 0


@pytest.mark.parametrize("fault", [Fault.WILD, Fault.GARBAGE])
def test_frames_go_on_through_nonsense_in_their_right_time(
    fault: Fault, camera: RtspCamera, reader: LiveReader
) -> None:
    camera.fault = fault
    moments = [frame.t for frame in take(reader, 15)]
    assert np.all(np.diff(moments) > 0)
    assert np.diff(moments).max() < 20 / FPS
    assert reader.state is State.ONLINE


def test_credentials_are_in_no_log(camera: RtspCamera, reader: LiveReader, caplog: pytest.LogCaptureFixture) -> None:
    camera.fault = Fault.BUSY
    camera.drop()
    until(lambda: reader.state is State.OFFLINE)
    assert any("127.0.0.1" in record.getMessage() for record in caplog.records)
    assert "hunter2" not in caplog.text
    assert "viewer" not in caplog.text
