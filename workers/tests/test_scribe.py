"""Loops never wait for the database: what they saw is written by one thread, when the database answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models import F

from alerts.reporting import report_sighting
from cameras.drops import Drop
from cameras.leases import LeaseLost
from cameras.models import CameraLease, Sighting
from workers import sightings
from workers.scribe import Scribe
from workers.tests.test_sightings import Desk, watched

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def scribe(desk: Desk) -> Iterator[Scribe]:
    scribe = Scribe()
    scribe.add(desk.writer)
    yield scribe
    scribe.remove(desk.writer)


def until(what: Callable[[], object]) -> None:
    over = time.monotonic() + 30
    while not what():
        assert time.monotonic() < over, "it did not happen"
        time.sleep(0.02)


def test_what_changed_is_written_without_the_loops_doing(desk: Desk, scribe: Scribe) -> None:
    seen = watched()
    desk.writer.changed(seen)
    until(Sighting.objects.exists)
    seen.frames, seen.closed = 9, True
    desk.writer.changed(seen, urgent=True)
    scribe.note(desk.writer)
    until(lambda: not Sighting.objects.get().is_open)
    assert Sighting.objects.get().frames == 9


def test_a_database_that_hangs_does_not_stop_the_loop_and_nothing_is_lost_or_doubled(
    desk: Desk, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asked = threading.Event(), threading.Event()

    def hanging(**kwargs: Any) -> Any:
        asked.set()
        assert answers.wait(60)
        return report_sighting(**kwargs)

    monkeypatch.setattr(sightings, "report_sighting", hanging)
    people = [watched(number) for number in range(20)]
    for seen in people:
        desk.writer.changed(seen, urgent=True)
    scribe.note(desk.writer)
    assert asked.wait(30)
    for seen in people:  # while it hangs, faces come and go
        seen.frames, seen.closed = 7, True
        desk.writer.changed(seen, urgent=True)
        scribe.note(desk.writer)
    assert not Sighting.objects.exists()
    answers.set()
    until(lambda: Sighting.objects.filter(is_open=False).count() == 20)
    assert set(Sighting.objects.values_list("frames", flat=True)) == {7}
    assert Sighting.objects.count() == 20
    assert not desk.drops


def test_what_could_not_be_written_is_tried_again(desk: Desk, scribe: Scribe, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]

    def away_twice(**kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise OperationalError("gone")
        return report_sighting(**kwargs)

    monkeypatch.setattr(sightings, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr("workers.scribe.RETRY_SECONDS", 0.05)
    monkeypatch.setattr(sightings, "report_sighting", away_twice)
    desk.writer.changed(watched(), urgent=True)
    scribe.note(desk.writer)
    until(Sighting.objects.exists)


def test_a_lost_lease_is_left_for_the_loop_to_find_and_counted(desk: Desk, scribe: Scribe) -> None:
    CameraLease.objects.update(epoch=F("epoch") + 1)
    desk.writer.changed(watched(1), urgent=True)
    desk.writer.changed(watched(2), urgent=True)
    scribe.note(desk.writer)
    until(lambda: desk.writer.error is not None)
    assert isinstance(desk.writer.error, LeaseLost)
    assert desk.drops == {Drop.NOT_WRITTEN: 2}
    assert not Sighting.objects.exists()


def test_one_cameras_trouble_does_not_silence_another(
    desk: Desk, scribe: Scribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**kwargs: Any) -> Any:
        if kwargs["sighting"].track == 1:
            raise RuntimeError("unthought of")
        return report_sighting(**kwargs)

    monkeypatch.setattr(sightings, "report_sighting", broken)
    other = Desk("Yard")
    scribe.add(other.writer)
    try:
        desk.writer.changed(watched(1), urgent=True)
        other.writer.changed(watched(2), urgent=True)
        scribe.note(other.writer)
        until(Sighting.objects.exists)
        until(lambda: desk.writer.error is not None)
        assert other.writer.error is None
    finally:
        scribe.remove(other.writer)
