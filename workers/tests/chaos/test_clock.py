"""The machine's clock is set by an hour, forwards and back, under all processes of a site, its servers included.

`clock.c` is loaded into each of them; the test's own process keeps the right time. It is compiled here; where there is
no C compiler the tests skip.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from cameras.live import State
from cameras.models import Camera
from workers.tests.chaos.site import Site, lease_of, sightings, status
from workers.tests.chaos.truth import PERIOD, check_sane, gaps

HOUR = 3600
SetClock = Callable[[int], None]


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment under which a process has a clock that can be set."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("setting a clock needs Linux and a C compiler (Debian: gcc, libc6-dev)")
    folder = tmp_path_factory.mktemp("clock")
    for each in (folder, *folder.parents[:2]):  # the database's account must read it
        each.chmod(each.stat().st_mode | 0o011)
    library, offset = folder / "clock.so", folder / "offset"
    build = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(Path(__file__).with_name("clock.c"))]
    done = subprocess.run(build, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the C compiler could not build clock.c: {done.stderr.decode()[-300:]}")
    offset.write_bytes(struct.pack("=q", 0))
    return {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(offset)}


@pytest.fixture(scope="module")
def set_clock(clock: dict[str, str]) -> SetClock:
    def set_to(seconds: int) -> None:
        with Path(clock["CHAOS_CLOCK"]).open("r+b") as file:
            file.write(struct.pack("=q", seconds))

    return set_to


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker, clock: dict[str, str]
) -> Iterator[Site]:
    with django_db_blocker.unblock(), Site(tmp_path_factory.mktemp("site"), environment=clock) as site:
        yield site


@pytest.fixture(scope="module")
def cameras(site: Site, crossings: str) -> Iterator[list[Camera]]:
    site.start_worker("cameras")
    found = [site.watch(f"Door {number}", crossings, loop=True) for number in range(2)]
    site.until(lambda: all(len(sightings(camera)) >= 2 for camera in found), "every camera has seen people")
    yield found
    site.forget_cameras()


@pytest.mark.parametrize("seconds", [HOUR, 0, -HOUR], ids=["forward", "back", "back-again"])
def test_nothing_is_an_hour_long_and_cameras_go_on(
    site: Site, cameras: list[Camera], set_clock: SetClock, seconds: int
) -> None:
    epochs = [lease_of(camera).epoch for camera in cameras]
    known = {one.pk for camera in cameras for one in sightings(camera)}
    set_clock(seconds)

    def new(camera: Camera) -> int:
        return sum(one.pk not in known for one in sightings(camera))

    site.until(lambda: all(new(camera) >= 3 for camera in cameras), "sightings come as before")
    site.until(lambda: all(status(camera).state is State.ONLINE for camera in cameras), "all cameras are online")
    assert [lease_of(camera).epoch for camera in cameras] == epochs, "the leases were held"
    for camera in cameras:
        fresh = [one for one in sightings(camera) if one.pk not in known]
        check_sane(fresh)
        assert max(gaps(fresh[1:]), default=0) < 2 * PERIOD
        spans = [(one.last_seen - one.first_seen).total_seconds() for one in sightings(camera)]
        assert all(0 <= span < PERIOD for span in spans), spans
    assert "Traceback" not in site.said("cameras")


def test_what_is_added_after_the_clock_was_set_back_is_taken_up(
    site: Site, cameras: list[Camera], crossings: str, set_clock: SetClock
) -> None:
    """A worker that is killed just before leaves leases behind that end in an hour by the new clock."""
    before = [lease_of(camera).epoch for camera in cameras]
    site.processes["cameras"].kill()
    set_clock(-2 * HOUR)
    site.end("cameras")
    site.start_worker("cameras")
    late = site.watch("Gate", crossings, loop=True)
    site.until(lambda: status(late).state is State.ONLINE, "a new camera is watched")
    site.until(lambda: all(site.runs(c, site.processes["cameras"]) for c in cameras), "the others are taken over", 60)
    assert [lease_of(camera).epoch for camera in cameras] == [epoch + 1 for epoch in before]
