"""One thread says what all cameras of a process do; no loop waits for Redis, and nothing stale is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import live
from cameras.live import State, Status, View
from cameras.models import Camera
from config.redis import client
from workers.reporter import AWAY_SECONDS, EVERY_SECONDS, Reporter
from workers.tests.loops import ReporterAtOnce

DOOR, GATE = Camera(pk=910001, name="Door", enabled=True), Camera(pk=910002, name="Gate", enabled=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    client().flushdb()
    yield
    client().flushdb()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(clock: Clock) -> Reporter:
    return ReporterAtOnce(clock=clock)


def online(**values: Any) -> Status:
    return Status(**{"state": State.ONLINE, "worker": "test", **values})


def state(camera: Camera) -> State:
    return live.statuses([camera])[camera.pk].state


def test_the_newest_status_of_every_camera_is_published_once_a_second(reporter: Reporter, clock: Clock) -> None:
    reporter.say(DOOR.pk, online(fps_in=1))
    reporter.say(GATE.pk, online(fps_in=2))
    reporter.say(DOOR.pk, online(fps_in=3))
    reporter.round()
    found = live.statuses([DOOR, GATE])
    assert (found[DOOR.pk].fps_in, found[GATE.pk].fps_in) == (3, 2)
    reporter.say(DOOR.pk, online(fps_in=4))
    reporter.round()
    assert live.statuses([DOOR])[DOOR.pk].fps_in == 3
    clock.now += EVERY_SECONDS
    reporter.round()
    assert live.statuses([DOOR])[DOOR.pk].fps_in == 4


@pytest.mark.parametrize("change", [{"state": State.OFFLINE}, {"view": View.COVERED}], ids=["state", "view"])
def test_a_new_state_or_view_is_not_kept_waiting(reporter: Reporter, clock: Clock, change: dict[str, Any]) -> None:
    reporter.say(DOOR.pk, online())
    reporter.round()
    clock.now += 0.2
    reporter.say(DOOR.pk, online(**change))
    reporter.round()
    status = live.statuses([DOOR])[DOOR.pk]
    assert {name: getattr(status, name) for name in change} == change


def test_a_loop_that_says_nothing_more_is_not_called_online(reporter: Reporter, clock: Clock) -> None:
    reporter.say(DOOR.pk, online())
    reporter.round()
    client().delete(f"lynceus:status:{DOOR.pk}")  # as it runs out
    for _ in range(5):
        clock.now += EVERY_SECONDS
        reporter.round()
    assert state(DOOR) is State.WAITING


def test_who_has_left_is_not_spoken_of_any_more(reporter: Reporter, clock: Clock) -> None:
    live.watch(DOOR.pk)
    reporter.say(DOOR.pk, online())
    reporter.round()
    assert reporter.wanted(DOOR.pk) == 3
    reporter.say(DOOR.pk, online())
    reporter.offer(DOOR.pk, b"jpeg")
    reporter.leave(DOOR.pk)
    live.clear_status(DOOR.pk)
    clock.now += EVERY_SECONDS
    reporter.round()
    assert state(DOOR) is State.WAITING
    assert live.picture(DOOR.pk) is None
    assert reporter.wanted(DOOR.pk) == 0


def test_it_learns_who_is_watched_and_forgets_it(reporter: Reporter, clock: Clock) -> None:
    reporter.say(DOOR.pk, online())
    reporter.say(GATE.pk, online())
    live.watch(GATE.pk, 10)
    reporter.round()
    assert (reporter.wanted(DOOR.pk), reporter.wanted(GATE.pk)) == (0, 10)
    client().flushdb()
    clock.now += EVERY_SECONDS
    reporter.round()
    assert reporter.wanted(GATE.pk) == 0


def test_of_pictures_the_newest_is_sent(reporter: Reporter) -> None:
    reporter.say(DOOR.pk, online())
    for jpeg in (b"one", b"two", b"three"):
        reporter.offer(DOOR.pk, jpeg)
    with client().pubsub() as listener:  # type: ignore[no-untyped-call]
        listener.subscribe(live.channel(DOOR.pk))
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        reporter.round()
        assert live.read_picture(listener.get_message(timeout=5)["data"]).jpeg == b"three"
        assert listener.get_message(timeout=0.05) is None


def test_redis_away_is_said_once_and_nobody_counts_as_watching(
    reporter: Reporter, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[float] = []

    def away(self: Redis, *args: object, **kwargs: object) -> None:
        tries.append(clock.now)
        raise RedisConnectionError("no answer")

    live.watch(DOOR.pk)
    reporter.say(DOOR.pk, online())
    reporter.round()
    assert reporter.wanted(DOOR.pk) == 3
    with monkeypatch.context() as patch:
        patch.setattr("redis.client.Pipeline.execute", away)
        for _ in range(100):
            clock.now += 0.1
            reporter.say(DOOR.pk, online())
            reporter.round()
    assert reporter.wanted(DOOR.pk) == 0
    assert len(tries) <= 10 / AWAY_SECONDS + 1
    assert len([one for one in caplog.records if "can not be published" in one.message]) == 1
    clock.now += AWAY_SECONDS
    reporter.say(DOOR.pk, online())
    reporter.round()
    assert state(DOOR) is State.ONLINE
    assert reporter.wanted(DOOR.pk) == 3


def test_its_thread_publishes_by_itself() -> None:
    reporter = Reporter()
    reporter.say(DOOR.pk, online())
    until(lambda: state(DOOR) is State.ONLINE)
    reporter.offer(DOOR.pk, b"jpeg")
    until(lambda: live.picture(DOOR.pk) is not None)
    reporter.leave(DOOR.pk)


def test_its_thread_survives_what_nobody_thought_of(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [2]
    publish = live.publish_statuses

    def broken(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise RuntimeError("unthought of")
        return publish(*args, **kwargs)

    monkeypatch.setattr("workers.reporter.EVERY_SECONDS", 0.05)
    monkeypatch.setattr(live, "publish_statuses", broken)
    reporter = Reporter()
    over = time.monotonic() + 30
    while state(DOOR) is not State.ONLINE and time.monotonic() < over:
        reporter.say(DOOR.pk, online())
        time.sleep(0.02)
    assert state(DOOR) is State.ONLINE
    assert "A round of the reporter failed" in caplog.text
    reporter.leave(DOOR.pk)


def until(what: Callable[[], bool]) -> None:
    over = time.monotonic() + 30
    while not what():
        assert time.monotonic() < over, "it did not happen"
        time.sleep(0.02)
