"""`python -m benchmarks.soak`: hours of watching in one table: does memory stay flat, does every camera come back?

File cameras watch a clip, through which somebody comes every ten seconds, over and over. In turn each one's file is
emptied for a while and filled again, so that its camera goes offline and must find back by itself. Memory is the own of
worker and web server (USS), sampled twice a minute; its slope is a straight line through the samples of the last half.
Ends with 1 where a promise was not kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from benchmarks import site, walks
from benchmarks.heads import package_people
from benchmarks.site import Site, enrol

CLIP_SECONDS = 60.0
SAMPLE_SECONDS = 30.0
EMPTY_SECONDS = 30.0
BACK_SECONDS = 120.0  # the longest pause of the back-off, and as much again
MOST_SLOPE = 1.0  # MB a minute


@dataclass(slots=True)
class Soaked:
    """Minutes and MB of each sample; seconds that each camera whose file had been emptied needed to return."""

    minutes: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)
    web: list[float] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    sightings: int = 0
    alerts: int = 0

    def slope(self, values: Sequence[float]) -> float:
        """MB a minute over the last half."""
        half = len(values) // 2
        return float(np.polyfit(self.minutes[half:], values[half:], 1)[0]) if len(values) - half > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--minutes", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-soak-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        site.prepare(folder / "data")
        film = walks.crossing(folder / "crossing.mp4", seconds=CLIP_SECONDS)
        soaked = soak(folder, film.path, cameras=options.cameras, minutes=options.minutes)
    print(report(soaked, cameras=options.cameras))
    sys.exit(0 if is_kept(soaked) else 1)


def soak(folder: Path, film: Path, *, cameras: int, minutes: float) -> Soaked:
    """Runs everything for so many minutes."""
    soaked = Soaked()
    with Site(folder / "data") as running:
        from alerts.models import Alert
        from cameras.models import Sighting
        from cameras.services import add_camera

        enrol({head.name: head.enrolment for head in package_people()})
        files = {}
        for number in range(cameras):
            path = folder / f"camera-{number}.mp4"
            path.write_bytes(film.read_bytes())
            files[add_camera(actor=None, name=f"Camera {number}", source=str(path), loop=True).pk] = path
        running.wait_for(lambda: all(_online(pk) for pk in files), f"{cameras} cameras to be online")
        began, turn = time.monotonic(), 0
        while (passed := (time.monotonic() - began) / 60) < minutes:
            soaked.minutes.append(passed)
            soaked.worker.append(_megabytes(running.worker))
            soaked.web.append(_megabytes(running.web))
            _say(f"{passed:5.1f} min: worker {soaked.worker[-1]:.0f} MB, web {soaked.web[-1]:.0f} MB")
            if passed >= (turn + 1) * minutes / (cameras + 1):
                _empty(soaked, *list(files.items())[turn % cameras])
                turn += 1
            time.sleep(SAMPLE_SECONDS)
        soaked.missed += [f"camera {pk} is not online at the end" for pk in files if not _online(pk)]
        soaked.sightings, soaked.alerts = Sighting.objects.count(), Alert.objects.count()
    return soaked


def report(soaked: Soaked, *, cameras: int) -> str:
    """The table."""
    rows = [
        ["Cameras, minutes", f"{cameras}, {soaked.minutes[-1]:.0f}"],
        ["Camera worker, MB: first, last, slope of the last half", _memory(soaked, soaked.worker)],
        ["Web, MB: first, last, slope of the last half", _memory(soaked, soaked.web)],
        [
            "Files emptied and filled again, cameras that came back",
            f"{len(soaked.returns) + len(soaked.missed)}, {len(soaked.returns)}",
        ],
        ["Longest way back, s", f"{max(soaked.returns, default=0.0):.0f}"],
        ["Sightings, alerts", f"{soaked.sightings:,}, {soaked.alerts:,}"],
    ]
    return "\n".join(
        [*(f"| {name} | {value} |" for name, value in [("", "Soak"), ("---", "---"), *rows]), *soaked.missed]
    )


def is_kept(soaked: Soaked) -> bool:
    """Whether memory was flat and every camera came back."""
    return not soaked.missed and max(soaked.slope(soaked.worker), soaked.slope(soaked.web)) < MOST_SLOPE


def _memory(soaked: Soaked, values: Sequence[float]) -> str:
    return f"{values[0]:.0f}, {values[-1]:.0f}, {soaked.slope(values):+.2f} MB a minute"


def _empty(soaked: Soaked, pk: int, path: Path) -> None:
    """The camera's file is emptied and filled again; notes how long the camera needs after that."""
    content = path.read_bytes()
    path.write_bytes(b"")
    deadline = time.monotonic() + EMPTY_SECONDS
    while time.monotonic() < deadline and _online(pk):
        time.sleep(0.5)
    time.sleep(max(0.0, deadline - time.monotonic()))
    was_offline = not _online(pk)
    path.write_bytes(content)
    back = time.monotonic()
    while not _online(pk) and time.monotonic() - back < BACK_SECONDS:
        time.sleep(0.5)
    if not was_offline:
        soaked.missed.append(f"camera {pk} did not notice that its file was empty")
    elif not _online(pk):
        soaked.missed.append(f"camera {pk} did not come back within {BACK_SECONDS:.0f} s")
    else:
        soaked.returns.append(time.monotonic() - back)


def _online(pk: int) -> bool:
    from cameras import live
    from cameras.live import State
    from cameras.models import Camera

    return all(status.state is State.ONLINE for status in live.statuses(Camera.objects.filter(pk=pk)).values())


def _megabytes(process: psutil.Process) -> float:
    return float(process.memory_full_info().uss) / 2**20


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
