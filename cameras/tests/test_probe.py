"""Trying a source: a frame, or the reason in a sentence, without credentials and within the time-out."""

from __future__ import annotations

import ipaddress
import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from cameras.probe import ProbeResult, is_refused, probe
from cameras.sources import parse_source


def tried(text: str, timeout: float = 8.0) -> ProbeResult:
    return probe(parse_source(text), timeout=timeout)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("probe") / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.5, (160, 90))
    for value in range(10):
        writer.write(np.full((90, 160, 3), 20 * value, np.uint8))
    writer.release()
    return path


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A server that says the same to everybody (None: nothing at all); gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            if answer is not None:
                connection.settimeout(1)
                try:
                    if connection.recv(4096):
                        connection.sendall(answer)
                except OSError:
                    pass
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for connection in held:
            connection.close()


def test_a_video_gives_a_frame_its_size_and_rate(clip: Path) -> None:
    result = tried(str(clip))

    assert result.problem == ""
    assert (result.width, result.height, result.fps) == (160, 90, 12.5)
    assert result.jpeg is not None
    decoded = cv2.imdecode(np.frombuffer(result.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (90, 160, 3)


def test_files_that_give_no_picture(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "words.mp4").write_text("these are only words")
    reasons = {
        "none.mp4": "There is no file",
        "": "is a folder",
        "empty.mp4": "is empty (0 bytes)",
        "words.mp4": "is not a video",
    }
    for name, why in reasons.items():
        result = tried(str(tmp_path / name))
        assert why in result.problem
        assert result.jpeg is None


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(b"x")
    path.chmod(0)

    assert "may not read" in tried(str(path)).problem


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere USB cameras have no device files")
def test_a_usb_camera_that_is_not_there() -> None:
    assert "There is no USB camera 93" in tried("93").problem


def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = tried(f"rtsp://user:s3cr3t@127.0.0.1:{port}/live")

    assert "nothing listens" in result.problem
    assert "s3cr3t" not in result.problem


def test_a_name_that_nobody_knows() -> None:
    assert "is not known in this network" in tried("rtsp://user:s3cr3t@camera.invalid/live").problem


@pytest.mark.parametrize("login", ["", "user:s3cr3t@"])
@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("rtsp", b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n"),
        ("http", b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_camera_that_asks_who_is_there(scheme: str, answer: bytes, login: str) -> None:
    with server(answer) as port:
        result = tried(f"{scheme}://{login}127.0.0.1:{port}/live")

    assert ("refuses the user name" if login else "asks for a user name") in result.problem
    assert "s3cr3t" not in result.problem


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("rtsp", b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n"),
        ("http", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_a_path_that_the_camera_does_not_have(scheme: str, answer: bytes) -> None:
    with server(answer) as port:
        assert "has no stream at" in tried(f"{scheme}://127.0.0.1:{port}/live").problem


def test_something_that_is_no_camera() -> None:
    with server(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello") as port:
        assert "gives no video" in tried(f"http://127.0.0.1:{port}/").problem


def test_a_camera_that_never_answers_is_given_up() -> None:
    with server(None) as port:
        result = tried(f"rtsp://user:s3cr3t@127.0.0.1:{port}/live", timeout=3.0)

    assert result.problem != ""
    assert result.jpeg is None
    assert "s3cr3t" not in result.problem


def test_a_process_that_hangs_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pipe.mp4"
    os.mkfifo(path)
    assert stat.S_ISFIFO(path.stat().st_mode)

    assert "within 1 seconds" in tried(str(path), timeout=1.0).problem


def test_a_process_that_crashes_is_an_answer(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    assert "could not be decoded" in tried(str(clip)).problem


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "ff02::1",
        "::ffff:169.254.169.254",
        "fd00:ec2::254",
    ],
)
def test_addresses_where_no_camera_lives(address: str) -> None:
    assert is_refused(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert "which no camera may have" in tried(f"http://{host}/latest/meta-data").problem


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "192.168.1.9", "::1", "fd00::7", "8.8.8.8"])
def test_addresses_where_cameras_may_live(address: str) -> None:
    assert not is_refused(ipaddress.ip_address(address))
