"""From a stream's address to what the decoder opens: found, checked and signed in, or the reason in a sentence.

The camera loop and the test button both come through here, so that both say the same, and go nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cameras.sources import Address, Source, SourceError, parse_address
from cameras.video import reasons
from cameras.video.http import Body, Client
from cameras.video.http_formats import LOOK_BYTES, Form, form_of
from cameras.video.http_pictures import SNAPSHOT_SECONDS, jpeg_pictures
from cameras.video.http_playlist import PLAYLIST_BYTES_MOST, Segments
from cameras.video.rtsp import play
from cameras.video.types import CaptureOptions, SourceFailed


class Readable(Protocol):
    """What the decoder reads a body from. A read waits for read_seconds at most and raises SourceFailed after."""

    def read(self, size: int = -1, /) -> bytes: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """What `av.open` gets: av.open(file, format=format, options=options, io_open=io_open).

    `file` is an address without a name in it, or what reads a body. `fps`: pictures a second where the container does
    not know, else 0. `is_live` False: it comes as fast as it is read, and ends.
    """

    file: str | Readable = field(repr=False)
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict, repr=False)
    io_open: Callable[[str, int, dict[str, str]], Readable] | None = None
    fps: float = 0.0
    is_live: bool = True

    def close(self) -> None:
        """Lets go of the connection. To be called by the thread that reads, after the container was closed."""
        if not isinstance(self.file, str):
            self.file.close()


def reach(source: Source, options: CaptureOptions) -> Target:
    """Finds the stream and signs in; raises SourceFailed with the plain reason."""
    try:
        address = parse_address(source.text)
    except SourceError as problem:
        raise SourceFailed(str(problem)) from None
    return _http(address, options) if address.scheme.startswith("http") else _rtsp(address, options)


def _rtsp(address: Address, options: CaptureOptions) -> Target:
    found = play(address, options)
    return Target(file=found.url, format="rtsp", options=found.options)


def _http(address: Address, options: CaptureOptions) -> Target:
    client = Client(address, options)
    body = client.get(address)
    try:
        return _of_body(client, body, options)
    except BaseException:
        body.close()
        raise


def _of_body(client: Client, body: Body, options: CaptureOptions) -> Target:
    begun, form = b"", None
    while len(begun) < LOOK_BYTES and (piece := body.read()):
        begun += piece
        form = form_of(body.kind, begun)
        if form is Form.PICTURES:
            break  # a slow one may not have more for a second
    seconds = options.read_seconds
    if form is None:
        raise reasons.no_video(body.address, body.kind or "an empty answer")
    if form is Form.PLAYLIST:
        while piece := body.read():
            begun += piece
            if len(begun) > PLAYLIST_BYTES_MOST:
                raise reasons.no_video(body.address, "its playlist is too long")
        return _playlist(Segments(client, body.address, begun, read_seconds=seconds))
    if form is Form.PICTURES:
        is_snapshot = body.kind.startswith("image/") and body.length is not None
        pictures = jpeg_pictures(client, body, begun, seconds=seconds)
        fps = 1 / SNAPSHOT_SECONDS if is_snapshot else 0.0
        return Target(file=pictures, format=form.value, options=_SHORT_LOOK, fps=fps)
    rest = Begun(body, begun)
    return Target(file=rest, format=form.value, options=_CLOSED, is_live=body.length is None)


def _playlist(segments: Segments) -> Target:
    """What the segments hold shows with the first of them."""
    begun = b""
    while len(begun) < LOOK_BYTES and (piece := segments.read()):
        begun += piece
    form = form_of("", begun)
    if form not in (Form.MPEG_TS, Form.MP4):
        raise reasons.no_video(segments.home, "its segments are neither MPEG-TS nor MP4")
    return Target(file=Begun(segments, begun), format=form.value, options=_CLOSED, is_live=not segments.is_recording)


class Begun:
    """A body of which the beginning was read already."""

    def __init__(self, rest: Readable, begun: bytes) -> None:
        self._rest = rest
        self._begun = begun

    def read(self, size: int = -1, /) -> bytes:
        if self._begun:
            size = len(self._begun) if size < 0 else size
            piece, self._begun = self._begun[:size], self._begun[size:]
            return piece
        return self._rest.read(size)

    def close(self) -> None:
        self._rest.close()


# A container may name other files; nothing else is ever opened.
_CLOSED = {"protocol_whitelist": "none"}
# One picture tells all that there is to know of a stream of JPEG; the rate of snapshots is too low to wait for more.
_SHORT_LOOK = _CLOSED | {"fpsprobesize": "0", "analyzeduration": "0"}
