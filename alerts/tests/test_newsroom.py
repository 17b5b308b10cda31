"""The room that tells all open pages of a process, without sockets: who is told what, when, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from accounts.standing import Close
from accounts.tests.factories import UserFactory
from alerts import newsroom, selectors
from alerts.feed import Asked, Desk, Page, Sheet
from alerts.filters import Filters
from alerts.newsroom import Newsroom, Seat
from alerts.tests.factories import AlertFactory

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = 5.0


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Newsroom]:
    """Rings by itself only where a test says so."""
    monkeypatch.setattr(newsroom, "BEAT_SECONDS", 60.0)
    monkeypatch.setattr(newsroom, "DEAF_SECONDS", 60.0)
    yield (made := Newsroom())
    for seat in list(made._seats):
        await made.leave(seat)
    assert made.is_empty()
    await sync_to_async(connections.close_all)()


def signed_in(role: Role) -> tuple[str, User]:
    user, client = UserFactory.create(role=role), Client()
    client.force_login(user)
    return str(client.session.session_key), user


async def seated(room: Newsroom, role: Role = Role.VIEWER, **page: object) -> tuple[Seat, User]:
    key, user = await sync_to_async(signed_in)(role)
    seat = room.join(key)
    head = await sync_to_async(selectors.head)()
    values: dict[str, object] = {"since": head.revision, "newest": head.newest, "filters": Filters()}
    seat.says(Page(**(values | page)))  # type: ignore[arg-type]
    await told(seat)
    return seat, user


async def told(seat: Seat) -> str | Close:
    async with asyncio.timeout(WAIT):
        found = await seat.next()
    seat.sent()
    return found


async def test_buttons_are_those_that_one_may_press(room: Newsroom) -> None:
    viewer, _ = await seated(room)
    operator, _ = await seated(room, Role.OPERATOR)
    await sync_to_async(AlertFactory.create)()
    room.ring()
    assert "/acknowledge/" not in str(await told(viewer))
    assert "/acknowledge/" in str(await told(operator))


async def test_rings_that_come_together_are_one(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    seat, _ = await seated(room)
    rounds: list[int] = []
    sheets = Desk.sheets

    def counted(self: Desk, asked: list[Asked]) -> list[Sheet | None]:
        rounds.append(len(asked))
        return sheets(self, asked)

    monkeypatch.setattr(Desk, "sheets", counted)
    await sync_to_async(AlertFactory.create)()
    for _ in range(50):
        room.ring()
    await told(seat)
    await asyncio.sleep(3 * newsroom.PUSH_SECONDS)
    assert len(rounds) <= 2


async def test_alerts_of_ones_own_are_told_to_each(room: Newsroom) -> None:
    mine = Filters(mine=True)
    (one, me), (other, _) = [await seated(room, filters=mine) for _ in range(2)]
    row = await sync_to_async(AlertFactory.create)(assigned_to=me)
    room.ring()
    assert f'id="alert-{row.pk}"' in str(await told(one))
    assert f'id="alert-{row.pk}"' not in str(await told(other))


async def test_a_demoted_user_is_told_nothing_any_more(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsroom, "RIGHTS_SECONDS", 0.0)
    seat, user = await seated(room)
    await sync_to_async(user.groups.clear)()
    await sync_to_async(AlertFactory.create)()
    room.ring()
    assert await told(seat) is Close.NOT_ALLOWED
    await room.leave(seat)  # as its consumer does


async def test_rights_are_remembered_for_seconds_only(room: Newsroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newsroom, "RIGHTS_SECONDS", 1.0)
    monkeypatch.setattr(newsroom, "BEAT_SECONDS", 0.5)
    seat, user = await seated(room)
    await sync_to_async(user.groups.clear)()
    found: str | Close = ""
    async with asyncio.timeout(WAIT):
        while found is not Close.NOT_ALLOWED:
            found = await told(seat)
    await room.leave(seat)


async def test_what_says_nothing_is_sent_nothing(room: Newsroom) -> None:
    """A page that has connected and not said what it shows yet."""
    key, _ = await sync_to_async(signed_in)(Role.VIEWER)
    seat = room.join(key)
    room.ring()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3 * newsroom.PUSH_SECONDS):
            await seat.next()
