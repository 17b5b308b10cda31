"""The WebSocket that brings live pictures, over the real Redis."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from autobahn.exception import Disconnected
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Group
from django.db import OperationalError, connections
from django.test import Client

from accounts.roles import Role
from accounts.standing import Close
from cameras import consumers, live
from cameras import hub as hubs
from cameras.consumers import HEADER, MOST_CAMERAS, Said
from cameras.tests.viewers import WAIT, headers, in_thread, listeners, nothing_left, signed_in, until
from config.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

GATE, FOYER = 900_001, 900_002  # cameras that only Redis knows


@pytest.fixture(autouse=True)
async def clean() -> AsyncIterator[None]:
    for camera_id in (GATE, FOYER):
        await in_thread(live.clear_status, camera_id)
    yield
    await sync_to_async(connections.close_all)()


def socket(client: Client) -> WebsocketCommunicator:
    return WebsocketCommunicator(application, "/ws/live/", headers=headers(client))


@asynccontextmanager
async def page(client: Client, **said: object) -> AsyncIterator[WebsocketCommunicator]:
    """An open page that has said what it shows."""
    opened = socket(client)
    connected, _ = await opened.connect(timeout=WAIT)
    assert connected
    await opened.send_to(text_data=json.dumps(said))
    yield opened
    await opened.disconnect(timeout=WAIT)


async def picture(opened: WebsocketCommunicator) -> tuple[int, bytes]:
    """The next picture: of which camera, and its bytes."""
    while isinstance(message := await opened.receive_from(timeout=WAIT), str):
        pass
    kind, camera_id = HEADER.unpack_from(message)
    assert kind == 1
    return camera_id, message[HEADER.size :]


async def closed_with(opened: WebsocketCommunicator) -> int:
    while (message := await opened.receive_output(timeout=WAIT))["type"] != "websocket.close":
        pass
    return int(message["code"])


async def publish(camera_id: int, jpeg: bytes) -> None:
    await in_thread(live.publish_picture, camera_id, jpeg)


async def show(opened: WebsocketCommunicator, *cameras: int, fps: float = 10) -> None:
    await opened.send_to(text_data=json.dumps({"show": {str(each): fps for each in cameras}}))


@pytest.mark.parametrize(("role", "code"), [(None, Close.NOT_ALLOWED.value), ("anonymous", Close.SIGNED_OUT.value)])
async def test_who_may_not_look_is_told_so(role: Role | str | None, code: int) -> None:
    client = Client() if role == "anonymous" else (await signed_in(None))[0]
    opened = socket(client)
    await opened.connect(timeout=WAIT)
    assert await closed_with(opened) == code
    await opened.disconnect(timeout=WAIT)


async def test_a_page_of_another_site_does_not_connect() -> None:
    client, _ = await signed_in(Role.VIEWER)
    opened = socket(client)
    opened.scope["headers"][1] = (b"origin", b"https://evil.example")
    connected, _ = await opened.connect(timeout=WAIT)
    assert not connected


async def test_one_socket_brings_many_cameras_and_leaves_nothing() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with nothing_left(), page(client, show={str(GATE): 10, str(FOYER): 2}) as opened:
        await until(lambda: listeners(GATE) == listeners(FOYER) == 1)
        await publish(GATE, b"gate")
        assert await picture(opened) == (GATE, b"gate")
        await publish(FOYER, b"foyer")
        assert await picture(opened) == (FOYER, b"foyer")
        assert await in_thread(live.watched, [GATE, FOYER]) == {GATE: 10, FOYER: 2}
    assert await in_thread(listeners, GATE) == 0


async def test_a_next_picture_waits_until_the_last_one_arrived() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={str(GATE): 10}) as opened:
        await until(lambda: listeners(GATE) == 1)
        await publish(GATE, b"1")
        assert await picture(opened) == (GATE, b"1")
        for jpeg in (b"2", b"3", b"4"):
            await publish(GATE, jpeg)
        assert await opened.receive_nothing(timeout=0.4)
        await opened.send_to(text_data=json.dumps({"seen": [GATE]}))
        assert await picture(opened) == (GATE, b"4")
        await opened.send_to(text_data=json.dumps({"seen": [GATE]}))
        assert await opened.receive_nothing(timeout=0.3)


async def test_a_tile_that_does_not_answer_holds_up_no_other() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={str(GATE): 10, str(FOYER): 10}) as opened:
        await until(lambda: listeners(GATE) == listeners(FOYER) == 1)
        await publish(GATE, b"never acknowledged")
        await picture(opened)
        for n in range(3):
            await publish(GATE, b"newer")
            await publish(FOYER, b"%d" % n)
            assert await picture(opened) == (FOYER, b"%d" % n)
            await opened.send_to(text_data=json.dumps({"seen": [FOYER]}))


async def test_what_is_no_longer_shown_no_longer_comes() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={str(GATE): 10}) as opened:
        await until(lambda: listeners(GATE) == 1)
        await show(opened, FOYER)
        await until(lambda: (listeners(GATE), listeners(FOYER)) == (0, 1))
        await publish(GATE, b"gate")
        await publish(FOYER, b"foyer")
        assert await picture(opened) == (FOYER, b"foyer")
        await show(opened)
        await until(lambda: listeners(FOYER) == 0)


async def test_the_page_hears_that_the_connection_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.05)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={}) as opened:
        assert json.loads(await opened.receive_from(timeout=WAIT)) == {"beat": 1}


async def test_a_page_that_is_closed_while_something_is_sent_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = asyncio.Event()

    async def send(consumer: consumers.LiveConsumer, **data: object) -> None:
        tried.set()
        raise Disconnected("Attempt to send on a closed protocol")

    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(consumers.LiveConsumer, "send", send)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={}):
        await asyncio.wait_for(tried.wait(), WAIT)
    assert not caplog.records


@pytest.mark.parametrize("lost", ["role", "session"])
async def test_it_ends_with_the_right_to_look(monkeypatch: pytest.MonkeyPatch, lost: str) -> None:
    monkeypatch.setattr(consumers, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.05)
    client, user = await signed_in(Role.VIEWER)
    async with page(client, show={}) as opened:
        await opened.receive_from(timeout=WAIT)
        if lost == "role":
            await in_thread(user.groups.remove, await Group.objects.aget(name=Role.VIEWER.value))
        else:
            await in_thread(client.logout)
        assert await closed_with(opened) == (Close.NOT_ALLOWED.value if lost == "role" else Close.SIGNED_OUT.value)


@pytest.mark.parametrize(
    "said",
    [
        "nonsense",
        "[]",
        "{}",
        '{"show": []}',
        '{"show": {"x": 1}}',
        '{"show": {"-1": 1}}',
        '{"show": {"9223372036854775808": 1}}',
        '{"show": {"1": "fast"}}',
        '{"show": {"1": NaN}}',
        '{"show": {"1": true}}',
        '{"show": {"1": 1' + "0" * 400 + "}}",
        '{"seen": {}}',
        '{"seen": ["1"]}',
        json.dumps({"show": {str(n): 1 for n in range(1, MOST_CAMERAS + 2)}}),
        "[" * 100_000,
    ],
)
async def test_nonsense_is_answered_with_its_own_code(said: str) -> None:
    client, _ = await signed_in(Role.VIEWER)
    opened = socket(client)
    await opened.connect(timeout=WAIT)
    await opened.send_to(text_data=said)
    assert await closed_with(opened) == Close.NOT_UNDERSTOOD.value
    await opened.disconnect(timeout=WAIT)


def test_what_a_page_says_is_read() -> None:
    assert Said.parse('{"show": {"7": 2}, "seen": [7]}') == Said(show={7: 2.0}, seen=[7])
    assert Said.parse('{"seen": []}') == Said(show=None, seen=[])


async def test_more_pages_than_there_may_be_are_asked_to_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "VIEWERS_A_USER", 1)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, show={str(GATE): 10}):
        await until(lambda: listeners(GATE) == 1)
        opened = socket(client)
        await opened.connect(timeout=WAIT)
        assert await closed_with(opened) == Close.LATER.value
        await opened.disconnect(timeout=WAIT)


async def test_the_database_being_away_asks_to_come_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(session_key: str | None, permission: str) -> None:
        raise OperationalError("the connection is closed")

    client, _ = await signed_in(Role.VIEWER)
    monkeypatch.setattr(consumers, "standing", away)
    opened = socket(client)
    await opened.connect(timeout=WAIT)
    assert await closed_with(opened) == Close.LATER.value
    await opened.disconnect(timeout=WAIT)
