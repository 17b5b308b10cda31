"""Request bodies stay in memory, and one that is too large is refused."""

from __future__ import annotations

import io
from typing import Any

import pytest
from daphne.http_protocol import WebRequest

from config.bodies import Body, keep_in_memory


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
