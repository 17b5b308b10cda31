"""The API of movement."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras import release
from cameras.models import Camera, CameraPlace, Identity
from cameras.movement import summing
from cameras.tests.factories import CameraGroupFactory, SitePlanFactory
from cameras.tests.movement.many import cameras, identities, sighting

pytestmark = pytest.mark.django_db
FIGURES = (
    "visits",
    "timeline",
    "occupancy",
    "nights",
    "dwell",
    "transitions",
    "loitering",
    "revisits",
    "back-and-forth",
    "unusual",
    "unusual-visits",
)


@pytest.fixture
def operator() -> APIClient:
    return key_client(Role.OPERATOR)


@pytest.fixture
def walked() -> tuple[list[Camera], Identity]:
    """Somebody who went from one camera to the other and back, twice, and stayed."""
    of, (one,) = cameras(2), identities(1)
    begun = timezone.now() - timedelta(hours=3)
    for at in range(5):
        sighting(of[at % 2], one, begun + timedelta(minutes=3 * at), 20.0)
    sighting(of[0], one, begun + timedelta(hours=1), 700.0)
    while not summing.sum_up().is_done:
        pass
    return of, one


def get(client: APIClient, what: str, **asked: Any) -> Any:
    response = client.get(f"/api/v1/movement/{what}", asked)
    assert response.status_code == 200, response.content
    return response.json()


@pytest.mark.parametrize("what", [*FIGURES, "travel", "heat", "next"])
def test_who_may_ask(operator: APIClient, what: str) -> None:
    url = f"/api/v1/movement/{what}"
    problem(APIClient().get(url), 401)
    problem(key_client().get(url), 403)
    problem(operator.post(url), 405)


@pytest.mark.parametrize("what", FIGURES)
def test_every_figure_says_what_it_means(operator: APIClient, walked: tuple[list[Camera], Identity], what: str) -> None:
    found = get(operator, what)
    assert found["basis"]["definition"].endswith(".")
    assert found["basis"]["computed_at"]
    assert found["basis"]["sightings"] > 0
    assert get(operator, what, camera=walked[0][0].pk)["basis"]["sightings"] > 0


def test_figures_of_who_walked(operator: APIClient, walked: tuple[list[Camera], Identity]) -> None:
    (first, second), one = walked
    matrix = get(operator, "transitions")
    at = matrix["cameras"].index(first.pk)
    assert matrix["counts"][at][1 - at] == 2
    assert matrix["departures"][at] == 4
    leg = get(operator, "travel", start=first.pk, end=second.pk)["leg"]
    assert (leg["count"], leg["recognised"], leg["share"]) == (2, 2, 0.5)
    outcomes = get(operator, "next", camera=first.pk, identity=one.pk)["outcomes"]
    assert sum(row["likelihood"] for row in outcomes) == pytest.approx(1.0)
    assert get(operator, "occupancy", steps=4)["peak"] == 1
    assert sum(get(operator, "dwell")["counts"]) == 6
    (long,) = get(operator, "loitering", limit=600)["rows"]
    assert (long["identity"], long["camera"], long["seconds"]) == (one.pk, first.pk, 700.0)
    assert {row["camera"]: row["returns"] for row in get(operator, "revisits")["rows"]} == {first.pk: 3, second.pk: 1}
    (row,) = get(operator, "back-and-forth")["rows"]
    assert (row["identity"], row["times"]) == (one.pk, 4)
    assert sum(map(sum, get(operator, "visits")["counts"])) == 6
    assert sum(get(operator, "timeline", step="day")["sightings"]) == 6


def test_heat_of_a_picture_and_of_a_plan(operator: APIClient, walked: tuple[list[Camera], Identity]) -> None:
    (first, _), _ = walked
    found = get(operator, "heat", camera=first.pk, weekdays=[0, 1, 2, 3, 4, 5, 6], hours=list(range(24)))
    assert (len(found["seconds"]), len(found["seconds"][0])) == (9, 16)
    plan = SitePlanFactory.create()
    assert get(operator, "heat", plan=plan.pk)["spots"] == []
    CameraPlace.objects.create(camera=first, plan=plan, x=0.1, y=0.2)
    (spot,) = get(operator, "heat", plan=plan.pk)["spots"]
    assert (spot["camera"], spot["sightings"], spot["seconds"]) == (first.pk, 4, 760.0)


def test_a_group_is_its_cameras(operator: APIClient, walked: tuple[list[Camera], Identity]) -> None:
    group = CameraGroupFactory.create()
    assert sum(get(operator, "dwell", group=group.pk)["counts"]) == 0
    group.cameras.add(walked[0][1])
    assert sum(get(operator, "dwell", group=group.pk)["counts"]) == 2


@pytest.mark.parametrize(
    ("what", "asked"),
    [
        ("visits", {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}),
        ("visits", {"from": "2020-03-02T00:00:00Z"}),
        ("visits", {"from": "soon"}),
        ("visits", {"camera": 99999}),
        ("visits", {"camera": "1' OR 1=1"}),
        ("timeline", {"step": "year"}),
        ("nights", {"begins": 24}),
        ("travel", {}),
        ("travel", {"start": 99998, "end": 99999}),
        ("heat", {}),
        ("heat", {"camera": 1, "plan": 1}),
        ("occupancy", {"steps": 0}),
        ("loitering", {"limit": -1}),
        ("unusual", {"weeks": 1}),
        ("next", {}),
    ],
)
def test_what_can_not_be_asked_is_said(operator: APIClient, what: str, asked: dict[str, Any]) -> None:
    problem(operator.get(f"/api/v1/movement/{what}", asked), 400)


def test_two_places_at_once_are_refused(operator: APIClient, walked: tuple[list[Camera], Identity]) -> None:
    group = CameraGroupFactory.create()
    problem(operator.get("/api/v1/movement/visits", {"camera": walked[0][0].pk, "group": group.pk}), 400)


def test_next_of_nobody_and_nowhere(operator: APIClient, walked: tuple[list[Camera], Identity]) -> None:
    problem(operator.get("/api/v1/movement/next", {"camera": 99999}), 404)
    problem(operator.get("/api/v1/movement/next", {"camera": walked[0][0].pk, "identity": 99999}), 404)


def test_who_a_lead_may_be_is_not_told(
    operator: APIClient, walked: tuple[list[Camera], Identity], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one = walked
    monkeypatch.setattr(release, "_leads", [lambda: Q(identity=one.pk)])
    for what in ("loitering", "revisits", "back-and-forth"):
        found = get(operator, what)
        assert found["rows"] == []
        assert found["withheld"] > 0
    problem(operator.get("/api/v1/movement/next", {"camera": walked[0][0].pk, "identity": one.pk}), 409)
