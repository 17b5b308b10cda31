"""Streamed answers wait for their clients."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest
from daphne.http_protocol import WebRequest

from config import backpressure
from config.backpressure import Paced, Send, with_backpressure


class Transport:
    def __init__(self) -> None:
        self.aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Channel:
    """Twisted's side of a connection: it keeps whoever it can ask to pause."""

    def __init__(self, *, full: bool) -> None:
        self.transport = Transport()
        self.producer: Paced | None = None
        self._full = full

    def registerProducer(self, producer: Paced, streaming: bool) -> None:
        assert streaming
        self.producer = producer
        if self._full:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        self.producer = None


class Request(WebRequest):  # type: ignore[misc]  # daphne is not typed
    """One of Daphne's, of a connection that is not there."""

    def __init__(self, *, full: bool = False) -> None:
        self.channel = Channel(full=full)
        self.finished = False
        self.producer = None
        self.written: list[dict[str, Any]] = []


async def handle_reply(request: Request, message: dict[str, Any]) -> None:
    request.written.append(message)


async def answer(request: Request, parts: int) -> None:
    """Runs an application that streams so many parts to this request."""

    async def application(scope: dict[str, Any], receive: Any, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for n in range(parts):
            await send({"type": "http.response.body", "body": b"%d" % n, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> dict[str, Any]:
        return {}

    send = functools.partial(handle_reply, request)
    await with_backpressure(application)({"type": "http"}, receive, send)


async def test_the_next_part_waits_until_there_is_room() -> None:
    request = Request()
    await answer(request, 5)
    assert len(request.written) == 7  # with room nothing waits

    request = Request(full=True)
    answering = asyncio.create_task(answer(request, 5))
    await asyncio.sleep(0.05)
    assert [message.get("body") for message in request.written] == [None, b"0"]
    assert request.channel.producer is not None
    request.channel.producer.resumeProducing()
    await answering
    assert len(request.written) == 7
    assert request.channel.producer is None


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backpressure, "STALLED_SECONDS", 0.05)
    request = Request(full=True)
    await answer(request, 1)
    assert request.channel.transport.aborted


async def test_an_answer_in_one_piece_asks_for_nothing() -> None:
    request = Request()
    await answer(request, 0)
    assert len(request.written) == 2
    assert request.producer is None


async def test_other_servers_keep_their_own_way() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def application(scope: dict[str, Any], receive: Any, given: Send) -> None:
        sent.append(given)

    async def receive() -> dict[str, Any]:
        return {}

    await with_backpressure(application)({"type": "http"}, receive, send)
    await with_backpressure(application)({"type": "websocket"}, receive, send)
    assert sent == [send, send]
