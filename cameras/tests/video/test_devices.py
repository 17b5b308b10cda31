"""USB cameras and decoding in hardware, as far as a machine without either can show, and captures that hang."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path

import av
import pytest

from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.tests.video.clips import OPTIONS, noisy, rest_of, write
from cameras.video import CaptureOptions, EndOfSource, SourceFailed, hardware, open_capture, opening
from cameras.video.hardware import accelerator
from cameras.video.reach import Target


@pytest.fixture(autouse=True)
def forgotten() -> None:
    accelerator.cache_clear()


def failure(text: str) -> str:
    with pytest.raises(SourceFailed) as caught:
        open_capture(parse_source(text), OPTIONS)
    return str(caught.value)


def test_a_usb_camera_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert "There is no USB camera 97 on this machine" in failure("97")
    assert "There is no USB camera 96" in failure("/dev/video96")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (av.error.PermissionError(13, "no"), "may not use USB camera 3"),
        (av.error.OSError(16, "busy"), "not used by another program"),
        (ValueError("no format v4l2"), "reads no USB cameras"),
    ],
)
def test_a_usb_camera_that_can_not_be_opened(monkeypatch: pytest.MonkeyPatch, error: Exception, said: str) -> None:
    asked: dict[str, object] = {}

    def refuse(file: str, mode: str, **options: object) -> None:
        asked.update(options, file=file)
        raise error

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "exists", lambda path: True)
    monkeypatch.setattr(av, "open", refuse)
    assert said in failure("3")
    assert (asked["file"], asked["format"], asked["timeout"]) == ("/dev/video3", "v4l2", (10.0, 10.0))


def test_a_mac_asks_avfoundation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    target = opening._usb(parse_source("1"))
    assert (target.file, target.format) == ("1:none", "avfoundation")


def test_hardware_that_is_not_there_is_said_once_and_software_decodes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["vaapi"])
    monkeypatch.setattr(hardware, "_works", lambda name: False)
    path = write(tmp_path / "a.mp4", noisy(5))
    with caplog.at_level(logging.WARNING):
        for name in ("auto", "auto", "vaapi", "toaster"):
            options = CaptureOptions(network=NetworkPolicy(), hardware=name)
            capture = open_capture(parse_source(str(path)), options)
            assert len(rest_of(capture)) == 5
            capture.close()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["Video is decoded in software"] * 3


def test_hardware_that_works_is_used_and_may_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["vaapi", "cuda"])
    tried: list[str] = []

    def works(name: str) -> bool:
        tried.append(name)
        return name == "vaapi"

    monkeypatch.setattr(hardware, "_works", works)
    found = accelerator("auto")
    assert tried == ["cuda", "vaapi"]
    assert found is not None
    assert accelerator("off") is None


class Hanging:
    """A body that gives a clip and then nothing, until it is let go."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.waits, self.let_go, self.closed = threading.Event(), threading.Event(), False

    def read(self, size: int = -1, /) -> bytes:
        part, self._data = self._data[:size], self._data[size:]
        if not part:
            self.waits.set()
            self.let_go.wait(10)
            raise SourceFailed("the gate is silent")
        return part

    def close(self) -> None:
        self.closed = True


def test_closing_does_not_wait_for_a_step_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = Hanging(write(tmp_path / "a.ts", noisy(50)).read_bytes())
    monkeypatch.setattr(opening, "reach", lambda source, options: Target(file=body, format="mpegts"))
    capture = open_capture(parse_source("http://gate/live"), OPTIONS)
    ends: list[Exception] = []

    def read() -> None:
        try:
            while True:
                capture.step()
        except (EndOfSource, SourceFailed) as end:
            ends.append(end)

    reader = threading.Thread(target=read)
    reader.start()
    assert body.waits.wait(10)
    capture.close()
    assert reader.is_alive()
    assert not body.closed  # FFmpeg still has its hands on it
    body.let_go.set()
    reader.join(10)
    assert not reader.is_alive()
    assert len(ends) == 1
    assert body.closed


def test_what_a_body_says_of_its_end_is_what_people_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = Hanging(write(tmp_path / "a.ts", noisy(50)).read_bytes())
    body.let_go.set()
    monkeypatch.setattr(opening, "reach", lambda source, options: Target(file=body, format="mpegts"))
    capture = open_capture(parse_source("http://gate/live"), OPTIONS)
    with pytest.raises(SourceFailed, match="the gate is silent"):
        rest_of(capture)
    capture.close()
    assert body.closed
