"""One loop a camera, whoever gets the message: leases, dispatch, failures, and workers that are killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.db.models.functions import Now
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import live
from cameras.live import State
from cameras.models import Camera, CameraLease, Sighting
from cameras.services import add_camera, set_enabled, take_lease
from recognition.engine import ModelError
from workers import sources, supervisor, tasks
from workers.camera_loop import CameraLoop
from workers.supervisor import CameraBusy, CameraFailed, attend, dispatch
from workers.tests.scenes import EILEEN, Shot, clip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return clip(tmp_path / "film.mp4", Shot(seconds=1), Shot(seconds=1.5, people=(EILEEN,)))


@pytest.fixture
def camera(film: Path) -> Camera:
    return add_camera(actor=None, name="Hall", source=str(film), loop=True)


@pytest.fixture
def in_threads() -> Iterator[ThreadPoolExecutor]:
    """Workers, whose loops end with the test."""
    with ThreadPoolExecutor(4) as pool:
        yield pool
        supervisor.stopping.set()


def attending(camera_id: int) -> None:
    try:
        attend(camera_id)
    finally:
        connection.close()


def until(happens: Callable[[], object], patience: float = 30.0) -> None:
    waiting = threading.Event()
    for _ in range(int(patience / 0.05)):
        if happens():
            return
        waiting.wait(0.05)
    pytest.fail("it did not happen")


def leased(camera: Camera) -> bool:
    return CameraLease.objects.filter(camera=camera, expires_at__gt=Now()).exists()


def state(camera: Camera) -> State:
    return live.statuses([camera])[camera.pk].state


def test_only_enabled_cameras_that_nobody_runs_are_dispatched(camera: Camera, film: Path) -> None:
    disabled = add_camera(actor=None, name="Off", source=str(film), enabled=False)
    taken = add_camera(actor=None, name="Taken", source=str(film))
    take_lease(camera_id=taken.pk, owner="another")
    assert dispatch() == [camera.pk]
    assert disabled.pk not in dispatch()


def test_messages_go_out_for_what_is_dispatched(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, ...]] = []
    monkeypatch.setattr(tasks.run_camera, "apply_async", lambda args, expires: sent.append(args))
    tasks.dispatch_cameras()
    assert sent == [(camera.pk,)]


def test_doubled_messages_run_one_loop(
    camera: Camera, in_threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loops: list[CameraLoop] = []
    run = CameraLoop.run

    def counted(loop: CameraLoop) -> None:
        loops.append(loop)
        run(loop)

    monkeypatch.setattr(CameraLoop, "run", counted)
    first, *others = [in_threads.submit(attending, camera.pk) for _ in range(3)]
    until(lambda: loops and sum(job.done() for job in (first, *others)) == 2)
    assert len(loops) == 1
    supervisor.stopping.set()
    for job in (first, *others):
        job.result(timeout=30)
    assert not leased(camera)


def test_a_message_for_a_camera_that_is_gone_or_off_does_nothing(camera: Camera) -> None:
    attend(camera.pk + 1000)
    set_enabled(actor=None, camera=camera, enabled=False)
    attend(camera.pk)
    assert CameraLease.objects.get(camera=camera).epoch == 0


def test_the_camera_of_a_killed_worker_is_taken_again_when_its_lease_ran_out(
    camera: Camera, settings: LazySettings, in_threads: ThreadPoolExecutor
) -> None:
    settings.LEASE_SECONDS = 30
    dead = take_lease(camera_id=camera.pk, owner="a worker that was killed")
    assert dead is not None
    assert dispatch() == []
    with pytest.raises(CameraBusy, match="Hall"):
        supervisor.run(camera, stop=threading.Event())
    CameraLease.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert dispatch() == [camera.pk]
    job = in_threads.submit(attending, camera.pk)
    until(lambda: state(camera) is State.ONLINE)
    assert CameraLease.objects.get(camera=camera).epoch == dead.epoch + 1
    supervisor.stopping.set()
    job.result(timeout=30)


def test_a_lease_that_is_not_renewed_runs_out(camera: Camera, settings: LazySettings) -> None:
    settings.LEASE_SECONDS = 0
    take_lease(camera_id=camera.pk, owner="a worker that was killed")
    assert dispatch() == [camera.pk]


def test_stopping_closes_sightings_and_gives_the_lease_back(camera: Camera, in_threads: ThreadPoolExecutor) -> None:
    job = in_threads.submit(attending, camera.pk)
    until(lambda: Sighting.objects.filter(is_open=True).exists())
    supervisor.stopping.set()
    job.result(timeout=30)
    assert not Sighting.objects.filter(is_open=True).exists()
    assert not leased(camera)
    assert state(camera) is State.WAITING


def test_a_source_that_fails_shows_why_and_is_tried_again(
    tmp_path: Path, in_threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "RETRY_FIRST", 0.05)
    camera = add_camera(actor=None, name="Gone", source=str(tmp_path / "gone.mp4"), loop=True)
    job = in_threads.submit(attending, camera.pk)
    until(lambda: state(camera) is State.OFFLINE)
    assert "does not exist" in live.statuses([camera])[camera.pk].last_error
    clip(tmp_path / "part.mp4", Shot(seconds=1)).rename(tmp_path / "gone.mp4")
    until(lambda: state(camera) is State.ONLINE)
    supervisor.stopping.set()
    job.result(timeout=30)


def test_a_camera_that_can_not_be_run_shows_why(
    camera: Camera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ModelError("The model file is damaged. Delete it and start again.")

    monkeypatch.setattr(supervisor, "gallery", broken)
    for _ in range(3):  # as beat sends it, again and again
        attend(camera.pk)
    assert caplog.text.count("can not be run") == 1
    status = live.statuses([camera])[camera.pk]
    assert (status.state, status.last_error) == (
        State.OFFLINE,
        "The model file is damaged. Delete it and start again.",
    )
    assert not leased(camera)


def test_by_hand_a_source_that_fails_is_an_error(camera: Camera, film: Path) -> None:
    film.write_bytes(b"")
    with pytest.raises(CameraFailed, match=r"is empty \(0 bytes\)"):
        supervisor.run(camera, stop=threading.Event(), give_up=True)
    assert not leased(camera)


def test_without_a_database_a_message_is_dropped_without_a_traceback(
    camera: Camera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(**kwargs: object) -> None:
        raise OperationalError("the server closed the connection")

    monkeypatch.setattr(supervisor, "take_lease", away)
    attend(camera.pk)
    assert "taken up again" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_file_that_ends_while_redis_is_away_is_switched_off_all_the_same(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise RedisConnectionError("no Redis")

    camera = add_camera(actor=None, name="Once", source=str(film))
    monkeypatch.setattr(Redis, "execute_command", away)
    supervisor.run(camera, stop=threading.Event(), paced=False)
    camera.refresh_from_db()
    assert not camera.enabled
