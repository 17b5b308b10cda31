"""The WebSocket of open pages, over the real Redis."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Group
from django.db import OperationalError, connections
from django.test import Client
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import User
from accounts.roles import Role
from accounts.standing import Close
from accounts.tests.factories import sign_in
from alerts import lifecycle, newsroom, outbox, selectors
from alerts.feed import Asked, Desk
from alerts.models import Alert
from alerts.tests.factories import AlertFactory
from config import redis
from config.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 5  # seconds; the doorbell takes milliseconds


@pytest.fixture(autouse=True)
async def no_beat(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Only the doorbell pushes, unless a test says otherwise. Leaves no connection open in the consumers' thread."""
    monkeypatch.setattr(newsroom, "BEAT_SECONDS", 60.0)
    monkeypatch.setattr(newsroom, "DEAF_SECONDS", 60.0)
    monkeypatch.setattr(newsroom, "RIGHTS_SECONDS", 0.0)
    yield
    for _ in range(100):
        if newsroom.newsroom().is_empty():
            break
        await asyncio.sleep(0.02)
    await sync_to_async(connections.close_all)()


async def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)


async def signed_in(role: Role | None) -> tuple[Client, User]:
    client = Client()
    return client, await in_thread(sign_in, client, role)


def socket(client: Client) -> WebsocketCommunicator:
    cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"origin", b"http://localhost"), (b"host", b"localhost")]
    return WebsocketCommunicator(application, "/ws/alerts/", headers=headers)


@asynccontextmanager
async def page(client: Client, **hello: object) -> AsyncIterator[WebsocketCommunicator]:
    """An open page that has said what it shows."""
    opened = socket(client)
    connected, _ = await opened.connect(timeout=WAIT)
    assert connected
    await opened.send_to(text_data=json.dumps(hello))
    yield opened
    await opened.disconnect(timeout=WAIT)


async def added(opened: WebsocketCommunicator) -> list[int]:
    html = await opened.receive_from(timeout=WAIT)
    return [int(pk) for pk in re.findall(r'<li class="alert [^>]*id="alert-(\d+)"', html)]


async def closed_with(opened: WebsocketCommunicator) -> int:
    message = await opened.receive_output(timeout=WAIT)
    assert message["type"] == "websocket.close"
    return int(message["code"])


@pytest.mark.parametrize(("role", "code"), [(None, Close.NOT_ALLOWED.value), ("anonymous", Close.SIGNED_OUT.value)])
async def test_who_may_not_see_alerts_is_told_so(role: Role | str | None, code: int) -> None:
    client = Client() if role == "anonymous" else (await signed_in(None))[0]
    opened = socket(client)
    await opened.connect(timeout=WAIT)
    assert await closed_with(opened) == code


async def test_a_page_of_another_site_does_not_connect() -> None:
    client, _ = await signed_in(Role.VIEWER)
    opened = socket(client)
    opened.scope["headers"][1] = (b"origin", b"https://evil.example")
    connected, _ = await opened.connect(timeout=WAIT)
    assert not connected


async def test_catching_up_and_then_the_doorbell() -> None:
    client, _ = await signed_in(Role.OPERATOR)
    await in_thread(AlertFactory.create)
    head = await in_thread(selectors.head)
    missed = [(await in_thread(AlertFactory.create)).pk for _ in range(2)]
    async with page(client, since=head.revision, newest=head.newest) as opened:
        assert await added(opened) == missed
        fresh = await in_thread(AlertFactory.create)
        await in_thread(outbox.ring)
        assert await added(opened) == [fresh.pk]


async def test_what_came_while_the_page_was_away_comes_once() -> None:
    client, _ = await signed_in(Role.OPERATOR)
    await in_thread(AlertFactory.create)
    seen = (await in_thread(selectors.head)).revision
    async with page(client, since=seen) as opened:
        assert await added(opened) == []
    missed = [(await in_thread(AlertFactory.create)).pk for _ in range(2)]
    await in_thread(outbox.ring)
    async with page(client, since=seen) as opened:
        assert await added(opened) == missed
        await in_thread(outbox.ring)
        assert await opened.receive_nothing(timeout=0.5)


async def test_the_page_gets_what_it_would_have_rendered_itself() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        await opened.receive_from(timeout=WAIT)
        row = await in_thread(AlertFactory.create)
        await in_thread(outbox.ring)
        pushed = await opened.receive_from(timeout=WAIT)
    listed = (await in_thread(client.get, "/alerts/")).content.decode()

    def item(html: str) -> str:
        found = re.search(rf'<li class="alert [^>]*id="alert-{row.pk}".*?</li>', html, re.DOTALL)
        assert found is not None
        return re.sub(r'\s*<p class="alert__late">.*?</p>|\s+', " ", found[0].replace(" is-fresh", ""), flags=re.DOTALL)

    assert item(pushed).replace("  ", " ") == item(listed).replace("  ", " ")


async def test_many_rings_are_answered_with_everything_once() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        await opened.receive_from(timeout=WAIT)
        made = []
        for _ in range(5):
            made.append((await in_thread(AlertFactory.create)).pk)
            await in_thread(outbox.ring)
        got: list[int] = []
        while len(got) < len(made):
            got += await added(opened)
        assert got == made


async def test_a_lost_doorbell_costs_one_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsroom, "BEAT_SECONDS", 0.2)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        assert await added(opened) == []
        row = await in_thread(AlertFactory.create)
        got: list[int] = []
        while not got:
            got = await added(opened)
        assert got == [row.pk]


async def test_an_acknowledgement_reaches_the_others() -> None:
    client, user = await signed_in(Role.OPERATOR)
    row = await in_thread(AlertFactory.create)
    head = await in_thread(selectors.head)
    async with page(client, since=head.revision, newest=head.newest) as opened:
        assert await added(opened) == []
        await in_thread(lifecycle.acknowledge, actor=user, alert=row)
        html = await opened.receive_from(timeout=WAIT)
        assert f'id="alert-{row.pk}"' in html
        assert "is-new" not in html
        assert user.username in html


async def test_signing_out_ends_the_connection_at_the_next_push() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        await opened.receive_from(timeout=WAIT)
        await in_thread(client.logout)
        await in_thread(outbox.ring)
        assert await closed_with(opened) == Close.SIGNED_OUT.value


async def test_losing_the_role_ends_the_connection_at_the_next_push() -> None:
    client, user = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        await opened.receive_from(timeout=WAIT)
        await in_thread(user.groups.remove, await Group.objects.aget(name=Role.VIEWER.value))
        await in_thread(outbox.ring)
        assert await closed_with(opened) == Close.NOT_ALLOWED.value


@pytest.mark.parametrize("said", ["nonsense", "{}", '{"since": null}', '{"since": 0, "x": "' + 20_000 * "x" + '"}'])
async def test_nonsense_is_answered_with_its_own_code(said: str) -> None:
    client, _ = await signed_in(Role.VIEWER)
    opened = socket(client)
    await opened.connect(timeout=WAIT)
    await opened.send_to(text_data=said)
    assert await closed_with(opened) == Close.NOT_UNDERSTOOD.value
    assert not await Alert.objects.aexists()


async def test_the_database_being_away_asks_to_come_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = await signed_in(Role.VIEWER)

    def away(self: Desk, asked: list[Asked]) -> None:
        raise OperationalError("the connection is closed")

    monkeypatch.setattr(Desk, "sheets", away)
    async with page(client, since=0) as opened:
        assert await closed_with(opened) == Close.LATER.value
        monkeypatch.undo()
        async with page(client, since=0) as again:
            assert await added(again) == []


async def test_an_idle_page_is_not_cut_off_by_the_layers_connection() -> None:
    layer = get_channel_layer()
    assert layer.hosts[0]["socket_timeout"] is None


def test_close_codes_are_such_as_the_server_can_send() -> None:
    assert all(type(code.value) is int and 3000 <= code.value <= 4999 for code in Close)


async def test_while_redis_is_away_pages_are_told_on_a_quicker_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsroom, "DEAF_SECONDS", 0.3)
    client, _ = await signed_in(Role.VIEWER)
    gone = asyncio.Event()

    async def away(self: object, channel: str) -> None:
        await gone.wait()
        raise RedisConnectionError("Connection closed by server.")

    monkeypatch.setattr(type(get_channel_layer()), "receive", away)
    async with page(client, since=0) as opened:
        assert await added(opened) == []
        gone.set()
        await asyncio.sleep(0.1)
        row = await in_thread(AlertFactory.create)
        assert await added(opened) == [row.pk]


async def test_a_group_that_redis_forgot_is_joined_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsroom, "BEAT_SECONDS", 0.3)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as opened:
        await opened.receive_from(timeout=WAIT)
        await in_thread(redis.client().flushdb)
        await asyncio.sleep(0.5)
        monkeypatch.setattr(newsroom, "BEAT_SECONDS", 60.0)
        await asyncio.sleep(0.5)  # the last of the quick beats
        row = await in_thread(AlertFactory.create)
        await in_thread(outbox.ring)
        got: list[int] = []
        while not got:
            got = await added(opened)
        assert got == [row.pk]


async def test_a_page_that_takes_nothing_is_caught_up_when_it_does() -> None:
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0, acknowledges=True) as slow, page(client, since=0) as quick:
        assert await added(slow) == await added(quick) == []
        made, sent = [], 0
        for _ in range(newsroom.WINDOW + 3):
            made.append((await in_thread(AlertFactory.create)).pk)
            await in_thread(outbox.ring)
            assert await added(quick) == made[-1:]
        got: list[int] = []
        for _ in range(newsroom.WINDOW - 1):
            got += await added(slow)
            sent += 1
        assert await slow.receive_nothing(timeout=0.5)
        assert got == made[:sent]
        await slow.send_to(text_data=json.dumps({"seen": newsroom.WINDOW}))
        assert await added(slow) == made[sent:]


async def test_one_room_for_all_pages_and_none_when_nobody_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[int] = []
    sheets = Desk.sheets

    def counted(self: Desk, asked: list[Asked]) -> object:
        rounds.append(len(asked))
        return sheets(self, asked)

    monkeypatch.setattr(Desk, "sheets", counted)
    client, _ = await signed_in(Role.VIEWER)
    async with page(client, since=0) as one, page(client, since=0) as other:
        assert await added(one) == await added(other) == []
        rounds.clear()
        row = await in_thread(AlertFactory.create)
        await in_thread(outbox.ring)
        assert await added(one) == await added(other) == [row.pk]
        assert rounds == [2]
    assert newsroom.newsroom().is_empty()
