"""Trying a source: a frame, or the reason in a sentence, without credentials and within the time-out."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.cache import cache
from django.test import override_settings
from redis.exceptions import RedisError

from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from cameras import probing
from cameras.network import NetworkPolicy
from cameras.probe import ProbeResult, probe
from cameras.sources import SourceError, parse_source
from cameras.tests.streams import Fault, mjpeg_camera, rtsp_camera


def tried(text: str, timeout: float = 8.0) -> ProbeResult:
    return probe(parse_source(text), timeout=timeout, network=NetworkPolicy())


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
        "none.mp4": "does not exist",
        "": "no picture",
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


def test_a_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clip: Path) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\nexec sleep 60\n")
    hangs.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hangs))

    assert "within 1 seconds" in tried(str(clip), timeout=1.0).problem


def test_a_process_that_crashes_is_an_answer(monkeypatch: pytest.MonkeyPatch, clip: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    assert "could not be decoded" in tried(str(clip)).problem


@pytest.mark.parametrize("address", ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0.0.0.0"])
def test_addresses_where_no_camera_lives(address: str) -> None:
    assert "which a camera may have" in tried(f"http://{address}/latest/meta-data").problem


def test_the_test_looks_only_where_the_policy_says() -> None:
    with mjpeg_camera() as camera:
        network = NetworkPolicy(ports=("554",), networks=("private", "public"))
        result = probe(parse_source(camera.url), network=network)

    assert "CAMERA_PORTS" in result.problem
    assert camera.connections == 0


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_gives_a_picture_and_says_what_it_sends(transport: str) -> None:
    with rtsp_camera(user="admin", password="s3/cr@3t") as camera:
        result = probe(parse_source(camera.url), network=NetworkPolicy(), transport=transport)

    assert (result.problem, result.width, result.height, result.fps, result.codec) == ("", 320, 180, 12.5, "h264")
    assert result.jpeg is not None


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.TRICKLE, Fault.SILENT, Fault.DROP])
def test_a_camera_that_answers_and_sends_nothing_is_given_up(fault: Fault) -> None:
    with rtsp_camera(user="admin", password="s3cr3t") as camera:
        camera.fault = fault
        result = probe(parse_source(camera.url), timeout=6.0, network=NetworkPolicy())

    assert result.jpeg is None
    assert result.problem
    assert "s3cr3t" not in result.problem


def test_what_opens_sources_knows_nothing_of_django() -> None:
    """The child would otherwise need the settings, and with them the secrets."""
    code = "import sys, cameras.probe, cameras.video; sys.exit('django' in sys.modules or 'environ' in sys.modules)"
    root = Path(__file__).resolve().parents[2]

    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_what_the_child_is_told_shows_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the address on a command line, nor this process's secrets in the child's environment."""
    started: list[tuple[list[str], dict[str, str]]] = []
    run = subprocess.run

    def spy(command: list[str], **how: Any) -> Any:
        started.append((command, how["env"]))
        return run(command, **how)

    monkeypatch.setattr(subprocess, "run", spy)
    monkeypatch.setenv("VAULT_KEYS", "1:secret-key")
    tried("rtsp://user:s3cr3t@127.0.0.1:9/live")

    assert "s3cr3t" not in str(started)
    assert "secret-key" not in str(started)


@pytest.mark.parametrize("text", ["pattern:64x48@5", "folder"])
def test_sources_that_are_no_stream(text: str, tmp_path: Path) -> None:
    if text == "folder":
        cv2.imwrite(str(tmp_path / "one.png"), np.zeros((48, 64, 3), np.uint8))
        text = f"folder:{tmp_path}"
    result = tried(text)

    assert (result.problem, result.width, result.height) == ("", 64, 48)


@pytest.mark.django_db
def test_somebody_may_test_so_often_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    user, other = UserFactory.create(), UserFactory.create()
    monkeypatch.setattr(probing, "probe", lambda *args, **kwargs: ProbeResult(problem="Nobody is there."))
    source = parse_source("rtsp://user:s3cr3t@10.0.0.7/live?pwd=s3cr3t")
    for _ in range(probing.TESTS_MOST):
        assert probing.try_source(actor=user, source=source).problem == "Nobody is there."

    with pytest.raises(SourceError, match="tested too often"):
        probing.try_source(actor=user, source=source)
    assert probing.may_test(other)
    events = AuditEvent.objects.filter(actor=user, verb="tested")
    assert events.count() == probing.TESTS_MOST
    assert "10.0.0.7" in str(events[0].detail)
    assert "s3cr3t" not in str(events[0].detail)


@pytest.mark.django_db
def test_without_redis_nothing_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    user = UserFactory.create()
    monkeypatch.setattr(cache, "add", _gone)

    assert not probing.may_test(user)


def _gone(*args: object, **kwargs: object) -> None:
    raise RedisError("Redis is gone")


@pytest.mark.django_db
def test_the_settings_say_where_is_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[NetworkPolicy] = []

    def probed(source: object, *, network: NetworkPolicy, transport: str) -> ProbeResult:
        asked.append(network)
        return ProbeResult()

    monkeypatch.setattr(probing, "probe", probed)
    with override_settings(CAMERA_NETWORKS=["10.0.0.0/8"]):
        probing.try_source(actor=UserFactory.create(), source=parse_source("rtsp://10.0.0.7/"))

    assert asked[0].networks == ("10.0.0.0/8",)
