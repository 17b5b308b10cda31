"""Redis and PostgreSQL away for 30 seconds: killed and kept away, and standing still with every connection open.

The cameras go on. What they saw is written, at once while only Redis is away, afterwards where the database was; no
sighting is lost and none is written twice (`truth`). There are two camera workers: when a database is back, neither
takes what the other one still runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from alerts.models import Alert
from benchmarks.page import OpenPage
from benchmarks.site import enrol, sign_in
from cameras.live import State
from cameras.models import Camera
from workers.leases import Ending
from workers.tests.chaos.site import HOST, Site, lease_of, sightings, status
from workers.tests.chaos.truth import PERIOD, check_none_lost_none_twice, check_sane
from workers.tests.scenes import EILEEN, photo

GONE_SECONDS = 30.0
WORKERS = ("worker-one", "worker-two")
hanging = pytest.mark.parametrize("hangs", [False, True], ids=["killed", "hanging"])


@pytest.fixture(scope="module")
def workers(site: Site) -> Iterator[list[psutil.Popen]]:
    enrol({EILEEN: photo(EILEEN).data})
    started = [site.start_worker(name) for name in WORKERS]
    for name in WORKERS:
        site.until(lambda name=name: "ready." in site.said(name), f"{name} is ready")  # type: ignore[misc]
    yield started
    for name in WORKERS:
        site.end(name)


@pytest.fixture
def cameras(site: Site, crossings: str, workers: list[psutil.Popen]) -> Iterator[list[Camera]]:
    """Cameras that have seen several people come already."""
    found = [site.watch(f"Door {number} {time.time_ns()}", crossings, loop=True) for number in range(4)]
    site.until(lambda: all(len(sightings(camera)) >= 2 for camera in found), "every camera has seen people")
    yield found
    site.forget_cameras()


@pytest.fixture(scope="module")
def page(site: Site, workers: list[psutil.Popen]) -> Iterator[OpenPage]:
    """An open page; the site's web process must be up."""
    found = OpenPage(host=HOST, port=site.address.port, cookie=sign_in())
    found.start()
    yield found
    found.stop()


def count(cameras: list[Camera]) -> list[int]:
    return [len(sightings(camera)) for camera in cameras]


def more_than(cameras: list[Camera], before: list[int], by: int) -> bool:
    return all(now >= then + by for now, then in zip(count(cameras), before, strict=True))


def told_of_each_once(page: OpenPage) -> bool:
    committed = Alert.objects.filter(sighting__isnull=False).values_list("pk", flat=True)
    return all(page.times[alert] == 1 for alert in committed)


def check_alerts(cameras: list[Camera]) -> None:
    """Every sighting of her that is over has had exactly one alert."""
    for camera in cameras:
        for one in sightings(camera)[1:-1]:  # the last may not be decided yet
            assert Alert.objects.filter(sighting=one).count() == 1, one.first_seen


def goes_on(site: Site, cameras: list[Camera], epochs: list[int]) -> None:
    """The cameras are watched as before, under the same leases."""
    before = count(cameras)
    site.until(lambda: more_than(cameras, before, 2), "sightings come as before")
    site.until(lambda: all(status(camera).state is State.ONLINE for camera in cameras), "all cameras are online")
    stayed = [number for number, camera in enumerate(cameras) if not was_moved(site, camera)]
    assert len(stayed) >= 2
    for number in stayed:
        assert lease_of(cameras[number]).epoch == epochs[number]
        check_none_lost_none_twice(sightings(cameras[number]))
    for camera in cameras:
        check_sane(sightings(camera))
    for name in site.processes:
        if name in WORKERS:
            assert site.processes[name].is_running()


def was_moved(site: Site, camera: Camera) -> bool:
    """Whether it was handed over, because one worker had more to do than the other for long; that is no fault."""
    words = f"{camera.name} is not run here any more: {Ending.HANDED_OVER}"
    return any(words in site.said(name) for name in WORKERS)


@hanging
def test_redis_is_away(site: Site, cameras: list[Camera], page: OpenPage, hangs: bool) -> None:
    epochs = [lease_of(camera).epoch for camera in cameras]
    with site.server_gone("redis", hangs=hangs):
        site.hold(lambda: True, 3, "a moment for those who wait for an answer")
        before, alerts = count(cameras), Alert.objects.count()
        site.hold(lambda: True, GONE_SECONDS - 3, "Redis is away")
        assert more_than(cameras, before, int((GONE_SECONDS - 3) / PERIOD) - 1), "sightings are written meanwhile"
        assert Alert.objects.count() > alerts, "alerts are written meanwhile"
    goes_on(site, cameras, epochs)
    check_alerts(cameras)
    site.until(lambda: told_of_each_once(page), "the page was told of every alert, of each once")


@hanging
def test_postgresql_is_away(site: Site, cameras: list[Camera], page: OpenPage, hangs: bool) -> None:
    epochs = [lease_of(camera).epoch for camera in cameras]
    before = count(cameras)
    with site.server_gone("postgres", hangs=hangs):
        time.sleep(GONE_SECONDS)
    site.until(lambda: answers(cameras), "PostgreSQL answers again")
    site.until(lambda: more_than(cameras, before, int(GONE_SECONDS / PERIOD)), "what was seen meanwhile is written")
    goes_on(site, cameras, epochs)
    check_alerts(cameras)
    site.until(lambda: told_of_each_once(page), "the page was told of every alert, of each once")


def answers(cameras: list[Camera]) -> bool:
    from django.db import DatabaseError, connection

    try:
        count(cameras)
    except DatabaseError:
        connection.close()
        return False
    return True
