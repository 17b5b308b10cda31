"""The pages about routes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras.models import Camera, CameraLease, Route, SitePlan
from cameras.tests.factories import CameraFactory, SitePlanFactory
from cameras.tests.records import held
from cameras.tests.topology.test_routes import conflict, learned

pytestmark = pytest.mark.django_db

NOBODY: list[Role | None] = [None, Role.VIEWER]
NOT_ADMINISTRATORS: list[Role | None] = [*NOBODY, Role.OPERATOR, Role.REVIEWER]
PAGES: dict[str, tuple[bool, list[Role | None], tuple[str, ...]]] = {  # about a route, who may not, its methods
    "routes": (False, NOBODY, ("get",)),
    "route_add": (False, NOT_ADMINISTRATORS, ("get", "post")),
    "route_edit": (True, NOT_ADMINISTRATORS, ("get", "post")),
    "route_remove": (True, NOT_ADMINISTRATORS, ("get", "post")),
    "route_overlap": (False, NOT_ADMINISTRATORS, ("post",)),
}


@pytest.fixture
def pair() -> tuple[Camera, Camera]:
    return CameraFactory.create(name="Gate"), CameraFactory.create(name="Hall")


@pytest.fixture
def administrator(client: Client) -> Client:
    sign_in(client, Role.ADMINISTRATOR)
    return client


def address(name: str) -> str:
    if not PAGES[name][0]:
        return reverse(name)
    start, end = CameraFactory.create_batch(2)
    return reverse(name, args=[Route.objects.create(start=start, end=end).pk])


@pytest.mark.parametrize("name", PAGES)
def test_who_may_open_what(client: Client, name: str) -> None:
    url, (_, refused, methods) = address(name), PAGES[name]
    for method in methods:
        answer = getattr(client, method)(url)
        assert answer.status_code == 302
        assert answer["Location"].startswith("/accounts/login/")
    for role in refused:
        sign_in(client, role)
        for method in methods:
            assert getattr(client, method)(url).status_code == 403
    sign_in(client, Role.ADMINISTRATOR)
    for method in ("get", "post", "put", "delete"):
        if method not in methods:
            assert getattr(client, method)(url).status_code == 405


def test_an_operator_looks_and_changes_nothing(client: Client, pair: tuple[Camera, Camera]) -> None:
    sign_in(client, Role.OPERATOR)
    route = Route.objects.create(start=pair[0], end=pair[1], fastest=20, usual=35)
    conflict(*pair)
    page = client.get(reverse("routes")).content.decode()
    assert "fastest 20 s, usually 35 s" in page
    assert reverse("route_edit", args=[route.pk]) not in page
    assert reverse("route_add") not in page
    assert "They overlap" not in page


def test_a_route_is_added_edited_and_removed(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    page = administrator.get(reverse("route_add") + f"?start={start.pk}&end=x").content.decode()
    assert f'<option value="{start.pk}" selected>' in page
    values: dict[str, Any] = {"start": start.pk, "end": end.pk, "both_ways": "on", "fastest": "20", "usual": "35.5"}
    answer = administrator.post(reverse("route_add"), values, follow=True).content.decode()
    assert "The route Gate to Hall was saved." in answer
    assert "Views do not overlap, fastest 20 s, usually 36 s" in answer
    route = Route.objects.get()
    edit = reverse("route_edit", args=[route.pk])
    assert 'value="35.5"' in administrator.get(edit).content.decode()
    administrator.post(edit, {"overlaps": "on"})
    route.refresh_from_db()
    assert (route.both_ways, route.overlaps, route.fastest, route.usual) == (False, True, None, None)
    remove = reverse("route_remove", args=[route.pk])
    assert "Remove the route Gate to Hall?" in administrator.get(remove).content.decode()
    assert "was removed" in administrator.post(remove, follow=True).content.decode()
    assert not Route.objects.exists()
    for name in ("route_edit", "route_remove"):
        assert administrator.post(reverse(name, args=[route.pk])).status_code == 404


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"end": "99999"}, "Select a valid choice"),
        ({"end": ""}, "This field is required"),
        ({"fastest": "-3"}, "greater than or equal to 0"),
        ({"fastest": "nan"}, "Enter a number"),
        ({"fastest": "30", "usual": "3"}, "Most people can not be faster than the fastest"),
        ({"overlaps": "on", "fastest": "3"}, "Leave this empty"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    administrator: Client, pair: tuple[Camera, Camera], changes: dict[str, str], said: str
) -> None:
    values = {"start": str(pair[0].pk), "end": str(pair[1].pk)} | changes
    answer = administrator.post(reverse("route_add"), values)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Route.objects.exists()


def test_a_route_to_itself_and_one_that_is_there(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    same = administrator.post(reverse("route_add"), {"start": start.pk, "end": start.pk})
    assert "Choose two different ones" in same.content.decode()
    route = Route.objects.create(start=start, end=end)
    again = administrator.post(reverse("route_add"), {"start": end.pk, "end": start.pk})
    assert "There is a route Gate to Hall already" in again.content.decode()
    Route.objects.create(start=end, end=start, both_ways=False)
    Route.objects.filter(pk=route.pk).update(both_ways=False)
    both = administrator.post(reverse("route_edit", args=[route.pk]), {"both_ways": "on"})
    assert "There is a route Hall to Gate already" in both.content.decode()


def test_one_click_answers_a_question(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    for _ in range(3):
        conflict(start, end)
    page = administrator.get(reverse("routes")).content.decode()
    assert "seem to overlap: seen at once 3 times by 3 people" in page
    values: dict[str, Any] = {"start": start.pk, "end": end.pk, "overlaps": "1"}
    page = administrator.post(reverse("route_overlap"), values, follow=True).content.decode()
    assert "Stated: the views of Gate and Hall overlap." in page
    assert "seem to overlap" not in page
    assert Route.objects.get().overlaps
    page = administrator.post(reverse("route_overlap"), values | {"overlaps": "0"}, follow=True).content.decode()
    assert "do not overlap" in page
    for wrong in ({}, {"start": start.pk}, {"start": start.pk, "end": "x"}, {"start": start.pk, "end": 99999}):
        assert administrator.post(reverse("route_overlap"), wrong).status_code == 404
    same = administrator.post(reverse("route_overlap"), {"start": start.pk, "end": start.pk}, follow=True)
    assert "Choose two different ones" in same.content.decode()


def test_the_page_of_one_camera_and_what_is_not_there(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    other = CameraFactory.create(name="Yard")
    learned(start, end)
    learned(end, other)
    page = administrator.get(reverse("routes") + f"?camera={start.pk}").content.decode()
    assert "Routes of Gate" in page
    assert "Half took less than 30 s, most 20 s to 60 s" in page
    assert "Yard" not in page
    for wrong in ("?camera=99999", "?camera=x"):
        assert administrator.get(reverse("routes") + wrong).status_code == 404
    assert administrator.get(reverse("routes") + "?page=x").status_code == 200


def test_clocks_that_must_be_wrong_are_said(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    Camera.objects.filter(pk=end.pk).update(latitude=52.6)
    for _ in range(6):
        conflict(start, end)
    page = administrator.get(reverse("routes")).content.decode()
    assert "Something is wrong between Gate and Hall." in page
    assert "Look at the clocks first" in page
    CameraLease.objects.filter(camera=start).update(clock_offset=181.0)
    page = administrator.get(reverse("routes")).content.decode()
    assert "The clock of the worker of Gate is 3 min ahead" in page


def test_without_cameras_and_without_a_place(administrator: Client) -> None:
    assert "A route needs two cameras" in administrator.get(reverse("routes")).content.decode()
    start, end = CameraFactory.create(latitude=None, longitude=None), CameraFactory.create()
    assert "Nothing known yet" in administrator.get(reverse("routes")).content.decode()
    Route.objects.create(start=start, end=end)
    assert "not known" in administrator.get(reverse("routes")).content.decode()


def test_ways_to_the_routes(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    assert reverse("routes") in administrator.get(reverse("places")).content.decode()
    page = administrator.get(reverse("camera", args=[pair[0].pk])).content.decode()
    assert f"{reverse('routes')}?camera={pair[0].pk}" in page


def test_the_clock_stands_on_the_page_of_the_camera(administrator: Client, pair: tuple[Camera, Camera]) -> None:
    url = reverse("camera", args=[pair[0].pk])
    assert "Clock of its worker" not in administrator.get(url).content.decode()
    held(pair[0])
    CameraLease.objects.filter(camera=pair[0]).update(clock_offset=0.4)
    assert "<dd>right</dd>" in administrator.get(url).content.decode()
    CameraLease.objects.filter(camera=pair[0]).update(clock_offset=-180.0)
    assert "3 min behind of the database" in administrator.get(url).content.decode()


def test_a_plan_is_given_its_width(administrator: Client) -> None:
    plan = SitePlanFactory.create(name="Floor")
    url = reverse("plan", args=[plan.pk])
    assert administrator.post(url, {"name": "Floor", "metres_wide": "42.5"}).status_code == 302
    assert SitePlan.objects.get().metres_wide == 42.5
    assert 'value="42.5"' in administrator.get(url).content.decode()
    for wrong in ("0", "-4", "nan", "1e9", "wide"):
        assert administrator.post(url, {"name": "Floor", "metres_wide": wrong}).status_code == 200
    assert SitePlan.objects.get().metres_wide == 42.5
    administrator.post(url, {"name": "Floor", "metres_wide": ""})
    assert SitePlan.objects.get().metres_wide is None
