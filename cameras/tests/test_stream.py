"""The live stream of a camera, over the real Redis and the application as the server calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import connections
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from cameras import hub as hubs
from cameras import live, services, stream
from cameras.drawn import notice
from cameras.hub import hub
from cameras.live import State, Status
from cameras.models import Camera
from cameras.tests.factories import CameraFactory
from cameras.tests.viewers import in_thread, listeners, nothing_left, signed_in, streaming, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
async def camera() -> AsyncIterator[Camera]:
    row: Camera = await in_thread(CameraFactory.create)
    await in_thread(live.clear_status, row.pk)
    yield row
    await in_thread(live.clear_status, row.pk)


@pytest.fixture
async def viewer() -> tuple[Client, User]:
    return await signed_in(Role.VIEWER)


def address(camera: Camera, query: str = "") -> str:
    return reverse("camera_stream", args=[camera.pk]) + query


async def publish(camera: Camera, jpeg: bytes) -> None:
    await in_thread(live.publish_picture, camera.pk, jpeg)


async def test_pictures_come_as_the_worker_makes_them(camera: Camera, viewer: tuple[Client, User]) -> None:
    async with nothing_left(), streaming(viewer[0], address(camera, "?fps=10")) as opened:
        assert opened.status == 200
        assert opened.headers["cache-control"] == "no-store"
        await until(lambda: listeners(camera.pk) == 1)
        for jpeg in (b"first", b"second"):
            await publish(camera, jpeg)
            assert await opened.picture() == jpeg


async def test_many_viewers_are_one_subscription_and_one_wish(camera: Camera, viewer: tuple[Client, User]) -> None:
    async with nothing_left(), AsyncExitStack() as stack:
        opened = [
            await stack.enter_async_context(streaming(viewer[0], address(camera, f"?fps={fps}"))) for fps in (1, 2, 10)
        ]
        await until(lambda: listeners(camera.pk) == 1)
        await publish(camera, b"one encoding")
        assert [await each.picture() for each in opened] == [b"one encoding"] * 3
        assert await in_thread(live.watched, [camera.pk]) == {camera.pk: 10}
    assert await in_thread(listeners, camera.pk) == 0


async def test_nobody_looks_and_nothing_is_asked_for(camera: Camera, viewer: tuple[Client, User]) -> None:
    await in_thread(viewer[0].get, reverse("dashboard"))
    assert not await in_thread(live.watched, [camera.pk])
    assert hub().is_idle()


async def test_who_comes_later_sees_the_picture_that_there_is(camera: Camera, viewer: tuple[Client, User]) -> None:
    await publish(camera, b"kept")
    async with streaming(viewer[0], address(camera)) as first:
        assert await first.picture() == b"kept"
        async with streaming(viewer[0], address(camera)) as second:
            assert await second.picture() == b"kept"


async def test_a_slow_viewer_gets_the_newest_and_no_queue(camera: Camera) -> None:
    async with hub().viewer(1) as viewer:
        viewer.want({camera.pk: 10.0})
        await until(lambda: listeners(camera.pk) == 1)
        for n in range(20):
            await publish(camera, b"%d" % n)
        await asyncio.sleep(0.3)
        found = await viewer.next(0.0)
        assert found is not None
        assert found[1].jpeg == b"19"
        assert await viewer.next(0.2) is None


async def test_a_rate_is_kept_and_even(camera: Camera) -> None:
    """At the worker's own rate no picture is left out; at a lower one about as many as were asked for come."""
    async with hub().viewer(1) as all_of_them, hub().viewer(1) as fewer:
        all_of_them.want({camera.pk: 10.0})
        fewer.want({camera.pk: 2.0})
        taken = {0: 0, 1: 0}

        async def look(n: int, viewer: hubs.Viewer) -> None:
            while await viewer.next(0.5) is not None:
                taken[n] += 1

        looking = [asyncio.create_task(look(0, all_of_them)), asyncio.create_task(look(1, fewer))]
        for n in range(20):
            hub()._offer(camera.pk, live.Picture(jpeg=b"", tag=str(n)))
            await asyncio.sleep(0.1)
        await asyncio.gather(*looking)
    assert taken[0] >= 19
    assert 3 <= taken[1] <= 7


@pytest.mark.parametrize(
    ("asked", "fps"), [(None, 5.0), ("3", 3.0), ("0.1", 1.0), ("500", 10.0), ("x", 5.0), ("nan", 5.0), ("-inf", 1.0)]
)
def test_the_rate_is_bounded(asked: str | None, fps: float) -> None:
    assert stream.wanted_fps(asked) == fps


async def test_without_a_picture_it_says_why_and_goes_on(
    camera: Camera, viewer: tuple[Client, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALE_SECONDS", 0.1)
    status = Status(state=State.OFFLINE, last_error="It does not answer.")
    await in_thread(live.publish_status, camera.pk, status)
    async with nothing_left(), streaming(viewer[0], address(camera)) as opened:
        said = notice(camera.name, "Offline. It does not answer.")
        assert await opened.picture() == said
        assert await opened.picture() == said
        await until(lambda: listeners(camera.pk) == 1)
        await publish(camera, b"back")
        pictures = [await opened.picture() for _ in range(3)]
        assert b"back" in pictures


async def test_it_ends_when_the_camera_is_removed(
    camera: Camera, viewer: tuple[Client, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALE_SECONDS", 0.1)
    async with nothing_left(), streaming(viewer[0], address(camera)) as opened:
        await opened.picture()
        await in_thread(services.remove_camera, actor=None, camera=camera)
        last = None
        while (picture := await opened.picture()) is not None:
            last = picture
        assert last == notice("No camera", "This camera was removed.")


@pytest.mark.parametrize("lost", ["role", "session", "account"])
async def test_it_ends_with_the_right_to_look(
    camera: Camera, viewer: tuple[Client, User], monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    monkeypatch.setattr(stream, "RECHECK_SECONDS", 0.05)
    monkeypatch.setattr(stream, "STALE_SECONDS", 0.1)
    client, user = viewer
    async with nothing_left(), streaming(client, address(camera)) as opened:
        assert await opened.picture() is not None
        if lost == "role":
            await in_thread(user.groups.remove, await Group.objects.aget(name=Role.VIEWER.value))
        elif lost == "session":
            await in_thread(client.logout)
        else:
            await User.objects.filter(pk=user.pk).aupdate(is_active=False)
        while await opened.picture() is not None:
            pass


async def test_who_may_not_look_gets_no_stream(camera: Camera) -> None:
    client, _ = await signed_in(None)
    async with streaming(client, address(camera)) as opened:
        assert opened.status == 403
    async with streaming(Client(), address(camera)) as opened:
        assert opened.status == 302
    client, _ = await signed_in(Role.VIEWER)
    async with streaming(client, reverse("camera_stream", args=[10**9])) as opened:
        assert opened.status == 404


@pytest.mark.parametrize(
    ("limit", "sentence"), [("VIEWERS_A_USER", "You have 1"), ("VIEWERS_A_PROCESS", "1 live pict")]
)
async def test_there_is_a_limit_and_it_is_said(
    camera: Camera, viewer: tuple[Client, User], monkeypatch: pytest.MonkeyPatch, limit: str, sentence: str
) -> None:
    monkeypatch.setattr(hubs, limit, 1)
    await publish(camera, b"kept")
    async with nothing_left():
        async with streaming(viewer[0], address(camera)) as opened:
            await opened.picture()
            async with streaming(viewer[0], address(camera)) as refused:
                assert refused.status == 503
                assert refused.headers["retry-after"] == "30"
                assert (await refused.text()).startswith(sentence)
        async with streaming(viewer[0], address(camera)) as again:
            assert again.status == 200


async def test_redis_away_and_back(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.conf import settings

    there = settings.REDIS
    monkeypatch.setattr(hubs, "AGAIN_SECONDS", 0.05)
    monkeypatch.setattr(settings, "REDIS", "unix:///nowhere/redis.sock")
    async with nothing_left(), hub().viewer(1) as viewer:
        viewer.want({camera.pk: 5.0})
        assert await viewer.next(0.2) is None
        monkeypatch.setattr(settings, "REDIS", there)
        await until(lambda: listeners(camera.pk) == 1)
        await publish(camera, b"back")
        found = await viewer.next(2.0)
        assert found is not None
        assert found[1].jpeg == b"back"
