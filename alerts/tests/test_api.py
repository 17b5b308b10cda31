"""The API of alerts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import User
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from accounts.tests.factories import UserFactory
from alerts.models import Alert
from alerts.tests.factories import AlertFactory
from cameras.tests.factories import NOON
from recognition.models import Watchlist
from recognition.watchlist_services import delete_watchlist

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


@pytest.fixture
def operator(user: User) -> APIClient:
    return key_client(user=user)


def test_alerts_are_listed_newest_first(
    operator: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = AlertFactory.create_batch(4)
    with django_assert_max_num_queries(8):
        found = operator.get("/api/v1/alerts").json()["results"]

    assert [each["id"] for each in found] == [row.pk for row in reversed(rows)]
    newest, row = found[0], rows[-1]
    assert newest["person"] == row.person_id
    assert newest["watchlist_name"] == row.watchlist_name
    assert row.sighting is not None
    assert (newest["latitude"], newest["longitude"]) == (row.sighting.latitude, row.sighting.longitude)
    assert newest["shot"] == f"/api/v1/sightings/{row.sighting_id}/shot"
    assert (newest["state"], newest["acknowledged_by"]) == ("new", None)
    assert operator.get(f"/api/v1/alerts/{row.pk}").json() == newest


def test_alerts_are_filtered(operator: APIClient) -> None:
    early = AlertFactory.create(captured_at=NOON)
    late = AlertFactory.create(captured_at=NOON + timedelta(days=1), state="acknowledged")
    wanted: list[tuple[dict[str, Any], Alert]] = [
        ({"state": "new"}, early),
        ({"person": late.person_id}, late),
        ({"camera": early.camera_id}, early),
        ({"from": "2026-03-15T00:00:00Z"}, late),
        ({"to": "2026-03-15T00:00:00Z"}, early),
    ]
    for query, expected in wanted:
        (found,) = operator.get("/api/v1/alerts", query).json()["results"]
        assert found["id"] == expected.pk, query
    for bad in ({"state": "open"}, {"from": "x"}, {"camera": "0"}):
        problem(operator.get("/api/v1/alerts", bad), 400)


def test_an_alert_is_acknowledged_once_and_stays_the_firsts(operator: APIClient) -> None:
    alert = AlertFactory.create()
    url = f"/api/v1/alerts/{alert.pk}/acknowledge"
    body = operator.post(url).json()
    assert (body["state"], body["acknowledged_by"]) == ("acknowledged", "ada")

    again = key_client(Role.ADMINISTRATOR).post(url)
    assert again.status_code == 200
    assert again.json() == body
    problem(operator.post("/api/v1/alerts/99999/acknowledge"), 404)
    problem(operator.get(url), 405)


def test_an_alert_outlives_its_watchlist(operator: APIClient) -> None:
    alert = AlertFactory.create()
    name = alert.watchlist_name
    delete_watchlist(actor=None, watchlist=Watchlist.objects.get())

    assert operator.get(f"/api/v1/alerts/{alert.pk}").json()["watchlist_name"] == name
    assert operator.post(f"/api/v1/alerts/{alert.pk}/acknowledge").status_code == 200


def test_the_latest_by_the_other_route(operator: APIClient) -> None:
    rows = AlertFactory.create_batch(3)

    assert [each["id"] for each in operator.get("/api/alerts/latest").json()["results"]] == [
        row.pk for row in reversed(rows)
    ]
    (newest,) = operator.get("/api/alerts/latest", {"limit": 1}).json()["results"]
    assert newest["id"] == rows[-1].pk
    for bad in ("0", "501", "x"):
        problem(operator.get("/api/alerts/latest", {"limit": bad}), 400)
    Alert.objects.all().delete()
    assert operator.get("/api/alerts/latest").json() == {"results": []}
