"""When two people are merged, what cameras saw and what was told follows."""

from __future__ import annotations

from datetime import date

import pytest

from alerts.models import Alert
from alerts.tests.factories import AlertFactory, rule
from cameras.models import Sighting
from cameras.tests.factories import NOON, SightingFactory
from recognition import merging
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db


def test_sightings_and_alerts_follow() -> None:
    kept, gone = PersonFactory.create(), PersonFactory.create(name="Augusta")
    SightingFactory.create(person=kept)
    seen = SightingFactory.create(person=gone)
    told = AlertFactory.create(sighting=seen)
    merging.merge(actor=None, kept=kept, gone=gone)

    assert Sighting.objects.filter(person=kept).count() == 2
    told.refresh_from_db()
    assert (told.person_id, told.person_name) == (kept.pk, "Augusta")


def test_two_alerts_of_one_sighting_do_not_collide() -> None:
    kept, gone = PersonFactory.create_batch(2)
    seen, same = SightingFactory.create(person=gone), rule()
    first = AlertFactory.create(sighting=seen, rule=same, person=kept, person_name="Ada")
    second = AlertFactory.create(sighting=seen, rule=same, person=gone, person_name="Augusta")
    merging.merge(actor=None, kept=kept, gone=gone)

    people = dict(Alert.objects.values_list("pk", "person"))
    assert people == {first.pk: kept.pk, second.pk: None}
    assert Alert.objects.get(pk=second.pk).person_name == "Augusta"


def test_two_who_were_missed_on_one_day_do_not_collide() -> None:
    kept, gone = PersonFactory.create_batch(2)
    same, values = rule(), {"sighting": None, "camera": None, "camera_name": "", "similarity": None, "threshold": None}
    for person in (kept, gone):
        AlertFactory.create(**values, rule=same, person=person, day=date(2026, 3, 2), captured_at=NOON)
    merging.merge(actor=None, kept=kept, gone=gone)

    assert set(Alert.objects.values_list("person", flat=True)) == {kept.pk, None}
