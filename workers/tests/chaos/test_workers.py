"""Camera workers that are killed, and that stand still and go on: another one takes over, and nothing is written twice.

A worker that is gone is noticed by its leases, which are over 12 seconds after their last renewal; dispatching and
loading take the rest of the 20 seconds that are promised.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import psutil
import pytest

from cameras.live import State
from cameras.models import Camera, Sighting
from workers.leases import Ending
from workers.tests.chaos.site import Site, lease_of, sightings, status
from workers.tests.chaos.truth import check_sane

TAKEOVER_SECONDS = 20.0
SLACK_SECONDS = 15.0  # for a loaded machine that loads models for a new worker
PAUSE_SECONDS = 60.0


@pytest.fixture
def first(site: Site) -> Iterator[psutil.Popen]:
    yield site.start_worker("first")
    site.end("first")


@pytest.fixture
def cameras(site: Site, crossings: str, first: psutil.Popen) -> Iterator[list[Camera]]:
    """Three cameras, which the first worker runs, each with a sighting that is open."""
    found = [site.watch(f"Hall {number}", crossings, loop=True) for number in range(3)]
    site.until(lambda: all(site.runs(camera, first) for camera in found), "the first worker runs all cameras")
    yield found
    site.forget_cameras()


@pytest.fixture
def second(site: Site, cameras: list[Camera]) -> Iterator[psutil.Popen]:
    """A worker that is there and ready, and runs none of the cameras."""
    worker = site.start_worker("second")
    site.until(lambda: "ready." in site.said("second"), "the second worker is ready")
    site.until(lambda: all(has_open(camera) for camera in cameras), "somebody is in view of each camera")
    yield worker
    site.end("second")


def has_open(camera: Camera) -> bool:
    return Sighting.objects.filter(camera=camera, is_open=True).exists()


def written_under(camera: Camera, epoch: int) -> list[tuple[object, ...]]:
    return list(Sighting.objects.filter(camera=camera, epoch=epoch).order_by("id").values_list())


def test_the_cameras_of_a_killed_worker_go_on_elsewhere(
    site: Site, cameras: list[Camera], first: psutil.Popen, second: psutil.Popen
) -> None:
    before = {camera.pk: lease_of(camera).epoch for camera in cameras if site.runs(camera, first)}
    assert before
    first.send_signal(signal.SIGKILL)
    took = site.until(lambda: all(site.runs(camera, second) for camera in cameras), "the second worker takes over")
    assert took < TAKEOVER_SECONDS + SLACK_SECONDS
    for camera in cameras:
        site.until(lambda camera=camera: status(camera).state is State.ONLINE, "it is online")  # type: ignore[misc]
        epoch = lease_of(camera).epoch
        assert epoch == before.get(camera.pk, epoch - 1) + 1
        site.until(
            lambda camera=camera, epoch=epoch: written_under(camera, epoch),  # type: ignore[misc]
            "the second worker writes sightings",
        )
        old = Sighting.objects.filter(camera=camera, epoch__lt=epoch, is_open=True)
        site.until(lambda old=old: not old.exists(), "what the first left open is closed")  # type: ignore[misc]
        check_sane(sightings(camera))


def test_a_worker_that_stood_still_writes_nothing_of_what_it_lost_and_serves_again(
    site: Site, cameras: list[Camera], first: psutil.Popen, second: psutil.Popen, crossings: str
) -> None:
    lost = [camera for camera in cameras if site.runs(camera, first)]
    assert lost
    epochs = {camera.pk: lease_of(camera).epoch for camera in lost}
    first.suspend()
    took = site.until(lambda: all(site.runs(camera, second) for camera in cameras), "the second worker takes over")
    assert took < TAKEOVER_SECONDS + SLACK_SECONDS
    site.until(lambda: not any(old_open(camera, epochs) for camera in lost), "what the first left open is closed")
    before = {camera.pk: written_under(camera, epochs[camera.pk]) for camera in lost}
    said = site.said("first").count(str(Ending.LOST))
    site.hold(lambda: all(site.runs(c, second) for c in cameras), PAUSE_SECONDS - took, "the second worker has them")
    first.resume()
    site.until(lambda: site.said("first").count(str(Ending.LOST)) >= said + len(lost), "the first learns of its loss")
    site.hold(lambda: all(site.runs(c, second) for c in lost), 5, "the second worker keeps what it took")
    assert {camera.pk: written_under(camera, epochs[camera.pk]) for camera in lost} == before
    more = [site.watch(f"Gate {number}", crossings, loop=True) for number in range(3)]
    site.until(lambda: any(site.runs(camera, first) for camera in more), "the first worker is given cameras again")
    served = next(camera for camera in more if site.runs(camera, first))
    site.until(lambda: status(served).state is State.ONLINE and sightings(served), "and it watches them")
    for camera in cameras:
        check_sane(sightings(camera))
    assert first.is_running()
    assert "Traceback" not in site.said("first") + site.said("second")


def old_open(camera: Camera, epochs: dict[int, int]) -> bool:
    return Sighting.objects.filter(camera=camera, epoch=epochs[camera.pk], is_open=True).exists()
