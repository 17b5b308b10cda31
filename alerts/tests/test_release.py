"""What programs learn of sightings while a match is only a lead: that somebody was seen, not who it may be."""

from __future__ import annotations

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from alerts.models import Alert, AlertRepeat, AlertState
from alerts.tests.factories import AlertFactory
from cameras.models import CameraEvent, EventKind, Sighting
from cameras.tests.factories import NOON, CameraFactory, SightingFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> APIClient:
    return key_client(Role.REVIEWER)


def lead() -> Alert:
    made: Alert = AlertFactory.create(reviews_needed=2)
    return made


def repeated(alert: Alert) -> Sighting:
    made: Sighting = SightingFactory.create(person=alert.person)
    AlertRepeat.objects.create(alert=alert, sighting=made, person=alert.person, at=NOON)
    return made


def test_a_sighting_that_is_a_lead_says_not_whom_it_may_show(program: APIClient) -> None:
    alert = lead()
    for sighting in (alert.sighting, repeated(alert)):
        assert sighting is not None
        found = [program.get(f"/api/v1/sightings/{sighting.pk}").json()]
        found += [one for one in program.get("/api/v1/sightings").json()["results"] if one["id"] == str(sighting.pk)]
        assert len(found) == 2
        for one in found:
            locked = [one[name] for name in ("person", "person_name", "similarity", "shot", "enhanced")]
            assert (one["lead"], locked) == (True, [None, None, None, None, ""])
        refused = problem(program.get(f"/api/v1/sightings/{sighting.pk}/shot"), 409)
        assert "only a lead" in refused["detail"]


def test_no_lead_is_found_by_a_person(program: APIClient) -> None:
    alert = lead()
    repeated(alert)
    of_another_rule = SightingFactory.create(person=alert.person)
    for address in (f"/api/v1/sightings?person={alert.person_id}", f"/api/v1/people/{alert.person_id}/sightings"):
        found = program.get(address).json()["results"]
        assert [one["id"] for one in found] == [str(of_another_rule.pk)]


def test_what_reviewers_confirmed_is_released(program: APIClient) -> None:
    alert = lead()
    Alert.objects.update(state=AlertState.CONFIRMED, decided_at=timezone.now())
    shown = program.get(f"/api/v1/sightings/{alert.sighting_id}").json()
    assert (shown["lead"], shown["person"]) == (False, alert.person_id)
    found = program.get(f"/api/v1/people/{alert.person_id}/sightings").json()["results"]
    assert [one["id"] for one in found] == [str(alert.sighting_id)]


def test_many_leads_cost_no_more_queries(
    program: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(30):
        lead()
    with django_assert_max_num_queries(8):
        assert len(program.get("/api/v1/sightings").json()["results"]) == 30


def test_an_event_of_a_camera_names_the_alert_that_tells_of_it(program: APIClient) -> None:
    camera = CameraFactory.create()
    event, quiet = (
        CameraEvent.objects.create(camera=camera, camera_name=camera.name, kind=kind, began_at=NOON)
        for kind in (EventKind.DOWN, EventKind.BLACK)
    )
    first, _ = (
        Alert.objects.create(event=event, camera=camera, trigger="camera", severity="high", captured_at=NOON)
        for _ in range(2)
    )
    found = program.get(f"/api/v1/cameras/{camera.pk}/events").json()["results"]
    assert {one["id"]: one["alert"] for one in found} == {event.pk: first.pk, quiet.pk: None}
