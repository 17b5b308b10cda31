"""What tests of live pictures share: users with a session, workers that publish, and a look at what is left open."""

# asgiref says that it is typed, but its tests' helpers are not.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import live
from cameras.hub import hub
from config.asgi import application
from config.redis import client as redis

WAIT = 5.0  # seconds; what is waited for takes milliseconds


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)


async def signed_in(role: Role | None) -> tuple[Client, User]:
    client = Client()
    return client, await in_thread(sign_in, client, role)


def headers(client: Client) -> list[tuple[bytes, bytes]]:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    return [(b"cookie", cookies.encode()), (b"origin", b"http://localhost"), (b"host", b"localhost")]


def listeners(camera_id: int) -> int:
    """How many connections are subscribed to a camera's pictures."""
    channel = live.channel(camera_id)
    return int(dict(redis().pubsub_numsub(channel))[channel.encode()])


def _subscribers() -> int:
    return len(redis().client_list(_type="pubsub"))


async def until(condition: Callable[[], bool]) -> None:
    """Waits until something holds, and fails where it does not."""
    async with asyncio.timeout(WAIT):
        while not await in_thread(condition):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """After the block no task runs, no connection is open and nobody is subscribed that was not before."""
    before, subscribers = asyncio.all_tasks(), await in_thread(_subscribers)
    yield
    assert hub().is_idle()
    await until(lambda: _subscribers() <= subscribers)
    left = asyncio.all_tasks() - before
    assert not left, left


@asynccontextmanager
async def streaming(client: Client, path: str) -> AsyncIterator[Stream]:
    """An open answer; closed as a browser does that goes away."""
    address, _, query = path.partition("?")
    scope = {"type": "http", "method": "GET", "path": address, "query_string": query.encode(), "headers": []}
    opened = ApplicationCommunicator(application, scope | {"headers": headers(client), "asgi": {"version": "3.0"}})
    await opened.send_input({"type": "http.request", "body": b""})
    stream = Stream(opened)
    await stream.begin()
    try:
        yield stream
    finally:
        if not opened.future.done():
            await opened.send_input({"type": "http.disconnect"})
        await opened.wait(WAIT)


class Stream:
    """An answer that goes on: its status and headers, and its pictures one after the other."""

    def __init__(self, opened: ApplicationCommunicator) -> None:
        self._opened = opened
        self._read = b""
        self.status = 0
        self.headers: dict[str, str] = {}

    async def begin(self) -> None:
        start = await self._opened.receive_output(WAIT)
        self.status = start["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in start["headers"]}

    async def picture(self) -> bytes | None:
        """The next picture; None at the end of the answer."""
        boundary = b"--" + self.headers["content-type"].partition("boundary=")[2].encode() + b"\r\n"
        while self._read.count(boundary) < 2:
            message = await self._opened.receive_output(WAIT)
            self._read += message.get("body", b"")
            if not message.get("more_body"):
                return None
        _, part, rest = self._read.split(boundary, 2)
        self._read = boundary + rest
        head, _, jpeg = part.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(jpeg) - 2}".encode() in head
        return jpeg[:-2]

    async def text(self) -> str:
        """The whole of a short answer."""
        body, more = b"", True
        while more:
            message = await self._opened.receive_output(WAIT)
            body, more = body + message.get("body", b""), message.get("more_body", False)
        return body.decode()
