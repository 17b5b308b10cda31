"""What a worker's writes keep of unknown faces, and what they leave as a person said it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.conf import LazySettings

from cameras import courses
from cameras.identities.unknowns import opened
from cameras.models import Identity, Link, Sighting, UnknownGone, UnknownTemplate, Verdict
from cameras.services import SightingRecord, save_sighting
from cameras.tests.factories import CameraFactory
from cameras.tests.records import held, known
from recognition.tests.factories import PersonFactory, embedding

pytestmark = pytest.mark.django_db


def unknown(**changes: object) -> SightingRecord:
    camera = CameraFactory.create()
    made = known(camera, held(camera), None, verdict=Verdict.UNKNOWN, probe=embedding(1), keeps_probe=True)
    return replace(made, **changes)  # type: ignore[arg-type]  # of any field


def test_an_unknown_face_is_sealed_and_expires(settings: LazySettings) -> None:
    settings.UNKNOWN_HOURS = 2
    record = unknown()
    save_sighting(record)
    row = UnknownTemplate.objects.defer(None).get()
    assert row.linked_at is None
    assert row.expires_at == record.last_seen + timedelta(hours=2)
    assert np.array_equal(opened([row])[row.pk], embedding(1))
    assert embedding(1).astype("<f4").tobytes()[:16] not in bytes(row.sealed)


def test_a_better_look_is_a_new_template() -> None:
    record = unknown()
    save_sighting(record)
    first = UnknownTemplate.objects.get()
    save_sighting(replace(record, probe=embedding(2), keeps_probe=False))
    assert UnknownTemplate.objects.get() == first
    save_sighting(replace(record, probe=embedding(2), is_open=False))
    second = UnknownTemplate.objects.defer(None).get()
    assert second != first
    assert np.array_equal(opened([second])[second.pk], embedding(2))
    assert list(UnknownGone.objects.values_list("template", flat=True)) == [first.pk]


def test_switched_off_nothing_is_stored(settings: LazySettings) -> None:
    settings.UNKNOWN_HOURS = 0
    save_sighting(unknown())
    assert not UnknownTemplate.objects.exists()


def test_whose_name_is_known_in_the_end_is_no_unknown_any_more() -> None:
    record = unknown()
    save_sighting(record)
    own = Identity.objects.create()
    Sighting.objects.update(identity=own, link=Link.NEW)
    person = PersonFactory.create()
    save_sighting(replace(record, verdict=Verdict.KNOWN, person_id=person.pk, keeps_probe=False))
    assert not UnknownTemplate.objects.exists()
    row = Sighting.objects.get()
    assert (row.person, row.identity, row.link) == (person, None, "")


def test_a_recognised_face_is_not_stored() -> None:
    camera = CameraFactory.create()
    save_sighting(known(camera, held(camera), PersonFactory.create().pk, probe=embedding(1)))
    assert not UnknownTemplate.objects.exists()


def test_what_a_person_said_is_not_written_over() -> None:
    record = unknown()
    save_sighting(record)
    person = PersonFactory.create()
    own = Identity.objects.create(person=person)
    Sighting.objects.update(identity=own, person=person, link=Link.HAND)
    later = record.last_seen + timedelta(seconds=9)
    saved = save_sighting(replace(record, verdict=Verdict.KNOWN, person_id=PersonFactory.create().pk, last_seen=later))
    row = Sighting.objects.get()
    assert (row.person, row.identity, row.link, row.verdict) == (person, own, Link.HAND, Verdict.UNKNOWN)
    assert (saved.row.person, saved.row.verdict) == (person, Verdict.UNKNOWN)
    assert row.last_seen == later


def test_where_the_face_was_is_kept() -> None:
    keeper = courses.CourseKeeper()
    for number in range(200):
        keeper.see(number * 0.2, number / 200, 0.5, 0.1)
    save_sighting(unknown(course=keeper.packed()))
    course = courses.unpack(Sighting.objects.defer(None).get().course)
    assert 8 <= len(course) <= courses.MOST
    assert course[0] == pytest.approx([0, 0, 0.5, 0.1], abs=1e-4)
    assert course[-1, 0] > 30
    assert np.allclose(course[:, 1], course[:, 0] / 40, atol=0.01)


def test_what_is_no_course_is_none() -> None:
    assert courses.unpack(None).shape == (0, 4)
    assert courses.unpack(b"\x00" * 7).shape == (0, 4)
    far = courses.unpack(courses.pack(np.array([[1e6, 2.0, -1.0, 0.5]], np.float32)))
    assert far[0] == pytest.approx([6553.5, 1.0, 0.0, 0.5], abs=1e-3)
