"""The pages about zones, site plans and groups of cameras."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras.models import Camera, CameraGroup, CameraPlace, Ground, Shape, SitePlan, Zone
from cameras.sketch import sketch
from cameras.tests.factories import CameraFactory, CameraGroupFactory, SitePlanFactory, ZoneFactory
from cameras.zones import ZoneShape
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db

NOBODY: list[Role | None] = [None, Role.VIEWER]
NOT_ADMINISTRATORS: list[Role | None] = [*NOBODY, Role.OPERATOR]
PAGES: dict[str, tuple[str, list[Role | None], bool]] = {  # name: (object, roles that may not, whether it takes POST)
    "places": ("", NOBODY, False),
    "zone_add": ("", NOT_ADMINISTRATORS, True),
    "zone_edit": ("zone", NOT_ADMINISTRATORS, True),
    "zone_remove": ("zone", NOT_ADMINISTRATORS, True),
    "plan": ("plan", NOBODY, True),
    "plan_image": ("plan", NOBODY, False),
    "plan_add": ("", NOT_ADMINISTRATORS, True),
    "plan_remove": ("plan", NOT_ADMINISTRATORS, True),
    "group_add": ("", NOT_ADMINISTRATORS, True),
    "group_edit": ("group", NOT_ADMINISTRATORS, True),
    "group_remove": ("group", NOT_ADMINISTRATORS, True),
}
SQUARE = "[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]]"


def address(name: str) -> str:
    made: dict[str, Any] = {"zone": ZoneFactory, "plan": SitePlanFactory, "group": CameraGroupFactory}
    kind = PAGES[name][0]
    return reverse(name, args=[made[kind].create().pk] if kind else [])


@pytest.fixture
def administrator(client: Client) -> Client:
    sign_in(client, Role.ADMINISTRATOR)
    return client


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_for_an_administrator_and_for_nobody_without_signing_in(client: Client, name: str) -> None:
    url = address(name)
    answer = client.get(url)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")
    sign_in(client, Role.ADMINISTRATOR)
    assert client.get(url).status_code == 200


@pytest.mark.parametrize(("name", "role"), [(name, role) for name in PAGES for role in PAGES[name][1]])
def test_a_wrong_role_is_refused(client: Client, name: str, role: Role | None) -> None:
    sign_in(client, role)
    url = address(name)
    assert client.get(url).status_code == 403
    if PAGES[name][2]:
        assert client.post(url).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_refused(administrator: Client, name: str) -> None:
    url = address(name)
    for method in ("put", "delete") if PAGES[name][2] else ("post", "put", "delete"):
        assert getattr(administrator, method)(url).status_code == 405


@pytest.mark.parametrize("name", [name for name in PAGES if PAGES[name][0]])
def test_what_is_not_there_is_not_found(administrator: Client, name: str) -> None:
    assert administrator.get(reverse(name, args=[99999])).status_code == 404


def test_an_operator_looks_and_changes_nothing(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    zone, plan = ZoneFactory.create(), SitePlanFactory.create()
    camera = CameraFactory.create()
    CameraPlace.objects.create(camera=camera, plan=plan, x=0.5, y=0.5)
    page = client.get(reverse("places")).content.decode()
    assert zone.name in page
    assert reverse("zone_edit", args=[zone.pk]) not in page
    page = client.get(reverse("plan", args=[plan.pk])).content.decode()
    assert camera.name in page
    assert 'type="submit">Save' not in page
    assert client.post(reverse("plan", args=[plan.pk]), {"name": "Mine"}).status_code == 403
    assert not SitePlan.objects.filter(name="Mine").exists()


# --- zones -------------------------------------------------------------------------------------------------------


def test_a_zone_is_first_given_its_place(administrator: Client) -> None:
    camera, plan = CameraFactory.create(), SitePlanFactory.create()
    page = administrator.get(reverse("zone_add")).content.decode()
    for where in (f"?camera={camera.pk}", f"?plan={plan.pk}", "?ground=coordinates"):
        assert f'href="{where}"' in page
        assert administrator.get(reverse("zone_add") + where).status_code == 200
    for wrong in ("?camera=99999", "?camera=x", "?plan=99999"):
        assert administrator.get(reverse("zone_add") + wrong).status_code == 404


def test_a_zone_is_drawn_in_a_picture_and_drawn_anew(administrator: Client) -> None:
    camera = CameraFactory.create()
    url = f"{reverse('zone_add')}?camera={camera.pk}"
    page = administrator.get(url).content.decode()
    assert f'data-picture="{reverse("camera_live", args=[camera.pk])}"' in page
    sent = {"name": "Desk", "shape": "polygon", "anchor": "foot", "points": SQUARE}
    answer = administrator.post(url, sent, follow=True)
    assert "The zone Desk was saved." in answer.content.decode()
    zone = Zone.objects.get()
    assert (zone.camera, zone.ground, zone.anchor, len(zone.points)) == (camera, "picture", "foot", 3)
    edit = reverse("zone_edit", args=[zone.pk])
    assert "[[0.2, 0.2], [0.6, 0.2], [0.6, 0.6]]" in administrator.get(edit).content.decode()
    line = {"name": "Door", "shape": "line", "anchor": "face", "points": "[[0.5, 0], [0.5, 1]]"}
    assert administrator.post(edit, line).status_code == 302
    zone.refresh_from_db()
    assert (zone.name, zone.shape, zone.camera) == ("Door", "line", camera)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"points": "[[0, 0], [1, 1], [1, 0], [0, 1]]"}, "crosses or touches itself"),
        ({"points": "[[0, 0], [1, 1], [1, NaN]]"}, "from 0 to 1"),
        ({"points": "word"}, "no JSON"),
        ({"points": ""}, "This field is required"),
        ({"shape": "circle"}, "Select a valid choice"),
        ({"anchor": "hand"}, "Select a valid choice"),
        ({"name": ""}, "This field is required"),
        ({"name": "Taken"}, "already"),
    ],
)
def test_what_makes_no_zone_is_said_beside_its_field(administrator: Client, changes: dict[str, str], said: str) -> None:
    ZoneFactory.create(name="Taken")
    sent = {"name": "Desk", "shape": "polygon", "anchor": "face", "points": SQUARE} | changes
    answer = administrator.post(f"{reverse('zone_add')}?camera={CameraFactory.create().pk}", sent)
    assert answer.status_code == 200
    (field,) = changes
    assert said in " ".join(answer.context["form"].errors[field])
    assert Zone.objects.count() == 1


def test_a_zone_is_drawn_on_a_plan(administrator: Client) -> None:
    plan = SitePlanFactory.create()
    url = f"{reverse('zone_add')}?plan={plan.pk}"
    assert f'data-still="{reverse("plan_image", args=[plan.pk])}"' in administrator.get(url).content.decode()
    assert administrator.post(url, {"name": "Hall", "points": SQUARE}).status_code == 302
    zone = Zone.objects.get()
    assert (zone.plan, zone.shape) == (plan, "polygon")
    page = administrator.get(reverse("plan", args=[plan.pk])).content.decode()
    assert "<title>Hall</title>" in page
    assert administrator.get(reverse("zone_edit", args=[zone.pk])).status_code == 200


def test_a_circle_is_looked_at_on_a_sketch_before_it_is_saved(administrator: Client) -> None:
    near = CameraFactory.create(name="Near", latitude=52.5201, longitude=13.4051)
    CameraFactory.create(name="Far", latitude=48.0, longitude=2.0)
    url = f"{reverse('zone_add')}?ground=coordinates"
    sent = {"name": "Site", "shape": "circle", "latitude": "52.52", "longitude": "13.405", "radius_m": "100"}
    page = administrator.post(url, sent | {"look": "1"}).content.decode()
    assert f"Cameras in it: {near.name}." in page
    assert "sketch__zone" in page
    assert not Zone.objects.exists()
    assert administrator.post(url, sent).status_code == 302
    zone = Zone.objects.get()
    assert (zone.points, zone.radius_m) == ([[52.52, 13.405]], 100.0)
    page = administrator.get(reverse("zone_edit", args=[zone.pk])).content.decode()
    assert 'value="52.52"' in page
    assert "sketch__zone" in page


def test_an_area_on_coordinates_is_written_corner_by_corner(administrator: Client) -> None:
    url = f"{reverse('zone_add')}?ground=coordinates"
    corners = "52.5, 13.3\n52.5 13.5\n\n52.6;13.4\n"
    assert administrator.post(url, {"name": "Town", "shape": "polygon", "corners": corners}).status_code == 302
    zone = Zone.objects.get()
    assert zone.points == [[52.5, 13.3], [52.5, 13.5], [52.6, 13.4]]
    page = administrator.get(reverse("zone_edit", args=[zone.pk])).content.decode()
    assert "52.5, 13.3\n52.5, 13.5\n52.6, 13.4" in page


@pytest.mark.parametrize(
    ("sent", "field", "said"),
    [
        ({"shape": "circle", "latitude": "52.5", "longitude": "13.4"}, "radius_m", "needs its middle"),
        ({"shape": "circle", "latitude": "91", "longitude": "13.4", "radius_m": "5"}, "latitude", "90"),
        ({"shape": "circle", "latitude": "nan", "longitude": "13.4", "radius_m": "5"}, "latitude", "number"),
        ({"shape": "circle", "latitude": "1", "longitude": "1", "radius_m": "1e9"}, "radius_m", "100000"),
        ({"shape": "polygon", "corners": ""}, "corners", "Nothing is drawn"),
        ({"shape": "polygon", "corners": "52.5, 13.3\nnorth"}, "corners", "no latitude and longitude"),
        ({"shape": "polygon", "corners": "52.5\n1, 2\n3, 4"}, "corners", "no latitude from"),
        ({"shape": "polygon", "corners": "52.5, nan\n1, 2\n3, 4"}, "corners", "no latitude from"),
        ({"shape": "polygon", "corners": "0, 0\n1, 1\n0, 1\n1, 0"}, "corners", "crosses or touches itself"),
        ({"shape": "line"}, "shape", "valid choice"),
    ],
)
def test_coordinates_that_make_no_zone_are_said_beside_their_field(
    administrator: Client, sent: dict[str, str], field: str, said: str
) -> None:
    answer = administrator.post(f"{reverse('zone_add')}?ground=coordinates", sent | {"name": "Site"})
    assert answer.status_code == 200
    assert said in " ".join(answer.context["form"].errors[field])
    assert not Zone.objects.exists()


@pytest.mark.parametrize("ground", ["camera", "plan"])
def test_a_zone_whose_camera_or_plan_was_removed_is_given_another(administrator: Client, ground: str) -> None:
    new: Camera | SitePlan = CameraFactory.create() if ground == "camera" else SitePlanFactory.create()
    zone = ZoneFactory.create(camera=None, ground=Ground.PICTURE if ground == "camera" else Ground.PLAN)
    assert "Matches nothing" in administrator.get(reverse("places")).content.decode()
    url = reverse("zone_edit", args=[zone.pk])
    assert "matches nothing" in administrator.get(url).content.decode()
    sent = {"name": zone.name, "shape": "polygon", "anchor": "face", "points": SQUARE}
    assert administrator.post(f"{url}?{ground}={new.pk}", sent).status_code == 302
    zone.refresh_from_db()
    assert getattr(zone, ground) == new
    assert not zone.is_orphaned


def test_a_zone_is_removed_after_asking(administrator: Client) -> None:
    zone = ZoneFactory.create()
    url = reverse("zone_remove", args=[zone.pk])
    assert zone.name in administrator.get(url).content.decode()
    assert Zone.objects.exists()
    assert administrator.post(url).status_code == 302
    assert not Zone.objects.exists()


# --- plans -------------------------------------------------------------------------------------------------------


def test_a_plan_is_uploaded_and_its_picture_kept_by_the_browser(administrator: Client) -> None:
    sent = SimpleUploadedFile("plan.jpg", picture(), content_type="image/jpeg")
    answer = administrator.post(reverse("plan_add"), {"name": "Hall", "image": sent})
    plan = SitePlan.objects.get()
    assert answer["Location"] == reverse("plan", args=[plan.pk])
    drawing = administrator.get(reverse("plan_image", args=[plan.pk]))
    assert drawing["Content-Type"] == "image/png"
    again = administrator.get(reverse("plan_image", args=[plan.pk]), headers={"If-None-Match": drawing["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("name", "data", "field"),
    [("Hall", b"no picture", "image"), ("Hall", b"", "image"), ("Hall", None, "image"), ("Taken", picture(), "name")],
    ids=["junk", "empty", "missing", "taken"],
)
def test_what_is_no_plan_is_said_beside_its_field(
    administrator: Client, name: str, data: bytes | None, field: str
) -> None:
    SitePlanFactory.create(name="Taken")
    sent: dict[str, Any] = {"name": name}
    if data is not None:
        sent["image"] = SimpleUploadedFile("plan.png", data)
    answer = administrator.post(reverse("plan_add"), sent)
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == [field]
    assert SitePlan.objects.count() == 1


def placed(plan: SitePlan) -> dict[int, tuple[float, float]]:
    return {place.camera_id: (place.x, place.y) for place in plan.places.all()}


def test_cameras_are_put_on_a_plan_moved_and_taken_off(administrator: Client) -> None:
    plan, (a, b) = SitePlanFactory.create(), CameraFactory.create_batch(2)
    url = reverse("plan", args=[plan.pk])
    assert administrator.post(url, {"name": "Hall", "add": a.pk}).status_code == 302
    assert placed(plan) == {a.pk: (0.5, 0.5)}
    page = administrator.get(url).content.decode()
    assert f'data-camera="{a.pk}" transform="translate(500.0 500.0)"' in page
    moved = {"name": "Hall", f"x-{a.pk}": "12.5", f"y-{a.pk}": "100", "add": b.pk}
    assert administrator.post(url, moved).status_code == 302
    assert placed(plan) == {a.pk: (0.125, 1.0), b.pk: (0.5, 0.5)}
    stays = {f"x-{b.pk}": "50", f"y-{b.pk}": "50"}
    assert administrator.post(url, moved | stays | {"add": "", f"off-{a.pk}": "on"}).status_code == 302
    assert placed(plan) == {b.pk: (0.5, 0.5)}
    plan.refresh_from_db()
    assert plan.name == "Hall"


@pytest.mark.parametrize(
    "changes", [{"x": "101"}, {"y": "-1"}, {"x": "nan"}, {"y": ""}, {"name": ""}, {"name": "Taken"}, {"add": "99999"}]
)
def test_a_plan_that_can_not_be_so_is_not_saved_at_all(administrator: Client, changes: dict[str, str]) -> None:
    SitePlanFactory.create(name="Taken")
    plan, camera = SitePlanFactory.create(), CameraFactory.create()
    CameraPlace.objects.create(camera=camera, plan=plan, x=0.5, y=0.5)
    sent = {"name": "Hall", "x": "10", "y": "10"} | changes
    sent |= {f"{axis}-{camera.pk}": sent.pop(axis) for axis in ("x", "y")}
    answer = administrator.post(reverse("plan", args=[plan.pk]), sent)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert placed(plan) == {camera.pk: (0.5, 0.5)}
    assert not SitePlan.objects.filter(name="Hall").exists()


def test_a_plan_is_removed_after_asking(administrator: Client) -> None:
    plan = SitePlanFactory.create()
    assert administrator.post(reverse("plan_remove", args=[plan.pk])).status_code == 302
    assert not SitePlan.objects.exists()


# --- groups ------------------------------------------------------------------------------------------------------


def test_a_group_is_made_changed_and_removed(administrator: Client) -> None:
    a, b = CameraFactory.create_batch(2)
    assert administrator.post(reverse("group_add"), {"name": "Doors", "cameras": [a.pk, b.pk]}).status_code == 302
    group = CameraGroup.objects.get()
    url = reverse("group_edit", args=[group.pk])
    assert administrator.get(url).content.decode().count("checked") == 2
    assert administrator.post(url, {"name": "Gates", "cameras": [b.pk]}).status_code == 302
    group.refresh_from_db()
    assert (group.name, list(group.cameras.all())) == ("Gates", [b])
    page = administrator.get(reverse("places")).content.decode()
    assert "Gates" in page
    for wrong in ({"name": ""}, {"name": "Gates", "cameras": ["99999"]}, {"name": "Gates", "cameras": ["x"]}):
        assert administrator.post(url, wrong).status_code == 200
    CameraGroupFactory.create(name="Taken")
    assert "already" in administrator.post(url, {"name": "Taken"}).content.decode()
    assert administrator.post(reverse("group_remove", args=[group.pk])).status_code == 302
    assert Camera.objects.count() == 2
    assert not CameraGroup.objects.filter(pk=group.pk).exists()


# --- sketches ----------------------------------------------------------------------------------------------------


def test_a_sketch_is_north_up_and_to_scale() -> None:
    shape = ZoneShape(id=1, ground="coordinates", shape=Shape.CIRCLE, points=((52.52, 13.405),), radius_m=100.0)
    north = CameraFactory.create(name="North", latitude=52.5205, longitude=13.405)
    east = CameraFactory.create(name="East", latitude=52.52, longitude=13.4063)
    nowhere = CameraFactory.create(latitude=None, longitude=None)
    drawn = sketch(shape, [north, east, nowhere])
    assert drawn is not None
    assert drawn.radius is not None
    up, right = drawn.dots
    assert (up.name, up.x, up.inside) == ("North", drawn.middle[0], True)
    assert drawn.middle[1] - up.y == pytest.approx(drawn.radius * 0.556, abs=1)
    assert right.inside
    assert right.y == pytest.approx(drawn.middle[1], abs=0.1)
    assert right.x - drawn.middle[0] == pytest.approx(drawn.radius * 0.88, abs=1)
    assert drawn.inside == ("North", "East")
    assert drawn.bar_text == "50 m"
    assert drawn.bar == pytest.approx(drawn.radius / 2, abs=0.2)
