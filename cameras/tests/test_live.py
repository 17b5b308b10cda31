"""The live state of cameras: what a worker says is read for seconds, and nothing is made up when it is silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import live
from cameras.live import State, Status
from cameras.models import Camera
from config.redis import client

CAMERA = Camera(pk=900001, name="Gate", enabled=True)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    client().delete(*(live._key(kind, CAMERA.pk) for kind in ("status", "picture", "watch")))


@pytest.fixture
def away() -> Iterator[None]:
    def fail(self: Redis, *args: Any, **kwargs: Any) -> None:
        raise RedisConnectionError("no answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Redis, "execute_command", fail)
        patch.setattr("redis.client.Pipeline.execute", fail)
        yield


def test_what_a_worker_says_is_read() -> None:
    status = Status(
        state=State.ONLINE, fps_in=25.0, fps_processed=5.0, lag_ms=80.5, width=1920, height=1080, drops={"slow": 3}
    )
    live.publish_status(CAMERA.pk, status)

    assert live.statuses([CAMERA]) == {CAMERA.pk: status}
    assert 0 < int(client().ttl(live._key("status", CAMERA.pk))) <= live.STATUS_SECONDS


def test_a_camera_nobody_speaks_for_waits_or_is_off() -> None:
    off = Camera(pk=900002, name="Off", enabled=False)

    found = live.statuses([CAMERA, off])
    assert {pk: status.state for pk, status in found.items()} == {CAMERA.pk: State.WAITING, 900002: State.OFF}
    assert live.statuses([]) == {}


def test_a_status_that_was_cleared_is_gone() -> None:
    live.publish_status(CAMERA.pk, Status(state=State.ONLINE))
    live.publish_picture(CAMERA.pk, b"jpeg")
    live.clear_status(CAMERA.pk)

    assert live.statuses([CAMERA])[CAMERA.pk].state is State.WAITING
    assert live.picture(CAMERA.pk) is None


def test_looking_at_a_picture_asks_for_more() -> None:
    assert not live.is_watched(CAMERA.pk)
    assert live.picture(CAMERA.pk) is None
    assert live.is_watched(CAMERA.pk)


def test_every_new_picture_has_a_new_tag() -> None:
    data = b"\xff\xd8 with a \n in it"
    live.publish_picture(CAMERA.pk, data)
    first = live.picture(CAMERA.pk)
    live.publish_picture(CAMERA.pk, data)
    second = live.picture(CAMERA.pk)

    assert first is not None
    assert second is not None
    assert first.jpeg == second.jpeg == data
    assert first.tag != second.tag


@pytest.mark.usefixtures("away")
def test_without_redis_pages_still_get_an_answer() -> None:
    assert live.statuses([CAMERA])[CAMERA.pk].state is State.WAITING
    assert live.picture(CAMERA.pk) is None


def test_every_state_has_a_label() -> None:
    assert all(state.label for state in State)
