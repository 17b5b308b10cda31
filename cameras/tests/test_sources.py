"""What a source may be, and that its credentials are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameras.sources import Kind, Pattern, SourceError, parse_address, parse_pattern, parse_source


@pytest.mark.parametrize(
    ("text", "kind", "shown"),
    [
        ("0", Kind.USB, "USB camera 0"),
        (" 02 ", Kind.USB, "USB camera 2"),
        ("/videos/a clip.mp4", Kind.FILE, "/videos/a clip.mp4"),
        ("rtsp://10.0.0.7/live", Kind.STREAM, "rtsp://10.0.0.7/live"),
        ("rtsp://user:pass@10.0.0.7:8554/live", Kind.STREAM, "rtsp://10.0.0.7:8554/live"),
        ("RTSPS://user:p%40ss@Camera.example/a", Kind.STREAM, "rtsps://camera.example/a"),
        ("http://cam/video?user=admin&pwd=pass", Kind.STREAM, "http://cam/video?…"),
        ("https://cam/hls/index.m3u8#pass", Kind.STREAM, "https://cam/hls/index.m3u8"),
        ("rtsp://user:pass@[fd00::7]:554/live", Kind.STREAM, "rtsp://[fd00::7]:554/live"),
        ("rtsp://user:p@ss@10.0.0.7/live", Kind.STREAM, "rtsp://10.0.0.7/live"),
        ("rtsp://user:pass:with:colons@10.0.0.7/live", Kind.STREAM, "rtsp://10.0.0.7/live"),
        ("http://10.0.0.7:8080/@video", Kind.STREAM, "http://10.0.0.7:8080/@video"),
        ("/dev/video2", Kind.USB, "USB camera 2"),
        ("/dev/v4l/by-id/usb-Cam_1-index0", Kind.USB, "/dev/v4l/by-id/usb-Cam_1-index0"),
        ("/pictures/", Kind.FOLDER, "/pictures"),
        ("pattern:", Kind.PATTERN, "test pattern"),
        ("Pattern:640x360@12.5", Kind.PATTERN, "test pattern 640x360@12.5"),
    ],
)
def test_sources_that_can_be_used(text: str, kind: Kind, shown: str) -> None:
    source = parse_source(text)

    assert (source.kind, source.text, source.shown) == (kind, _kept(text), shown)
    assert "pass" not in source.shown


def _kept(text: str) -> str:
    text = text.strip()
    return text.rstrip("/") if text == "/pictures/" else text.lower() if text.startswith("Pattern") else text


def test_a_folder_may_be_said_in_front() -> None:
    assert parse_source("folder:pictures").text == str(Path("pictures").absolute())
    assert parse_source("folder:/a b").kind is parse_source("FOLDER:/a b").kind is Kind.FOLDER
    assert parse_source("folder:").text == str(Path.cwd())


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("pattern:", Pattern(width=1280, height=720, fps=25.0)),
        ("pattern:640x360", Pattern(width=640, height=360, fps=25.0)),
        ("pattern:@10", Pattern(width=1280, height=720, fps=10.0)),
        ("pattern:64x48@0.5", Pattern(width=64, height=48, fps=0.5)),
    ],
)
def test_what_a_test_pattern_asks_for(text: str, pattern: Pattern) -> None:
    assert parse_pattern(parse_source(text).text) == pattern


@pytest.mark.parametrize(
    "text", ["pattern:640", "pattern:9x9", "pattern:9999x9999", "pattern:@0", "pattern:@500", "pattern:x"]
)
def test_a_pattern_that_nobody_can_make(text: str) -> None:
    with pytest.raises(SourceError, match="test pattern is not well formed"):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "user", "password", "named", "target"),
    [
        ("rtsp://user:p%40ss%2F%23@10.0.0.7/live?a=1#x", "user", "p@ss/#", "10.0.0.7", "/live?a=1"),
        ("rtsp://us%3Aer:p@ss:w@cam:8554", "us:er", "p@ss:w", "cam:8554", "/"),
        ("http://CAM:80/", "", "", "cam", "/"),
        ("https://[fd00::7]:444/a b/\N{LATIN SMALL LETTER U WITH DIAERESIS}", "", "", "[fd00::7]:444", "/a%20b/%C3%BC"),
    ],
)
def test_the_parts_of_an_address(text: str, user: str, password: str, named: str, target: str) -> None:
    address = parse_address(text)

    assert (address.user, address.password, address.named, address.target) == (user, password, named, target)
    assert password == "" or password not in repr(address) + address.shown + address.url


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://user:s3cr/et@10.0.0.7/live",
        "rtsp://user:s3cr#et@10.0.0.7/live",
        "rtsp://user:s3cr?et@10.0.0.7/live",
        "rtsp://user:12/34@10.0.0.7/live",
        "rtsp://user:12#34@cam:554/live",
        "rtsp://user:12?34@[fd00::7]/live",
    ],
)
def test_a_password_that_would_end_too_early_is_explained(text: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(text)

    assert "%2F" in str(error.value)
    assert "s3cr" not in str(error.value)
    assert "34" not in str(error.value)


def test_what_a_source_prints_as_holds_no_password() -> None:
    assert "s3cr3t" not in repr(parse_source("rtsp://user:s3cr3t@cam/live?pwd=s3cr3t"))


@pytest.mark.parametrize("text", ["http://cam/a\r\nHost: other", "rtsp://cam/\x01", "rtsp://ca m/"])
def test_what_would_be_read_differently_by_others_is_refused(text: str) -> None:
    with pytest.raises(SourceError):
        parse_source(text)


def test_who_is_asked_is_what_is_checked() -> None:
    """Parsers disagree on these; whoever connects takes the host from here."""
    assert parse_address("http://good.example\\@other.example/").host == "other.example"
    assert parse_address("http://good.example%40@other.example/").host == "other.example"
    assert parse_address("http://good.example#@/").host == "good.example"


def test_a_relative_path_is_made_absolute() -> None:
    source = parse_source("clip.mp4")

    assert source.text == source.shown == str(Path("clip.mp4").absolute())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("x" * 2001, "too long"),
        ("rtsp://cam/\x00", "too long or has characters"),
        ("ftp://user:s3cr3t@cam/a", "not with ftp://"),
        ("file:///etc/passwd", "not with file://"),
        ("rtsp://", "names no host"),
        ("rtsp://user:s3cr3t@/live", "names no host"),
        ("rtsp://user:s3cr3t@cam:99999/live", "not well formed"),
        ("rtsp://user:s3cr3t@cam:abc/live", "not well formed"),
        ("rtsp://user:s3cr3t@cam:0/live", "port 0"),
        ("rtsp://user:s3cr3t@[::1/live", "not well formed"),
        ("rtsp:/user:s3cr3t@cam/live", "looks like an address"),
        ("rtsp:user:s3cr3t@cam/live", "looks like an address"),
        ("RTSP//user:s3cr3t@cam/live", "looks like an address"),
        ("user:s3cr3t@cam/live", "looks like an address"),
        ("10.0.0.7:554/live?user:s3cr3t@", "looks like an address"),
        ("file:/etc/passwd", "looks like an address"),
        ("~nobody-of-that-name/a.mp4", "home of a user who is not known"),
    ],
)
def test_sources_that_can_not_be_used_get_a_sentence_without_the_password(text: str, why: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(text)

    assert why in str(error.value)
    assert "s3cr3t" not in str(error.value)


@pytest.mark.parametrize("name", ["10:30.mp4", "gate@north.mp4", "./a:b@c.mp4", "/videos/a:b@c.mp4", "../rtsp:/a"])
def test_files_may_be_called_nearly_anything(name: str) -> None:
    assert parse_source(name).kind is Kind.FILE


def test_a_very_long_address_is_shown_shortened() -> None:
    assert len(parse_source("rtsp://cam/" + "a" * 1900).shown) == 500


@pytest.mark.parametrize("text", ["٣", "²", "20261122"])
def test_not_every_digit_is_a_usb_camera(text: str) -> None:
    assert parse_source(text).kind is Kind.FILE
