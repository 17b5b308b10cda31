"""The pages about cameras, their pictures, and the history of a person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import live, probing, services
from cameras.live import State, Status, View
from cameras.models import Camera, CameraEvent, CameraHour, EventKind, Sighting, Verdict
from cameras.network import NetworkPolicy
from cameras.probe import ProbeResult
from cameras.sources import Source
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, picture

pytestmark = pytest.mark.django_db

NOT_ADMINISTRATORS: list[Role | None] = [None, Role.VIEWER, Role.OPERATOR]
PAGES: dict[str, tuple[str, list[Role | None], list[str]]] = {  # name: (object, roles that may not, allowed methods)
    "cameras": ("", [None], ["get"]),
    "camera_states": ("", [None], ["get"]),
    "camera_schedule": ("", NOT_ADMINISTRATORS, ["get"]),
    "wall": ("", [None], ["get"]),
    "camera_add": ("", NOT_ADMINISTRATORS, ["get", "post"]),
    "camera_test": ("", NOT_ADMINISTRATORS, ["post"]),
    "camera": ("camera", [None], ["get"]),
    "camera_edit": ("camera", NOT_ADMINISTRATORS, ["get", "post"]),
    "camera_enable": ("camera", NOT_ADMINISTRATORS, ["post"]),
    "camera_restart": ("camera", NOT_ADMINISTRATORS, ["post"]),
    "camera_stream": ("camera", [None], ["get"]),
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
    assert live.watched([camera.pk])
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


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The sources that were tried, with their transports; what has “bad” in it does not answer."""
    asked: list[tuple[str, str]] = []

    def probe(source: Source, *, network: NetworkPolicy, transport: str) -> ProbeResult:
        asked.append((source.text, transport))
        if "bad" in source.text:
            return ProbeResult(problem="It does not answer.")
        return ProbeResult(jpeg=b"jpeg", width=640, height=360, fps=25.0, codec="h264")

    monkeypatch.setattr("cameras.probing.probe", probe)
    return asked


def test_testing_a_source(client: Client, camera: Camera, tried: list[tuple[str, str]]) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page, htmx = reverse("camera_test"), {"HX-Request": "true"}
    part = client.post(page, {"source": "rtsp://u:pw@good/1", "transport": "udp"}, headers=htmx).content.decode()
    assert part.strip().startswith('<div class="probe"')
    assert "640 \N{MULTIPLICATION SIGN} 360, h264" in part
    assert "data:image/jpeg;base64," in part
    assert "pw" not in part
    assert tried[-1] == ("rtsp://u:pw@good/1", "udp")
    assert "It does not answer." in client.post(page, {"source": "http://bad/"}, headers=htmx).content.decode()
    assert "source is empty" in client.post(page, {"source": ""}, headers=htmx).content.decode()
    whole = client.post(f"{page}?camera={camera.pk}", {"name": "Kept", "source": ""}).content.decode()
    assert "secret-word" in tried[-1][0]
    assert "secret-word" not in whole
    assert 'value="Kept"' in whole
    assert "This field is required" not in whole


def test_testing_the_second_stream(client: Client, camera: Camera, tried: list[tuple[str, str]]) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page, htmx = f"{reverse('camera_test')}?which=detail&camera={camera.pk}", {"HX-Request": "true"}
    part = client.post(page, {"detail": ""}, headers=htmx).content.decode()
    assert 'id="probe-detail"' in part
    assert "There is no second stream to test" in part
    client.post(page, {"source": "rtsp://not/this", "detail": "rtsp://u:pw@good/large"}, headers=htmx)
    assert tried[-1][0] == "rtsp://u:pw@good/large"
    services.change_camera(actor=None, camera=camera, detail="rtsp://u:kept-word@good/kept")
    part = client.post(page, {"detail": ""}, headers=htmx).content.decode()
    assert tried[-1][0] == "rtsp://u:kept-word@good/kept"
    assert "kept-word" not in part
    assert "It works" in part


def test_sources_can_not_be_tested_as_often_as_one_likes(client: Client, tried: list[tuple[str, str]]) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page, htmx = reverse("camera_test"), {"HX-Request": "true"}
    said = [client.post(page, {"source": "0"}, headers=htmx).content.decode() for _ in range(probing.TESTS_MOST + 1)]
    assert "It works" in said[-2]
    assert "tested too often" in said[-1]
    assert len(tried) == probing.TESTS_MOST


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
    assert "<dd>35</dd>" in text
    assert len(page.context["summary"].figures.cameras) == 2
    assert "Missing" in text
    assert "52.52000, 13.40500" in text
    first = [row.pk for row in page.context["sightings"]]
    rest = client.get(reverse("person", args=[person.pk]), {"before": str(page.context["next"])})
    second = [row.pk for row in rest.context["sightings"]]
    assert (len(first), len(second), len({*first, *second})) == (30, 5, 35)
    assert rest.context["next"] is None


def test_restarting(client: Client, camera: Camera) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = reverse("camera_restart", args=[camera.pk])
    assert "starts anew" in client.post(page, follow=True).content.decode()
    camera.refresh_from_db()
    assert camera.revision == 1
    Camera.objects.update(enabled=False)
    assert "Switch it on to start it" in client.post(page, follow=True).content.decode()
    camera.refresh_from_db()
    assert camera.revision == 1


def test_a_camera_page_says_what_happened(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    status = Status(
        state=State.ONLINE, view=View.COVERED, drops={"newer frame": 7, "something new": 2}, restarts=3, decode_ms=1.26
    )
    live.publish_status(camera.pk, status)
    now = timezone.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    CameraHour.objects.create(
        camera=camera, start=hour - timedelta(hours=1), seconds_online=1800, seconds_wanted=3600, frames_in=44_000
    )
    CameraHour.objects.create(camera=camera, start=hour - timedelta(hours=30), seconds_online=0, seconds_wanted=3600)
    CameraEvent.objects.create(
        camera=camera, camera_name="x", kind=EventKind.DOWN, began_at=now - timedelta(minutes=9),
        ended_at=now - timedelta(minutes=6), detail="It did not answer.",
    )  # fmt: skip
    CameraEvent.objects.create(camera=camera, camera_name="x", kind=EventKind.COVERED, began_at=now)
    page = client.get(reverse("camera", args=[camera.pk])).content.decode()
    for said in (
        "Covered",
        "A newer one was there",
        "Something new",
        "1.3 ms",
        "3 \N{MULTIPLICATION SIGN}",
        "No pictures",
        "for 3 min 00 s",
    ):
        assert said in page, said
    assert "Online 50 % of the time it was wanted in the last 24 hours." in page
    assert "44000" in page
    assert page.count("bars__hour--part") == 1
    assert page.count("bars__hour--off") == 23
    assert "It did not answer." in page
    part = client.get(
        reverse("camera", args=[camera.pk]), {"part": "happened"}, headers={"HX-Request": "true"}
    ).content.decode()
    assert part.strip().startswith('<div class="card card--pad stack" id="happened"')
    assert 'data-group="trouble"' in page


def test_a_camera_that_was_never_watched_says_so(client: Client, camera: Camera) -> None:
    sign_in(client, Role.VIEWER)
    assert "Not watched in the last 24 hours." in client.get(reverse("camera", args=[camera.pk])).content.decode()


@pytest.mark.parametrize("before", ["x", "1_x", "9" * 400 + "_" + str(uuid4()), "-1_" + str(uuid4())])
def test_a_history_bears_any_address(client: Client, before: str) -> None:
    sign_in(client, Role.VIEWER)
    page = reverse("person", args=[PersonFactory.create().pk])
    assert client.get(page, {"before": before}).status_code == 200
