"""The admin site of cameras and sightings: a source is typed and never shown, sightings are only read."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from accounts.tests.factories import UserFactory
from cameras.models import Camera, CameraLease
from cameras.services import source_of
from cameras.tests.factories import CameraFactory, SightingFactory

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@10.0.0.7/live"


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="root", is_staff=True, is_superuser=True))
    return client


def form(**values: Any) -> dict[str, Any]:
    return {"name": "Gate", "source": SOURCE, "latitude": "", "longitude": "", "enabled": "on"} | values


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


def test_sightings_can_only_be_read(client: Client) -> None:
    sighting = SightingFactory.create()
    url = reverse("admin:cameras_sighting_change", args=[sighting.pk])

    assert client.get(reverse("admin:cameras_sighting_changelist")).status_code == 200
    assert client.get(url).status_code == 200
    assert client.post(url, {"verdict": "unknown"}).status_code == 403
    assert client.post(reverse("admin:cameras_sighting_delete", args=[sighting.pk])).status_code == 403
