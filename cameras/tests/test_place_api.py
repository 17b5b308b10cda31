"""The API of zones, site plans and groups of cameras."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras.models import CameraGroup, CameraPlace, SitePlan, Zone
from cameras.tests.factories import CameraFactory, CameraGroupFactory, SitePlanFactory, ZoneFactory
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db

SQUARE = [[0.2, 0.2], [0.6, 0.2], [0.6, 0.6], [0.2, 0.6]]
ROWS: dict[str, Any] = {"zones": ZoneFactory, "plans": SitePlanFactory, "camera-groups": CameraGroupFactory}


@pytest.fixture
def operator() -> APIClient:
    return key_client(Role.OPERATOR)


@pytest.fixture
def administrator() -> APIClient:
    return key_client(Role.ADMINISTRATOR)


@pytest.mark.parametrize("what", ROWS)
def test_who_may_do_what(operator: APIClient, administrator: APIClient, what: str) -> None:
    row = ROWS[what].create()
    url, one = f"/api/v1/{what}", f"/api/v1/{what}/{row.pk}"
    problem(APIClient().get(url), 401)
    problem(key_client(Role.VIEWER).get(url), 403)
    problem(key_client().get(one), 403)
    assert operator.get(url).json()["results"][0]["id"] == row.pk
    assert operator.get(one).json()["name"] == row.name
    problem(operator.post(url, {}), 403)
    problem(operator.patch(one, {"name": "No"}, format="json"), 403)
    problem(operator.delete(one), 403)
    problem(administrator.put(one, {"name": "No"}, format="json"), 405)
    problem(administrator.get(f"/api/v1/{what}/99999"), 404)
    assert administrator.delete(one).status_code == 204
    problem(administrator.delete(one), 404)
    assert AuditEvent.objects.filter(verb="removed").count() == 1


def test_a_zone_is_added_and_changed(administrator: APIClient) -> None:
    camera = CameraFactory.create()
    wanted = {"name": "Desk", "ground": "picture", "camera": camera.pk, "shape": "polygon", "points": SQUARE}
    made = administrator.post("/api/v1/zones", wanted, format="json")
    assert made.status_code == 201, made.content
    zone = Zone.objects.get()
    assert made["Location"] == f"/api/v1/zones/{zone.pk}"
    assert made.json().items() >= (wanted | {"anchor": "face", "radius_m": None, "orphaned": False}).items()
    url = f"/api/v1/zones/{zone.pk}"
    line = {"shape": "line", "points": [[0, 0.5], [1, 0.5]], "anchor": "foot"}
    changed = administrator.patch(url, line, format="json").json()
    assert changed.items() >= (line | {"name": "Desk", "camera": camera.pk}).items()
    camera.delete()
    assert administrator.get(url).json()["orphaned"] is True
    assert administrator.patch(url, {"name": "Other"}, format="json").status_code == 400
    again = administrator.patch(url, {"camera": CameraFactory.create().pk}, format="json")
    assert again.json()["orphaned"] is False


def test_a_circle_on_coordinates(administrator: APIClient) -> None:
    wanted = {"name": "Site", "ground": "coordinates", "shape": "circle", "points": [[52.5, 13.4]], "radius_m": 200}
    made = administrator.post("/api/v1/zones", wanted, format="json")
    assert made.status_code == 201, made.content
    url = f"/api/v1/zones/{made.json()['id']}"
    assert administrator.patch(url, {"radius_m": 300}, format="json").json()["radius_m"] == 300
    problem(administrator.patch(url, {"ground": "plan"}, format="json"), 400)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"points": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "points"),
        ({"points": "NaN"}, "points"),
        ({"points": {"a": [1]}}, "points"),
        ({"points": [[0, 0], [1, None], [1, 1]]}, "points"),
        ({"points": None}, "points"),
        ({"shape": "star"}, "shape"),
        ({"shape": "circle"}, "shape"),
        ({"ground": "moon"}, "ground"),
        ({"ground": "coordinates", "shape": "circle", "points": [[0, 0]], "radius_m": -1}, "radius_m"),
        ({"camera": 99999}, "camera"),
        ({"camera": None}, "camera"),
        ({"anchor": "hand"}, "anchor"),
        ({"name": ""}, "name"),
        ({"name": "Taken"}, "name"),
    ],
)
def test_what_makes_no_zone_is_refused_by_its_field(
    administrator: APIClient, changes: dict[str, Any], field: str
) -> None:
    ZoneFactory.create(name="Taken")
    wanted: dict[str, Any] = {"name": "Desk", "ground": "picture", "shape": "polygon", "points": SQUARE}
    wanted["camera"] = CameraFactory.create().pk
    document = problem(administrator.post("/api/v1/zones", wanted | changes, format="json"), 400)
    assert field in document["errors"], document
    assert Zone.objects.count() == 1


def upload(data: bytes, name: str = "plan.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, content_type="image/png")


def test_a_plan_is_uploaded_shown_and_filled_with_cameras(administrator: APIClient) -> None:
    made = administrator.post("/api/v1/plans", {"name": "Hall", "image": upload(picture(side=64))}, format="multipart")
    assert made.status_code == 201, made.content
    plan = SitePlan.objects.get()
    assert (made.json()["width"], made.json()["cameras"]) == (64, [])
    drawing = administrator.get(made.json()["image"])
    assert drawing["Content-Type"] == "image/png"
    with Image.open(io.BytesIO(drawing.content)) as image:
        assert image.size == (64, 64)
    a, b = CameraFactory.create_batch(2)
    url = f"/api/v1/plans/{plan.pk}"
    both = [{"camera": a.pk, "x": 0.5, "y": 0.25}, {"camera": b.pk, "x": 0.0, "y": 1.0}]
    assert administrator.patch(url, {"cameras": both}, format="json").json()["cameras"] == both
    changed = administrator.patch(url, {"name": "Floor", "cameras": both[1:]}, format="json").json()
    assert (changed["name"], changed["cameras"]) == ("Floor", both[1:])
    assert CameraPlace.objects.get().camera == b


@pytest.mark.parametrize(
    "cameras",
    [
        [{"camera": 99999, "x": 0.5, "y": 0.5}],
        [{"camera": 0, "x": 1.5, "y": 0.5}],
        [{"camera": 0, "x": "NaN", "y": 0.5}],
        [{"camera": 0}],
        {"a": 1},
        "all",
    ],
)
def test_cameras_that_can_not_stand_there_are_refused(administrator: APIClient, cameras: Any) -> None:
    plan, camera = SitePlanFactory.create(), CameraFactory.create()
    if isinstance(cameras, list):
        cameras = [one | {"camera": one["camera"] or camera.pk} for one in cameras]
    wanted = {"name": "Changed", "cameras": cameras}
    problem(administrator.patch(f"/api/v1/plans/{plan.pk}", wanted, format="json"), 400)
    assert not CameraPlace.objects.exists()
    assert not SitePlan.objects.filter(name="Changed").exists()


@pytest.mark.parametrize("image", [b"", b"no picture", None])
def test_what_is_no_picture_is_no_plan(administrator: APIClient, image: bytes | None) -> None:
    wanted: dict[str, Any] = {"name": "Hall"} | ({} if image is None else {"image": upload(image)})
    document = problem(administrator.post("/api/v1/plans", wanted, format="multipart"), 400)
    assert "image" in document["errors"]
    assert not SitePlan.objects.exists()


def test_a_group_is_made_and_changed(administrator: APIClient) -> None:
    a, b = CameraFactory.create_batch(2)
    made = administrator.post("/api/v1/camera-groups", {"name": "Doors", "cameras": [a.pk, b.pk]}, format="json")
    assert made.status_code == 201, made.content
    url = f"/api/v1/camera-groups/{CameraGroup.objects.get().pk}"
    assert administrator.patch(url, {"name": "Gates"}, format="json").json()["cameras"] == [a.pk, b.pk]
    assert administrator.patch(url, {"cameras": []}, format="json").json()["cameras"] == []
    assert administrator.post("/api/v1/camera-groups", {"name": "Empty"}, format="json").status_code == 201
    problem(administrator.post("/api/v1/camera-groups", {"name": "Empty"}, format="json"), 400)
    problem(administrator.patch(url, {"cameras": [99999]}, format="json"), 400)
