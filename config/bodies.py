"""Keeps the bodies of requests in memory, within bounds: an uploaded photo never lies in a temporary file in clear.

Daphne stands on Twisted, which puts a body of 100 kB or more into a file. Here it stays in memory, and a request that
is larger than the limit is answered with 413 and cut off as soon as that is known, before anything is read. Bodies
arrive before anybody knows who sends them, so all large ones together have a bound too: who comes while it is reached
is answered with 503. Small ones, such as a sign-in, always pass.
"""

from __future__ import annotations

import io

from daphne.http_protocol import WebRequest
from django.conf import settings

SMALL = 2**20
LARGE_AT_ONCE = 4  # so many bodies of MAX_REQUEST_BYTES may be under way


class Room:
    """The memory that large bodies take at this moment. Only Twisted's thread asks."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, size: int, most: int) -> bool:
        if self.taken + size > most:
            return False
        self.taken += size
        return True


_room = Room()


class Body(io.BytesIO):
    """A body in memory that asks for the end of the request when it grows beyond what it may."""

    def __init__(self, request: WebRequest, limit: int, room: Room = _room) -> None:
        super().__init__()
        self._request, self._limit, self._room = request, limit, room
        self._taken = 0
        self._refused = False

    def write(self, data: bytes) -> int:  # type: ignore[override]  # Twisted writes bytes only
        if self._refused:
            return len(data)
        size = self.tell() + len(data)
        if size > self._limit:
            self.too_large()
            return len(data)
        if size > SMALL and not self._room.take(size - self._taken, LARGE_AT_ONCE * self._limit):
            self._refuse("503 Service Unavailable", "Many large requests arrive at this moment. Send yours again soon.")
            return len(data)
        self._taken = size if size > SMALL else 0
        return super().write(data)

    def close(self) -> None:
        """Twisted closes the body when the request is over or its connection is gone."""
        self._give_back()
        super().close()

    def too_large(self) -> None:
        text = f"The request is larger than {self._limit // 2**20} MB. Send fewer or smaller files at once."
        self._refuse("413 Content Too Large", text)

    def _give_back(self) -> None:
        self._room.taken -= self._taken
        self._taken = 0

    def _refuse(self, status: str, text: str) -> None:
        """Answers, ends the connection, and keeps nothing that still arrives."""
        self._refused = True
        self._give_back()
        self.truncate(0)
        channel = self._request.channel
        if channel is None:
            return
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
        channel.transport.write(head.encode() + b"Connection: close\r\n\r\n" + text.encode())
        channel.loseConnection()


def keep_in_memory() -> None:
    """From now on Daphne keeps bodies in memory, up to MAX_REQUEST_BYTES each."""
    WebRequest.gotLength = _got_length


def _got_length(request: WebRequest, length: int | None) -> None:
    limit: int = settings.MAX_REQUEST_BYTES
    request.content = body = Body(request, limit)
    if length is not None and length > limit:
        body.too_large()
