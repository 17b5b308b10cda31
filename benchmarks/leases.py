"""`python -m benchmarks.leases`: how soon every camera is run, by exactly one worker, and how soon again after a kill.

Real worker processes on a real PostgreSQL and Redis run cameras whose pictures are a small, slow test pattern. Times
begin when beat begins, with all workers there (loading Python and its packages comes before that and is told as well),
and when one worker is killed with SIGKILL. A camera that was taken twice is seen by its epoch, which rises with every
new owner.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import site
from benchmarks.site import ROOT, Database
from benchmarks.text import table

SOURCE = "pattern:160x90@2"
PATIENCE = 120.0
FIRST_SECONDS, AGAIN_SECONDS = 10.0, 20.0


@dataclass(slots=True)
class Measured:
    """Seconds, and what was counted at the end of each phase."""

    boot: float = 0.0  # from starting the processes until the last worker announced itself
    first: float = 0.0
    again: float = 0.0
    drained: float = 0.0
    spread: list[int] = field(default_factory=list)
    spread_after: list[int] = field(default_factory=list)
    lost: int = 0
    epochs: set[int] = field(default_factory=set)
    epochs_after: set[int] = field(default_factory=set)
    connections: int = 0  # to the database, of all workers, while everything runs
    most_connections: int = 0
    memory_mb: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leases", description=__doc__)
    parser.add_argument("--cameras", type=int, default=200)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-leases-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        site.prepare(folder)
        os.environ["LOG_LEVEL"] = "ERROR"
        measured = measure(folder, cameras=options.cameras, workers=options.workers)
    print(report(measured, options.cameras, options.workers))
    ok = measured.first <= FIRST_SECONDS and measured.again <= AGAIN_SECONDS
    sys.exit(0 if ok and measured.epochs == {1} and measured.epochs_after <= {1, 2} else 1)


def measure(folder: Path, *, cameras: int, workers: int) -> Measured:
    """Starts everything, kills one, drains the rest."""
    found = Measured()
    with ExitStack() as stack:
        _prepare(stack, folder, cameras)
        # One worker fewer must be able to carry all.
        slots = -(-cameras // (workers - 1)) + 4 if workers > 1 else cameras
        began = time.monotonic()
        crew = [_start(stack, folder, slots) for _ in range(workers)]
        _until(lambda: _announced() == workers, "every worker")
        start = time.monotonic()
        found.boot = start - began
        _beat(stack)
        _until(lambda: _leased(found) == cameras, "every camera to be leased")
        found.first = time.monotonic() - start
        time.sleep(5)  # all loops run
        found.spread, found.epochs = _spread(), _epochs()
        found.connections = _connections()
        found.memory_mb = [psutil.Process(one.pid).memory_info().rss / 2**20 for one in crew]
        _kill(crew[0], found, cameras)
        start = time.monotonic()
        for one in crew[1:]:
            one.terminate()
        for one in crew[1:]:
            one.wait(PATIENCE)
        found.drained = time.monotonic() - start
    return found


def _kill(victim: subprocess.Popen[bytes], found: Measured, cameras: int) -> None:
    from cameras.models import CameraLease

    theirs = CameraLease.objects.filter(worker__contains=f"-{victim.pid}-")
    found.lost = theirs.count()
    start = time.monotonic()
    victim.kill()
    _until(lambda: not theirs.exists() and _leased(found) == cameras, "every camera to be leased again")
    found.again = time.monotonic() - start
    found.spread_after, found.epochs_after = _spread(), _epochs()


def report(measured: Measured, cameras: int, workers: int) -> str:
    head = [f"{cameras} cameras, {workers} camera workers", "measured", "wanted"]
    rows = [
        ["All workers there, after the start of their processes", f"{measured.boot:.1f} s", ""],
        ["Every camera leased, from then on", f"{measured.first:.1f} s", f"{FIRST_SECONDS:.0f} s"],
        ["Cameras of each worker", ", ".join(map(str, measured.spread)), ""],
        ["Leases taken for each camera", ", ".join(map(str, sorted(measured.epochs))), "1"],
        [f"One killed: its {measured.lost} cameras leased again", f"{measured.again:.1f} s", f"{AGAIN_SECONDS:.0f} s"],
        ["Cameras of each worker then", ", ".join(map(str, measured.spread_after)), ""],
        ["All other workers drained and ended", f"{measured.drained:.1f} s", ""],
        ["Connections to the database, all workers", f"{measured.connections}", ""],
        ["Most of them at any moment", f"{measured.most_connections}", ""],
        ["Memory of a worker", ", ".join(f"{one:.0f}" for one in measured.memory_mb) + " MB", ""],
    ]
    return table(head, rows)


def _prepare(stack: ExitStack, folder: Path, cameras: int) -> None:
    stack.enter_context(Database(folder))
    from cameras.services import add_camera
    from recognition.packs import current_pack

    current_pack().warm_up()  # the first use of a pack converts its models, once an installation
    for number in range(cameras):
        add_camera(actor=None, name=f"Camera {number:03}", source=SOURCE)


def _start(stack: ExitStack, folder: Path, slots: int) -> subprocess.Popen[bytes]:
    log = stack.enter_context((folder / "workers.log").open("ab"))
    command = [sys.executable, "manage.py", "camera_worker", "--slots", str(slots)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def _beat(stack: ExitStack) -> None:
    stack.callback(site._start_beat())


def _until(happens: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happens():
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {PATIENCE:.0f} s in vain for {what}.")
        time.sleep(0.1)


def _announced() -> int:
    from workers import roster

    return len(roster.workers())


def _leased(found: Measured) -> int:
    from cameras.selectors import attended

    found.most_connections = max(found.most_connections, _connections())
    return attended().count()


def _spread() -> list[int]:
    from workers import roster

    return sorted(worker.running for worker in roster.workers())


def _epochs() -> set[int]:
    from cameras.models import CameraLease

    return set(CameraLease.objects.values_list("epoch", flat=True))


def _connections() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    main()
