"""`python -m benchmarks.viewers`: what it costs that people watch a camera live, none, one, and sixteen of them.

Each viewer is an HTTP client that reads the camera's MJPEG stream as fast as it comes. The cost is the CPU time of the
camera worker and of the web server together, by the operating system's books.
"""

from __future__ import annotations

import argparse
import http.client
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import clip, site
from benchmarks.site import HOST, Site, sign_in
from benchmarks.text import NONE, table

SETTLE_SECONDS = 5.0
_CHUNK = 65536
_START = b"\xff\xd8\xff"  # of a JPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What so many viewers cost, in CPU seconds a minute, and the pictures a second that the slowest of them got."""

    viewers: int
    worker: float
    web: float
    fps: float

    @property
    def together(self) -> float:
        return self.worker + self.web


class Viewer(threading.Thread):
    """Reads one stream until it is stopped."""

    def __init__(self, path: str, port: int, cookie: str) -> None:
        super().__init__(daemon=True)
        self.pictures = 0
        self._ended = threading.Event()
        self._path, self._port, self._cookie = path, port, cookie

    def run(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=20)
        connection.request("GET", self._path, headers={"Cookie": self._cookie})
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"The stream answers {answer.status}: {answer.read(300)!r}")
        while not self._ended.is_set():
            self.pictures += answer.read1(_CHUNK).count(_START)
        connection.close()

    def stop(self) -> None:
        self._ended.set()
        self.join()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewers", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each is measured (default 30)")
    parser.add_argument("--fps", type=int, default=5, help="pictures a second that viewers ask for (default 5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-viewers-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        site.prepare(folder / "data")
        film = clip.busy(folder / "busy.mp4")
        with Site(folder / "data") as running:
            found = measure(running, film, seconds=options.seconds, fps=options.fps)
    print(report(found, options.fps))


def measure(running: Site, film: Path, *, seconds: float, fps: int) -> list[Watched]:
    """None, one, sixteen."""
    from cameras import live
    from cameras.live import State
    from cameras.models import Camera
    from cameras.services import add_camera

    camera = add_camera(actor=None, name="Watched", source=str(film), loop=True)
    cameras = list(Camera.objects.filter(pk=camera.pk))
    running.wait_for(lambda: live.statuses(cameras)[camera.pk].state is State.ONLINE, "the camera to be online")
    cookie = sign_in()
    found = []
    for count in (0, 1, 16):
        viewers = [Viewer(f"/cameras/{camera.pk}/stream.mjpg?fps={fps}", running.port, cookie) for _ in range(count)]
        for viewer in viewers:
            viewer.start()
        time.sleep(SETTLE_SECONDS)
        began, before, seen = time.monotonic(), _spent(running), [viewer.pictures for viewer in viewers]
        time.sleep(seconds)
        span, after = time.monotonic() - began, _spent(running)
        got = [(viewer.pictures - had) / span for viewer, had in zip(viewers, seen, strict=True)]
        for viewer in viewers:
            viewer.stop()
        found.append(
            Watched(
                viewers=count,
                worker=(after[0] - before[0]) / span * 60,
                web=(after[1] - before[1]) / span * 60,
                fps=min(got, default=0.0),
            )
        )
        print(f"{count} viewers measured", file=sys.stderr, flush=True)
    return found


def report(found: Sequence[Watched], fps: int) -> str:
    """The table."""
    one = next(each for each in found if each.viewers == 1)
    rows = [
        [
            str(each.viewers),
            f"{each.fps:.1f} of {fps}" if each.viewers else NONE,
            f"{each.worker:.1f}",
            f"{each.web:.1f}",
            f"{each.together:.1f} ({each.together / one.together:.2f}x of one)",
        ]
        for each in found
    ]
    head = ["Viewers", "Pictures a second, least", "CPU s a minute, worker", "CPU s a minute, web", "Together"]
    return table(head, rows)


def _spent(running: Site) -> tuple[float, float]:
    def seconds(process: psutil.Process) -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    return seconds(running.worker), seconds(running.web)


if __name__ == "__main__":
    main()
