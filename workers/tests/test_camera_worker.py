"""The camera worker as a process of its own: it takes cameras up, and nothing is left behind when it goes."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from cameras import live
from cameras.live import State
from cameras.models import Camera, CameraLease, Sighting
from cameras.services import add_camera, close_stale_sightings
from workers import roster, tasks
from workers.leases import Ending
from workers.tests.scenes import EILEEN, Shot, clip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]

PATIENCE = 90.0
LOST = str(Ending.LOST)


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    film = clip(tmp_path / "film.mp4", Shot(seconds=4, people=(EILEEN,)))
    return add_camera(actor=None, name="Hall", source=str(film), loop=True)


def database_url() -> str:
    """The test's own database, for another process."""
    values = settings.DATABASES["default"]
    return f"postgres://{values['USER']}@:{values['PORT']}/{quote(str(values['HOST']), safe='')}/{values['NAME']}"


@contextlib.contextmanager
def worker(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A camera worker on the test's database and Redis; killed with the test if it is still there."""
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(settings.DATA_DIR),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "LYNCEUS_SERVICES": "external",
    }
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "camera_worker", "--slots", "4"],
            cwd=settings.BASE_DIR,
            env=environment,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()


@pytest.fixture
def beat() -> Iterator[None]:
    """Does what beat does: dispatches, and closes what killed workers left open."""
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(0.5):
            tasks.dispatch_cameras()
            close_stale_sightings()
        connection.close()

    thread = threading.Thread(target=tick)
    thread.start()
    yield
    stop.set()
    thread.join()


def until(happens: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        assert time.monotonic() < deadline, f"this did not happen: {what}"
        time.sleep(0.1)


def online(camera: Camera) -> bool:
    return live.statuses([camera])[camera.pk].state is State.ONLINE


def is_open(camera: Camera, epoch: int) -> bool:
    return Sighting.objects.filter(camera=camera, is_open=True, epoch=epoch).exists()


@pytest.mark.slow
@pytest.mark.usefixtures("beat")
def test_a_killed_workers_camera_goes_on_elsewhere_and_a_stopped_worker_leaves_nothing_open(
    camera: Camera, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with worker(log) as first:
        until(lambda: online(camera) and is_open(camera, epoch=1), "the first worker watches")
        first.send_signal(signal.SIGKILL)
        first.wait()
    live.clear_status(camera.pk)
    with worker(log) as second:
        until(lambda: online(camera) and is_open(camera, epoch=2), "the second worker watches")
        until(lambda: not is_open(camera, epoch=1), "what the first left open is closed")
        second.send_signal(signal.SIGTERM)
        assert second.wait(timeout=PATIENCE) == 0
    assert not is_open(camera, epoch=2)
    assert CameraLease.objects.get(camera=camera).expires_at is None
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("beat")
def test_a_worker_that_was_paused_writes_nothing_under_the_lease_it_lost(camera: Camera, tmp_path: Path) -> None:
    """SIGSTOP: for the others it is dead, for itself no time has passed when it goes on."""
    log = tmp_path / "worker.log"
    with worker(log) as first:
        until(lambda: online(camera) and is_open(camera, epoch=1), "the first worker watches")
        first.send_signal(signal.SIGSTOP)
        with worker(log) as second:
            until(lambda: CameraLease.objects.get(camera=camera).epoch == 2, "the second worker takes over")
            until(lambda: online(camera) and is_open(camera, epoch=2), "the second worker watches")
            until(lambda: not is_open(camera, epoch=1), "what the first left open is closed")
            before = list(Sighting.objects.filter(epoch=1).order_by("id").values())
            first.send_signal(signal.SIGCONT)
            until(lambda: LOST in log.read_text(), "the first worker learns that it lost the camera")
            assert list(Sighting.objects.filter(epoch=1).order_by("id").values()) == before
            assert first.poll() is None  # it goes on, for other cameras
            lease = CameraLease.objects.get(camera=camera)
            assert (lease.epoch, f"-{second.pid}-" in lease.worker) == (2, True)
    assert "Traceback" not in log.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("beat")
def test_a_worker_that_is_asked_to_drain_hands_over_and_ends(camera: Camera, tmp_path: Path) -> None:
    log, said = tmp_path / "worker.log", io.StringIO()
    with worker(log) as first, worker(log) as second:
        until(lambda: len(roster.workers()) == 2, "both workers are there")
        until(lambda: online(camera), "one of them watches")
        runs, other = (first, second) if f"-{first.pid}-" in lease_of(camera).worker else (second, first)
        with pytest.raises(CommandError, match="Several camera workers run"):
            call_command("camera_worker", "--drain")
        with pytest.raises(CommandError, match="There is no camera worker 'nobody'"):
            call_command("camera_worker", "--drain", "nobody")
        name = lease_of(camera).worker
        call_command("camera_worker", "--drain", name, stdout=said)
        assert runs.wait(timeout=PATIENCE) == 0
        until(lambda: f"-{other.pid}-" in lease_of(camera).worker and online(camera), "the other worker goes on")
        assert f"1 of 1 ended: {name}." in said.getvalue()
        call_command("camera_worker", "--drain", "all", stdout=said)
        assert other.wait(timeout=PATIENCE) == 0
    assert lease_of(camera).expires_at is None
    with pytest.raises(CommandError, match="No camera worker runs"):
        call_command("camera_worker", "--drain", "all")


@pytest.mark.slow
@pytest.mark.usefixtures("beat")
def test_the_second_signal_ends_a_worker_at_once(camera: Camera, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with worker(log) as process:
        until(lambda: online(camera), "the worker watches")
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE) in (0, 1)


def lease_of(camera: Camera) -> CameraLease:
    return CameraLease.objects.get(camera=camera)


def test_a_worker_needs_a_slot() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("camera_worker", "--slots", "0")
