"""One loop a camera, whoever gets the message: leases, dispatch, failures, and workers that are killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.db.models.functions import Now
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import live
from cameras.leases import ask_handover, take_lease
from cameras.live import State
from cameras.models import Camera, CameraLease, Sighting
from cameras.selectors import unattended
from cameras.services import add_camera, end_camera, restart_camera, set_enabled
from recognition.engine import ModelError, Pack
from workers import leases, setbacks, supervisor
from workers.camera_loop import CameraLoop
from workers.leases import Ending
from workers.supervisor import CameraBusy, CameraFailed, attend
from workers.tests.scenes import EILEEN, Shot, clip
from workers.warmth import Warmth

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
    assert unattended() == []
    with pytest.raises(CameraBusy, match="Hall"):
        supervisor.run(camera, stop=threading.Event())
    CameraLease.objects.update(expires_at=Now() - timedelta(seconds=1))
    assert unattended() == [camera]
    job = in_threads.submit(attending, camera.pk)
    until(lambda: state(camera) is State.ONLINE)
    assert CameraLease.objects.get(camera=camera).epoch == dead.epoch + 1
    supervisor.stopping.set()
    job.result(timeout=30)


def test_a_lease_that_is_not_renewed_runs_out(camera: Camera, settings: LazySettings) -> None:
    settings.LEASE_SECONDS = 0
    take_lease(camera_id=camera.pk, owner="a worker that was killed")
    assert unattended() == [camera]


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


def stop_and_join(*jobs: Future[None]) -> None:
    supervisor.stopping.set()
    for job in jobs:
        job.result(timeout=30)


def test_a_camera_is_given_back_when_it_is_changed_asked_for_or_off_by_its_schedule(
    camera: Camera, in_threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    nudges: list[int] = []
    monkeypatch.setattr(supervisor, "nudge", lambda: nudges.append(1))
    changes: list[Callable[[], object]] = [
        lambda: restart_camera(actor=None, camera=camera),
        lambda: ask_handover([camera.pk]),
        lambda: Camera.objects.filter(pk=camera.pk).update(schedule="00:00-00:01"),
    ]
    for number, change in enumerate(changes, start=1):
        job = in_threads.submit(attending, camera.pk)
        until(lambda: state(camera) is State.ONLINE)
        monkeypatch.setattr(leases, "is_scheduled", lambda text: not text)
        change()
        job.result(timeout=30)
        assert not leased(camera)
        assert CameraLease.objects.get(camera=camera).epoch == number
    assert nudges == [1]  # only what was handed over is free for others at once


def test_a_loop_that_breaks_says_so_and_is_left_alone_for_a_while(
    camera: Camera, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(loop: CameraLoop) -> bool:
        raise ZeroDivisionError("rtsp://viewer:secret-word@camera.example")

    monkeypatch.setattr(CameraLoop, "step", broken)
    attend(camera.pk)
    assert not leased(camera)
    status = live.statuses([camera])[camera.pk]
    assert (status.state, status.restarts) == (State.OFFLINE, 1)
    assert status.last_error == "Its loop broke (ZeroDivisionError); the log of the camera worker says where."
    assert setbacks.resting([camera])[camera.pk].pause == 2
    assert "Traceback" in caplog.text
    attend(camera.pk)
    assert setbacks.resting([camera])[camera.pk].pause == 4
    assert caplog.text.count("can not be run") == 1


def test_a_loop_that_hangs_loses_its_camera_and_another_runs_it(
    camera: Camera, in_threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakes, step = threading.Event(), CameraLoop.step
    hung: list[CameraLoop] = []

    def hangs_first(loop: CameraLoop) -> bool:
        goes_on = step(loop)
        if not hung or hung[0] is loop:
            hung[:] = [loop]
            wakes.wait(30)
        return goes_on

    monkeypatch.setattr(leases, "HANG_SECONDS", 0.5)
    monkeypatch.setattr(CameraLoop, "step", hangs_first)
    first = in_threads.submit(run_by_another_process, camera)
    until(lambda: setbacks.resting([camera]))
    assert "did not move" in setbacks.resting([camera])[camera.pk].why
    until(lambda: not leased(camera))  # in the same round of the keeper
    monkeypatch.setattr(leases, "HANG_SECONDS", 30.0)
    second = in_threads.submit(run_by_another_process, camera)
    until(lambda: CameraLease.objects.get(camera=camera).epoch == 2 and state(camera) is State.ONLINE)
    wakes.set()
    assert first.result(timeout=30) is Ending.HANGING
    assert leased(camera)  # the one that woke up took nothing from the other
    supervisor.stopping.set()
    assert second.result(timeout=30) is Ending.STOPPING


def run_by_another_process(camera: Camera) -> Ending | None:
    """Without the rule that one process runs a camera once."""
    try:
        return supervisor.run(camera, stop=supervisor.stopping)
    finally:
        connection.close()


def test_models_are_loaded_once_for_all_cameras_that_start(
    camera: Camera, film: Path, in_threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    goes_on = threading.Event()

    def slowly(pack: Pack) -> None:
        loads.append(pack.version)
        goes_on.wait(30)

    monkeypatch.setattr(Pack, "warm_up", slowly)
    fresh = Warmth()
    monkeypatch.setattr(supervisor, "warmth", lambda: fresh)
    others = [add_camera(actor=None, name=f"Door {number}", source=str(film), loop=True) for number in range(2)]
    jobs = [in_threads.submit(attending, each.pk) for each in (camera, *others)]
    until(lambda: all(state(each) is State.CONNECTING for each in (camera, *others)))
    goes_on.set()
    until(lambda: all(state(each) is State.ONLINE for each in (camera, *others)))
    assert len(loads) == 1
    stop_and_join(*jobs)


def test_models_that_did_not_load_are_tried_again(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(pack: Pack) -> None:
        raise ModelError("The model file is damaged.")

    warm = Warmth()
    with monkeypatch.context() as patch:
        patch.setattr(Pack, "warm_up", broken)
        with pytest.raises(ModelError):
            warm.warm(pack).result(timeout=30)
    warm.warm(pack).result(timeout=60)


def test_cameras_that_run_need_no_connection_each(
    camera: Camera, film: Path, in_threads: ThreadPoolExecutor, settings: LazySettings
) -> None:
    settings.GALLERY_POLL_SECONDS = 3600  # the process's own thread looks for a new gallery

    def connections() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            return int(cursor.fetchone()[0])

    first = in_threads.submit(attending, camera.pk)
    until(lambda: state(camera) is State.ONLINE)
    with_one = connections()
    others = [add_camera(actor=None, name=f"Door {number}", source=str(film), loop=True) for number in range(3)]
    jobs = [in_threads.submit(attending, each.pk) for each in others]
    until(lambda: all(state(each) is State.ONLINE for each in others))
    until(lambda: connections() <= with_one)
    stop_and_join(first, *jobs)


def test_a_file_that_ended_while_the_database_is_away_is_switched_off_when_it_is_back(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = add_camera(actor=None, name="Once", source=str(film))
    tries: list[int] = []

    def away(**kwargs: Any) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise OperationalError("the server closed the connection")
        end_camera(**kwargs)

    monkeypatch.setattr(supervisor, "end_camera", away)
    assert supervisor.run(camera, stop=threading.Event(), paced=False) is None
    camera.refresh_from_db()
    assert not camera.enabled
    assert len(tries) == 3
