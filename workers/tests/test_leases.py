"""The keeper of a process's leases: what ends a holding, what does not, and loops that hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from cameras import services
from cameras.leases import ask_handover, take_lease
from cameras.models import Camera, CameraLease
from cameras.tests.factories import CameraFactory
from cameras.tests.records import held, let_expire
from workers import leases
from workers.leases import HANG_SECONDS, START_SECONDS, Ending, Holding, LeaseKeeper

pytestmark = pytest.mark.django_db


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ByHand(LeaseKeeper):
    """A keeper without a thread: a test calls `round`, and what is given back is given back at once."""

    def __init__(self, clock: Clock, wall: Callable[[], float] = time.time) -> None:
        super().__init__(clock=clock, wall=wall)
        self._thread = threading.current_thread()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keeper(clock: Clock) -> ByHand:
    return ByHand(clock)


def holding(keeper: LeaseKeeper, camera: Camera, *, by_hand: bool = False) -> Holding:
    return keeper.hold(held(camera, "me"), camera, by_hand=by_hand)


def pass_time(clock: Clock, keeper: LeaseKeeper, seconds: int, *alive: Holding) -> None:
    """A second after the other, in which these loops step and the keeper makes its rounds."""
    for _ in range(seconds):
        clock.now += 1
        for one in alive:
            one.is_held()
        keeper.round()


def test_one_statement_renews_all_and_they_go_on(keeper: ByHand) -> None:
    ours = [holding(keeper, camera) for camera in CameraFactory.create_batch(4)]
    with CaptureQueriesContext(connection) as queries:
        keeper.round()
    assert len(queries) == 1
    assert all(one.is_held() and one.why == "" for one in ours)


def test_what_ends_a_holding(keeper: ByHand) -> None:
    cameras = CameraFactory.create_batch(7)
    ours = [holding(keeper, camera) for camera in cameras]
    lost, changed, off, gone, sleeping, handed, kept = cameras
    let_expire(lost)
    held(lost, "another")
    services.restart_camera(actor=None, camera=changed)
    services.set_enabled(actor=None, camera=off, enabled=False)
    services.remove_camera(actor=None, camera=gone)
    Camera.objects.filter(pk=sleeping.pk).update(schedule="00:00-00:00x")  # can not be read: keeps no camera off
    ask_handover([handed.pk])
    keeper.round()
    assert [one.ending for one in ours] == [
        Ending.LOST,
        Ending.CHANGED,
        Ending.DISABLED,
        Ending.REMOVED,
        None,
        Ending.HANDED_OVER,
        None,
    ]
    assert [one.is_held() for one in ours] == [False, False, False, False, True, False, True]
    assert ours[5].why == "it was handed over to another worker"
    assert kept.pk not in {one.lease.camera_id for one in ours if one.why}


def test_the_schedule_ends_a_holding_but_not_one_by_hand(keeper: ByHand, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = CameraFactory.create_batch(2, schedule="Mon 08:00-09:00")
    dispatched, by_hand = holding(keeper, one), holding(keeper, two, by_hand=True)
    monkeypatch.setattr(leases, "is_scheduled", lambda text: True)
    keeper.round()
    assert dispatched.is_held()
    monkeypatch.setattr(leases, "is_scheduled", lambda text: text != "Mon 08:00-09:00")
    ask_handover([two.pk])
    keeper.round()
    assert dispatched.ending is Ending.SLEEPING
    assert by_hand.is_held()
    services.restart_camera(actor=None, camera=two)
    keeper.round()
    assert by_hand.ending is Ending.CHANGED


def test_the_first_reason_stands(keeper: ByHand) -> None:
    one = holding(keeper, CameraFactory.create())
    keeper.end_all(Ending.STOPPING)
    one.end(Ending.LOST)
    assert one.ending is Ending.STOPPING
    keeper.round()  # it is still renewed: the loop closes its sightings under it
    assert CameraLease.objects.filter(owner="me").exists()


def test_while_the_database_is_away_loops_go_on_and_learn_the_truth_after(
    keeper: ByHand,
    clock: Clock,
    settings: LazySettings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = CameraFactory.create_batch(2)
    kept, lost = holding(keeper, one), holding(keeper, two)
    keeper.round()
    with monkeypatch.context() as patch:
        patch.setattr(connection, "close", lambda: None)  # it is the test's transaction
        patch.setattr(leases, "renew_leases", away)
        pass_time(clock, keeper, settings.LEASE_SECONDS + 5, kept, lost)
        assert kept.is_held()
        assert lost.is_held()
    let_expire(one)
    let_expire(two)
    held(two, "another")  # for others the database was there
    pass_time(clock, keeper, 1, kept, lost)
    assert kept.is_held()
    assert lost.ending is Ending.LOST
    assert CameraLease.objects.get(camera=one).epoch == kept.lease.epoch
    assert caplog.text.count("while the database is away") == 1


def away(*args: object) -> None:
    raise OperationalError("the server closed the connection unexpectedly")


def test_a_loop_that_hangs_loses_its_camera_to_others(keeper: ByHand, clock: Clock) -> None:
    hanging, living = CameraFactory.create_batch(2)
    told: list[Holding] = []
    hung, lives = keeper.hold(held(hanging, "me"), hanging, on_hang=told.append), holding(keeper, living)
    assert hung.is_held()
    pass_time(clock, keeper, int(HANG_SECONDS), lives)
    assert hung.why == ""
    assert take_lease(camera_id=hanging.pk, owner="another") is None
    pass_time(clock, keeper, 1, lives)
    assert hung.ending is Ending.HANGING
    assert told == [hung]
    assert keeper.hanging == 1
    assert lives.is_held()
    assert take_lease(camera_id=hanging.pk, owner="another") is not None
    assert not hung.is_held()  # should it ever wake up again
    hung.given_back.clear()
    threading.Timer(0.1, hung.given_back.set).start()
    keeper.give_back(hung)
    assert keeper.hanging == 0
    keeper.round()
    assert CameraLease.objects.get(camera=hanging).owner == "another"


def test_a_loop_that_has_not_begun_may_take_longer(keeper: ByHand, clock: Clock) -> None:
    """A large gallery is loaded for minutes before the first step."""
    one = holding(keeper, CameraFactory.create())
    pass_time(clock, keeper, int(HANG_SECONDS * 2))
    assert one.why == ""
    one.beat()
    pass_time(clock, keeper, int(START_SECONDS))
    assert one.why == ""
    pass_time(clock, keeper, 1)
    assert one.ending is Ending.HANGING


def test_after_the_process_stood_still_no_loop_is_blamed(keeper: ByHand, clock: Clock) -> None:
    one = holding(keeper, CameraFactory.create())
    one.is_held()
    keeper.round()
    clock.now += 3600  # stopped and continued, or the machine slept
    keeper.round()
    assert one.why == ""
    pass_time(clock, keeper, int(HANG_SECONDS) + 1)
    assert one.ending is Ending.HANGING


def test_a_worker_whose_clock_is_three_minutes_off_says_so_in_its_leases(clock: Clock) -> None:
    keeper = ByHand(clock, wall=lambda: time.time() - 180)
    one, two = CameraFactory.create_batch(2)
    holding(keeper, one)
    keeper.round()
    holding(keeper, two)
    with CaptureQueriesContext(connection) as queries:
        keeper.round()
    assert len(queries) == 1
    offsets = CameraLease.objects.values_list("clock_offset", flat=True)
    assert [round(offset / 10) for offset in offsets if offset is not None] == [-18, -18]


# The thread


@pytest.fixture
def running(settings: LazySettings, transactional_db: None) -> LeaseKeeper:
    settings.HEARTBEAT_SECONDS = 0.02
    return LeaseKeeper()


def test_the_thread_renews_and_gives_back(running: LeaseKeeper, settings: LazySettings) -> None:
    camera = CameraFactory.create()
    settings.LEASE_SECONDS = 1
    one = running.hold(held(camera, "me"), camera)
    for _ in range(15):
        threading.Event().wait(0.1)
        assert one.is_held()
        assert take_lease(camera_id=camera.pk, owner="another") is None
    assert running.give_back(one)
    assert one.given_back.is_set()
    assert CameraLease.objects.get(camera=camera).expires_at is None
    assert running.holdings == []


def test_many_loops_that_end_at_once_need_no_connection_each(running: LeaseKeeper) -> None:
    cameras = CameraFactory.create_batch(20)
    ours = [running.hold(held(camera, "me"), camera) for camera in cameras]
    threads = [threading.Thread(target=running.give_back, args=(one,)) for one in ours]
    before = others()
    for thread in threads:
        thread.start()
    most = max(others() for _ in range(20))
    for thread in threads:
        thread.join(30)
    assert most <= before + 1
    assert not CameraLease.objects.exclude(expires_at=None).exists()


def others() -> int:
    """Connections to the test's database besides this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_a_lease_that_can_not_be_given_back_is_not_waited_for_for_ever(
    running: LeaseKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = CameraFactory.create()
    one = running.hold(held(camera, "me"), camera)
    monkeypatch.setattr(leases, "RELEASE_SECONDS", 0.2)
    monkeypatch.setattr(leases, "release_leases", away)
    assert not running.give_back(one)
    monkeypatch.undo()
    threading.Event().wait(0.2)
    assert CameraLease.objects.get(camera=camera).owner == "me"  # it runs out by itself
