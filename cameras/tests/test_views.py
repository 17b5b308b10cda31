"""The pages about cameras, their pictures, and the history of a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import live, services
from cameras.live import State, Status
from cameras.models import Camera, Sighting, Verdict
from cameras.probe import ProbeResult
from cameras.sources import Source
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, picture

pytestmark = pytest.mark.django_db

NOT_ADMINISTRATORS: list[Role | None] = [None, Role.VIEWER, Role.OPERATOR]
PAGES: dict[str, tuple[str, list[Role | None], list[str]]] = {  # name: (object, roles that may not, allowed methods)
    "cameras": ("", [None], ["get"]),
    "camera_states": ("", [None], ["get"]),
    "camera_add": ("", NOT_ADMINISTRATORS, ["get", "post"]),
    "camera_test": ("", NOT_ADMINISTRATORS, ["post"]),
    "camera": ("camera", [None], ["get"]),
    "camera_edit": ("camera", NOT_ADMINISTRATORS, ["get", "post"]),
    "camera_enable": ("camera", NOT_ADMINISTRATORS, ["post"]),
    "camera_remove": ("camera", NOT_ADMINISTRATORS, ["get", "post"]),
    "camera_live": ("camera", [None], ["get"]),
    "sighting_shot": ("sighting", [None], ["get"]),
    "person": ("person", [None], ["get"]),
}


@pytest.fixture
def camera() -> Iterator[Camera]:
    """A camera, of which Redis remembers nothing before and after."""
    row = CameraFactory.create()
    live.clear_status(row.pk)
    yield row
    live.clear_status(row.pk)


def address(name: str) -> str:
    made: dict[str, Any] = {"camera": CameraFactory, "sighting": SightingFactory, "person": PersonFactory}
    kind = PAGES[name][0]
    return reverse(name, args=[made[kind].create().pk] if kind else [])


@pytest.mark.parametrize("name", [name for name in PAGES if "get" in PAGES[name][2]])
def test_every_page_opens_for_an_administrator(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    assert client.get(address(name)).status_code == 200


@pytest.mark.parametrize("name", PAGES)
def test_nobody_gets_in_without_signing_in(client: Client, name: str) -> None:
    answer = client.generic(PAGES[name][2][0].upper(), address(name))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize(("name", "role"), [(name, role) for name in PAGES for role in PAGES[name][1]])
def test_a_wrong_role_is_refused(client: Client, name: str, role: Role | None) -> None:
    sign_in(client, role)
    assert client.generic(PAGES[name][2][0].upper(), address(name)).status_code == 403


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_method_is_refused(client: Client, name: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = address(name)
    for method in {"get", "post", "delete"} - set(PAGES[name][2]):
        assert client.generic(method.upper(), page).status_code == 405


def test_a_page_of_what_is_gone(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    for name in ("camera", "camera_edit", "camera_remove", "person"):
        assert client.get(reverse(name, args=[10**18])).status_code == 404
        assert client.get(reverse(name, args=[1]).replace("1", "9" * 40)).status_code == 404
    assert client.get(reverse("sighting_shot", args=[uuid4()])).status_code == 404


def test_the_list_tells_the_state_and_never_the_password(client: Client, camera: Camera) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    live.publish_status(camera.pk, Status(state=State.OFFLINE, last_error="It does not answer.", drops={"late": 3}))
    for page in (reverse("cameras"), reverse("camera", args=[camera.pk]), reverse("camera_edit", args=[camera.pk])):
        text = client.get(page).content.decode()
        assert "camera.example" in text
        assert "secret-word" not in text
    assert "It does not answer." in client.get(reverse("cameras")).content.decode()


def test_states_are_swapped_into_the_tiles(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    live.publish_status(camera.pk, Status(state=State.ONLINE, fps_in=24.96, lag_ms=151.7))
    page = reverse("camera_states")
    part = client.get(page, {"shown": str(camera.pk), "all": ""}, headers={"HX-Request": "true"}).content.decode()
    assert f'id="camera-{camera.pk}-state"' in part
    assert "25.0 fps" in part
    assert "152 ms" in part
    assert 'hx-swap-oob="true"' in part
    CameraFactory.create()
    answer = client.get(page, {"shown": str(camera.pk), "all": ""}, headers={"HX-Request": "true"})
    assert answer["HX-Refresh"] == "true"
    assert client.get(page, {"shown": "x,,-1,99"}).content.strip() == b""


def test_the_live_picture_is_sent_once(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    page = reverse("camera_live", args=[camera.pk])
    assert client.get(page)["Content-Type"] == "image/svg+xml"
    assert client.get(page, {"poll": ""}).status_code == 204
    assert live.is_watched(camera.pk)
    live.publish_picture(camera.pk, b"a jpeg")
    answer = client.get(page)
    assert (answer.content, answer["Cache-Control"]) == (b"a jpeg", "no-store")
    again = client.get(page, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    live.publish_picture(camera.pk, b"another")
    assert client.get(page, headers={"If-None-Match": answer["ETag"]}).content == b"another"


def test_adding_a_camera(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    form = {"name": "Gate 🚪", "source": "rtsp://u:pw@cam.example/1", "latitude": "52.5", "longitude": "13.4"}
    answer = client.post(reverse("camera_add"), form | {"enabled": "on"})
    row = Camera.objects.get()
    assert answer["Location"] == reverse("camera", args=[row.pk])
    assert (row.name, row.latitude, row.enabled, row.loop) == ("Gate 🚪", 52.5, True, False)
    assert services.source_of(row).text == "rtsp://u:pw@cam.example/1"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"name": "Taken"}, "There is a camera"),
        ({"name": "x" * 500}, "at most 200 characters"),
        ({"name": "Gate\x00"}, "Null characters are not allowed"),
        ({"source": ""}, "This field is required"),
        ({"source": "ftp://cam.example/"}, "not with ftp://"),
        ({"source": "rtsp://"}, "names no host"),
        ({"source": "x" * 2001}, "at most 2000 characters"),
        ({"latitude": "95", "longitude": "1"}, "less than or equal to 90"),
        ({"latitude": "nan", "longitude": "1"}, "Enter a number"),
        ({"latitude": "5"}, "needs both latitude and longitude"),
    ],
)
def test_a_camera_that_can_not_be_added(client: Client, form: dict[str, str], sentence: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    CameraFactory.create(name="Taken")
    answer = client.post(reverse("camera_add"), {"name": "Gate", "source": "0"} | form)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert Camera.objects.count() == 1


def test_an_empty_source_keeps_the_one_there_is(client: Client, camera: Camera) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = reverse("camera_edit", args=[camera.pk])
    assert client.post(page, {"name": "Back door", "source": ""}).status_code == 302
    camera.refresh_from_db()
    assert (camera.name, camera.enabled, camera.revision) == ("Back door", False, 1)
    assert "secret-word" in services.source_of(camera).text
    assert "not with ftp://" in client.post(page, {"name": "x", "source": "ftp://a/"}).content.decode()


def test_switching_off_and_removing(client: Client, camera: Camera) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    client.post(reverse("camera_enable", args=[camera.pk]), {"enabled": "0"})
    camera.refresh_from_db()
    assert not camera.enabled
    page = reverse("camera_remove", args=[camera.pk])
    assert "What it saw" not in client.get(page).content.decode()
    assert client.post(page)["Location"] == reverse("cameras")
    assert not Camera.objects.exists()


def test_testing_a_source(client: Client, camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    asked: list[str] = []

    def probe(source: Source, timeout: float = 8.0) -> ProbeResult:
        asked.append(source.text)
        if "bad" in source.text:
            return ProbeResult(problem="It does not answer.")
        return ProbeResult(jpeg=b"jpeg", width=640, height=360, fps=25.0)

    monkeypatch.setattr("cameras.views.probe", probe)
    page, htmx = reverse("camera_test"), {"HX-Request": "true"}
    part = client.post(page, {"source": "rtsp://u:pw@good/1"}, headers=htmx).content.decode()
    assert part.strip().startswith('<div class="probe"')
    assert "640 \N{MULTIPLICATION SIGN} 360" in part
    assert "data:image/jpeg;base64," in part
    assert "pw" not in part
    assert "It does not answer." in client.post(page, {"source": "http://bad/"}, headers=htmx).content.decode()
    assert "source is empty" in client.post(page, {"source": ""}, headers=htmx).content.decode()
    whole = client.post(f"{page}?camera={camera.pk}", {"name": "Kept", "source": ""}).content.decode()
    assert "secret-word" in asked[-1]
    assert "secret-word" not in whole
    assert 'value="Kept"' in whole
    assert "This field is required" not in whole


def test_a_best_shot_is_a_drawing_when_it_can_not_be_opened(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    seen = SightingFactory.create()
    page = reverse("sighting_shot", args=[seen.pk])
    answer = client.get(page)
    assert answer.content == picture(seen.track)
    assert answer["Cache-Control"] == "private, max-age=300"
    Sighting.objects.update(sealed_shot=b"\x01" + b"?" * 60)
    assert client.get(page)["Content-Type"] == "image/svg+xml"
    empty = SightingFactory.create(sealed_shot=None, shot_day=NOON.date())
    assert client.get(reverse("sighting_shot", args=[empty.pk]))["Content-Type"] == "image/svg+xml"


def test_a_camera_shows_whom_it_saw(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    SightingFactory.create(camera=camera, person__name="Ada Lovelace")
    SightingFactory.create(camera=camera, person=None, verdict=Verdict.UNKNOWN)
    page = client.get(reverse("camera", args=[camera.pk])).content.decode()
    assert "Ada Lovelace" in page
    assert "Unknown" in page


def test_a_persons_history_over_all_cameras_goes_on_where_a_page_ended(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    person = WatchlistEntryFactory.create(watchlist__name="Missing").person
    gate, foyer = CameraFactory.create(name="Gate"), CameraFactory.create(name="Foyer")
    same_moment = NOON - timedelta(days=1)
    for n in range(35):
        moment = same_moment if 28 <= n < 33 else NOON - timedelta(minutes=n)
        if n >= 33:
            moment = NOON - timedelta(days=2, minutes=n)
        SightingFactory.create(person=person, camera=gate if n % 2 else foyer, first_seen=moment)
    SightingFactory.create(camera=gate)
    page = client.get(reverse("person", args=[person.pk]))
    text = page.content.decode()
    assert "35 on 2 cameras" in text
    assert "Missing" in text
    assert "52.52000, 13.40500" in text
    first = [row.pk for row in page.context["sightings"]]
    rest = client.get(reverse("person", args=[person.pk]), {"before": str(page.context["next"])})
    second = [row.pk for row in rest.context["sightings"]]
    assert (len(first), len(second), len({*first, *second})) == (30, 5, 35)
    assert rest.context["next"] is None


@pytest.mark.parametrize("before", ["x", "1_x", "9" * 400 + "_" + str(uuid4()), "-1_" + str(uuid4())])
def test_a_history_bears_any_address(client: Client, before: str) -> None:
    sign_in(client, Role.VIEWER)
    page = reverse("person", args=[PersonFactory.create().pk])
    assert client.get(page, {"before": before}).status_code == 200
