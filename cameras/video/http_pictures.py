"""JPEG pictures over HTTP: streams of them (MJPEG), and addresses that give one picture at a time (snapshots).

Cameras disagree on boundaries and lengths between the pictures of a stream, so pictures are found by JPEG's own markers
(ISO/IEC 10918-1, annex B), and handed on as a clean multipart stream. A picture that breaks off is left out.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from cameras.video import reasons
from cameras.video.http import Body, Client

PICTURE_BYTES_MOST = 32 * 2**20
SNAPSHOT_SECONDS = 1.0

_START, _END = b"\xff\xd8\xff", b"\xff\xd9"
_HEAD = b"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"


class Scanner:
    """Cuts whole JPEG pictures out of bytes as they come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._walked = 0  # how far the picture at the beginning was looked through; 0: not begun
        self._in_scan = False

    def feed(self, piece: bytes) -> list[bytes]:
        self._bytes += piece
        found = []
        while (picture := self._next()) is not None:
            found.append(picture)
        if len(self._bytes) > PICTURE_BYTES_MOST:
            self._drop(len(self._bytes))
        return found

    def _next(self) -> bytes | None:
        while True:
            if self._walked == 0:
                start = self._bytes.find(_START)
                self._drop(start if start >= 0 else max(0, len(self._bytes) - len(_START) + 1))
                if start < 0:
                    return None
                self._walked = 2
            if not self._in_scan and not self._walk():
                return None
            if not self._in_scan or self._begins_anew():
                continue  # it was no picture, and what looked like one is gone
            return self._to_end()

    def _walk(self) -> bool:
        """Passes the segments before the scan, where a thumbnail may have an end of its own; False: more is needed."""
        data = self._bytes
        while self._walked + 4 <= len(data):
            marker, length = data[self._walked + 1], int.from_bytes(data[self._walked + 2 : self._walked + 4], "big")
            if data[self._walked] != 0xFF or length < 2 or not 0xC0 <= marker <= 0xFE:
                self._drop(2)
                return True
            self._walked += 2 + length
            if marker == 0xDA:
                self._in_scan = True
                return True
        return False

    def _begins_anew(self) -> bool:
        """In the scan, a 0xFF is followed by 0 or a restart marker, so an end or a new beginning is what it seems."""
        begins = self._bytes.find(_START, self._walked)
        if begins < 0 or self._bytes.find(_END, self._walked, begins) >= 0:
            return False
        self._drop(begins)
        return True

    def _to_end(self) -> bytes | None:
        end = self._bytes.find(_END, self._walked)
        if end < 0:
            self._walked = max(self._walked, len(self._bytes) - 2)
            return None
        picture = bytes(self._bytes[: end + 2])
        self._drop(end + 2)
        return picture

    def _drop(self, count: int) -> None:
        del self._bytes[:count]
        self._walked, self._in_scan = 0, False


class Pictures:
    """A file-like object of clean multipart JPEG, made of pictures as they come."""

    def __init__(self, pictures: Iterator[bytes], close: Callable[[], None]) -> None:
        self._pictures = pictures
        self._close = close
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        if not self._rest:
            picture = next(self._pictures, None)
            if picture is None:
                return b""
            self._rest = _HEAD % len(picture) + picture + b"\r\n"
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def close(self) -> None:
        self._close()


def jpeg_pictures(client: Client, body: Body, begun: bytes, *, seconds: float) -> Pictures:
    """The pictures of a body, of which `begun` was read already; each must be whole within `seconds`.

    Where the body is one picture and no stream, it is asked for again every second.
    """
    stopped = threading.Event()

    def close() -> None:
        stopped.set()
        body.close()

    def pictures() -> Iterator[bytes]:
        due = time.monotonic() + SNAPSHOT_SECONDS
        count = 0
        for picture in _of_stream(body, begun, seconds):
            yield picture
            count += 1
        if count != 1 or not body.kind.startswith("image/"):
            raise reasons.broke_off(body.address) if count else reasons.no_video(body.address, "no whole picture")
        while not stopped.wait(max(0.0, due - time.monotonic())):
            due = time.monotonic() + SNAPSHOT_SECONDS
            found = Scanner().feed(client.fetch(body.address, most=PICTURE_BYTES_MOST)[0])
            if not found:
                raise reasons.no_video(body.address, "the picture is not whole")
            yield found[0]

    return Pictures(pictures(), close)


def _of_stream(body: Body, begun: bytes, seconds: float) -> Iterator[bytes]:
    scanner = Scanner()
    last = time.monotonic()
    piece = begun
    while piece:
        for picture in scanner.feed(piece):
            yield picture
            last = time.monotonic()
        if time.monotonic() - last > seconds:
            raise reasons.silent(body.address, seconds)
        piece = body.read()
