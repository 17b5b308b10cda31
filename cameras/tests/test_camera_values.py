"""What can be set of a camera: defaults, changes, the second stream, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEvent
from accounts.vault import VaultError
from cameras import services
from cameras.models import Camera, CameraLease, Decoding, Priority, Transport
from cameras.sources import SourceError
from cameras.tests.factories import CameraFactory
from cameras.values import CameraError, CameraValues
from recognition.errors import RecognitionError

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@camera.example:554/small"
DETAIL = "rtsp://viewer:s3cr3t-too@camera.example:554/large?token=s3cr3t"
MASK = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]]
ALL: CameraValues = {
    "transport": "udp",
    "schedule": "Mon-Fri 20:00-06:00",
    "priority": 3,
    "idle_decoding": "keyframes",
    "detect_fps": 2.5,
    "sensitivity": 9,
    "masks": [MASK],
    "alert_events": False,
    "clips": True,
}


def shown(camera: Camera) -> dict[str, Any]:
    return {name: getattr(camera, name) for name in ALL}


def test_a_new_camera_has_the_defaults_of_the_site() -> None:
    camera = services.add_camera(actor=None, name="Gate", source=SOURCE)
    camera.refresh_from_db()
    assert shown(camera) == {
        "transport": Transport.TCP,
        "schedule": "",
        "priority": Priority.NORMAL,
        "idle_decoding": Decoding.ALL,
        "detect_fps": None,
        "sensitivity": 5,
        "masks": [],
        "alert_events": True,
        "clips": False,
    }
    assert services.detail_of(camera) is None
    assert CameraLease.objects.get().camera == camera


def test_a_second_stream_can_not_be_given_and_forgotten_at_once() -> None:
    camera = services.add_camera(actor=None, name="Gate", source=SOURCE)
    with pytest.raises(CameraError, match="not both") as refused:
        services.change_camera(actor=None, camera=camera, detail=DETAIL, remove_detail=True)
    assert refused.value.field == "remove_detail"


def test_everything_can_be_set_and_changed_by_itself() -> None:
    whole: CameraValues = {**ALL, "name": "Gate", "source": SOURCE, "detail": DETAIL}
    camera = services.add_camera(actor=None, **whole)
    camera.refresh_from_db()
    assert shown(camera) == dict(ALL)
    changed = services.change_camera(actor=None, camera=camera, detect_fps=None, schedule=" Sat , Sun ")
    assert shown(changed) == {**ALL, "detect_fps": None, "schedule": "Sat , Sun"}
    changed.refresh_from_db()
    assert changed.schedule == "Sat , Sun"
    assert services.source_of(changed).text == SOURCE
    detail = services.detail_of(changed)
    assert detail is not None
    assert detail.text == DETAIL


def test_a_second_stream_is_sealed_and_shows_no_credentials() -> None:
    camera = services.add_camera(actor=None, name="Gate", source=SOURCE, detail=DETAIL)
    stored = Camera.objects.values().get()
    assert stored["detail_address"] == "rtsp://camera.example:554/large?…"
    assert "s3cr3t" not in str(stored)
    assert b"s3cr3t" not in bytes(stored["sealed_detail"] or b"")
    assert "s3cr3t" not in str(list(AuditEvent.objects.values()))
    # Sealed to its place: the one does not open as the other.
    Camera.objects.update(sealed_source=stored["sealed_detail"])
    with pytest.raises(VaultError):
        services.source_of(camera)


def test_a_second_stream_stays_is_replaced_or_is_removed() -> None:
    camera = services.add_camera(actor=None, name="Gate", source=SOURCE, detail=DETAIL)
    services.change_camera(actor=None, camera=camera, name="Door", detail=" ")
    assert services.detail_of(camera) is not None
    services.change_camera(actor=None, camera=camera, detail="1")
    detail = services.detail_of(camera)
    assert detail is not None
    assert detail.text == "1"
    changed = services.change_camera(actor=None, camera=camera, remove_detail=True)
    assert (services.detail_of(camera), changed.detail_address) == (None, "")


def test_the_loop_starts_anew_only_where_it_matters() -> None:
    whole: CameraValues = {**ALL, "name": "Gate", "source": SOURCE}
    camera = services.add_camera(actor=None, **whole)
    steps: list[tuple[CameraValues, int]] = [
        ({}, 0),
        ({**ALL, "name": "Gate"}, 0),
        ({"alert_events": True}, 0),
        ({"source": " ", "detail": ""}, 0),
        ({"sensitivity": 1}, 1),
        ({"source": SOURCE}, 2),
        ({"detail": DETAIL}, 3),
        ({"remove_detail": True}, 4),
        ({"remove_detail": True}, 4),
        ({"name": "Door"}, 5),
        ({"latitude": 1.0, "longitude": 2.0}, 6),
        ({"clips": False}, 7),
    ]
    for values, revision in steps:
        assert services.change_camera(actor=None, camera=camera, **values).revision == revision, values


def test_a_camera_is_restarted() -> None:
    camera = CameraFactory.create(enabled=False)
    services.restart_camera(actor=None, camera=camera)
    camera.refresh_from_db()
    assert (camera.revision, camera.enabled) == (1, False)
    assert AuditEvent.objects.get().verb == "restarted"


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"transport": "pigeon"}, "transport", "tcp or udp"),
        ({"schedule": "Mon-Fry 20:00-06:00"}, "schedule", "Fry"),
        ({"schedule": "Mon " * 100}, "schedule", "at most 300"),
        ({"priority": 4}, "priority", "normal"),
        ({"priority": "high"}, "priority", "normal"),
        ({"idle_decoding": "none"}, "idle_decoding", "keyframes"),
        ({"detect_fps": 0.1}, "detect_fps", "0.2 to 30"),
        ({"detect_fps": 31}, "detect_fps", "0.2 to 30"),
        ({"detect_fps": float("nan")}, "detect_fps", "0.2 to 30"),
        ({"detect_fps": "fast"}, "detect_fps", "0.2 to 30"),
        ({"sensitivity": 0}, "sensitivity", "from 1 to 10"),
        ({"sensitivity": 5.5}, "sensitivity", "from 1 to 10"),
        ({"masks": [[[0, 0], [1, 1]]]}, "masks", "corners"),
        ({"detail": "ftp://u:s3cr3t@h"}, "detail", "second stream"),
    ],
)
def test_what_can_not_be_used_is_said_of_its_value(values: dict[str, Any], field: str, said: str) -> None:
    camera = CameraFactory.create()
    before = Camera.objects.values().get()
    with pytest.raises(CameraError, match=said) as adding:
        services.add_camera(actor=None, name="New", source="0", **values)
    with pytest.raises(CameraError, match=said) as changing:
        services.change_camera(actor=None, camera=camera, **values)
    for raised in (adding, changing):
        assert raised.value.field == field
        assert "s3cr3t" not in str(raised.value)
    assert Camera.objects.values().get() == before


def test_a_name_and_a_source_are_needed() -> None:
    with pytest.raises(SourceError):
        services.add_camera(actor=None, name="Gate")
    with pytest.raises(RecognitionError, match="name is empty"):
        services.add_camera(actor=None, source="0")


def test_a_camera_that_was_removed_meanwhile_can_not_be_changed() -> None:
    camera = CameraFactory.create(name="Gate")
    services.remove_camera(actor=None, camera=Camera.objects.get())
    with pytest.raises(RecognitionError, match="Gate was removed"):
        services.change_camera(actor=None, camera=camera, name="Door")
    with pytest.raises(SourceError, match="removed"):
        services.source_of(camera)
