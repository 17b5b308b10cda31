"""`python -m benchmarks.cost`: the CPU time of one camera, beside the plain way and beside our loop without its gate.

The busy clip: 1280x720, 25 frames a second, H.264, a still scene that somebody enrolled crosses every ten seconds.
The still clip: the same scene with nobody; our loops are counted after its first ten seconds, in which they look at all
of it. Each way runs in a process of its own, whose CPU time the operating system counts, without the loading of models.
Our loops run paced as live, several at once, and share what cameras of a process
share. Bare decoding is measured twice: as fast as it goes, which is the least that decoding can cost, and as live, a
thread a camera and as many at once as ours, where every picture finds the processor's caches cold. The plain way reads
the clip as fast as it can: it detects and embeds every face of every fifth frame as a whole and searches each, with the
same models; once with the smallest face that `Pack.analyse` looks for when nothing is said, and once with the smallest
that our loop looks for in a whole frame. A crossing counts as found when the right person was named during it, by a
sighting or by any single frame.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks import site, walks
from benchmarks.heads import package_people
from benchmarks.text import NONE, table

FPS = 25
EVERY = 10.0
NTH = 5  # the plain way looks at every so many frames
LABELS = {
    "decoding": "Decoding alone, as fast as it goes",
    "decoding live": "Decoding alone, as live",
    "plain": f"Detect and embed on every {NTH}th frame",
    "plain ours": "… with our smallest face",
    "ungated": "Lynceus, gating off",
    "ours": "Lynceus",
    "idle": "Lynceus, key pictures only until something moves",
}
SETTLE = 10.0  # seconds of a still clip before what it costs to watch is counted: loops begin with a look at all of it
LEEWAY = 1.5  # seconds by which a sighting may lie beside its crossing, which begins outside the picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """CPU seconds a camera minute, and who was named when: seconds of the clip and names."""

    cpu: float
    named: list[tuple[float, float, str]] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the clips (default 60)")
    parser.add_argument("--cameras", type=int, default=3, help="loops that run at once (default 3)")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--clip", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--settle", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(asdict(_run(options.way, options.clip, options.cameras, options.settle))))
        return
    with tempfile.TemporaryDirectory(prefix="lynceus-cost-") as name:
        folder = Path(name)
        (folder / "data").mkdir()
        site.prepare(folder / "data")
        _say("Making the clips …")
        busy = walks.crossing(folder / "busy.mp4", seconds=options.seconds, fps=FPS, every=EVERY)
        still = walks.crossing(
            folder / "still.mp4", seconds=options.seconds, fps=FPS, every=2 * options.seconds, after=1
        )
        with site.Database(folder / "data"):
            site.enrol({head.name: head.enrolment for head in package_people()})
            found = {}
            for way, film in _plan(busy.path, still.path):
                _say(f"Measuring: {way} …")
                found[way] = _child(way.partition(",")[0], film, options.cameras, settle=SETTLE * (film == still.path))
    print(report(found, busy))


def _plan(busy: Path, still: Path) -> Iterable[tuple[str, Path]]:
    quiet = ("decoding", "decoding live", "ours", "idle")
    return [(way, busy) for way in LABELS] + [(f"{way}, still", still) for way in quiet]


def report(found: dict[str, Spent], busy: walks.Clip) -> str:
    """Two tables: the busy clip, the still clip."""
    crossings = _crossings(busy)
    ours = found["ours"].cpu
    rows = [
        [
            label,
            f"{found[way].cpu:.1f}",
            f"{found[way].cpu / ours:.1f}x",
            NONE if way.startswith("decoding") else f"{_hits(found[way], crossings)} of {len(crossings)}",
        ]
        for way, label in LABELS.items()
    ]
    bare, live = found["decoding, still"].cpu, found["decoding live, still"].cpu
    still = [
        [
            LABELS[way],
            f"{spent.cpu:.2f}",
            f"{spent.cpu / 60:.2%}",
            f"{spent.cpu / bare:.2f}x",
            f"{spent.cpu / live:.2f}x",
        ]
        for way in ("decoding", "decoding live", "ours", "idle")
        for spent in [found[f"{way}, still"]]
    ]
    return "\n".join(
        [
            table(["Busy camera", "CPU s a camera minute", "Of ours", "Crossings found"], rows),
            "",
            table(["Still camera", "CPU s a camera minute", "Of a core", "Of decoding", "Of decoding as live"], still),
            "",
            f"Bare decoding: {bare / 60 / FPS * 1000:.2f} ms a picture, as live {live / 60 / FPS * 1000:.2f} ms.",
        ]
    )


def _crossings(clip: walks.Clip) -> list[tuple[float, float, str]]:
    """When who is in view, from the truth."""
    spans: list[tuple[float, float, str]] = []
    for number, seen in enumerate(clip.truth):
        for one in seen:
            t = number / clip.fps
            if spans and spans[-1][2] == one.person and t - spans[-1][1] < 1:
                spans[-1] = (spans[-1][0], t, one.person)
            else:
                spans.append((t, t, one.person))
    return spans


def _hits(spent: Spent, crossings: list[tuple[float, float, str]]) -> int:
    return sum(
        any(who == person and begin < until + LEEWAY and end > since - LEEWAY for begin, end, who in spent.named)
        for since, until, person in crossings
    )


def _child(way: str, film: Path, cameras: int, *, settle: float) -> Spent:
    command = [sys.executable, "-m", "benchmarks.cost", "--way", way, "--clip", str(film), "--cameras", str(cameras)]
    done = subprocess.run([*command, "--settle", str(settle)], stdout=subprocess.PIPE, check=True, cwd=site.ROOT)
    return Spent(**json.loads(done.stdout.splitlines()[-1]))


# --- in the child ----------------------------------------------------------------------------------------------------


def _run(way: str, film: Path, cameras: int, settle: float) -> Spent:
    import django

    django.setup()
    from workers.threads import one_thread_each

    one_thread_each()
    runs: dict[str, Callable[[], Spent]] = {
        "decoding": lambda: _decode(film),
        "decoding live": lambda: _decode_live(film, cameras),
        "plain": lambda: _plain(film, ours=False),
        "plain ours": lambda: _plain(film, ours=True),
        "ungated": lambda: _loops(film, cameras, gating=False),
        "ours": lambda: _loops(film, cameras, settle=settle),
        "idle": lambda: _loops(film, cameras, idle=True, settle=settle),
    }
    return runs[way]()


def _decode(film: Path) -> Spent:
    import av

    count, began = 0, time.process_time()
    with av.open(str(film)) as container:
        container.streams.video[0].thread_count = 1
        for _ in container.decode(video=0):
            count += 1
    return Spent(cpu=(time.process_time() - began) / count * FPS * 60)


def _decode_live(film: Path, cameras: int) -> Spent:
    """So many threads, each decoding one picture when it is due."""
    import av

    def decode(late: float) -> None:
        due = time.monotonic() + late
        with av.open(str(film)) as container:
            container.streams.video[0].thread_count = 1
            for _ in container.decode(video=0):
                due += 1 / FPS
                time.sleep(max(0.0, due - time.monotonic()))

    threads = [threading.Thread(target=decode, args=(number / cameras / FPS,)) for number in range(cameras)]
    began, cpu = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Spent(cpu=(time.process_time() - cpu) / cameras / (time.monotonic() - began) * 60)


def _plain(film: Path, *, ours: bool) -> Spent:
    import cv2

    from recognition.engine import assess
    from recognition.engine.pack import PHOTO_MIN_FACE
    from recognition.gallery import gallery
    from workers.looking import smallest_face

    snapshot = gallery()
    pack = snapshot.pack
    pack.warm_up()
    capture = cv2.VideoCapture(str(film), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    number, named = 0, []
    began = time.process_time()
    while True:
        there, read = capture.read()
        if not there:
            break
        image = read.astype("uint8", copy=False)
        if number % NTH == 0:
            found = pack.detect(image, min_face=smallest_face(image) if ours else PHOTO_MIN_FACE)
            for at, probe in enumerate(pack.embed(image, found.points) if len(found) else ()):
                match = snapshot.decide(snapshot.search(probe, top=2))
                if match is not None and assess(image, found.boxes[at], found.points[at]).usable:
                    named.append((number / FPS, number / FPS, snapshot.names[match.person]))
        number += 1
    return Spent(cpu=(time.process_time() - began) / number * FPS * 60, named=named)


def _loops(film: Path, cameras: int, *, gating: bool = True, idle: bool = False, settle: float = 0.0) -> Spent:
    """So many loops at once, once through the clip; the first one's sightings. `settle`: seconds that do not count."""
    from cameras.models import Camera, Decoding, Sighting
    from cameras.services import add_camera
    from recognition.gallery import gallery

    gallery().pack.warm_up()
    Camera.objects.all().delete()
    decoding = Decoding.KEYFRAMES if idle else Decoding.ALL
    rows = [
        add_camera(actor=None, name=f"{number}", source=str(film), enabled=False, idle_decoding=decoding)
        for number in range(cameras)
    ]
    threads = [threading.Thread(target=_loop, args=(row, gating)) for row in rows]
    for thread in threads:
        thread.start()
    time.sleep(settle)
    began, cpu = time.time(), time.process_time()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu
    span = time.time() - began
    seen = Sighting.objects.filter(camera=rows[0]).exclude(person=None).select_related("person")
    named = [
        (s.first_seen.timestamp() - began, s.last_seen.timestamp() - began, s.person.name) for s in seen if s.person
    ]
    return Spent(cpu=cpu / cameras / span * 60, named=named)


def _loop(camera: object, gating: bool) -> None:
    """One camera's loop, as a worker runs it."""
    from django.db import connection

    from cameras.leases import take_lease
    from cameras.models import Camera
    from cameras.services import source_of
    from workers.camera_loop import CameraLoop
    from workers.leases import keeper
    from workers.sources import open_reader

    assert isinstance(camera, Camera)
    lease = take_lease(camera_id=camera.pk, owner=f"benchmark {camera.pk}")
    if lease is None:
        raise SystemExit("The benchmark's camera is run by somebody else.")
    holding = keeper().hold(lease, camera, by_hand=True)
    reader = open_reader(camera, source_of(camera), None)
    CameraLoop(camera=camera, holding=holding, reader=reader, stop=threading.Event(), gating=gating).run()
    keeper().give_back(holding)
    connection.close()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
