"""Makes whoever streams wait for whoever reads: an answer in parts goes no faster than its client takes it.

Daphne writes every part of an answer into a buffer without a bound, so that a slow viewer of a live picture would get
older and older ones, and the process would grow. Here the next part of a streamed answer waits until the buffer has
room; what is live then sends its newest picture instead of a queue. A client that takes nothing for STALLED_SECONDS is
cut off. Answers in one piece, and servers other than Daphne (which wait by themselves), pass unchanged.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from daphne.http_protocol import WebRequest

STALLED_SECONDS = 60.0
UNSENT_BYTES = 32 * 1024  # what Twisted and the kernel may each hold back; more would be old when it arrives

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]


def with_backpressure(application: Application) -> Application:
    """The application, whose streamed answers wait for their clients."""

    async def waiting(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request = _daphnes(send) if scope["type"] == "http" else None
        await application(scope, receive, Paced(request, send) if request is not None else send)

    return waiting


class Paced:
    """`send` of one answer; as Twisted's push producer it is told when the buffer is full and when it has room."""

    def __init__(self, request: Any, send: Send) -> None:
        self._request = request
        self._send = send
        self._room = asyncio.Event()
        self._room.set()
        self._registered = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body", False):
                self._register()
            else:
                self._unregister()
        await self._send(message)
        if self._registered and not self._room.is_set():
            try:
                await asyncio.wait_for(self._room.wait(), STALLED_SECONDS)
            except TimeoutError:
                self._cut_off()

    def pauseProducing(self) -> None:  # noqa: N802 (Twisted's name)
        self._room.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._room.set()

    def stopProducing(self) -> None:  # noqa: N802
        self._room.set()

    def _register(self) -> None:
        if self._registered or self._request.finished or self._request.channel is None:
            return
        self._registered = True
        transport = self._request.channel.transport
        transport.bufferSize = UNSENT_BYTES
        self._request.registerProducer(self, True)
        handle = getattr(transport, "getHandle", lambda: None)()
        option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
        if option is not None and isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
            handle.setsockopt(socket.IPPROTO_TCP, option, UNSENT_BYTES)

    def _unregister(self) -> None:
        if self._registered and self._request.channel is not None:
            self._request.unregisterProducer()
        self._registered = False

    def _cut_off(self) -> None:
        channel = self._request.channel
        if channel is not None:
            channel.transport.abortConnection()


def _daphnes(send: Send) -> Any:
    """The request that Daphne answers with this `send`, or None where the server is another."""
    if isinstance(send, functools.partial) and send.args and isinstance(send.args[0], WebRequest):
        return send.args[0]
    return None
