"""The form of a camera: everything that can be set, what it refuses, and what it never shows."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras import services
from cameras.forms import CameraForm
from cameras.models import Camera
from cameras.tests.factories import CameraFactory
from cameras.weeks import plan

pytestmark = pytest.mark.django_db

MONDAY_NOON = datetime(2026, 3, 16, 12, 0, tzinfo=UTC)
EVERYTHING = {
    "name": "Gate",
    "source": "rtsp://u:small-word@cam.example/1",
    "detail": "rtsp://u:large-word@cam.example/2",
    "transport": "udp",
    "schedule": "Mon-Fri 20:00-06:00",
    "priority": "3",
    "idle_decoding": "keyframes",
    "detect_fps": "2.5",
    "sensitivity": "8",
    "masks": "[[[0, 0], [1, 0], [1, 0.1]]]",
    "enabled": "on",
}


def test_everything_can_be_set_and_comes_back(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    client.post(reverse("camera_add"), EVERYTHING)
    row = Camera.objects.get()
    assert (row.transport, row.schedule, row.priority, row.idle_decoding) == (
        "udp", "Mon-Fri 20:00-06:00", 3, "keyframes",
    )  # fmt: skip
    assert (row.detect_fps, row.sensitivity, row.alert_events) == (2.5, 8, False)
    assert row.masks == [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]]]
    detail = services.detail_of(row)
    assert detail is not None
    assert "large-word" in detail.text
    page = client.get(reverse("camera_edit", args=[row.pk])).content.decode()
    assert "small-word" not in page
    assert "large-word" not in page
    assert "[[[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]]]" in page
    assert 'value="Mon-Fri 20:00-06:00"' in page
    assert "rtsp://cam.example/2" in page


def test_clips_are_off_until_somebody_wants_them(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    client.post(reverse("camera_add"), EVERYTHING)
    row = Camera.objects.get()
    assert not row.clips
    page = reverse("camera_edit", args=[row.pk])
    assert "Make sure that you may record here." in client.get(page).content.decode()
    client.post(page, EVERYTHING | {"clips": "on"})
    assert Camera.objects.get().clips
    shown = re.search(r'<input[^>]*name="clips"[^>]*>', client.get(page).content.decode())
    assert shown is not None
    assert " checked" in shown[0]


def test_the_second_stream_is_kept_and_forgotten(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    row = services.add_camera(actor=None, name="Gate", source="0", detail="rtsp://u:pw@cam.example/2")
    page = reverse("camera_edit", args=[row.pk])
    client.post(page, {"name": "Gate", "source": "", "detail": ""})
    assert services.detail_of(row) is not None
    both = {"name": "Gate", "detail": "rtsp://cam.example/3", "remove_detail": "on"}
    assert "Either give a second stream" in client.post(page, both).content.decode()
    client.post(page, {"name": "Gate", "remove_detail": "on"})
    assert services.detail_of(row) is None
    assert "remove_detail" not in client.get(page).content.decode()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("schedule", "Someday 20:00-06:00", "is no day of the week"),
        ("schedule", "x" * 301, "at most 300 characters"),
        ("masks", "not json", "The masks are no JSON"),
        ("masks", "[[[0, 0], [2, 0], [1, 1]]]", "both from 0 to 1"),
        ("detail", "ftp://cam.example/", "not with ftp://"),
        ("detect_fps", "0.1", "greater than or equal to 0.2"),
        ("sensitivity", "11", "less than or equal to 10"),
        ("sensitivity", "", "This field is required"),
        ("priority", "9", "Select a valid choice"),
        ("transport", "carrier pigeon", "Select a valid choice"),
        ("idle_decoding", "", "This field is required"),
    ],
)
def test_what_can_not_be_used_is_said_at_its_field(client: Client, field: str, value: str, sentence: str) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    answer = client.post(reverse("camera_add"), EVERYTHING | {field: value})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert not Camera.objects.exists()
    assert sentence in " ".join(answer.context["form"].errors[field])
    assert sentence.replace("'", "&#x27;") in page
    assert "Nothing was saved yet" in page


def test_choices_that_are_not_sent_stay_as_they_are() -> None:
    row = CameraFactory.create(priority=3, sensitivity=9, transport="udp")
    form = CameraForm({"name": "Gate"}, camera=row)
    assert form.is_valid(), form.errors
    assert (form.cleaned_data["priority"], form.cleaned_data["sensitivity"]) == (3, 9)
    assert form.cleaned_data["transport"] == "udp"


def test_a_schedule_is_explained_while_it_is_typed(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    page = reverse("camera_schedule")
    assert "Watched always." in client.get(page).content.decode()
    said = client.get(page, {"schedule": "Sat 10:00-11:30"}).content.decode()
    assert 'aria-label="On: Mon 0 h, Tue 0 h, Wed 0 h, Thu 0 h, Fri 0 h, Sat 1.5 h, Sun 0 h"' in said
    assert "is no day of the week" in client.get(page, {"schedule": "<b>x"}).content.decode()
    assert "<b>" not in client.get(page, {"schedule": "<b>x"}).content.decode()


def test_a_week_is_drawn_as_it_is() -> None:
    found = plan("Mon 22:00-06:00; Tue 12:10-12:20", MONDAY_NOON)
    assert not found.is_on
    assert found.next_change == datetime(2026, 3, 16, 22, 0, tzinfo=UTC)
    spans = [[(span.start, span.length) for span in day.spans] for day in found.days]
    assert spans == [[(44, 4)], [(0, 12), (24, 1)], [], [], [], [], []]
