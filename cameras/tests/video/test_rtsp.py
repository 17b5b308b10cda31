"""RTSP cameras: over TCP and UDP, signed in, and with everything that they do wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.tests.streams import Clip, Fault, absent_camera, clips, gstreamer_camera, rtsp_camera
from cameras.tests.streams.rtsp import RtspCamera
from cameras.tests.streams.watching import options, problem, take, until, watch
from cameras.video import open_capture
from cameras.video.reach import reach
from cameras.video.types import SourceFailed

IMPATIENT = options(open_seconds=1.0, read_seconds=1.0)


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with rtsp_camera() as found:
        yield found


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_pictures_over_both_transports(camera: RtspCamera, transport: str) -> None:
    found = watch(camera.url, 15, options(transport=transport))

    assert {(picture.width, picture.height) for picture in found} == {clips.SIZE}
    original = next(clips.moving())
    assert np.abs(found[0].image.astype(int) - original).mean() < 12
    assert camera.requests.count("SETUP") == 1


def test_the_rate_is_the_one_that_the_camera_tells(camera: RtspCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    capture.close()

    assert capture.fps == clips.FPS
    assert capture.is_live
    assert capture.codec == "h264"


def test_b_frames_come_in_the_order_in_which_they_are_shown() -> None:
    with rtsp_camera(clips.with_bframes()) as camera:
        stamps = [picture.pts for picture in watch(camera.url, 20)]

    known = [stamp for stamp in stamps if stamp is not None]
    assert len(known) >= 19  # the very first may not know its time yet
    assert known == sorted(known)


@pytest.mark.parametrize("login", ["digest", "old", "basic"])
def test_signing_in_with_characters_that_addresses_do_not_hold_plainly(login: str) -> None:
    with rtsp_camera(user="ad@min", password="p@ss:/#?w%&", login=login) as camera:
        assert len(watch(camera.url, 2)) == 2


def test_a_way_of_signing_in_that_the_decoder_does_not_know() -> None:
    with rtsp_camera(user="admin", password="s3cr3t", login="sha256") as camera:
        assert "SHA-256, which is not supported for RTSP" in problem(camera.url)


def test_wrong_credentials_and_none() -> None:
    with rtsp_camera(user="admin", password="s3cr3t") as camera:
        wrong = problem(camera.url.replace("s3cr3t", "0ther"))
        none = problem(camera.url.replace("admin:s3cr3t@", ""))

    assert "refuses the user name or the password" in wrong
    assert "asks for a user name and a password" in none
    assert "0ther" not in wrong + none
    assert camera.plays == 0


def test_a_camera_with_a_certificate_of_its_own() -> None:
    with rtsp_camera(tls=True) as camera:
        assert camera.url.startswith("rtsps://")
        assert len(watch(camera.url, 3)) == 3


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (Fault.UNAUTHORIZED, "asks for a user name"),
        (Fault.MISSING, "has no stream at"),
        (Fault.BUSY, "the error 503 (Service Unavailable)"),
        (Fault.SILENT, "sent nothing usable for 1 seconds"),
        (Fault.HANG, "sent no"),
        (Fault.DROP, "stopped sending"),
        (Fault.TRICKLE, "sent no"),
    ],
)
def test_what_fails_says_why(camera: RtspCamera, fault: Fault, why: str) -> None:
    camera.fault = fault

    said = problem(camera.url, IMPATIENT)

    assert why in said
    assert f"127.0.0.1:{camera.port}" in said


@pytest.mark.parametrize("fault", [Fault.DROP, Fault.HANG, Fault.TRICKLE, Fault.NOISE])
def test_a_stream_that_fails_while_it_is_watched(camera: RtspCamera, fault: Fault) -> None:
    capture = open_capture(parse_source(camera.url), options(read_seconds=1.0))
    take(capture, 5)
    camera.fault = fault
    with pytest.raises(SourceFailed):
        take(capture, 10_000)
    capture.close()
    camera.fault = Fault.NONE

    assert len(watch(camera.url, 5)) == 5


def test_a_camera_that_restarts(camera: RtspCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    take(capture, 5)
    camera.drop()
    with pytest.raises(SourceFailed):
        take(capture, 10_000)
    capture.close()

    assert len(watch(camera.url, 5)) == 5


def test_damaged_pictures_are_survived(camera: RtspCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    camera.fault = Fault.GARBAGE
    assert len(take(capture, 20)) >= 20
    camera.fault = Fault.NONE
    original = next(clips.moving())
    until(capture, lambda picture: bool(np.abs(picture.image.astype(int) - original).mean() < 12))
    capture.close()


def test_the_picture_goes_black_stands_still_and_changes_its_size(camera: RtspCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    take(capture, 3)
    camera.fault = Fault.BLACK
    until(capture, lambda picture: bool(picture.luma.mean() < 25))
    camera.fault = Fault.FREEZE
    first = until(capture, lambda picture: bool(picture.luma.mean() > 40))
    following = take(capture, 5)
    assert all(np.abs(picture.luma.astype(int) - first.luma).mean() < 1 for picture in following)
    camera.fault = Fault.RESIZE
    assert until(capture, lambda picture: picture.width == 480).height == 272
    camera.fault = Fault.NONE
    until(capture, lambda picture: (picture.width, picture.height) == clips.SIZE)
    capture.close()


def test_wild_time_stamps_lose_no_pictures(camera: RtspCamera) -> None:
    capture = open_capture(parse_source(camera.url), options())
    camera.fault = Fault.WILD

    assert len(take(capture, 25)) >= 25
    capture.close()


@pytest.mark.parametrize(
    "where",
    ["rtsp://169.254.169.254/latest", "http://169.254.169.254/", "file:///etc/passwd", "rtsp://[::ffff:a9fe:a9fe]/"],
)
def test_a_redirect_to_where_no_camera_is_looked_for(camera: RtspCamera, where: str) -> None:
    camera.fault, camera.redirect_to = Fault.REDIRECT, where

    said = problem(camera.url)

    assert "which a camera may have" in said or "redirects to where no stream can be" in said


def test_a_redirect_is_followed_without_the_credentials() -> None:
    with rtsp_camera(user="u", password="s3cr3t") as first, rtsp_camera() as second:
        first.fault, first.redirect_to = Fault.REDIRECT, second.url
        target = reach(parse_source(first.url), options())

        assert isinstance(target.file, str)
        assert f":{second.port}/" in target.file
        assert "s3cr3t" not in target.file
        assert len(watch(first.url, 2)) == 2


def test_redirects_that_never_end(camera: RtspCamera) -> None:
    camera.fault, camera.redirect_to = Fault.REDIRECT, camera.url

    assert "redirects again and again" in problem(camera.url)


def test_what_the_decoder_gets_is_the_checked_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with rtsp_camera(user="u", password="s3cr3t") as camera:
        answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", camera.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answer)
        url = camera.url.replace("127.0.0.1", "camera.example")
        target = reach(parse_source(url), options())

        assert isinstance(target.file, str)
        assert target.file == camera.url
        assert "s3cr3t" not in repr(target)
        assert len(watch(url, 2)) == 2


def test_a_camera_that_is_not_allowed_is_not_spoken_to(camera: RtspCamera) -> None:
    said = problem(camera.url, options(network=NetworkPolicy(networks=("private", "public"))))

    assert "CAMERA_NETWORKS" in said
    assert camera.connections == 0


def test_nobody_and_somebody_else() -> None:
    assert "nothing listens" in problem(f"rtsp://{absent_camera()}/live")
    with rtsp_camera(tls=True) as camera:
        assert problem(camera.url.replace("rtsps", "rtsp"), IMPATIENT)
    with rtsp_camera() as camera:
        assert "does not speak RTSPS" in problem(camera.url.replace("rtsp", "rtsps"), IMPATIENT)


@pytest.mark.parametrize("answer", ["RTSP/1.0 \u00b2\u00b2\u00b2 OK\r\n\r\n", "RTSP/1.0 99999 OK\r\n\r\n"])
def test_an_answer_without_a_status(answer: str) -> None:
    assert "does not speak RTSP" in problem(_answering(answer))


def test_a_length_that_is_no_number_is_passed_over() -> None:
    said = problem(_answering(f"RTSP/1.0 200 OK\r\nContent-Length: \u00b2\r\nContent-Length: {'9' * 5000}\r\n\r\n"))

    assert "it describes nothing" in said


def _answering(text: str) -> str:
    """The address of something that answers the first request so, whatever it is."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(text.encode())

    threading.Thread(target=answer, daemon=True).start()
    return f"rtsp://127.0.0.1:{listener.getsockname()[1]}/live"


def test_larger_pictures_come_in_fragments() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (12, 360, 640, 3), np.uint8)
    with rtsp_camera(Clip.of(noise, fps=10)) as camera:
        found = watch(camera.url, 5)

    assert np.abs(found[0].image.astype(int) - noise[0]).mean() < 60
    assert max(len(nal) for unit in camera.clip.units for nal in unit.nals) > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "jpeg"])
def test_somebody_elses_server(codec: str, transport: str) -> None:
    with gstreamer_camera() as camera:
        found = watch(camera.url(codec), 8, options(transport=transport))

    assert {(picture.width, picture.height) for picture in found} == {(320, 240)}


@pytest.mark.slow
def test_signing_in_to_somebody_elses_server() -> None:
    with gstreamer_camera("me", "s3cr3t") as camera:
        assert len(watch(camera.url("h264"), 3)) == 3
        assert "refuses the user name" in problem(camera.url("h264").replace("s3cr3t", "0ther"))
        assert "asks for a user name" in problem(camera.url("h264").replace("me:s3cr3t@", ""))
