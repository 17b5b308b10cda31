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
from alerts.models import Alert, AlertStep, Review, Training
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


def do(client: APIClient, alert: Alert, verb: str, body: dict[str, Any] | None = None) -> Any:
    return client.post(f"/api/v1/alerts/{alert.pk}/{verb}", body or {}, format="json")


def test_the_whole_way_of_an_alert(operator: APIClient) -> None:
    alert = AlertFactory.create()
    assert do(operator, alert, "assign", {"to": "ada"}).json()["assigned_to"] == "ada"
    assert do(operator, alert, "comment", {"text": "At the gate."}).json()["state"] == "new"
    dismissed = do(operator, alert, "dismiss", {"reason": "not_this_person", "note": "A twin."}).json()
    assert (dismissed["state"], dismissed["dismissal"]) == ("dismissed", "not_this_person")
    assert do(operator, alert, "reopen").json()["dismissal"] == ""
    assert do(operator, alert, "confirm").json()["state"] == "confirmed"
    closed = do(operator, alert, "close").json()
    assert closed["state"] == "closed"
    assert closed["decided_at"] is not None
    assert do(operator, alert, "assign", {"to": None}).json()["assigned_to"] is None

    steps = operator.get(f"/api/v1/alerts/{alert.pk}/history").json()
    assert [(step["kind"], step["text"]) for step in steps] == [
        ("assigned", "To ada"),
        ("commented", "At the gate."),
        ("dismissed", "Not this person. A twin."),
        ("reopened", ""),
        ("confirmed", ""),
        ("closed", ""),
        ("assigned", "To nobody any more"),
    ]
    assert {step["actor"] for step in steps} == {"ada"}


def test_what_can_not_be_done_with_an_alert_is_a_conflict(operator: APIClient) -> None:
    alert = AlertFactory.create()
    do(operator, alert, "confirm")
    assert problem(do(operator, alert, "confirm"), 409)["detail"].startswith("ada was faster")
    assert "ada was faster" in problem(do(operator, alert, "dismiss", {"reason": "test"}), 409)["detail"]
    assert (
        "may not deal with alerts"
        in problem(do(operator, alert, "assign", {"to": UserFactory.create(role=Role.VIEWER).username}), 409)["detail"]
    )


@pytest.mark.parametrize(
    ("verb", "body", "field"),
    [
        ("dismiss", {}, "reason"),
        ("dismiss", {"reason": "because"}, "reason"),
        ("dismiss", {"reason": "test", "note": "x" * 4001}, "note"),
        ("assign", {}, "to"),
        ("assign", {"to": "nobody-of-this-name"}, "to"),
        ("comment", {"text": ""}, "text"),
        ("comment", {"text": ["x"]}, "text"),
    ],
)
def test_what_is_sent_is_checked(operator: APIClient, verb: str, body: dict[str, Any], field: str) -> None:
    assert field in problem(do(operator, AlertFactory.create(), verb, body), 400)["errors"]
    assert not AlertStep.objects.exists()


def test_a_lead_tells_programs_nothing_of_whom_it_is_about(operator: APIClient) -> None:
    alert = AlertFactory.create(reviews_needed=2, detail="Ada appears.", enhanced="denoised")
    AlertStep.objects.create(alert=alert, kind="named", actor_name="system", text=alert.person_name)
    found = operator.get(f"/api/v1/alerts/{alert.pk}").json()
    assert found["lead"] is True
    locked = ("person", "person_name", "similarity", "threshold", "sighting", "shot")
    assert {name: found[name] for name in locked} == dict.fromkeys(locked)
    assert (found["detail"], found["enhanced"]) == ("", "")
    assert (found["rule"], found["rule_name"]) == (None, "")  # a rule may be named for the one whom it is about
    for path in ("/api/v1/alerts", "/api/alerts/latest", f"/api/v1/alerts/{alert.pk}/history"):
        text = operator.get(path).content.decode()
        assert alert.person_name not in text, path
        assert str(alert.sighting_id) not in text, path
    by_person = f"/api/v1/alerts?person={alert.person_id}"
    assert operator.get(by_person).json()["results"] == []
    problem(do(operator, alert, "confirm"), 409)

    Alert.objects.update(state="confirmed")
    found = operator.get(f"/api/v1/alerts/{alert.pk}").json()
    assert (found["lead"], found["person_name"]) == (False, alert.person_name)
    assert len(operator.get(by_person).json()["results"]) == 1
    assert operator.get(f"/api/v1/alerts/{alert.pk}/history").json()[0]["text"] == alert.person_name


def test_reviewing_by_the_api() -> None:
    alert, today = AlertFactory.create(reviews_needed=2), NOON.date()
    users = [UserFactory.create(role=Role.REVIEWER) for _ in range(3)]
    for user in users[:2]:
        Training.objects.create(user=user, course="GFMT2", trained_on=today, valid_until=today.replace(year=2999))
    first, second, untrained = (key_client(user=user) for user in users)
    assert "no valid record" in problem(do(untrained, alert, "review", {"answer": "same"}), 403)["detail"]
    assert do(first, alert, "review", {"answer": "same", "note": "Ears."}).json() == {
        "answered": 1,
        "needed": 2,
        "verdict": None,
    }
    assert "answered already" in problem(do(first, alert, "review", {"answer": "different"}), 409)["detail"]
    steps = second.get(f"/api/v1/alerts/{alert.pk}/history").json()
    assert [(step["kind"], step["text"]) for step in steps] == [("reviewed", "")]
    problem(do(second, alert, "review", {"answer": "perhaps"}), 400)
    assert do(second, alert, "review", {"answer": "same"}).json()["verdict"] == "same"
    assert Review.objects.count() == 2
    assert second.get(f"/api/v1/alerts/{alert.pk}").json()["state"] == "confirmed"
