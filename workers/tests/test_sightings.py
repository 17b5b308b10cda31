"""Writing what was seen while the database comes and goes: nothing is lost, nothing is doubled."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import F
from psycopg.errors import DiskFull

from alerts.models import Alert, Delivery
from alerts.reporting import report_sighting
from cameras.drops import Drop
from cameras.leases import Lease, LeaseLost, take_lease
from cameras.models import Camera, CameraLease, Sighting, UnknownTemplate, Verdict
from cameras.services import add_camera
from cameras.tests.factories import NOON
from recognition.models import Person, Photo
from recognition.services import delete_person
from recognition.tests.factories import TemplateFactory, WatchlistEntryFactory, embedding
from workers import sightings
from workers.decision import Decision
from workers.sightings import MOST_WAITING, CameraFacts, EventKind, SightingWriter, Watched
from workers.tracking import Track

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]


class Clock:
    """Moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sightings, "time", clock)
    return clock


class Desk:
    """A writer with its camera, its lease, and what it told."""

    def __init__(self, name: str = "Gate") -> None:
        self.camera: Camera = add_camera(actor=None, name=name, source="rtsp://camera.example/1")
        lease = take_lease(camera_id=self.camera.pk, owner="test")
        assert lease is not None
        self.lease: Lease = lease
        self.told: list[EventKind] = []
        self.drops: Counter[Drop] = Counter()
        self.writer = SightingWriter(
            camera=CameraFacts(id=self.camera.pk, name=name, latitude=None, longitude=None),
            lease=lease,
            tell=lambda kind, watched: self.told.append(kind),
            drops=self.drops,
        )


@pytest.fixture
def desk(clock: Clock) -> Desk:
    return Desk()


def watched(number: int = 1, person: Person | None = None) -> Watched:
    track = Track(number, np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0, 0.99)
    found = Watched(track, NOON, NOON + timedelta(seconds=1), frames=3, shot=b"a picture")
    if person is not None:
        found.decision = Decision(verdict=Verdict.KNOWN, person=person.pk, similarity=0.9, threshold=0.84)
        found.decided_at = NOON
    return found


def failing(times: int, error: Exception) -> Callable[..., Any]:
    """A report_sighting that fails so many times, and then works."""
    left = [times]

    def report(**kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return report_sighting(**kwargs)

    return report


@pytest.fixture
def wanted() -> Person:
    return WatchlistEntryFactory.create().person


@pytest.mark.parametrize(
    "error",
    [OperationalError("gone"), InterfaceError("closed"), IntegrityError("the rule was deleted")],
    ids=["away", "closed", "overtaken"],
)
def test_a_write_that_fails_is_repeated_once_the_database_answers(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch, wanted: Person, error: Exception
) -> None:
    monkeypatch.setattr(sightings, "report_sighting", failing(2, error))
    seen = watched(person=wanted)
    desk.writer.changed(seen, urgent=True)
    for _ in range(2):
        desk.writer.flush()
        assert not Sighting.objects.exists()
        desk.writer.flush()  # too early: the next try waits
        clock.now += sightings.RETRY_SECONDS
    seen.closed = True
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    row = Sighting.objects.get()
    assert (row.id, row.person, row.is_open) == (seen.id, wanted, False)
    assert row.sealed_shot is not None
    assert Alert.objects.get().sighting == row
    assert Delivery.objects.count() == 1
    assert desk.told == list(EventKind)


def test_a_write_whose_answer_was_lost_is_repeated_without_a_second_row(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch, wanted: Person
) -> None:
    def write_and_break(**kwargs: Any) -> Any:
        report_sighting(**kwargs)
        raise OperationalError("the connection broke after the commit")

    monkeypatch.setattr(sightings, "report_sighting", write_and_break)
    desk.writer.changed(watched(person=wanted))
    desk.writer.flush()
    monkeypatch.setattr(sightings, "report_sighting", report_sighting)
    clock.now += sightings.RETRY_SECONDS
    desk.writer.flush()
    assert Sighting.objects.count() == Alert.objects.count() == Delivery.objects.count() == 1
    assert desk.told == [EventKind.OPENED, EventKind.IDENTIFIED]


def test_an_open_sighting_is_written_at_once_then_at_intervals(desk: Desk, clock: Clock) -> None:
    seen = watched()
    frames = []
    for count in range(1, 60):
        seen.frames = count
        desk.writer.changed(seen)
        desk.writer.flush()
        frames.append(Sighting.objects.get().frames)
        clock.now += 0.1
    assert frames[0] == 1
    assert 2 <= len(set(frames)) <= 4


def test_what_is_urgent_does_not_wait(desk: Desk, wanted: Person) -> None:
    seen = watched()
    desk.writer.changed(seen)
    desk.writer.flush()
    seen.decision = Decision(verdict=Verdict.KNOWN, person=wanted.pk, similarity=0.9, threshold=0.84)
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    assert Sighting.objects.get().person == wanted


def test_a_person_deleted_meanwhile_is_not_named(desk: Desk, wanted: Person) -> None:
    seen = watched(person=wanted)
    delete_person(actor=None, person=Person.objects.get(pk=wanted.pk))
    desk.writer.changed(seen)
    desk.writer.flush()
    row = Sighting.objects.get()
    assert (row.verdict, row.person) == (Verdict.UNKNOWN, None)
    assert desk.told == [EventKind.OPENED]
    assert not Alert.objects.exists()


@pytest.mark.parametrize(
    ("cause", "says"),
    [(DiskFull(), "The disk of the database is full. Free some space there."), (None, "The database does not answer.")],
)
def test_why_nothing_is_written_is_said_until_it_is(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch, cause: Exception | None, says: str
) -> None:
    error = OperationalError("no")
    error.__cause__ = cause
    monkeypatch.setattr(sightings, "report_sighting", failing(1, error))
    desk.writer.changed(watched())
    assert desk.writer.trouble == ""
    desk.writer.flush()
    assert desk.writer.trouble.startswith(says)
    clock.now += sightings.RETRY_SECONDS
    desk.writer.flush()
    assert desk.writer.trouble == ""


def test_what_waits_is_bounded_and_what_is_dropped_is_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "report_sighting", failing(10**9, OperationalError("gone")))
    for number in range(MOST_WAITING + 5):
        seen = watched(number)
        seen.closed = True
        desk.writer.changed(seen)
        desk.writer.flush()
    assert len(desk.writer._waiting) == MOST_WAITING
    assert desk.drops == {Drop.NOT_WRITTEN: 5}
    assert min(one.watched.track.number for one in desk.writer._waiting.values()) == 5  # the oldest went first


def test_a_lost_lease_is_told_to_the_loop_and_nothing_is_written(desk: Desk) -> None:
    CameraLease.objects.update(epoch=F("epoch") + 1)
    desk.writer.changed(watched())
    with pytest.raises(LeaseLost):
        desk.writer.flush()
    with pytest.raises(LeaseLost):
        desk.writer.drain()
    assert not Sighting.objects.exists()


def test_drain_writes_all_that_waits_as_soon_as_it_can(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sightings, "report_sighting", failing(3, OperationalError("gone")))
    for number in range(5):
        seen = watched(number)
        seen.closed = True
        desk.writer.changed(seen)
    desk.writer.drain()
    assert Sighting.objects.count() == 5


def test_drain_gives_up_after_a_while_and_says_what_was_lost(
    desk: Desk, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sightings, "report_sighting", failing(10**9, OperationalError("gone")))
    desk.writer.changed(watched())
    with caplog.at_level(logging.ERROR):
        desk.writer.drain()
    assert "1 sightings of Gate could not be written" in caplog.text


def test_what_rests_on_an_enhanced_photo_is_marked(desk: Desk, wanted: Person) -> None:
    template = TemplateFactory.create(person=wanted)
    Photo.objects.filter(pk=template.photo_id).update(enhanced="enlarged")
    seen = watched(1, wanted)
    seen.decision = replace(seen.decision, template=template.pk)
    desk.writer.changed(seen, urgent=True)
    desk.writer.changed(watched(2, wanted), urgent=True)
    desk.writer.flush()

    assert Sighting.objects.get(track=1).enhanced == "enlarged"
    assert Sighting.objects.get(track=2).enhanced == ""
    assert Alert.objects.get().enhanced == "enlarged"


def test_an_unknown_face_is_handed_over_once_it_is_decided_and_once_more_at_the_end(desk: Desk) -> None:
    seen = watched()
    seen.evidence.add(embedding(1), 0.9)
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    assert not UnknownTemplate.objects.exists()  # nothing is decided yet
    seen.decision = Decision(verdict=Verdict.UNKNOWN, pack="compact-1")
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    first = UnknownTemplate.objects.get()
    seen.evidence.add(embedding(1), 0.8)
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    assert UnknownTemplate.objects.get() == first  # the linker is not asked again with each look
    seen.closed = True
    desk.writer.changed(seen, urgent=True)
    desk.writer.flush()
    assert UnknownTemplate.objects.get() != first
