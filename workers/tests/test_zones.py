"""From frames to passages: whoever walks through a zone of a picture is on record for it, once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from alerts.reporting import report_sighting
from cameras.leases import release_leases, take_lease
from cameras.models import Camera, Ground, Passage, PassageKind, Shape, Sighting, Zone
from cameras.services import PassageRecord, add_camera
from cameras.tests.factories import NOON
from recognition.engine import Pack
from workers import sightings, zones
from workers.scribe import Scribe
from workers.sightings import CameraFacts, SightingWriter, Watched
from workers.tests.conftest import Enrol
from workers.tests.loops import BookAtOnce, hold, loop_of, shared
from workers.tests.scenes import EILEEN, ScriptedReader, Shot
from workers.tracking import Track
from workers.zones import Passing, ZoneBook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]

RIGHT = [[0.55, 0.0], [1.0, 0.0], [1.0, 1.0], [0.55, 1.0]]
THERE = Shot(seconds=3, people=(EILEEN,), start=10, speed=85)
BACK = Shot(seconds=3, people=(EILEEN,), start=265, speed=-85)


@pytest.fixture
def camera() -> Camera:
    return add_camera(actor=None, name="Door", source="rtsp://camera.example/1")


def area(camera: Camera | None, name: str = "Counter", points: Any = RIGHT) -> Zone:
    return Zone.objects.create(name=name, ground=Ground.PICTURE, camera=camera, shape=Shape.POLYGON, points=points)


def line(camera: Camera) -> Zone:
    points = [[0.5, 0.0], [0.5, 1.0]]
    return Zone.objects.create(name="Sill", ground=Ground.PICTURE, camera=camera, shape=Shape.LINE, points=points)


def go(camera: Camera, *shots: Shot, at: dict[float, Callable[[], object]] | None = None) -> None:
    holding = hold(camera)
    loop_of(camera, ScriptedReader(shots, at=at or {}), holding=holding, together=shared(zones=BookAtOnce())).run()
    release_leases([holding.lease])


def stored() -> list[tuple[int, str]]:
    return [(one.zone_id, one.kind) for one in Passage.objects.order_by("number")]


def test_who_walks_over_a_line_into_an_area_and_back_is_on_record_for_each(
    camera: Camera, pack: Pack, enrolled: Enrol
) -> None:
    eileen = enrolled(EILEEN)
    counter, sill = area(camera), line(camera)
    elsewhere = area(add_camera(actor=None, name="Other", source="rtsp://camera.example/2"), "Elsewhere")
    go(camera, Shot(seconds=1), THERE, BACK, Shot(seconds=3))
    sighting = Sighting.objects.get()
    assert sighting.person == eileen
    assert stored() == [
        (sill.pk, PassageKind.TO_LEFT),
        (counter.pk, PassageKind.ENTERED),
        (counter.pk, PassageKind.LEFT),
        (sill.pk, PassageKind.TO_RIGHT),
    ]
    times = [one.at for one in Passage.objects.order_by("number")]
    assert times == sorted(times)
    assert sighting.first_seen < times[0] < times[-1] <= sighting.last_seen
    assert not elsewhere.passages.exists()


def test_who_appears_in_an_area_has_entered_it_and_a_camera_without_zones_has_no_passages(
    camera: Camera, pack: Pack
) -> None:
    zone = area(camera, points=[[0.0, 0.0], [0.6, 0.0], [0.6, 1.0], [0.0, 1.0]])
    go(camera, Shot(seconds=1), Shot(seconds=2, people=(EILEEN,)), Shot(seconds=3))
    assert stored() == [(zone.pk, PassageKind.ENTERED)]
    passage, sighting = Passage.objects.get(), Sighting.objects.get()
    assert passage.at == sighting.first_seen
    zone.delete()
    go(camera, Shot(seconds=1), Shot(seconds=2, people=(EILEEN,)), Shot(seconds=3))
    assert Sighting.objects.count() == 2
    assert stored() == []


def test_a_zone_that_is_drawn_while_the_loop_runs_counts_from_then_on(camera: Camera, pack: Pack) -> None:
    drawn: list[Zone] = []
    go(camera, Shot(seconds=1), THERE, BACK, at={3.5: lambda: drawn.append(line(camera))})
    assert stored() == [(drawn[0].pk, PassageKind.TO_RIGHT)]


def test_a_zone_that_is_removed_while_the_loop_runs_keeps_nothing_from_being_written(
    camera: Camera, pack: Pack
) -> None:
    line(camera)
    go(camera, Shot(seconds=1), THERE, BACK, Shot(seconds=3), at={5.0: Zone.objects.all().delete})
    assert Sighting.objects.get().is_open is False
    assert stored() == []


# --- writing -----------------------------------------------------------------------------------------------------


def writer_of(camera: Camera) -> SightingWriter:
    lease = take_lease(camera_id=camera.pk, owner="test")
    assert lease is not None
    facts = CameraFacts(id=camera.pk, name=camera.name, latitude=None, longitude=None)
    return SightingWriter(camera=facts, lease=lease, tell=lambda *_: None, drops=Counter())


def walker(number: int = 1) -> Watched:
    return Watched(Track(number, np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0, 0.99), NOON, NOON)


def is_urgent(writer: SightingWriter) -> bool:
    return writer.has_urgent


def record(zone: Zone, number: int) -> PassageRecord:
    return PassageRecord(zone_id=zone.pk, kind=PassageKind.ENTERED, number=number, at=NOON)


def test_a_passage_is_urgent_until_it_is_written_and_is_written_once(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, zone, seen = writer_of(camera), area(camera), walker()
    writer.changed(seen)
    assert not is_urgent(writer)
    writer.flush()
    seen.passages = (record(zone, 0),)
    writer.changed(seen)
    assert is_urgent(writer)
    report = report_sighting
    given: list[int] = []

    def break_after_commit(**kwargs: Any) -> Any:
        given.append(len(kwargs["sighting"].passages))
        report(**kwargs)
        raise OperationalError("the connection broke after the commit")

    monkeypatch.setattr(sightings, "report_sighting", break_after_commit)
    writer.flush()
    monkeypatch.setattr(sightings, "report_sighting", report)
    seen.passages = (*seen.passages, record(zone, 1))
    writer.changed(seen)
    writer.flush(everything=True)
    assert given == [1]
    assert list(Passage.objects.values_list("number", flat=True)) == [0, 1]
    writer.changed(seen)
    assert not is_urgent(writer)


# --- the book ----------------------------------------------------------------------------------------------------


def test_the_book_reads_the_zones_only_when_they_have_changed(camera: Camera) -> None:
    zone, other = area(camera), area(add_camera(actor=None, name="Other", source="rtsp://camera.example/2"), "Other")
    book = ZoneBook()
    book.read()
    first, untouched = book.of(camera.pk), book.of(other.camera_id or 0)
    assert [shape.id for shape in first] == [zone.pk]
    with CaptureQueriesContext(connection) as asked:
        book.read()
    assert len(asked) == 1
    assert book.of(camera.pk) is first
    Zone.objects.filter(pk=zone.pk).update(points=[[0, 0], [1, 0], [1, 1]])
    book.read()
    assert book.of(camera.pk)[0].points == ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))
    assert book.of(other.camera_id or 0) is untouched
    zone.delete()
    book.read()
    assert book.of(camera.pk) == ()


def test_a_zone_whose_camera_was_removed_stays_and_belongs_to_nobody(camera: Camera) -> None:
    zone = area(camera)
    pk = camera.pk
    camera.delete()
    zone.refresh_from_db()
    assert zone.is_orphaned
    book = ZoneBook()
    book.read()
    assert book.of(pk) == ()


def test_the_book_is_looked_into_once_a_second_and_stays_as_it_is_while_the_database_is_away(
    camera: Camera, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone, now = area(camera), [10.0]
    book = ZoneBook(clock=lambda: now[0])
    book.look()
    zone.delete()
    now[0] += zones.LOOK_SECONDS / 2
    book.look()
    assert len(book.of(camera.pk)) == 1
    now[0] += zones.LOOK_SECONDS

    def fail() -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as away:
        away.setattr(book, "read", fail)
        book.look()
    assert len(book.of(camera.pk)) == 1
    now[0] += zones.LOOK_SECONDS
    book.look()
    assert book.of(camera.pk) == ()


def test_the_scribe_keeps_the_book_new_while_it_writes(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    book = ZoneBook()
    monkeypatch.setattr("workers.scribe.zone_book", lambda: book)
    monkeypatch.setattr(zones, "LOOK_SECONDS", 0.0)
    scribe, writer = Scribe(), writer_of(camera)
    scribe.add(writer)
    try:
        area(camera)
        until = time.monotonic() + 20
        while not book.of(camera.pk) and time.monotonic() < until:
            threading.Event().wait(0.05)
        assert len(book.of(camera.pk)) == 1
    finally:
        scribe.remove(writer)


def test_without_zones_nothing_is_kept_of_any_track(camera: Camera) -> None:
    passing = Passing(ZoneBook(), camera.pk)
    assert not passing.begin(cut=False)
    assert not passing.begin(cut=True)
