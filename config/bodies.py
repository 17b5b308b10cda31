"""Keeps the bodies of requests in memory, within a bound: an uploaded photo never lies in a temporary file in clear.

Daphne stands on Twisted, which puts a body of 100 kB or more into a file. Here it stays in memory, and a request that
is larger than the limit is answered with 413 and cut off as soon as that is known, before anything is read.
"""

from __future__ import annotations

import io

from daphne.http_protocol import WebRequest
from django.conf import settings


class Body(io.BytesIO):
    """A body in memory that asks for the end of the request when it grows beyond the limit."""

    def __init__(self, request: WebRequest, limit: int) -> None:
        super().__init__()
        self._request, self._limit = request, limit
        self._refused = False

    def write(self, data: bytes) -> int:  # type: ignore[override]  # Twisted writes bytes only
        if self._refused:
            return len(data)
        if self.tell() + len(data) > self._limit:
            self.refuse()
            return len(data)
        return super().write(data)

    def refuse(self) -> None:
        """Answers 413, ends the connection, and keeps nothing that still arrives."""
        self._refused = True
        channel = self._request.channel
        if channel is None:
            return
        text = f"The request is larger than {self._limit // 2**20} MB. Send fewer or smaller files at once.".encode()
        head = f"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n"
        channel.transport.write(head.encode() + b"Connection: close\r\n\r\n" + text)
        channel.loseConnection()


def keep_in_memory() -> None:
    """From now on Daphne keeps bodies in memory, up to MAX_REQUEST_BYTES each."""
    WebRequest.gotLength = _got_length


def _got_length(request: WebRequest, length: int | None) -> None:
    limit: int = settings.MAX_REQUEST_BYTES
    request.content = body = Body(request, limit)
    if length is not None and length > limit:
        body.refuse()
