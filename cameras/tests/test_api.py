"""The API of cameras and sightings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from cameras import live
from cameras.live import State, Status
from cameras.models import Camera, CameraEvent, CameraHour, EventKind, Sighting, Verdict
from cameras.services import detail_of, source_of
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory, picture

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@10.0.0.7:554/live?pwd=s3cr3t-too"


@pytest.fixture
def viewer() -> APIClient:
    return key_client(Role.VIEWER)


@pytest.fixture
def administrator() -> APIClient:
    return key_client(Role.ADMINISTRATOR)


@pytest.fixture
def camera() -> Iterator[Camera]:
    """A camera that its worker speaks for."""
    camera = CameraFactory.create(name="Gate", source=SOURCE)
    live.publish_status(
        camera.pk,
        Status(state=State.ONLINE, fps_in=25.0, fps_processed=5.0, last_error="cannot open rtsp://a:s3cr3t-b@c/"),
    )
    yield camera
    live.clear_status(camera.pk)


def test_a_camera_is_added_and_its_source_never_shown(administrator: APIClient) -> None:
    response = administrator.post(
        "/api/v1/cameras",
        {"name": "Gate", "source": SOURCE, "latitude": 52.5, "longitude": 13.4},
        format="json",
    )

    assert response.status_code == 201, response.content
    body = response.json()
    camera = Camera.objects.get()
    assert response["Location"] == f"/api/v1/cameras/{camera.pk}"
    assert (body["id"], body["address"]) == (camera.pk, "rtsp://10.0.0.7:554/live?…")
    assert (body["enabled"], body["loop"], body["status"]["state"]) == (True, False, "waiting")
    assert source_of(camera).text == SOURCE
    for path in ("/api/v1/cameras", f"/api/v1/cameras/{camera.pk}", "/api/camera/status"):
        assert b"s3cr3t" not in administrator.get(path).content
    assert b"s3cr3t" not in response.content
    assert AuditEvent.objects.get(verb="added").actor is not None


def test_cameras_are_listed_with_their_state(
    viewer: APIClient, camera: Camera, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    CameraFactory.create_batch(5, enabled=False)
    with django_assert_max_num_queries(8):
        found = viewer.get("/api/v1/cameras").json()["results"]

    states = {each["name"]: each["status"] for each in found}
    assert states["Gate"]["state"] == "online"
    assert states["Gate"]["fps_in"] == 25.0
    assert states["Gate"]["last_error"] == "cannot open rtsp://***@c/"
    assert [status["state"] for name, status in states.items() if name != "Gate"] == ["off"] * 5
    assert viewer.get(f"/api/v1/cameras/{camera.pk}").json()["status"] == states["Gate"]


def test_the_state_by_the_other_route(viewer: APIClient, camera: Camera) -> None:
    (found,) = viewer.get("/api/camera/status").json()["results"]

    assert (found["id"], found["name"], found["status"]["state"]) == (camera.pk, "Gate", "online")


def test_a_camera_is_changed_in_what_is_named(administrator: APIClient, camera: Camera) -> None:
    url = f"/api/v1/cameras/{camera.pk}"
    body = administrator.patch(url, {"name": "Door", "latitude": -1.5}, format="json").json()

    assert (body["name"], body["latitude"], body["longitude"]) == ("Door", -1.5, camera.longitude)
    assert source_of(Camera.objects.get()).text == SOURCE
    assert administrator.patch(url, {"source": "0"}, format="json").json()["address"] == "USB camera 0"
    assert administrator.patch(url, {"enabled": False}, format="json").json()["enabled"] is False
    assert Camera.objects.get().revision == 3


def test_cameras_that_can_not_be_added(administrator: APIClient) -> None:
    CameraFactory.create(name="Gate")
    for values, field in [
        ({"name": "Gate", "source": "0"}, "name"),
        ({"name": " Gate  ", "source": "0"}, "name"),
        ({"name": "x" * 201, "source": "0"}, "name"),
        ({"name": "x"}, "source"),
        ({"name": "x", "source": "ftp://u:s3cr3t@h"}, "source"),
        ({"name": "x", "source": "0", "latitude": 91}, "latitude"),
        ({"name": "x", "source": "0", "longitude": -181}, "longitude"),
    ]:
        response = administrator.post("/api/v1/cameras", values, format="json")
        assert field in problem(response, 400)["errors"]
        assert b"s3cr3t" not in response.content


def test_a_camera_is_removed_and_its_sightings_remain(administrator: APIClient, camera: Camera) -> None:
    sighting = SightingFactory.create(camera=camera)
    assert administrator.delete(f"/api/v1/cameras/{camera.pk}").status_code == 204

    body = administrator.get(f"/api/v1/sightings/{sighting.pk}").json()
    assert (body["camera"], body["camera_name"]) == (None, "Gate")


def test_the_live_picture(viewer: APIClient, camera: Camera) -> None:
    url = f"/api/v1/cameras/{camera.pk}/snapshot"
    assert "no live picture" in problem(viewer.get(url, headers={"Accept": "image/*"}), 503)["detail"]

    live.publish_picture(camera.pk, picture(3))
    response = viewer.get(url, headers={"Accept": "image/jpeg"})
    assert (response.content, response["Content-Type"]) == (picture(3), "image/jpeg")
    assert response["Cache-Control"] == "no-store"
    assert live.watched([camera.pk]) == {camera.pk: 3}


def test_who_asks_again_and_again_for_a_picture_that_is_not_there_fills_no_log(
    viewer: APIClient, camera: Camera, caplog: pytest.LogCaptureFixture
) -> None:
    assert viewer.get(f"/api/v1/cameras/{camera.pk}/snapshot").status_code == 503

    assert not caplog.records


def test_a_picture_that_is_known_is_not_sent_again(viewer: APIClient, camera: Camera) -> None:
    url = f"/api/v1/cameras/{camera.pk}/snapshot"
    live.publish_picture(camera.pk, picture(3))
    tag = viewer.get(url)["ETag"]

    same = viewer.get(url, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", tag)
    assert viewer.get(url, headers={"If-None-Match": '"another"'}).status_code == 200
    live.publish_picture(camera.pk, picture(4))
    newer = viewer.get(url, headers={"If-None-Match": f"W/{tag}, {tag}"})
    assert (newer.status_code, newer.content) == (200, picture(4))
    assert newer["ETag"] != tag


def test_who_looks_often_says_so(viewer: APIClient, camera: Camera) -> None:
    url = f"/api/v1/cameras/{camera.pk}/snapshot"
    live.publish_picture(camera.pk, picture(3))
    assert viewer.get(url, {"fps": "10"}).status_code == 200
    assert live.watched([camera.pk]) == {camera.pk: 10}
    for wrong in ("0", "11", "nan", "fast"):
        assert "fps" in problem(viewer.get(url, {"fps": wrong}), 400)["errors"], wrong


def test_everything_of_a_camera_goes_in_and_out_but_its_streams(administrator: APIClient) -> None:
    values = {
        "name": "Gate",
        "source": SOURCE,
        "detail": SOURCE.replace("live", "large"),
        "transport": "udp",
        "schedule": "Mon-Fri 20:00-06:00",
        "priority": 3,
        "idle_decoding": "keyframes",
        "detect_fps": 2.5,
        "sensitivity": 9,
        "masks": [[[0, 0], [0.5, 0], [0.5, 0.5]]],
        "alert_events": False,
        "clips": True,
    }
    response = administrator.post("/api/v1/cameras", values, format="json")
    assert response.status_code == 201, response.content
    body = response.json()
    assert b"s3cr3t" not in response.content
    assert {"source", "detail", "remove_detail"}.isdisjoint(body)
    assert body["detail_address"] == "rtsp://10.0.0.7:554/large?…"
    for name in values.keys() - {"source", "detail"}:
        assert body[name] == values[name], name
    url = f"/api/v1/cameras/{body['id']}"
    changed = administrator.patch(url, {"detect_fps": None, "masks": [], "remove_detail": True}, format="json").json()
    assert (changed["detect_fps"], changed["masks"], changed["detail_address"]) == (None, [], "")
    assert (changed["schedule"], changed["priority"]) == ("Mon-Fri 20:00-06:00", 3)
    assert detail_of(Camera.objects.get()) is None


def test_values_that_can_not_be_used(administrator: APIClient, camera: Camera) -> None:
    for values, field in [
        ({"detail": "ftp://u:s3cr3t@h"}, "detail"),
        ({"transport": "pigeon"}, "transport"),
        ({"schedule": "Mon-Fry 20:00-06:00"}, "schedule"),
        ({"schedule": "x" * 301}, "schedule"),
        ({"priority": 4}, "priority"),
        ({"idle_decoding": "none"}, "idle_decoding"),
        ({"detect_fps": 31}, "detect_fps"),
        ({"sensitivity": 0}, "sensitivity"),
        ({"masks": [[[0, 0], [1, 1]]]}, "masks"),
        ({"masks": "[["}, "masks"),
        ({"masks": None}, "masks"),
    ]:
        response = administrator.patch(f"/api/v1/cameras/{camera.pk}", values, format="json")
        assert field in problem(response, 400)["errors"], values
        assert b"s3cr3t" not in response.content
    assert Camera.objects.get().revision == 0


def test_the_status_has_what_the_worker_said(viewer: APIClient, camera: Camera) -> None:
    said = Status(
        state=State.ONLINE,
        view=live.View.COVERED,
        decode_ms=2.5,
        frames_in=100,
        frames_wanted=20,
        frames_missed=1,
        restarts=4,
        worker="north-1",
        began=1_000_000.0,
        since=1_773_489_600.0,
    )
    live.publish_status(camera.pk, said)
    status = viewer.get(f"/api/v1/cameras/{camera.pk}").json()["status"]
    assert (status["state"], status["view"], status["since"]) == ("online", "covered", "2026-03-14T12:00:00Z")
    assert (status["decode_ms"], status["frames_in"], status["restarts"]) == (2.5, 100, 4)
    assert (status["frames_wanted"], status["frames_missed"], status["worker"]) == (20, 1, "north-1")
    live.clear_status(camera.pk)
    assert viewer.get(f"/api/v1/cameras/{camera.pk}").json()["status"]["since"] is None


def test_a_camera_is_switched_and_restarted(administrator: APIClient, camera: Camera) -> None:
    steps = [("disable", False, 1), ("restart", False, 2), ("enable", True, 3), ("restart", True, 4)]
    for verb, enabled, revision in steps:
        body = administrator.post(f"/api/v1/cameras/{camera.pk}/{verb}").json()
        assert (body["id"], body["enabled"]) == (camera.pk, enabled)
        assert Camera.objects.get().revision == revision
    assert list(AuditEvent.objects.values_list("verb", flat=True).order_by("pk").reverse()[:4]) == [
        "restarted",
        "enabled",
        "restarted",
        "disabled",
    ]


@pytest.mark.parametrize("verb", ["restart", "enable", "disable"])
def test_only_administrators_switch_cameras(viewer: APIClient, camera: Camera, verb: str) -> None:
    url = f"/api/v1/cameras/{camera.pk}/{verb}"
    problem(APIClient().post(url), 401)
    problem(viewer.post(url), 403)
    problem(key_client(Role.OPERATOR).post(url), 403)
    administrator = key_client(Role.ADMINISTRATOR)
    problem(administrator.get(url), 405)
    problem(administrator.post(f"/api/v1/cameras/99999/{verb}"), 404)
    assert Camera.objects.get().revision == 0


def test_what_was_wrong_with_a_camera(viewer: APIClient, camera: Camera) -> None:
    CameraEvent.objects.create(
        camera=camera, camera_name="Gate", kind=EventKind.DOWN, began_at=NOON, ended_at=NOON + timedelta(hours=1)
    )
    covered = CameraEvent.objects.create(
        camera=camera, camera_name="Gate", kind=EventKind.COVERED, began_at=NOON + timedelta(hours=2), times=2
    )
    CameraEvent.objects.create(camera=CameraFactory.create(), camera_name="Other", kind=EventKind.DOWN, began_at=NOON)
    url = f"/api/v1/cameras/{camera.pk}/events"
    newest, oldest = viewer.get(url).json()["results"]
    assert newest == {
        "id": covered.pk,
        "camera": camera.pk,
        "camera_name": "Gate",
        "kind": "covered",
        "began_at": "2026-03-14T14:00:00Z",
        "ended_at": None,
        "times": 2,
        "detail": "",
        "alert": None,
    }
    assert oldest["ended_at"] == "2026-03-14T13:00:00Z"
    assert viewer.get(url, {"kind": "down"}).json()["results"] == [oldest]
    assert viewer.get(url, {"from": "2026-03-14T13:00:00Z"}).json()["results"] == [newest]
    page = viewer.get(url, {"limit": 1}).json()
    assert page["results"] == [newest]
    assert viewer.get(page["next"]).json()["results"] == [oldest]


def test_what_a_camera_did_by_the_hour(viewer: APIClient, camera: Camera) -> None:
    for hour in range(3):
        CameraHour.objects.create(
            camera=camera, start=NOON + timedelta(hours=hour), seconds_online=60 * hour, drops={"slow": hour}
        )
    url = f"/api/v1/cameras/{camera.pk}/hours"
    found = viewer.get(url).json()["results"]
    assert [each["start"] for each in found] == [f"2026-03-14T{hour}:00:00Z" for hour in (14, 13, 12)]
    assert (found[0]["seconds_online"], found[0]["drops"]) == (120.0, {"slow": 2})
    assert len(viewer.get(url, {"from": "2026-03-14T13:00:00Z", "to": "2026-03-14T14:00:00Z"}).json()["results"]) == 1


@pytest.mark.parametrize("what", ["events", "hours"])
def test_who_may_read_what_a_camera_did(viewer: APIClient, camera: Camera, what: str) -> None:
    url = f"/api/v1/cameras/{camera.pk}/{what}"
    problem(APIClient().get(url), 401)
    problem(key_client().get(url), 403)
    problem(viewer.post(url), 405)
    problem(viewer.get(f"/api/v1/cameras/99999/{what}"), 404)
    problem(viewer.get(url, {"from": "yesterday"}), 400)


def test_sightings_are_listed_newest_first(
    viewer: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = SightingFactory.create_batch(5)
    with django_assert_max_num_queries(8):
        found = viewer.get("/api/v1/sightings").json()["results"]

    assert [each["id"] for each in found] == [str(row.pk) for row in reversed(rows)]
    newest = found[0]
    assert newest["person_name"] == str(rows[-1].person)
    assert newest["shot"] == f"/api/v1/sightings/{rows[-1].pk}/shot"
    assert {"sealed_shot", "sealed"}.isdisjoint(newest)


def test_sightings_of_the_same_moment_are_all_there_once(viewer: APIClient) -> None:
    SightingFactory.create_batch(7, first_seen=NOON)
    found: list[str] = []
    url = "/api/v1/sightings?limit=2"
    while url:
        page = viewer.get(url).json()
        found += [each["id"] for each in page["results"]]
        url = page["next"]

    assert len(found) == len(set(found)) == 7


def test_sightings_are_filtered(viewer: APIClient) -> None:
    early = SightingFactory.create(first_seen=NOON)
    late = SightingFactory.create(
        first_seen=NOON + timedelta(days=1), person=None, verdict=Verdict.UNKNOWN, sealed_shot=None, shot_day=None
    )
    wanted: list[tuple[dict[str, Any], Sighting]] = [
        ({"person": early.person_id}, early),
        ({"camera": late.camera_id}, late),
        ({"verdict": "unknown"}, late),
        ({"from": "2026-03-15T00:00:00Z"}, late),
        ({"to": "2026-03-15T12:00:00Z"}, early),
        ({"to": "2026-03-15T14:00:00+02:00"}, early),
        ({"from": "2026-03-14T12:00:00", "to": "2026-03-14T12:00:01"}, early),
    ]
    for query, expected in wanted:
        (found,) = viewer.get("/api/v1/sightings", query).json()["results"]
        assert found["id"] == str(expected.pk), query
    assert viewer.get(f"/api/v1/sightings/{late.pk}").json()["shot"] is None
    for bad in ({"from": "yesterday"}, {"person": "x"}, {"verdict": "perhaps"}, {"camera": "\x00"}):
        problem(viewer.get("/api/v1/sightings", bad), 400)


def test_where_a_person_was_seen(viewer: APIClient) -> None:
    person = PersonFactory.create()
    first, second = SightingFactory.create_batch(2, person=person)
    SightingFactory.create()
    url = f"/api/v1/people/{person.pk}/sightings"

    assert [each["id"] for each in viewer.get(url).json()["results"]] == [str(second.pk), str(first.pk)]
    after = viewer.get(url, {"from": second.first_seen.isoformat()}).json()["results"]
    assert [each["id"] for each in after] == [str(second.pk)]
    problem(viewer.get("/api/v1/people/99999/sightings"), 404)
    problem(key_client().get(url), 403)


def test_the_best_shot(viewer: APIClient) -> None:
    sighting = SightingFactory.create()
    response = viewer.get(f"/api/v1/sightings/{sighting.pk}/shot", headers={"Accept": "image/jpeg"})
    assert response["Content-Type"] == "image/jpeg"
    assert response.content.startswith(b"\xff\xd8")

    Sighting.objects.update(sealed_shot=b"not sealed at all, far too plain to be")
    problem(viewer.get(f"/api/v1/sightings/{sighting.pk}/shot"), 500)
    Sighting.objects.update(sealed_shot=None, shot_day=None)
    problem(viewer.get(f"/api/v1/sightings/{sighting.pk}/shot"), 404)


@pytest.fixture(autouse=True)
def fresh() -> None:
    cache.clear()


def test_half_a_place_is_none(administrator: APIClient, camera: Camera) -> None:
    added = administrator.post("/api/v1/cameras", {"name": "Half", "source": "0", "latitude": 1.5}, format="json")
    changed = administrator.patch(f"/api/v1/cameras/{camera.pk}", {"latitude": None}, format="json")

    for answer in (added, changed):
        assert answer.status_code == 400
        assert "Give both, or neither." in str(answer.json()["errors"])


def test_a_taken_name_is_said_with_what_to_do(administrator: APIClient, camera: Camera) -> None:
    answer = administrator.post("/api/v1/cameras", {"name": camera.name, "source": "0"}, format="json")

    assert answer.json()["errors"]["name"] == ["There is a camera 'Gate' already. Choose another name."]
