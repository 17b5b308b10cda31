"""Cameras, leases and sightings: who may run a camera, and what is written of what it saw."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, transaction

from accounts.models import AuditEvent
from accounts.vault import VaultError
from cameras import services
from cameras.leases import LeaseLost
from cameras.models import Camera, CameraLease, Sighting, Verdict
from cameras.sources import Kind, SourceError
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.records import held, known, let_expire
from recognition.errors import RecognitionError
from recognition.services import delete_person
from recognition.tests.factories import PersonFactory, picture

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@camera.example:554/live?token=abc"


# Cameras


def test_a_cameras_source_is_sealed_and_its_address_shows_no_credentials() -> None:
    camera = services.add_camera(actor=None, name=" Gate\t1 ", source=SOURCE, latitude=1.5, longitude=2.5)

    stored = Camera.objects.values().get(pk=camera.pk)
    assert stored["name"] == "Gate 1"
    assert "s3cr3t" not in str(stored)
    assert b"s3cr3t" not in bytes(stored["sealed_source"])
    assert stored["address"] == "rtsp://camera.example:554/live?…"
    source = services.source_of(camera)
    assert (source.kind, source.text) == (Kind.STREAM, SOURCE)
    assert "s3cr3t" not in str(list(AuditEvent.objects.values()))


def test_a_cameras_name_is_taken_once() -> None:
    services.add_camera(actor=None, name="Gate", source="0")
    with pytest.raises(RecognitionError, match="already"):
        services.add_camera(actor=None, name=" Gate ", source="1")
    with pytest.raises(RecognitionError, match="500 characters"):
        services.add_camera(actor=None, name="x" * 500, source="1")
    with pytest.raises(SourceError, match="empty"):
        services.add_camera(actor=None, name="Other", source=" ")

    assert Camera.objects.count() == 1


def test_a_change_without_a_source_keeps_it_and_starts_the_loop_anew() -> None:
    camera = services.add_camera(actor=None, name="Gate", source=SOURCE)
    changed = services.change_camera(
        actor=None,
        camera=camera,
        name="Door",
        source="",
        latitude=None,
        longitude=None,
        loop=True,
        enabled=False,
    )

    assert services.source_of(changed).text == SOURCE
    assert (changed.name, changed.loop, changed.enabled, changed.revision) == ("Door", True, False, 1)
    services.set_enabled(actor=None, camera=changed, enabled=True)
    changed.refresh_from_db()
    assert (changed.enabled, changed.revision) == (True, 2)


def test_a_source_that_was_moved_to_another_column_does_not_open() -> None:
    camera = CameraFactory.create(sealed_source=b"rtsp://viewer:plain@camera.example")

    with pytest.raises(VaultError):
        services.source_of(camera)


def test_a_removed_cameras_sightings_remain_and_are_closed() -> None:
    camera = CameraFactory.create(name="Gate")
    sighting = SightingFactory.create(camera=camera, is_open=True)
    services.remove_camera(actor=None, camera=camera)

    sighting.refresh_from_db()
    assert (sighting.camera, sighting.camera_name, sighting.is_open) == (None, "Gate", False)
    assert not CameraLease.objects.exists()


# Sightings


def test_writing_a_sighting_twice_changes_nothing() -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    record = known(camera, held(camera), person.pk)
    services.save_sighting(record)
    before = Sighting.objects.values().get()
    services.save_sighting(replace(record, shot=None))

    assert Sighting.objects.values().get() == before
    row = Sighting.objects.get()
    assert services.shot_of(row) == picture(1)
    assert bytes(row.sealed_shot or b"").find(b"\xff\xd8\xff") == -1


def test_a_sighting_grows_with_its_track() -> None:
    camera = CameraFactory.create()
    record = known(camera, held(camera), None, verdict=Verdict.UNDECIDED, similarity=None, shot=None)
    services.save_sighting(record)
    person = PersonFactory.create()
    later = record.last_seen + timedelta(seconds=9)
    services.save_sighting(
        replace(
            record,
            verdict=Verdict.KNOWN,
            person_id=person.pk,
            similarity=0.9,
            last_seen=later,
            frames=99,
            is_open=False,
            shot=picture(2),
        )
    )

    row = Sighting.objects.get()
    assert (row.person, row.verdict, row.last_seen, row.frames) == (person, Verdict.KNOWN, later, 99)
    assert not row.is_open
    assert services.shot_of(row) == picture(2)


def test_a_late_write_of_an_old_lease_is_refused() -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    old = held(camera, "one")
    record = known(camera, old, person.pk)
    services.save_sighting(record)
    let_expire(camera)
    new = held(camera, "two")

    with pytest.raises(LeaseLost):
        services.save_sighting(replace(record, frames=11))
    with pytest.raises(LeaseLost):
        services.save_sighting(replace(record, lease=replace(new, owner="one")))
    assert Sighting.objects.get().frames == 10


def test_of_a_removed_camera_nothing_is_written() -> None:
    camera = CameraFactory.create()
    record = known(camera, held(camera), None)
    services.remove_camera(actor=None, camera=camera)

    with pytest.raises(LeaseLost):
        services.save_sighting(record)
    assert not Sighting.objects.exists()


def test_somebody_who_was_deleted_becomes_unknown() -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    record = known(camera, held(camera), person.pk)
    delete_person(actor=None, person=person)

    row = services.save_sighting(record).row
    assert (row.person, row.verdict) == (None, Verdict.UNKNOWN)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["person", "camera"])
def test_deleting_while_a_sighting_is_written_waits_for_it(what: str) -> None:
    """Both succeed; the sighting remains, without the one that is gone."""
    camera, person = CameraFactory.create(), PersonFactory.create()
    record = known(camera, held(camera), person.pk)
    written, over = threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def delete() -> None:
        try:
            written.wait(30)
            if what == "person":
                delete_person(actor=None, person=person)
            else:
                services.remove_camera(actor=None, camera=camera)
        except BaseException as error:
            failures.append(error)
        finally:
            over.set()
            connection.close()

    thread = threading.Thread(target=delete)
    thread.start()
    with transaction.atomic():
        services.save_sighting(record)
        written.set()
        assert not over.wait(0.3)  # it waits for this transaction
    thread.join(30)

    assert failures == []
    row = Sighting.objects.get()
    assert (row.person is None) == (what == "person")
    assert (row.camera is None) == (what == "camera")
    assert row.is_open == (what == "person")


def test_sightings_whose_worker_is_gone_are_closed() -> None:
    running, orphaned, retaken = CameraFactory.create_batch(3)
    alive = services.save_sighting(known(running, held(running), None)).row
    lost = services.save_sighting(known(orphaned, held(orphaned), None)).row
    older = services.save_sighting(known(retaken, held(retaken), None)).row
    let_expire(orphaned)
    let_expire(retaken)
    held(retaken, "two")
    camera_gone = SightingFactory.create(camera=None, person=None, is_open=True)

    assert services.close_stale_sightings() == 3
    assert services.close_stale_sightings() == 0
    assert Sighting.objects.get(is_open=True) == alive
    for row in (lost, older, camera_gone):
        assert not Sighting.objects.get(pk=row.pk).is_open


def test_a_shot_of_another_sighting_does_not_open() -> None:
    one, two = SightingFactory.create_batch(2)
    one.sealed_shot = two.sealed_shot

    with pytest.raises(VaultError):
        services.shot_of(one)
    assert services.shot_of(SightingFactory.create(sealed_shot=None, shot_day=None)) is None
    assert services.shot_bind(uuid.UUID(int=0)) != services.shot_bind(uuid.UUID(int=1))


def test_a_name_that_is_taken_at_the_same_moment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "_free_name", lambda name, but=0: name)  # both looked before either wrote
    services.add_camera(actor=None, name="Gate", source="0")
    door = services.add_camera(actor=None, name="Door", source="0")

    with pytest.raises(RecognitionError, match="already"):
        services.add_camera(actor=None, name="Gate", source="1")
    with pytest.raises(RecognitionError, match="already"):
        services.change_camera(
            actor=None, camera=door, name="Gate", source="", latitude=None, longitude=None, loop=False, enabled=True
        )
    assert sorted(Camera.objects.values_list("name", flat=True)) == ["Door", "Gate"]
