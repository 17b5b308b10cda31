"""The API of routes and travel times."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras.models import Camera, Route, SitePlan
from cameras.tests.factories import CameraFactory, SitePlanFactory
from cameras.tests.topology.test_routes import learned
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db

URL = "/api/v1/routes"


@pytest.fixture
def pair() -> tuple[Camera, Camera]:
    return CameraFactory.create(), CameraFactory.create()


@pytest.fixture
def administrator() -> APIClient:
    return key_client(Role.ADMINISTRATOR)


def test_who_may_do_what(administrator: APIClient, pair: tuple[Camera, Camera]) -> None:
    route = Route.objects.create(start=pair[0], end=pair[1])
    operator, one = key_client(Role.OPERATOR), f"{URL}/{route.pk}"
    for url in (URL, "/api/v1/travel-times"):
        problem(APIClient().get(url), 401)
        problem(key_client(Role.VIEWER).get(url), 403)
        problem(key_client().get(url), 403)
        assert operator.get(url).status_code == 200
    assert operator.get(one).json()["id"] == route.pk
    problem(operator.post(URL, {}, format="json"), 403)
    problem(operator.patch(one, {"usual": 3}, format="json"), 403)
    problem(operator.delete(one), 403)
    problem(administrator.put(one, {"usual": 3}, format="json"), 405)
    problem(administrator.post("/api/v1/travel-times", {}, format="json"), 405)
    problem(administrator.get(f"{URL}/99999"), 404)
    assert administrator.delete(one).status_code == 204
    problem(administrator.delete(one), 404)
    assert AuditEvent.objects.filter(verb="removed", target=f"route {route.pk}").count() == 1


def test_a_route_is_added_and_changed(administrator: APIClient, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    wanted = {"start": start.pk, "end": end.pk, "fastest": 20, "usual": 35}
    made = administrator.post(URL, wanted, format="json")
    assert made.status_code == 201, made.content
    route = Route.objects.get()
    assert made["Location"] == f"{URL}/{route.pk}"
    assert made.json() == wanted | {"id": route.pk, "both_ways": True, "overlaps": False}
    one = f"{URL}/{route.pk}"
    changed = administrator.patch(one, {"fastest": None, "both_ways": False}, format="json").json()
    assert changed == wanted | {"id": route.pk, "both_ways": False, "overlaps": False, "fastest": None}
    assert administrator.get(URL).json()["results"] == [changed]
    assert administrator.patch(one, {"start": start.pk}, format="json").status_code == 200
    problem(administrator.patch(one, {"start": end.pk}, format="json"), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"end": 99999}, "end"),
        ({"end": None}, "end"),
        ({"fastest": -1}, "fastest"),
        ({"fastest": "quick"}, "fastest"),
        ({"fastest": 9, "usual": 3}, "usual"),
        ({"overlaps": True, "fastest": 9}, "fastest"),
    ],
)
def test_bad_input(administrator: APIClient, pair: tuple[Camera, Camera], changes: dict[str, Any], field: str) -> None:
    answer = administrator.post(URL, {"start": pair[0].pk, "end": pair[1].pk} | changes, format="json")
    problem(answer, 400)
    assert field in str(answer.json())


def test_a_way_to_itself_and_one_that_is_there(administrator: APIClient, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    problem(administrator.post(URL, {"start": start.pk, "end": start.pk}, format="json"), 400)
    Route.objects.create(start=start, end=end)
    for one, two in ((start, end), (end, start)):
        problem(administrator.post(URL, {"start": one.pk, "end": two.pk}, format="json"), 400)


def test_travel_times_are_read(administrator: APIClient, pair: tuple[Camera, Camera]) -> None:
    row = learned(*pair)
    (found,) = administrator.get("/api/v1/travel-times").json()["results"]
    assert found.items() >= {"id": row.pk, "start": pair[0].pk, "people": 8, "p50": 30.0}.items()


def test_a_plan_has_its_width(administrator: APIClient) -> None:
    plan = SitePlanFactory.create()
    one = f"/api/v1/plans/{plan.pk}"
    assert administrator.get(one).json()["metres_wide"] is None
    assert administrator.patch(one, {"metres_wide": 30}, format="json").json()["metres_wide"] == 30
    assert AuditEvent.objects.filter(verb="measured").count() == 1
    for wrong in (0, -1, "wide", 1e9):
        problem(administrator.patch(one, {"metres_wide": wrong}, format="json"), 400)
    assert administrator.patch(one, {"metres_wide": None}, format="json").json()["metres_wide"] is None
    image = SimpleUploadedFile("floor.jpg", io.BytesIO(picture()).read(), "image/jpeg")
    made = administrator.post("/api/v1/plans", {"name": "New", "image": image, "metres_wide": "12.5"})
    assert made.status_code == 201, made.content
    assert SitePlan.objects.get(name="New").metres_wide == 12.5
