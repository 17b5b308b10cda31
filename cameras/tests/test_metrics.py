"""What /metrics says of cameras."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.core import Metric

from cameras import live, metrics
from cameras.live import State, Status, View
from cameras.models import Camera, CameraEvent, EventKind, LinkerState
from cameras.tests.factories import NOON, CameraFactory

pytestmark = pytest.mark.django_db

Found = dict[str, dict[tuple[str, ...], float]]


@pytest.fixture
def camera() -> Iterator[Camera]:
    camera = CameraFactory.create(name="Gate")
    yield camera
    live.clear_status(camera.pk)


def found() -> Found:
    """The samples by family, and by the values of their labels but the camera's id."""
    families: list[Metric] = list(metrics.families())
    samples = [sample for family in families for sample in family.samples]
    result: Found = {}
    for sample in samples:
        labels = tuple(value for label, value in sample.labels.items() if label != "camera")
        result.setdefault(sample.name, {})[labels] = sample.value
    return result


def test_what_a_worker_says_is_measured(camera: Camera) -> None:
    CameraFactory.create(enabled=False)
    CameraEvent.objects.create(camera=camera, camera_name="Gate", kind=EventKind.COVERED, began_at=NOON)
    CameraEvent.objects.create(camera=camera, camera_name="Gate", kind=EventKind.DOWN, began_at=NOON, ended_at=NOON)
    said = Status(
        state=State.ONLINE,
        view=View.COVERED,
        fps_in=25.0,
        decode_ms=2.5,
        frames_wanted=20,
        frames_missed=1,
        drops={"slow": 3},
        restarts=4,
        began=1.0,
    )
    live.publish_status(camera.pk, said)
    now = found()
    assert (now["lynceus_cameras"][("online",)], now["lynceus_cameras"][("off",)]) == (1, 1)
    assert now["lynceus_camera_views"] == {(view.value,): float(view is View.COVERED) for view in View}
    assert now["lynceus_camera_events_open"] == {(kind,): float(kind == EventKind.COVERED) for kind in EventKind.values}
    gate = ("Gate",)
    assert now["lynceus_camera_frames_per_second"] == {gate: 25.0}
    assert now["lynceus_camera_decode_seconds"] == {gate: 0.0025}
    assert now["lynceus_camera_wanted_total"] == {gate: 20}
    assert now["lynceus_camera_missed_total"] == {gate: 1}
    assert now["lynceus_camera_restarts_total"] == {gate: 4}
    assert now["lynceus_camera_dropped_total"] == {("Gate", "slow"): 3}


def test_of_a_camera_nobody_speaks_for_nothing_is_measured(camera: Camera) -> None:
    now = found()
    assert now["lynceus_cameras"][("waiting",)] == 1
    assert sum(now["lynceus_camera_views"].values()) == 0
    assert "lynceus_camera_frames_per_second" not in now
    assert "lynceus_camera_restarts_total" not in now


def test_the_linker_is_measured() -> None:
    assert not any(name.startswith("lynceus_linker") for name in found())
    said = LinkerState.objects.create(pk=1, owner="one", templates=7, waiting=2)
    assert "lynceus_linker_silent_seconds" not in found()
    LinkerState.objects.filter(pk=said.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=90))
    families = found()
    assert families["lynceus_linker_templates"] == {(): 7}
    assert families["lynceus_linker_waiting"] == {(): 2}
    assert families["lynceus_linker_silent_seconds"][()] == pytest.approx(90, abs=30)
