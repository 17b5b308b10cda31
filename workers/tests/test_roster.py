"""Who works, who gets which camera, and setbacks: on a real Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cameras import live
from cameras.leases import ask_handover, take_lease
from cameras.live import State
from cameras.models import Camera, CameraLease, Priority
from cameras.services import restart_camera
from cameras.tests.factories import CameraFactory
from cameras.tests.records import let_expire
from config.celery import app
from config.redis import client
from workers import dispatch, presence, roster, setbacks, tasks
from workers.assignment import Running, displaced, plan, to_move
from workers.presence import Presence
from workers.roster import Worker


@pytest.fixture(autouse=True)
def _empty_redis() -> Iterator[None]:
    client().flushdb()
    yield
    client().flushdb()


def worker(name: str, *, slots: int = 10, running: int = 0, load: float = 0.0, draining: bool = False) -> Worker:
    return Worker(name=name, host="gate", pid=1, slots=slots, running=running, load=load, draining=draining)


def camera(number: int, priority: Priority = Priority.NORMAL) -> Camera:
    return Camera(pk=number, name=f"Camera {number}", priority=priority)


def runs(camera_id: int, who: str, priority: int = 2, *, handover: bool = False) -> Running:
    return Running(camera_id=camera_id, priority=priority, worker=who, handover=handover)


# Who gets what


def test_cameras_spread_over_workers_by_room() -> None:
    found = plan(
        [camera(n) for n in range(12)],
        [worker("a", slots=4), worker("b", slots=8), worker("full", slots=0 + 1, running=1)],
    )
    by_worker = {name: [one.camera_id for one in found.given if one.worker.name == name] for name in "ab"}
    assert (len(by_worker["a"]), len(by_worker["b"])) == (4, 8)
    assert found.left == ()
    assert len({one.camera_id for one in found.given}) == 12


def test_a_worker_that_computes_a_lot_gets_fewer() -> None:
    found = plan(
        [camera(n) for n in range(4)], [worker("busy", running=2, load=0.9), worker("calm", running=2, load=0.1)]
    )
    assert {one.worker.name for one in found.given} == {"calm"}


def test_who_drains_or_does_not_listen_gets_nothing() -> None:
    crew = [worker("goes", draining=True), replace(worker("deaf"), waits=roster.SLOW_SECONDS + 1)]
    assert plan([camera(1)], crew).left == (camera(1),)
    assert plan([camera(1)], []).left == (camera(1),)


def test_the_important_ones_come_first() -> None:
    cameras = [camera(1, Priority.LOW), camera(2), camera(3, Priority.HIGH)]
    found = plan(cameras, [worker("a", slots=2)])
    assert [one.camera_id for one in found.given] == [3, 2]
    assert [one.pk for one in found.left] == [1]


def test_the_least_important_makes_room_for_a_more_important_one() -> None:
    running = [runs(1, "a", 1), runs(2, "a", 2), runs(3, "a", 3), runs(4, "by hand", 1)]
    crew = [worker("a", slots=3, running=3)]
    assert displaced([camera(9, Priority.HIGH)], running, crew) == [1]
    assert displaced([camera(9, Priority.HIGH), camera(8, Priority.HIGH)], running, crew) == [1, 2]
    assert displaced([camera(9, Priority.NORMAL)], running, crew) == [1]
    assert displaced([camera(9, Priority.LOW)], running, crew) == []
    # Somebody leaves for it already.
    leaving = [runs(1, "a", 1, handover=True), *running[1:]]
    assert displaced([camera(9, Priority.HIGH)], leaving, crew) == []


def test_one_camera_moves_from_the_fullest_to_the_emptiest() -> None:
    running = [runs(number, "a", 1 if number == 3 else 2) for number in range(6)]
    assert to_move(running, [worker("a", running=6), worker("b")]) == 3
    assert to_move(running, [worker("a", running=6), worker("b", running=5)]) is None
    assert to_move(running, [worker("a", running=6)]) is None
    assert to_move(running, [worker("a", running=6), worker("b", draining=True)]) is None
    assert to_move([*running, runs(9, "a", handover=True)], [worker("a", running=7), worker("b")]) is None
    # One of two, each of which takes all there is, would only come back.
    assert to_move([runs(1, "a")], [worker("a", slots=1, running=1), worker("b", slots=1)]) is None


# The roster


def test_a_worker_is_there_until_it_says_nothing_more() -> None:
    roster.announce(worker("b", running=3, load=0.5))
    roster.announce(worker("a"))
    assert [(one.name, one.running, one.load) for one in roster.workers()] == [("a", 0, 0.0), ("b", 3, 0.5)]
    assert 0 < client().ttl("lynceus:worker:a") <= roster.ROSTER_SECONDS
    roster.leave("a")
    assert [one.name for one in roster.workers()] == ["b"]
    assert roster.forget_gone() == ["a"]
    assert roster.forget_gone() == []


def test_a_worker_learns_that_it_shall_drain_and_that_messages_do_not_arrive() -> None:
    assert roster.announce(worker("a")) == roster.Answer(drain=False, waits=0.0)
    roster.ask_to_drain(["a"])
    roster.note_sent(["a", "b"])
    client().pexpire("lynceus:sent:a", 30_000)  # as if it had been sent 30 s ago
    answer = roster.announce(worker("a"))
    assert answer.drain
    assert 29 < answer.waits < 32
    assert roster.workers()[0].room == 0
    roster.note_sent(["a"])  # a later message does not make the first one younger
    assert roster.announce(worker("a")).waits > 29
    roster.note_taken("a")
    assert roster.announce(worker("a")).waits == 0


# This process among the workers


@pytest.fixture
def ended() -> list[bool]:
    return []


@pytest.fixture
def here(ended: list[bool]) -> Presence:
    made = Presence(end=lambda: ended.append(True))
    made._slots = 2
    return made


def test_a_process_takes_as_many_as_it_has_slots_and_each_once(here: Presence) -> None:
    assert here.enter(1)
    assert not here.enter(1)
    assert here.enter(2)
    assert not here.enter(3)
    here.leave(1)
    assert here.enter(3)
    assert here.worker().running == 2
    here.leave(2)
    here.drain()
    assert not here.enter(4)
    assert here.worker().draining


def test_without_slots_nothing_is_limited_and_nothing_announced() -> None:
    by_hand = Presence()
    assert all(by_hand.enter(number) for number in range(50))
    by_hand.taken()
    by_hand.close()
    assert roster.workers() == []


def test_a_process_that_is_asked_ends_once(here: Presence, ended: list[bool]) -> None:
    here.tick()
    assert [one.name for one in roster.workers()] == [here.name]
    roster.ask_to_drain([here.name])
    here.tick()
    here.tick()
    assert ended == [True]
    assert not here.is_deaf
    here.close()
    assert roster.workers() == []


def test_a_process_that_no_message_reaches_ends_to_be_started_again(
    here: Presence, ended: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    roster.note_sent([here.name])
    here.tick()
    assert ended == []
    client().pexpire(f"lynceus:sent:{here.name}", 35_000)
    here.tick()
    assert ended == [True]
    assert here.is_deaf
    assert "No message has reached this worker" in caplog.text


def test_two_processes_never_have_one_name() -> None:
    assert presence.worker_name() != presence.worker_name()


# Setbacks


@pytest.mark.django_db
def test_a_camera_that_fails_again_and_again_is_left_alone_longer_and_longer() -> None:
    one = CameraFactory.create()
    pauses = [setbacks.note(one, "Its models are damaged.").pause for _ in range(8)]
    assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    found = setbacks.resting([one, CameraFactory.create()])[one.pk]
    assert (found.status.state, found.status.last_error) == (State.OFFLINE, "Its models are damaged.")
    assert 59_000 < client().pttl(f"lynceus:rest:{one.pk}") <= 60_000
    restart_camera(actor=None, camera=one)
    one.refresh_from_db()
    assert setbacks.resting([one]) == {}
    assert setbacks.note(one, "Again.").count == 1
    assert setbacks.resting([]) == {}


# Rounds of dispatching


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    messages: list[tuple[str, int, str]] = []

    def send(name: str, args: tuple[int, ...] = (), *, queue: str, connection: object) -> None:
        messages.append((name, args[0] if args else 0, queue))

    monkeypatch.setattr(app, "send_task", send)
    return messages


@pytest.mark.django_db
def test_only_cameras_that_shall_run_and_that_nobody_runs_are_given_away(sent: list[tuple[str, int, str]]) -> None:
    free, taken, failed = CameraFactory.create_batch(3)
    CameraFactory.create(enabled=False)
    take_lease(camera_id=taken.pk, owner="another")
    setbacks.note(failed, "Its source can not be unsealed.")
    roster.announce(worker("a"))
    tasks.dispatch_cameras()
    assert sent == [("workers.tasks.run_camera", free.pk, "cameras.a")]
    assert roster.workers()[0].waits >= 0
    assert client().exists("lynceus:sent:a")
    status = live.statuses([failed])[failed.pk]
    assert (status.state, status.last_error) == (State.OFFLINE, "Its source can not be unsealed.")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("crew", "why"),
    [
        ([], "No camera worker runs. Start one: manage.py camera_worker"),
        ([worker("a", slots=1, running=1)], "The only camera worker is full: 1 of 1 places are taken"),
        ([worker("a", slots=1, running=1), worker("b", slots=2, running=2)], "All 2 camera workers are full: 3 of 3"),
    ],
)
def test_a_camera_without_room_says_so(crew: list[Worker], why: str, sent: list[tuple[str, int, str]]) -> None:
    one = CameraFactory.create()
    for each in crew:
        roster.announce(each)
    assert dispatch.dispatch().left == (one,)
    status = live.statuses([one])[one.pk]
    assert status.state is State.WAITING
    assert why in status.last_error
    assert sent == []


@pytest.mark.django_db
def test_when_all_is_full_a_less_important_camera_is_handed_over(sent: list[tuple[str, int, str]]) -> None:
    low, normal = CameraFactory.create(priority=Priority.LOW), CameraFactory.create()
    for each in (low, normal):
        take_lease(camera_id=each.pk, owner=f"a:{each.pk}", worker="a")
    CameraFactory.create(priority=Priority.HIGH)
    roster.announce(worker("a", slots=2, running=2))
    dispatch.dispatch()
    dispatch.dispatch()
    assert list(CameraLease.objects.filter(handover=True).values_list("camera", flat=True)) == [low.pk]


@pytest.mark.django_db
def test_what_is_uneven_for_long_is_evened_out_one_by_one(sent: list[tuple[str, int, str]]) -> None:
    cameras = CameraFactory.create_batch(6)
    for each in cameras:
        take_lease(camera_id=each.pk, owner=f"a:{each.pk}", worker="a")
    roster.announce(worker("a", slots=8, running=6))
    roster.announce(worker("b", slots=8))

    def handed() -> int:
        return CameraLease.objects.filter(handover=True).count()

    dispatch.dispatch()
    assert handed() == 0
    client().pexpire("lynceus:uneven", 29_000)  # 31 of its 60 s have passed
    dispatch.dispatch()
    assert handed() == 1
    CameraLease.objects.filter(handover=True).update(handover=False)
    dispatch.dispatch()  # the next one has to wait
    assert handed() == 0
    client().pexpire("lynceus:uneven", 29_000)
    roster.announce(worker("b", slots=8, running=6))
    dispatch.dispatch()
    assert handed() == 0
    assert not client().exists("lynceus:uneven")


@pytest.mark.django_db
def test_a_worker_that_does_not_listen_is_called_and_given_nothing(sent: list[tuple[str, int, str]]) -> None:
    one = CameraFactory.create()
    roster.announce(worker("a"))
    roster.note_sent(["a"])
    client().pexpire("lynceus:sent:a", 50_000)
    dispatch.dispatch()
    assert sent == [("workers.tasks.answer_call", 0, "cameras.a")]
    assert "do not take new cameras" in live.statuses([one])[one.pk].last_error


@pytest.mark.django_db
def test_messages_arrive_in_a_workers_own_queue_which_goes_with_it() -> None:
    one = CameraFactory.create()
    roster.announce(worker("a"))
    dispatch.dispatch()
    client().flushdb()  # Redis lost everything, the queue's binding with it
    roster.announce(worker("a"))
    dispatch.dispatch()
    assert client().llen("cameras.a") == 1
    roster.leave("a")
    assert dispatch.dispatch().left == ()  # somebody was told to take it a moment ago
    assert not client().exists("cameras.a")
    client().delete(f"lynceus:given:{one.pk}")
    assert dispatch.dispatch().left == (one,)


@pytest.mark.django_db
def test_a_nudge_asks_for_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    monkeypatch.setattr(app, "send_task", lambda name, **options: names.append(name))
    for _ in range(5):
        dispatch.nudge()
    assert names == ["workers.tasks.dispatch_cameras"]


@pytest.mark.django_db
def test_a_camera_run_by_hand_is_never_asked_to_move(sent: list[tuple[str, int, str]]) -> None:
    low = CameraFactory.create(priority=Priority.LOW)
    take_lease(camera_id=low.pk, owner="hand", worker="")
    CameraFactory.create(priority=Priority.HIGH)
    roster.announce(worker("a", slots=1, running=1))
    dispatch.dispatch()
    assert not CameraLease.objects.filter(handover=True).exists()
    assert ask_handover([low.pk]) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("holder", "seconds"), [("gone", 1.5), ("busy", 5.0)])
def test_a_camera_whose_lease_ran_out_is_given_away_once_its_loop_has_had_time_to_renew_it(
    sent: list[tuple[str, int, str]], holder: str, seconds: float
) -> None:
    """More time where its worker says that it is there."""
    camera = CameraFactory.create()
    lease = take_lease(camera_id=camera.pk, owner="loop", worker=holder)
    assert lease is not None
    let_expire(camera)
    roster.announce(worker("a"))
    roster.announce(worker("busy", draining=True))
    tasks.dispatch_cameras()
    assert sent == []
    lives = round(1000 * (10 - seconds))
    client().pexpire(f"lynceus:over:{camera.pk}:{lease.epoch}", lives + 300)  # as if not quite so much had passed
    tasks.dispatch_cameras()
    assert sent == []
    client().pexpire(f"lynceus:over:{camera.pk}:{lease.epoch}", lives)
    tasks.dispatch_cameras()
    assert sent == [("workers.tasks.run_camera", camera.pk, "cameras.a")]
