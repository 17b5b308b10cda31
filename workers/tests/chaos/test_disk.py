"""The disk on which DATA_DIR lies runs full while everything runs, and has room again half a minute later."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from pytest_django import DjangoDbBlocker

from cameras.live import State
from cameras.models import Camera
from workers.tests.chaos.site import Site, lease_of, sightings, status
from workers.tests.chaos.truth import PERIOD, check_none_lost_none_twice

DISK = "420m"
FULL_SECONDS = 30.0


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=755", "lynceus-chaos", str(folder)]
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs Linux and root")
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk can not be mounted here: {done.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(scope="module")
def site(disk: Path, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    data = disk / "data"
    data.mkdir()
    with django_db_blocker.unblock(), Site(data, logs=tmp_path_factory.mktemp("logs")) as site:
        yield site


@pytest.fixture
def cameras(site: Site, crossings: str) -> list[Camera]:
    site.start_worker("cameras")
    found = [site.watch(f"Door {number}", crossings, loop=True) for number in range(2)]
    site.until(lambda: all(len(sightings(camera)) >= 2 for camera in found), "every camera has seen people")
    return found


def fill(disk: Path) -> Path:
    """Takes all the room there is."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(2**20)):
                pass
        except OSError:
            pass
        try:
            while file.write(bytes(512)):
                pass
        except OSError:
            pass
    assert psutil.disk_usage(str(disk)).free < 2**16
    return path


def test_a_full_disk_is_said_and_outlived(site: Site, disk: Path, cameras: list[Camera]) -> None:
    epochs = [lease_of(camera).epoch for camera in cameras]
    before = [len(sightings(camera)) for camera in cameras]
    filler, began = fill(disk), time.monotonic()
    try:
        site.until(lambda: any("disk" in status(camera).last_error for camera in cameras), "the state says so")
        site.hold(lambda: True, FULL_SECONDS - (time.monotonic() - began), "the disk is full")
        for camera in cameras:
            assert status(camera).state is State.ONLINE
        assert requests.get(f"{site.address.url}accounts/login/", timeout=30).status_code == 200
    finally:
        filler.unlink()
    lasted = time.monotonic() - began
    for camera, known in zip(cameras, before, strict=True):
        site.until(
            lambda camera=camera, known=known: len(sightings(camera)) >= known + int(lasted / PERIOD) + 2,  # type: ignore[misc]
            "what was seen is written, and more comes",
        )
        site.until(lambda camera=camera: not status(camera).last_error, "all is well again")  # type: ignore[misc]
        check_none_lost_none_twice(sightings(camera))
    assert [lease_of(camera).epoch for camera in cameras] == epochs
    for name, process in site.processes.items():
        assert process.is_running(), f"{name} has ended: {site.said(name)[-1000:]}"
        assert process.status() != psutil.STATUS_ZOMBIE, f"{name} has ended: {site.said(name)[-1000:]}"
    late = site.watch("Gate", cameras[0].address, loop=True)
    site.until(lambda: status(late).state is State.ONLINE, "cameras are given to workers as before")
