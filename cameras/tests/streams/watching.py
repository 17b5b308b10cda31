"""Watching a camera of the tests as the camera loop does: through `open_capture`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cameras.network import NetworkPolicy
from cameras.sources import parse_source
from cameras.video import Capture, CaptureOptions, Picture, SourceFailed, open_capture

ANYWHERE = NetworkPolicy()


def options(
    *, network: NetworkPolicy = ANYWHERE, transport: str = "tcp", open_seconds: float = 8.0, read_seconds: float = 8.0
) -> CaptureOptions:
    return CaptureOptions(network=network, transport=transport, open_seconds=open_seconds, read_seconds=read_seconds)


def watch(url: str, count: int, wanted: CaptureOptions | None = None) -> list[Picture]:
    """The first pictures of a source."""
    capture = open_capture(parse_source(url), wanted or options())
    try:
        return take(capture, count)
    finally:
        capture.close()


def take(capture: Capture, count: int) -> list[Picture]:
    """The next pictures of an open source."""
    found: list[Picture] = []
    while len(found) < count:
        found += capture.step()
    return found


def until(capture: Capture, is_it: Callable[[Picture], bool], *, most: int = 200) -> Picture:
    """The next picture of which this is true."""
    for _ in range(most):
        for picture in capture.step():
            if is_it(picture):
                return picture
    raise AssertionError(f"no such picture in {most} steps")


def problem(url: str, wanted: CaptureOptions | None = None, *, pictures: int = 10_000) -> str:
    """The sentence with which a source fails, at once or after a while; without credentials, the caller's to check."""
    with pytest.raises(SourceFailed) as failed:
        watch(url, pictures, wanted)
    return str(failed.value)
