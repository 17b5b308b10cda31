"""The list of cameras: filtered, page by page, and no dearer with two hundred of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import live
from cameras.live import State, Status, View
from cameras.models import Camera
from cameras.tests.factories import CameraFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def camera() -> Iterator[Camera]:
    """A camera, of which Redis remembers nothing before and after."""
    row = CameraFactory.create()
    live.clear_status(row.pk)
    yield row
    live.clear_status(row.pk)


@pytest.fixture
def site() -> Iterator[list[Camera]]:
    """Two hundred cameras: online but for one that is covered, one offline, one off, one without a worker."""
    rows = CameraFactory.create_batch(200)
    for row in rows:
        live.clear_status(row.pk)
    Camera.objects.filter(pk=rows[3].pk).update(enabled=False)
    live.publish_statuses(
        {row.pk: Status(state=State.ONLINE) for row in rows[4:]}
        | {rows[0].pk: Status(state=State.ONLINE, view=View.COVERED), rows[1].pk: Status(state=State.OFFLINE)}
    )
    yield rows
    for row in rows:
        live.clear_status(row.pk)


def test_the_list_is_filtered_and_goes_page_by_page(client: Client, site: list[Camera]) -> None:
    sign_in(client, Role.VIEWER)

    def shown(**query: str | int) -> tuple[int, int, int]:
        found = client.get(reverse("cameras"), query).context["listing"]
        return len(found.tiles), found.page, found.pages

    chips = client.get(reverse("cameras")).context["listing"].chips
    assert [(chip.label, chip.count) for chip in chips] == [
        ("All", 200), ("Online", 196), ("Trouble", 2), ("Starting", 1), ("Off", 1),
    ]  # fmt: skip
    assert shown() == (48, 1, 5)
    assert shown(page=5) == (8, 5, 5)
    assert shown(page=99) == (8, 5, 5)
    assert shown(page="x", state="nonsense") == (48, 1, 5)
    assert shown(state="trouble") == (2, 1, 1)
    assert shown(state="off") == (1, 1, 1)
    assert shown(name=site[7].name.upper(), state="online") == (1, 1, 1)
    assert shown(name="no such camera") == (0, 1, 1)
    part = client.get(reverse("cameras"), {"name": site[7].name}, headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="tiles"')


@pytest.mark.parametrize("name", ["cameras", "wall", "camera_states"])
def test_two_hundred_cameras_cost_one_query(client: Client, site: list[Camera], name: str) -> None:
    sign_in(client, Role.VIEWER)
    query = {"mark": "200.0", "shown": "1"} if name == "camera_states" else {"size": 16}
    client.get(reverse(name), query)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(reverse(name), query).status_code == 200
    assert len([each for each in queries if 'FROM "cameras_camera"' in each["sql"]]) == 1


def test_a_list_that_changed_is_loaded_anew(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    page, htmx = reverse("camera_states"), {"HX-Request": "true"}
    known = client.get(reverse("cameras")).context["mark"]
    asked = {"mark": known, "shown": str(camera.pk), "facts": "short"}
    assert f'id="camera-{camera.pk}-facts"' in client.get(page, asked, headers=htmx).content.decode()
    CameraFactory.create()
    assert client.get(page, asked, headers=htmx)["HX-Refresh"] == "true"
