"""What a source may be, and that its credentials are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from cameras.sources import Kind, SourceError, parse_source


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
    ],
)
def test_sources_that_can_be_used(text: str, kind: Kind, shown: str) -> None:
    source = parse_source(text)

    assert (source.kind, source.text, source.shown) == (kind, text.strip(), shown)
    assert "pass" not in source.shown


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
    ],
)
def test_sources_that_can_not_be_used_get_a_sentence_without_the_password(text: str, why: str) -> None:
    with pytest.raises(SourceError) as error:
        parse_source(text)

    assert why in str(error.value)
    assert "s3cr3t" not in str(error.value)


def test_a_very_long_address_is_shown_shortened() -> None:
    assert len(parse_source("rtsp://cam/" + "a" * 1900).shown) == 500


@pytest.mark.parametrize("text", ["٣", "²", "20261122"])
def test_not_every_digit_is_a_usb_camera(text: str) -> None:
    assert parse_source(text).kind is Kind.FILE
