"""Who may run a camera: leases that are taken, renewed together, lost, given back and handed over."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cameras import leases, selectors, services
from cameras.leases import ClockGauge, Lease
from cameras.models import Camera, CameraLease, Priority
from cameras.tests.factories import CameraFactory
from cameras.tests.records import held, let_expire

pytestmark = pytest.mark.django_db


def row(camera: Camera) -> CameraLease:
    return CameraLease.objects.get(camera=camera)


def test_a_lease_is_held_by_one_and_can_be_taken_after_it_is_over() -> None:
    camera = CameraFactory.create()
    first = held(camera, "one")

    assert leases.take_lease(camera_id=camera.pk, owner="two") is None
    assert leases.renew_leases([first])[first.camera_id].is_ours
    assert selectors.unattended() == []
    let_expire(camera)
    assert selectors.unattended() == [camera]
    second = held(camera, "two")
    assert second.epoch == first.epoch + 1
    assert not leases.renew_leases([first])[first.camera_id].is_ours


def test_a_lease_that_is_over_but_untaken_may_be_renewed() -> None:
    camera = CameraFactory.create()
    lease = held(camera)
    let_expire(camera)

    assert leases.renew_leases([lease])[lease.camera_id].is_ours
    assert leases.take_lease(camera_id=camera.pk, owner="two") is None


def test_a_released_lease_is_free_at_once() -> None:
    camera = CameraFactory.create()
    leases.release_leases([held(camera, "one")])

    second = held(camera, "two")
    leases.release_leases([Lease(camera_id=camera.pk, owner="one", epoch=second.epoch - 1)])
    assert leases.renew_leases([second])[second.camera_id].is_ours  # somebody else's lease is not given back


def test_a_removed_camera_has_no_lease() -> None:
    camera = CameraFactory.create()
    lease = held(camera)
    services.remove_camera(actor=None, camera=camera)

    standing = leases.renew_leases([lease])[lease.camera_id]
    assert not standing.is_ours
    assert not standing.is_there
    assert leases.take_lease(camera_id=lease.camera_id, owner="two") is None


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_want_a_lease_at_once_one_gets_it() -> None:
    camera = CameraFactory.create()
    start = threading.Barrier(8)

    def take(number: int) -> Lease | None:
        try:
            start.wait(30)
            return leases.take_lease(camera_id=camera.pk, owner=f"worker-{number}")
        finally:
            connections.close_all()

    for epoch in (1, 2, 3):
        with ThreadPoolExecutor(8) as pool:
            taken = [lease for lease in pool.map(take, range(8)) if lease is not None]
        assert [lease.epoch for lease in taken] == [epoch]
        assert row(camera).owner == taken[0].owner
        let_expire(camera)


def test_all_leases_of_a_process_are_renewed_in_one_statement() -> None:
    cameras = CameraFactory.create_batch(5)
    ours = [held(camera) for camera in cameras]
    soon = Now() + timedelta(seconds=1)
    CameraLease.objects.update(expires_at=soon)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        standings = leases.renew_leases(ours)

    assert len(queries) == 1
    assert all(standings[camera.pk].is_ours for camera in cameras)
    assert not CameraLease.objects.filter(expires_at__lt=Now() + timedelta(seconds=5)).exists()
    assert leases.renew_leases([]) == {}


def test_a_renewal_tells_what_is_wanted_of_each_camera() -> None:
    lost, changed, off, plain = CameraFactory.create_batch(4)
    ours = [held(camera, "one") for camera in (lost, changed, off, plain)]
    let_expire(lost)
    held(lost, "two")
    services.set_enabled(actor=None, camera=off, enabled=False)
    Camera.objects.filter(pk=changed.pk).update(revision=7, schedule="Mon 08:00-09:00")
    leases.ask_handover([changed.pk])
    standings = leases.renew_leases(ours)

    assert not standings[lost.pk].is_ours
    assert standings[lost.pk].is_there
    assert row(lost).owner == "two"
    now = standings[changed.pk]
    assert (now.is_ours, now.revision, now.schedule, now.handover) == (True, 7, "Mon 08:00-09:00", True)
    assert (standings[off.pk].enabled, standings[plain.pk].enabled) == (False, True)


@pytest.mark.django_db(transaction=True)
def test_a_lease_under_which_something_is_written_holds_up_no_other() -> None:
    """Somebody writes a sighting slowly, which locks the lease's row: it counts as held, and the others are renewed."""
    slow, other = CameraFactory.create_batch(2)
    ours = [held(slow), held(other)]
    CameraLease.objects.update(expires_at=Now() + timedelta(seconds=1))
    locked, done = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            list(leases.held_rows(ours[0]).select_for_update(no_key=True))
            locked.set()
            done.wait(30)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    locked.wait(30)
    standings = leases.renew_leases(ours)  # does not wait, or this test would hang for 30 s and fail below
    writer_waits = writer.is_alive() and not done.is_set()
    done.set()
    writer.join(30)

    assert writer_waits
    assert standings[slow.pk].is_ours
    assert standings[other.pk].is_ours
    assert row(other).expires_at > row(slow).expires_at  # type: ignore[operator]


def test_a_handover_is_asked_of_whoever_runs_the_camera_and_forgotten_by_the_next() -> None:
    idle, camera = CameraFactory.create_batch(2)
    lease = held(camera, "one")

    assert leases.ask_handover([idle.pk, camera.pk]) == 1
    assert leases.ask_handover([camera.pk]) == 0  # it is asked already
    assert row(camera).handover
    leases.release_leases([lease])
    assert not row(camera).handover
    second = held(camera, "two")
    leases.ask_handover([camera.pk])
    let_expire(camera)
    held(camera, "three")
    assert not row(camera).handover
    assert not leases.renew_leases([second])[second.camera_id].is_ours


def test_several_leases_are_given_back_at_once_but_not_those_of_others() -> None:
    one, two, lost = CameraFactory.create_batch(3)
    ours = [held(camera, "me") for camera in (one, two, lost)]
    let_expire(lost)
    held(lost, "another")
    leases.release_leases(ours)
    leases.release_leases([])

    assert set(selectors.unattended()) == {one, two}
    assert row(lost).owner == "another"
    assert row(one).owner == row(one).worker == ""


def test_important_cameras_are_named_first_and_sleeping_ones_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    low = CameraFactory.create(priority=Priority.LOW)
    high = CameraFactory.create(priority=Priority.HIGH)
    normal = CameraFactory.create()
    CameraFactory.create(enabled=False)
    sleeping = CameraFactory.create(schedule="00:00-00:01")
    monkeypatch.setattr(selectors, "is_scheduled", lambda text, now: not text)

    assert selectors.unattended() == [high, normal, low]
    monkeypatch.setattr(selectors, "is_scheduled", lambda text, now: True)
    assert sleeping in selectors.unattended()
    held(low)
    assert [lease.camera for lease in selectors.attended()] == [low]


def test_a_lease_of_before_the_clock_was_set_back_is_over() -> None:
    camera = CameraFactory.create()
    first = held(camera, "one")
    CameraLease.objects.update(expires_at=Now() + timedelta(hours=1))

    assert selectors.unattended() == [camera]
    assert list(selectors.attended()) == []
    assert leases.renew_leases([first])[first.camera_id].is_ours  # its loop lives
    assert selectors.unattended() == []
    CameraLease.objects.update(expires_at=Now() + timedelta(hours=1))
    assert held(camera, "two").epoch == first.epoch + 1


# How far clocks are off


def gauge_of(offset: float) -> ClockGauge:
    """That of a worker whose clock is so many seconds ahead."""
    return ClockGauge(lambda: time.time() + offset)


@pytest.mark.parametrize("offset", [180.0, -180.0, 0.0])
def test_a_renewal_measures_the_clock_and_the_next_one_writes_it_down(offset: float) -> None:
    camera, gauge = CameraFactory.create(), gauge_of(offset)
    lease = held(camera)
    assert gauge.offset is None
    leases.renew_leases([lease], gauge)
    assert row(camera).clock_offset is None
    leases.renew_leases([lease], gauge)
    measured = row(camera).clock_offset
    assert measured is not None
    assert measured == pytest.approx(offset, abs=1.5)  # the database's clock is this machine's


def test_without_a_gauge_what_is_known_stays_and_a_new_owner_knows_nothing() -> None:
    camera = CameraFactory.create()
    lease = held(camera)
    CameraLease.objects.update(clock_offset=7.0)
    leases.renew_leases([lease])
    assert row(camera).clock_offset == 7.0
    leases.release_leases([lease])
    assert row(camera).clock_offset is None
    held(camera, "two")
    CameraLease.objects.update(clock_offset=7.0)
    let_expire(camera)
    held(camera, "three")
    assert row(camera).clock_offset is None


def test_what_was_quickest_on_its_way_counts() -> None:
    gauge = ClockGauge(lambda: 0.0)
    gauge.take(asked=100.0, answered=104.0, began=90.5, ended=91.5)  # 3 s on the way: right to 1.5 s
    assert gauge.offset == 11.0
    gauge.take(asked=110.0, answered=110.2, began=100.0, ended=100.1)
    assert gauge.offset == pytest.approx(10.05)
    gauge.take(asked=120.0, answered=125.0, began=110.0, ended=110.1)
    assert gauge.offset == pytest.approx(10.05)
    gauge.take(asked=130.0, answered=129.0, began=120.0, ended=120.5)  # set back meanwhile
    assert gauge.offset == pytest.approx(10.05)
    for second in range(10):
        gauge.take(asked=200.0 + second, answered=200.3 + second, began=200.0 + second, ended=200.1 + second)
    assert gauge.offset == pytest.approx(0.1)  # the clock was set: what was measured before is over


def test_a_statement_that_waits_in_the_database_is_no_way() -> None:
    gauge = ClockGauge(lambda: 0.0)
    gauge.take(asked=100.0, answered=110.0, began=99.9, ended=109.9)
    assert gauge.offset == pytest.approx(0.1)
