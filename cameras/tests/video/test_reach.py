"""Where a source leads: redirects that are followed or not, and signing in, which HTTP and RTSP do alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.tests.streams import Fault, clips, hls_camera, mjpeg_camera
from cameras.tests.streams.http import HttpCamera
from cameras.tests.streams.watching import options, problem, watch
from cameras.video.login import Login
from cameras.video.reach import reach


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    with mjpeg_camera() as found:
        yield found


# --- Redirects -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//169.254.169.254/",
        "http://2852039166/",
        "http://[::ffff:169.254.169.254]/",
        "http://user:pass@169.254.169.254/",
        "file:///etc/passwd",
        "rtsp://127.0.0.1/live",
        "gopher://127.0.0.1/",
        "http://\u00e9\u0000/",
        "http://cam\u00e9ra^/",
    ],
)
def test_a_redirect_to_where_no_camera_is_looked_for(camera: HttpCamera, where: str) -> None:
    camera.fault, camera.redirect_to = Fault.REDIRECT, where

    said = problem(camera.url)

    assert "which a camera may have" in said or "redirects to where no stream can be" in said


def test_a_redirect_is_followed_without_the_credentials(camera: HttpCamera) -> None:
    with mjpeg_camera(user="u", password="s3cr3t", login="basic") as first:
        first.fault, first.redirect_to = Fault.REDIRECT, camera.url
        assert len(watch(first.url, 2)) == 2

    assert set(camera.logins) == {""}


def test_redirects_that_never_end(camera: HttpCamera) -> None:
    camera.fault, camera.redirect_to = Fault.REDIRECT, "/elsewhere"

    assert "redirects again and again" in problem(camera.url)
    assert len(camera.requests) == 6


def test_a_redirect_to_a_port_that_is_not_allowed(camera: HttpCamera) -> None:
    network = NetworkPolicy(ports=(str(camera.port),))
    camera.fault, camera.redirect_to = Fault.REDIRECT, "http://127.0.0.1:6379/"

    assert "CAMERA_PORTS" in problem(camera.url, options(network=network))


@pytest.mark.parametrize("path", ["/video.mjpg", "/hls/index.m3u8"])
def test_of_http_the_decoder_gets_bytes_and_a_format_and_may_open_nothing(path: str) -> None:
    with hls_camera() if "hls" in path else mjpeg_camera() as camera:
        target = reach(parse_source(camera.url), options())
        target.close()

    assert not isinstance(target.file, str)
    assert target.format in ("mpjpeg", "mpegts")
    assert target.options["protocol_whitelist"] == "none"


def test_what_that_option_does(tmp_path: Path) -> None:
    """Even a file of this machine is out of the decoder's reach."""
    path = tmp_path / "clip.ts"
    path.write_bytes(clips.mpeg_ts(clips.usual(), clips.usual().units, start=0))
    av.open(str(path)).close()

    with pytest.raises(av.error.FFmpegError):
        av.open(str(path), options={"protocol_whitelist": "none"})


def test_nothing_of_a_target_shows_the_credentials(camera: HttpCamera) -> None:
    url = camera.url.replace("127.0.0.1", "user:s3cr3t@127.0.0.1") + "?pwd=s3cr3t"
    target = reach(parse_source(url), options())
    target.close()

    assert "s3cr3t" not in repr(target)


# --- Signing in ------------------------------------------------------------------------------------------------------


def test_digest_as_in_the_standard() -> None:
    """RFC 2617, 3.5, and RFC 7616, 3.9.1, but for the numbers that are chosen here: the answer must fit them."""
    login = Login(user="Mufasa", password="Circle Of Life")
    assert login.learn(['Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b", opaque="5ccc06"'])
    first, second = login.header("GET", "/dir/index.html"), login.header("GET", "/dir/index.html")

    assert 'opaque="5ccc06"' in first
    assert "nc=00000001" in first
    assert "nc=00000002" in second
    assert "Circle" not in first


@pytest.mark.parametrize(
    ("lines", "begins"),
    [
        (['Basic realm="a, b"', 'Digest realm="x", nonce="n"'], "Digest"),
        (['Basic realm="a", Digest realm="x", nonce="n", qop="auth"'], "Digest"),
        (['Digest realm="x", nonce="n", algorithm=SHA-1', "Basic"], "Basic"),
        (['Digest realm="x", nonce="n", qop="auth-int"', 'basic realm="a"'], "Basic"),
        (["Digest realm=x,nonce=n,algorithm=MD5-sess,qop=auth"], "Digest"),
        (["Bearer x", "Negotiate"], ""),
        (['Digest realm="x"'], ""),
        ([], ""),
    ],
)
def test_which_challenge_is_answered(lines: list[str], begins: str) -> None:
    login = Login(user="u", password="p")

    assert login.learn(lines) is bool(begins)
    assert login.header("GET", "/").partition(" ")[0] == begins


@given(st.lists(st.text(max_size=80), max_size=3))
def test_any_challenge_can_be_read(lines: list[str]) -> None:
    login = Login(user="u", password="p")
    login.learn(["Digest " + line for line in lines])

    assert "\n" not in login.header("GET", "/")
