"""Request bodies stay in memory, and one that is too large is refused."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from daphne.http_protocol import WebRequest

from config.bodies import LARGE_AT_ONCE, Body, Room, keep_in_memory


class FakeTransport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


class FakeChannel:
    def __init__(self) -> None:
        self.transport = FakeTransport()
        self.lost = False

    def loseConnection(self) -> None:  # Twisted's name
        self.lost = True


def request_with(length: int | None) -> Any:
    request = WebRequest.__new__(WebRequest)
    request.channel = FakeChannel()
    keep_in_memory()
    request.gotLength(length)
    return request


@pytest.mark.parametrize("length", [None, 10, 5_000_000])
def test_a_body_of_any_announced_length_stays_in_memory(length: int | None) -> None:
    request = request_with(length)
    assert isinstance(request.content, io.BytesIO)
    request.content.write(b"x" * 200_000)
    assert request.content.getvalue() == b"x" * 200_000
    assert not request.channel.lost


def test_an_announced_length_beyond_the_limit_is_refused_at_once(settings: Any) -> None:
    settings.MAX_REQUEST_BYTES = 2**20
    request = request_with(2**20 + 1)
    assert request.channel.lost
    assert b"413" in request.channel.transport.written
    assert b"larger than 1 MB" in request.channel.transport.written


def test_a_body_that_grows_beyond_the_limit_is_refused_and_not_kept(settings: Any) -> None:
    settings.MAX_REQUEST_BYTES = 2**20
    request = request_with(None)
    for _ in range(20):
        request.content.write(b"x" * 100_000)
    assert request.channel.lost
    assert len(request.content.getvalue()) <= 2**20
    assert isinstance(request.content, Body)


def test_large_bodies_share_a_bound_and_give_it_back_when_they_end() -> None:
    room, limit = Room(), 2 * 2**20
    channels = [FakeChannel() for _ in range(LARGE_AT_ONCE + 1)]
    bodies = [Body(SimpleNamespace(channel=channel), limit, room) for channel in channels]
    for body in bodies:
        body.write(b"x" * limit)
    assert [channel.lost for channel in channels] == [False] * LARGE_AT_ONCE + [True]
    assert b"503" in channels[-1].transport.written
    assert room.taken == LARGE_AT_ONCE * limit
    bodies[-1].close()
    bodies[0].close()
    bodies[0].close()
    assert room.taken == (LARGE_AT_ONCE - 1) * limit


def test_a_small_body_passes_while_large_ones_fill_the_memory() -> None:
    room = Room()
    room.taken = 2**60
    channel = FakeChannel()
    body = Body(SimpleNamespace(channel=channel), 2 * 2**20, room)
    body.write(b"username=ada&password=...")
    assert not channel.lost
    assert body.getvalue()
