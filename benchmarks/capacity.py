"""`python -m benchmarks.capacity`: how many live cameras one machine carries, in one table, and what gives way first.

Every camera is a clip of 1280x720 at 25 frames a second, H.264, paced as live, through which somebody enrolled crosses
every ten seconds; the crossings of different cameras are spread evenly over these. The ceiling is
what all cores decode of the same clips when they do nothing else.

A number of cameras is carried when every one of them gets its frames in real time, less than 1 % of the frames that
were wanted for detection are missed, and 95 % of the alerts are at the page within a second of the deciding frame.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks import site, walks
from benchmarks.heads import package_people
from benchmarks.page import OpenPage
from benchmarks.site import HOST, Site, sign_in
from benchmarks.text import p50_p95, table

FPS = 25
EVERY = 10.0  # seconds between two crossings of one camera
CLIP_SECONDS = 30.0
VARIANTS = 10  # clips whose crossings begin at different times
SETTLE_SECONDS = 12.0
SAMPLE_SECONDS = 4.0  # between two looks at the rates of frames
STEPS = (1, 4, 8, 12, 16, 20, 24, 28, 32)
CEILING_SECONDS = 6.0
MOST_MISSED = 0.01
MOST_LATENCY = 1.0
LEAST_FPS = 0.98 * FPS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What so many cameras got. Frames a second over all of the step, latencies in seconds, cores used."""

    cameras: int
    fps_least: float
    fps_mean: float
    wanted: int
    missed: int
    sightings: int
    known: int
    latencies: tuple[float, ...]
    worker_cpu: float
    machine_cpu: float
    memory_mb: float
    seconds: float

    @property
    def looks(self) -> float:
        """Looks a second and camera that the rate asked for."""
        return self.wanted / self.cameras / self.seconds

    @property
    def missed_share(self) -> float:
        return self.missed / max(1, self.wanted)

    @property
    def broken(self) -> str:
        """What gave way; empty where nothing did."""
        p95 = sorted(self.latencies)[int(0.95 * (len(self.latencies) - 1))] if self.latencies else float("inf")
        problems = [
            f"frames come at {self.fps_least:.1f} a second" if self.fps_least < LEAST_FPS else "",
            f"{self.missed_share:.1%} of the wanted frames missed" if self.missed_share >= MOST_MISSED else "",
            f"alerts after {p95:.2f} s" if p95 >= MOST_LATENCY else "",
        ]
        return ", ".join(problem for problem in problems if problem)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long each step is measured (default 40)")
    parser.add_argument("--steps", default=",".join(map(str, STEPS)), help="numbers of cameras, comma between")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="camera workers (default: as many as cores)"
    )
    parser.add_argument("--idle", choices=["all", "keyframes"], default="all", help="idle decoding of the cameras")
    parser.add_argument("--clips", type=Path, help="a folder in which the clips are made, and kept for the next time")
    options = parser.parse_args()
    steps = [int(part) for part in options.steps.split(",")]
    with tempfile.TemporaryDirectory(prefix="lynceus-capacity-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        site.prepare(folder / "data")
        _say("Making the clips …")
        kept = options.clips or folder
        kept.mkdir(parents=True, exist_ok=True)
        clips = [_clip(kept, number) for number in range(VARIANTS)]
        ceiling = [decode_ceiling(clips[0])]
        _say(f"All cores decode {ceiling[0]:.1f} such cameras.")
        with Site(folder / "data", workers=options.workers) as running:
            found = measure(running, clips, steps, seconds=options.seconds, idle=options.idle)
        ceiling.append(decode_ceiling(clips[0]))
    print(report(found, ceiling, options.workers))


def decode_ceiling(path: Path) -> float:
    """How many cameras all cores would carry if they only decoded."""
    import av

    until, counts = time.perf_counter() + CEILING_SECONDS, [0] * (os.cpu_count() or 1)

    def decode(number: int) -> None:
        while True:
            with av.open(str(path)) as container:
                container.streams.video[0].thread_count = 1
                for _ in container.decode(video=0):
                    counts[number] += 1
                    if time.perf_counter() > until:
                        return

    threads = [threading.Thread(target=decode, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / CEILING_SECONDS / FPS


def measure(running: Site, clips: Sequence[Path], steps: Sequence[int], *, seconds: float, idle: str) -> list[Step]:
    """The steps up to the first that is not carried."""
    page = OpenPage(host=HOST, port=running.port, cookie=sign_in())
    page.start()
    try:
        site.enrol({head.name: head.enrolment for head in package_people()})
        ids: list[int] = []
        found: list[Step] = []
        for count in steps:
            ids += [_add(number, clips[number % len(clips)], idle) for number in range(len(ids), count)]
            found.append(_step(running, page, ids, seconds))
            _say(f"{count} cameras: {found[-1].broken or 'carried'}")
            if found[-1].broken:
                break
        return found
    finally:
        page.stop()


def _clip(folder: Path, number: int) -> Path:
    path = folder / f"crossing-{number}.mp4"
    if not path.with_suffix(".json").exists():  # the truth is written when the film is whole
        walks.crossing(path, seconds=CLIP_SECONDS, fps=FPS, every=EVERY, later=number * EVERY / VARIANTS)
    return path


def _add(number: int, path: Path, idle: str) -> int:
    from cameras.services import add_camera

    return add_camera(actor=None, name=f"Camera {number}", source=str(path), loop=True, idle_decoding=idle).pk


def _step(running: Site, page: OpenPage, ids: list[int], seconds: float) -> Step:
    from alerts.models import Alert
    from cameras import live
    from cameras.live import State
    from cameras.models import Camera, Sighting

    cameras = list(Camera.objects.filter(pk__in=ids))

    def online() -> bool:
        return all(status.state is State.ONLINE for status in live.statuses(cameras).values())

    running.wait_for(online, f"{len(ids)} cameras to be online")
    time.sleep(SETTLE_SECONDS)
    began, before, spent = datetime.now(UTC), live.statuses(cameras), _spent(running)
    machine = psutil.cpu_times()
    rates: dict[int, list[float]] = {pk: [] for pk in ids}
    while (left := seconds - (datetime.now(UTC) - began).total_seconds()) > 0:
        time.sleep(min(left, SAMPLE_SECONDS))
        for pk, status in live.statuses(cameras).items():
            rates[pk].append(status.fps_in)
    means = [sum(each) / len(each) for each in rates.values()]
    span = (datetime.now(UTC) - began).total_seconds()
    after, used, busy = live.statuses(cameras), _spent(running), psutil.cpu_times()
    time.sleep(1.5)  # what was captured last is still on its way
    until = datetime.fromtimestamp(began.timestamp() + span - 2, UTC)
    seen = Sighting.objects.filter(camera__in=ids, first_seen__range=(began, until))
    alerts = list(Alert.objects.filter(sighting__in=seen))
    return Step(
        cameras=len(ids),
        fps_least=min(means),
        fps_mean=sum(means) / len(means),
        wanted=sum(after[pk].frames_wanted - before[pk].frames_wanted for pk in ids),
        missed=sum(after[pk].frames_missed - before[pk].frames_missed for pk in ids),
        sightings=seen.count(),
        known=seen.exclude(person=None).count(),
        latencies=tuple(page.told.get(a.pk, float("inf")) - a.captured_at.timestamp() for a in alerts),
        worker_cpu=(used - spent) / span,
        machine_cpu=(sum(busy[:3]) - sum(machine[:3])) / span,  # user, nice, system
        seconds=span,
        memory_mb=sum(worker.memory_full_info().uss for worker in running.workers) / 2**20,
    )


def _spent(running: Site) -> float:
    """CPU seconds of all camera workers so far."""
    return sum(sum(worker.cpu_times()[:2]) for worker in running.workers)


def report(steps: Sequence[Step], ceiling: Sequence[float], workers: int) -> str:
    """The table, and under it what it says."""
    rows = [
        [
            str(step.cameras),
            f"{step.fps_least:.1f} / {step.fps_mean:.1f}",
            f"{step.looks:.1f}",
            f"{step.missed:,} of {step.wanted:,} ({step.missed_share:.2%})",
            p50_p95(step.latencies),
            f"{step.known} of {step.sightings}",
            f"{step.worker_cpu:.2f} / {step.machine_cpu:.2f}",
            f"{step.memory_mb:.0f} MB",
            step.broken or "carried",
        ]
        for step in steps
    ]
    head = [
        "Cameras",
        "Frames a second, least / mean",
        "Looks wanted a second",
        "Wanted frames missed",
        "Deciding frame → alert at the page, p50 / p95",
        "Sightings named",
        "Cores used, workers / machine",
        "Memory of the workers",
        "",
    ]
    first, last = steps[0], steps[-1]
    each = (last.memory_mb - first.memory_mb) / max(1, last.cameras - first.cameras)
    return "\n".join(
        [
            table(head, rows),
            "",
            f"{workers} camera workers. Bare decoding on all {os.cpu_count()} cores: "
            f"{' before, '.join(f'{one:.1f}' for one in ceiling)} after, such cameras. "
            f"Memory of each further camera: {each:.0f} MB.",
        ]
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
