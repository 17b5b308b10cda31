"""The admin site of cameras and sightings: a source is typed and never shown, sightings are only read."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.models import Camera, CameraEvent, CameraLease, EventKind
from cameras.services import detail_of, source_of
from cameras.tests.factories import NOON, CameraFactory, SightingFactory

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@10.0.0.7/live"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="root", is_staff=True, is_superuser=True))
    return client


def form(**values: Any) -> dict[str, Any]:
    usual = {"transport": "tcp", "priority": "2", "idle_decoding": "all", "sensitivity": "5", "masks": "[]"}
    return usual | {"name": "Gate", "source": SOURCE, "latitude": "", "longitude": "", "enabled": "on"} | values


def test_a_camera_is_added_and_its_source_never_shown(client: Client) -> None:
    response = client.post(reverse("admin:cameras_camera_add"), form(latitude="52.5", longitude="13.4"))
    assert response.status_code == 302, response.context["errors"]

    camera = Camera.objects.get()
    assert (camera.name, camera.address, camera.latitude) == ("Gate", "rtsp://10.0.0.7/live", 52.5)
    assert source_of(camera).text == SOURCE
    assert CameraLease.objects.filter(camera=camera).exists()
    for page in (
        reverse("admin:cameras_camera_changelist"),
        reverse("admin:cameras_camera_change", args=[camera.pk]),
    ):
        content = client.get(page).content.decode()
        assert "rtsp://10.0.0.7/live" in content
        assert "s3cr3t" not in content
    assert AuditEvent.objects.values_list("actor_name", "verb").get() == ("root", "added")


def test_a_camera_is_changed_and_keeps_its_source(client: Client) -> None:
    camera = CameraFactory.create(source=SOURCE)
    url = reverse("admin:cameras_camera_change", args=[camera.pk])
    assert client.post(url, form(name="Door", source="", enabled="")).status_code == 302

    camera.refresh_from_db()
    assert (camera.name, camera.enabled, camera.revision) == ("Door", False, 1)
    assert source_of(camera).text == SOURCE
    client.post(url, form(source="0"))
    camera.refresh_from_db()
    assert source_of(camera).text == "0"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"source": ""}, "source"),
        ({"source": "ftp://u:s3cr3t@h"}, "source"),
        ({"name": " "}, "name"),
        ({"name": "Taken"}, "name"),
        ({"latitude": "91"}, "latitude"),
        ({"detail": "ftp://u:s3cr3t@h"}, "detail"),
        ({"schedule": "Mon 25:00-26:00"}, "schedule"),
        ({"masks": "[[[0, 0], [1, 1]]]"}, "masks"),
        ({"masks": "[["}, "masks"),
        ({"detect_fps": "0.1"}, "detect_fps"),
        ({"sensitivity": "11"}, "sensitivity"),
        ({"transport": "pigeon"}, "transport"),
    ],
)
def test_what_can_not_be_used_is_said(client: Client, values: dict[str, str], field: str) -> None:
    CameraFactory.create(name="Taken")
    response = client.post(reverse("admin:cameras_camera_add"), form(**values))

    assert field in response.context["adminform"].form.errors
    assert "s3cr3t" not in response.content.decode()
    assert Camera.objects.count() == 1


def test_cameras_are_removed_one_by_one_and_together(client: Client) -> None:
    cameras = CameraFactory.create_batch(3)
    sighting = SightingFactory.create(camera=cameras[0], is_open=True)
    client.post(reverse("admin:cameras_camera_delete", args=[cameras[0].pk]), {"post": "yes"})
    client.post(
        reverse("admin:cameras_camera_changelist"),
        {"action": "delete_selected", "_selected_action": [row.pk for row in cameras[1:]], "post": "yes"},
    )

    assert not Camera.objects.exists()
    sighting.refresh_from_db()
    assert (sighting.camera, sighting.is_open) == (None, False)
    assert AuditEvent.objects.filter(verb="removed").count() == 3


def test_everything_of_a_camera_can_be_set(client: Client) -> None:
    values = {
        "detail": "rtsp://viewer:s3cr3t-too@10.0.0.7/large",
        "transport": "udp",
        "schedule": "Sat,Sun 10:00-12:00",
        "priority": "3",
        "idle_decoding": "keyframes",
        "detect_fps": "2.5",
        "sensitivity": "8",
        "masks": "[[[0, 0], [1, 0], [1, 0.5]]]",
        "alert_events": "on",
        "clips": "on",
    }
    response = client.post(reverse("admin:cameras_camera_add"), form(**values))
    assert response.status_code == 302, response.context["errors"]
    camera = Camera.objects.get()
    assert (camera.transport, camera.schedule, camera.priority) == ("udp", "Sat,Sun 10:00-12:00", 3)
    assert (camera.idle_decoding, camera.detect_fps, camera.sensitivity) == ("keyframes", 2.5, 8)
    assert camera.clips
    assert camera.masks == [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.5]]]
    assert (camera.alert_events, camera.detail_address) == (True, "rtsp://10.0.0.7/large")
    detail = detail_of(camera)
    assert detail is not None
    assert detail.text == values["detail"]

    url = reverse("admin:cameras_camera_change", args=[camera.pk])
    page = client.get(url).content.decode()
    assert "s3cr3t" not in page
    assert "rtsp://10.0.0.7/large" in page
    assert client.post(url, form(source="", masks="")).status_code == 302
    camera.refresh_from_db()
    assert (camera.masks, camera.alert_events, camera.detect_fps) == ([], False, None)
    assert detail_of(camera) == detail
    client.post(url, form(source="", remove_detail="on"))
    assert detail_of(camera) is None


@pytest.mark.parametrize(
    ("action", "enabled", "verb"),
    [("switch_on", True, "enabled"), ("switch_off", False, "disabled"), ("restart", None, "restarted")],
)
def test_several_cameras_are_switched_or_restarted(
    client: Client, action: str, enabled: bool | None, verb: str
) -> None:
    cameras = [CameraFactory.create(enabled=True), CameraFactory.create(enabled=False)]
    said = {"action": action, "_selected_action": [row.pk for row in cameras]}
    page = client.post(reverse("admin:cameras_camera_changelist"), said, follow=True).content.decode()

    wanted = [True, False] if enabled is None else [enabled, enabled]
    assert list(Camera.objects.order_by("pk").values_list("enabled", flat=True)) == wanted
    assert set(Camera.objects.values_list("revision", flat=True)) == {1}
    assert AuditEvent.objects.filter(verb=verb, actor_name="root").count() == 2
    assert "2 cameras" in page


def test_nobody_restarts_cameras_who_may_only_look() -> None:
    camera = CameraFactory.create()
    user = UserFactory.create(is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_camera"))
    looking = Client()
    looking.force_login(user)
    said = {"action": "restart", "_selected_action": [camera.pk]}
    looking.post(reverse("admin:cameras_camera_changelist"), said, follow=True)
    camera.refresh_from_db()
    assert camera.revision == 0


def test_events_can_only_be_read(client: Client) -> None:
    camera = CameraFactory.create(name="Gate")
    event = CameraEvent.objects.create(camera=camera, camera_name="Gate", kind=EventKind.COVERED, began_at=NOON)
    url = reverse("admin:cameras_cameraevent_change", args=[event.pk])

    page = client.get(reverse("admin:cameras_cameraevent_changelist"))
    assert "The view is covered" in page.content.decode()
    assert client.get(url).status_code == 200
    assert client.post(url, {"kind": "down"}).status_code == 403
    assert client.post(reverse("admin:cameras_cameraevent_delete", args=[event.pk])).status_code == 403


def test_administrators_see_events() -> None:
    user = UserFactory.create(role=Role.ADMINISTRATOR, is_staff=True)
    administrator = Client()
    administrator.force_login(user)
    assert administrator.get(reverse("admin:cameras_cameraevent_changelist")).status_code == 200


def test_sightings_can_only_be_read(client: Client) -> None:
    sighting = SightingFactory.create()
    url = reverse("admin:cameras_sighting_change", args=[sighting.pk])

    assert client.get(reverse("admin:cameras_sighting_changelist")).status_code == 200
    assert client.get(url).status_code == 200
    assert client.post(url, {"verdict": "unknown"}).status_code == 403
    assert client.post(reverse("admin:cameras_sighting_delete", args=[sighting.pk])).status_code == 403
