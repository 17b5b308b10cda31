"""The live state of cameras: what a worker says is read for seconds, and nothing is made up when it is silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import live
from cameras.live import State, Status
from cameras.models import Camera
from config.redis import client

CAMERA = Camera(pk=900001, name="Gate", enabled=True)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    yield
    client().delete(*(live._key(kind, CAMERA.pk) for kind in ("status", "picture")))
    client().delete(*(live._watch_key(CAMERA.pk, rate) for rate in live.WATCH_RATES))


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
    tomorrow = f"{timezone.localtime() + timedelta(days=1):%a} 00:00-24:00"
    asleep = Camera(pk=900003, name="Night", enabled=True, schedule=tomorrow)

    found = live.statuses([CAMERA, off, asleep])
    states = {pk: status.state for pk, status in found.items()}
    assert states == {CAMERA.pk: State.WAITING, 900002: State.OFF, 900003: State.SLEEPING}
    assert live.statuses([]) == {}


def test_a_status_that_was_cleared_is_gone() -> None:
    live.publish_status(CAMERA.pk, Status(state=State.ONLINE))
    live.publish_picture(CAMERA.pk, b"jpeg")
    live.clear_status(CAMERA.pk)

    assert live.statuses([CAMERA])[CAMERA.pk].state is State.WAITING
    assert live.picture(CAMERA.pk) is None


def test_looking_at_a_picture_asks_for_more() -> None:
    assert not live.watched([CAMERA.pk])
    assert live.picture(CAMERA.pk) is None
    assert live.watched([CAMERA.pk])


@pytest.mark.parametrize(("asked", "given"), [(0.5, 1), (3, 3), (4, 5), (10, 10), (60, 10)])
def test_who_watches_says_how_often(asked: float, given: int) -> None:
    live.watch(CAMERA.pk, asked)
    assert live.watched([CAMERA.pk, 900002]) == {CAMERA.pk: given}


def test_the_keenest_of_many_who_watch_decides() -> None:
    for rate in (2, 10, 1):
        live.watch(CAMERA.pk, rate)
    assert live.watched([CAMERA.pk]) == {CAMERA.pk: 10}


def test_statuses_of_many_cameras_and_who_watches_them_are_one_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[int] = []
    execute = Pipeline.execute

    def counted(self: Pipeline, *args: Any, **kwargs: Any) -> Any:
        trips.append(len(self.command_stack))
        return execute(self, *args, **kwargs)

    live.watch(CAMERA.pk, 5)
    monkeypatch.setattr(Pipeline, "execute", counted)
    said = {pk: Status(state=State.ONLINE, fps_in=25) for pk in (CAMERA.pk, 900002, 900003)}
    assert live.publish_statuses(said, ask=said) == {CAMERA.pk: 5}
    assert len(trips) == 1
    assert live.statuses([CAMERA])[CAMERA.pk].fps_in == 25


def test_whoever_listens_gets_every_new_picture() -> None:
    with client().pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(live.channel(CAMERA.pk))
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        live.publish_picture(CAMERA.pk, b"one\n")
        live.publish_picture(CAMERA.pk, b"two")
        first, second = (live.read_picture(listener.get_message(timeout=5)["data"]) for _ in range(2))
    assert (first.jpeg, second.jpeg) == (b"one\n", b"two")
    assert live.picture(CAMERA.pk) == second


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
