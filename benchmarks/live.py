"""`python -m benchmarks.live`: how soon alerts are on open pages, with many pages, and with many alerts.

A site of its own runs as in production: PostgreSQL, Redis and one Daphne. Processes that stand for camera workers
report sightings of people on a watchlist through `alerts.reporting.report_sighting`; another process holds the open
pages, as WebSocket clients of several accounts. A delay is from the moment of capture to the arrival of the alert's
HTML at a page, each alert at each page.

*Many pages*: a few alerts a second to --pages pages. *Many alerts*: --rate alerts a second for --seconds to
--pages-many pages, of which none may be lost, come twice, or come out of their order. *A camera*: a real camera worker
recognises people of a clip, and the delay begins when the frame that decided it was captured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import clip, site
from benchmarks.live_writer import PACK
from benchmarks.site import ROOT, Site
from benchmarks.text import NONE, table

ACCOUNTS = 25
PEOPLE = 40
FEW_A_SECOND = 2.0
_SETTLE_SECONDS = 3.0  # what was captured last is still on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What one load did. `cpu` are seconds a second of Daphne, `writing` seconds a sighting, where that was asked."""

    what: str
    alerts: int
    wall: float
    writing: float | None
    delays: list[float]
    lost: int
    doubled: int
    unordered: int
    breaks: int
    cpu: float
    memory_mb: float

    @property
    def written(self) -> str:
        return NONE if self.writing is None else f"{self.writing * 1000:.1f} ms"

    def delay(self, share: float) -> float:
        return self.delays[min(len(self.delays) - 1, int(share * len(self.delays)))] if self.delays else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--pages-many", type=int, default=100)
    parser.add_argument("--rate", type=float, default=100.0, help="alerts a second (default 100)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--writers", type=int, default=2, help="processes that report sightings (default 2)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-live-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        site.prepare(folder / "data")
        busy = clip.busy(folder / "busy.mp4")
        with Site(folder / "data") as running:
            cameras = _furnish(4 * options.writers)
            (folder / "cookies").write_text(json.dumps(_cookies()))
            load = _Load(folder=folder, running=running, cameras=cameras, writers=options.writers)
            many_pages = load.run(pages=options.pages, rate=FEW_A_SECOND, seconds=min(30.0, options.seconds))
            print(f"{options.pages} pages measured", file=sys.stderr, flush=True)
            many_alerts = load.run(pages=options.pages_many, rate=options.rate, seconds=options.seconds)
            print(f"{options.rate:.0f} alerts a second measured", file=sys.stderr, flush=True)
            camera = load.watch(busy, pages=options.pages, seconds=options.seconds)
    print(report([many_pages, many_alerts, camera], options.rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    folder: Path
    running: Site
    cameras: list[int]
    writers: int

    def run(self, *, pages: int, rate: float, seconds: float) -> Phase:
        """Writers report so many sightings a second."""
        with ExitStack() as stack:
            clients = self._clients(stack, pages)
            shares = [self.cameras[n :: self.writers] for n in range(self.writers)]
            writers = [_start(stack, "benchmarks.live_writer", rate / self.writers, seconds, *ids) for ids in shares]
            for process in writers:
                _expect(process, "ready")
            before, cpu, began = _newest(), _cpu(self.running.web), time.monotonic()
            for process in writers:
                _say(process, "go")
            wrote = [json.loads(_line(process)) for process in writers]
            cpu = (_cpu(self.running.web) - cpu) / (time.monotonic() - began)
            wall, spent = max(each["wall"] for each in wrote), sum(each["spent"] for each in wrote)
            return self._told(clients, before, f"{pages} pages, {rate:.0f} alerts a second", wall, cpu, spent)

    def watch(self, film: Path, *, pages: int, seconds: float) -> Phase:
        """A camera worker watches a clip, in which people who are on a watchlist come and go."""
        from cameras.models import Camera
        from cameras.services import add_camera, set_enabled

        site.enrol({person: clip.enrolment_photo(person) for person in clip.PEOPLE})
        with ExitStack() as stack:
            clients = self._clients(stack, pages)
            before = _newest()
            camera = add_camera(actor=None, name="A clip", source=str(film), loop=True)
            self.running.wait_for(lambda: _newest() > before, "the first alert of the camera")
            before, cpu, began = _newest(), _cpu(self.running.web), time.monotonic()
            time.sleep(seconds)
            wall = time.monotonic() - began
            cpu = (_cpu(self.running.web) - cpu) / wall
            set_enabled(actor=None, camera=Camera.objects.get(pk=camera.pk), enabled=False)
            time.sleep(_SETTLE_SECONDS)
            return self._told(clients, before, f"{pages} pages, a real camera", wall, cpu, None)

    def _clients(self, stack: ExitStack, pages: int) -> subprocess.Popen[str]:
        clients = _start(stack, "benchmarks.live_clients", self.running.port, self.folder / "cookies", pages)
        _expect(clients, "ready")
        return clients

    def _told(
        self, clients: subprocess.Popen[str], before: int, what: str, wall: float, cpu: float, spent: float | None
    ) -> Phase:
        """What became of the alerts since then, at every page."""
        begins = _begins(before)
        (self.folder / "begins").write_text(json.dumps({"begins": begins}))
        _say(clients, str(self.folder / "begins"))
        return Phase(
            what=what,
            alerts=len(begins),
            wall=wall,
            writing=None if spent is None else spent / max(1, len(begins)),
            cpu=cpu,
            memory_mb=self.running.web.memory_info().rss / 1e6,
            **json.loads(_line(clients)),
        )


def report(phases: Sequence[Phase], rate: float) -> str:
    """The table, and under it what it was measured on."""
    head = ["", "Limit", *(p.what for p in phases)]
    rows = [
        ["Captured → at the page, p50", "", *(f"{p.delay(0.5) * 1000:.0f} ms" for p in phases)],
        ["… p95", "1000 ms", *(f"{p.delay(0.95) * 1000:.0f} ms" for p in phases)],
        ["… the latest", "", *(f"{p.delay(1.0) * 1000:.0f} ms" for p in phases)],
        ["Alerts written", "", *(f"{p.alerts:,} in {p.wall:.1f} s" for p in phases)],
        ["Alerts a second", f"{rate:.0f} (many alerts)", *(f"{p.alerts / p.wall:.1f}" for p in phases)],
        ["Arrivals at pages", "", *(f"{len(p.delays):,}" for p in phases)],
        ["Lost", "0", *(f"{p.lost}" for p in phases)],
        ["Twice", "0", *(f"{p.doubled}" for p in phases)],
        ["Out of order", "0", *(f"{p.unordered}" for p in phases)],
        ["Connections that broke", "0", *(f"{p.breaks}" for p in phases)],
        [
            "Writing one sighting and its alert",
            "",
            *(NONE if p.writing is None else f"{p.writing * 1000:.1f} ms" for p in phases),
        ],
        ["Cores that Daphne used", "", *(f"{p.cpu:.2f}" for p in phases)],
        ["Memory of Daphne", "", *(f"{p.memory_mb:.0f} MB" for p in phases)],
    ]
    return f"{table(head, rows)}\n\n{os.cpu_count()} cores, with writers, camera worker and all pages on them as well."


def _furnish(count: int) -> list[int]:
    """Cameras, and people on a watchlist whose rule tells of every sighting; the cameras' ids."""
    from alerts.models import Rule
    from cameras.services import add_camera
    from recognition.models import Person, WatchlistEntry
    from recognition.watchlist_services import create_watchlist

    watchlist = create_watchlist(actor=None, name="Load")
    watchlist.threshold, watchlist.threshold_pack = 0.9, PACK
    watchlist.save()
    Rule.objects.filter(own_list=watchlist).update(cooldown_seconds=0, bundle=False)
    for n in range(PEOPLE):
        WatchlistEntry.objects.create(watchlist=watchlist, person=Person.objects.create(name=f"Person {n}"))
    return [
        add_camera(actor=None, name=f"Camera {n}", source="pattern:160x90@2", enabled=False).pk for n in range(count)
    ]


def _cookies() -> list[str]:
    """Sessions of several operators."""
    from django.contrib.auth.models import Group

    from accounts.models import User
    from accounts.roles import Role

    operators = Group.objects.get(name=Role.OPERATOR.value)
    made = []
    for n in range(ACCOUNTS):
        user = User.objects.create_user(username=f"operator{n}", password=os.urandom(16).hex())
        user.groups.add(operators)
        made.append(site.session_of(user))
    return made


def _begins(before: int) -> dict[int, float]:
    from alerts.models import Alert

    rows = Alert.objects.filter(id__gt=before).values_list("id", "captured_at")
    return {pk: at.timestamp() for pk, at in rows}


def _newest() -> int:
    from alerts.selectors import head

    return head().newest


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _start(stack: ExitStack, module: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{process.args!r} ended before it was done.")
    return line.strip()


def _expect(process: subprocess.Popen[str], word: str) -> None:
    while _line(process) != word:
        pass


def _say(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{text}\n")
    process.stdin.flush()


if __name__ == "__main__":
    main()
