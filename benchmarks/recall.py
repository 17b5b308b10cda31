"""`python -m benchmarks.recall`: what the loop finds with its regions, rates and gate, beside looking everywhere.

Three ways over the same clips: *plain* detects on every fifth frame as a whole and searches every face; *gating off*
is the loop that looks at whole frames at its usual rate; *ours* is the loop as it runs. The clips are those of the
tracking benchmark (benchmarks/stages.py), a scene that one person crosses every ten seconds, and real footage where a
folder of it is given. All but two of the people are enrolled.

One appearance is one person from when they come into view until they have been away for longer than a track waits.
Plain finds it with two detections at the right place, the loops with a sighting there. In real footage, where nobody
knows the truth, the appearances are the sightings of a loop that looks at every whole frame. Named: rightly by any
sighting of the appearance; wrong: a sighting that was given somebody else's name at any time. Everything runs by the
frames' clock, one loop at a time and without a database, so that a loaded machine changes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import site, walks
from benchmarks.heads import package_people
from benchmarks.stages import STAGES
from benchmarks.text import table
from recognition.engine import Embedding, Pack, decode_photo, load_pack

NTH = 5  # the plain way looks at every so many frames
STRANGERS = 2
VISIBLE = 0.5  # of a face: from here on it is in view
AWAY = 2.8  # seconds; who was away for longer appears anew
LEAST_SECONDS = 0.4  # shorter appearances are not asked for
MIN_IOU = 0.3
FOOTAGE = ("stage_clip", "corridor_two_people", "corridor_three_people")
PORTRAITS = {"Lin-Manuel Miranda": "lin_manuel_miranda", "Alex Lacamoire": "alex_lacamoire"}
WAYS = ("plain", "gating off", "ours")
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a face is at time t (s of the clip)."""

    t: float
    box: Box


@dataclass(slots=True, kw_only=True)
class Appearance:
    """A person in view for a while; `name` is empty for somebody who is not enrolled."""

    person: str
    name: str
    places: list[Place] = field(default_factory=list)

    def at(self, t: float) -> Box | None:
        """Where the face is at about time t."""
        place = min(self.places, key=lambda one: abs(one.t - t))
        return place.box if abs(place.t - t) <= 0.1 else None


@dataclass(slots=True, kw_only=True)
class Followed:
    """What a way took for one face: a sighting, or with the plain way all detections together."""

    places: list[Place] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # the names it had


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a way saw in a clip, and what it spent: looks at frames and pixels (millions) given to the detector."""

    sightings: tuple[Followed, ...]
    looks: int
    megapixels: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A clip, who is enrolled for it, and who truly is in it (None: to be found out)."""

    name: str
    path: Path
    fps: float
    enrolled: Mapping[str, Embedding]
    truth: tuple[Appearance, ...] | None = None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recall", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--stages", nargs="+", choices=[*STAGES, "passing"], default=[*STAGES, "passing"])
    parser.add_argument("--footage", type=Path, help="a folder with the real clips and portraits")
    parser.add_argument("--work", type=Path, help="where clips are kept (default: nowhere)")
    parser.add_argument("--cache", type=Path, help="where the converted models are kept")
    parser.add_argument("--detail", action="store_true", help="says of every appearance that was lost when it was")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-recall-") as name:
        site.prepare(Path(name))
        os.environ["DATA_DIR"] = name
        import django

        django.setup()
        pack = load_pack("compact", cache=options.cache)
        work = options.work or Path(name)
        work.mkdir(parents=True, exist_ok=True)
        rows = []
        for task in _tasks(pack, work, options.stages, options.seeds, options.footage):
            _say(f"{task.name} …")
            rows.append(_row(task, pack, detail=options.detail))
    print(report(rows))


# --- clips ------------------------------------------------------------------------------------------------------------


def _tasks(pack: Pack, work: Path, stages: Sequence[str], seeds: Sequence[int], footage: Path | None) -> Iterator[Task]:
    if footage is not None:
        yield from _real(pack, footage)
    heads = package_people()
    names = [head.name for head in heads]
    known = {head.name: _embedded(pack, head.enrolment) for head in heads[: len(heads) - STRANGERS]}
    for stage in stages:
        for seed in seeds if stage != "passing" else seeds[:1]:
            path = work / f"{stage}-{seed}.mp4"
            if path.with_suffix(".json").is_file():
                clip = walks.load(path)
            elif stage == "passing":
                clip = walks.crossing(path, seed=seed)
            else:
                clip = walks.render(path, STAGES[stage](names, seed=seed), seed=zlib.crc32(path.stem.encode()))
            yield Task(name=path.stem, path=path, fps=clip.fps, enrolled=known, truth=_appearances(clip, set(known)))


def _real(pack: Pack, folder: Path) -> Iterator[Task]:
    import av

    people = {
        name: _embedded(pack, (folder / "portraits" / f"{file}.png").read_bytes()) for name, file in PORTRAITS.items()
    }
    for name in FOOTAGE:
        path = folder / f"{name}.mp4"
        with av.open(str(path)) as container:
            rate = container.streams.video[0].average_rate
        yield Task(name=name, path=path, fps=float(rate or walks.FPS), enrolled=people)


def _embedded(pack: Pack, photo: bytes) -> Embedding:
    faces = pack.analyse(decode_photo(photo))
    if not faces:
        raise SystemExit("A portrait shows no face that the pack finds.")
    return faces[0].embedding


def _appearances(clip: walks.Clip, enrolled: set[str]) -> tuple[Appearance, ...]:
    """Who is in view when, from the clip's truth."""
    last: dict[str, Appearance] = {}
    found: list[Appearance] = []
    for number, frame in enumerate(clip.truth):
        t = number / clip.fps
        for seen in frame:
            if seen.visible < VISIBLE:
                continue
            one = last.get(seen.person)
            if one is None or t - one.places[-1].t > AWAY:
                one = Appearance(person=seen.person, name=seen.person if seen.person in enrolled else "")
                last[seen.person] = one
                found.append(one)
            one.places.append(Place(t=t, box=seen.box))
    return tuple(one for one in found if len(one.places) / clip.fps >= LEAST_SECONDS)


# --- the three ways ---------------------------------------------------------------------------------------------------


def run(way: str, task: Task, pack: Pack, *, detect_fps: float | None = None) -> Outcome:
    """Goes over the clip one of WAYS."""
    from benchmarks.followed import snapshot
    from benchmarks.looped import loop_over

    ids = {name: number for number, name in enumerate(task.enrolled, start=1)}
    gallery = snapshot(pack, [(ids[name], embedding) for name, embedding in task.enrolled.items()])
    names = {number: name for name, number in ids.items()}
    if way == "plain":
        return _plain(task, gallery, names)
    done = loop_over(task.path, gallery, gating=way == "ours", detect_fps=detect_fps)
    sightings: dict[int, Followed] = {}
    for one in done.said:
        seen = sightings.setdefault(one.number, Followed())
        seen.places.append(Place(t=one.t, box=one.box))
        if one.person is not None:
            seen.names.append(names[one.person])
    return Outcome(sightings=tuple(sightings.values()), looks=done.looks, megapixels=done.pixels / 1e6)


def _plain(task: Task, gallery: object, names: Mapping[int, str]) -> Outcome:
    """Detects and searches on every NTH frame; every face is a sighting of its own."""
    import av
    import numpy as np

    from recognition.engine import assess
    from recognition.gallery import Snapshot
    from workers.looking import smallest_face

    assert isinstance(gallery, Snapshot)
    found, pixels, looks = [], 0, 0
    with av.open(str(task.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % NTH:
                continue
            image = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            faces = gallery.pack.detect(image, min_face=smallest_face(image))
            pixels, looks = pixels + image.shape[0] * image.shape[1], looks + 1
            probes = gallery.pack.embed(image, faces.points) if len(faces) else ()
            for box, points, probe in zip(faces.boxes, faces.points, probes, strict=True):
                match = gallery.decide(gallery.search(probe, top=2)) if assess(image, box, points).usable else None
                x1, y1, x2, y2 = (float(value) for value in box)
                place = Place(t=number / task.fps, box=(x1, y1, x2, y2))
                found.append(Followed(places=[place], names=[names[match.person]] if match else []))
    return Outcome(sightings=tuple(found), looks=looks, megapixels=pixels / 1e6)


# --- judging ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How a way did: which appearances it found and named, and how many wrong names it gave."""

    found: tuple[bool, ...]
    named: tuple[bool, ...]
    wrong: int


def judge(truth: Sequence[Appearance], outcome: Outcome, *, least: int) -> Judged:
    """`least`: in how many frames an appearance must have been seen at the right place to be found."""
    hits, named, wrong = [0] * len(truth), [False] * len(truth), 0
    for sighting in outcome.sightings:
        counts: Counter[int] = Counter()
        for place in sighting.places:
            shares = {number: _iou(box, place.box) for number, one in enumerate(truth) if (box := one.at(place.t))}
            best = max(shares, key=lambda number: shares[number], default=None)
            if best is not None and shares[best] >= MIN_IOU:
                counts[best] += 1
        for number, count in counts.items():
            hits[number] += count
        if not counts:
            continue
        who = counts.most_common(1)[0][0]
        named[who] |= truth[who].name != "" and truth[who].name in sighting.names
        wrong += bool(set(sighting.names) - {truth[who].name})
    return Judged(found=tuple(hit >= least for hit in hits), named=tuple(named), wrong=wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A clip of the table."""

    name: str
    truth: tuple[Appearance, ...]
    judged: Mapping[str, Judged]
    outcomes: Mapping[str, Outcome]


def _row(task: Task, pack: Pack, *, detail: bool) -> Row:
    truth = task.truth if task.truth is not None else _seen_everywhere(task, pack)
    outcomes = {way: run(way, task, pack) for way in WAYS}
    judged = {way: judge(truth, outcome, least=2 if way == "plain" else 1) for way, outcome in outcomes.items()}
    if detail:
        for way, one in judged.items():
            for appearance, found, named in zip(truth, one.found, one.named, strict=True):
                if not found or (appearance.name and not named):
                    span = f"{appearance.places[0].t:.1f} to {appearance.places[-1].t:.1f} s"
                    _say(f"  {way}: {appearance.person}, {span}: {'not named' if found else 'not found'}")
    return Row(name=task.name, truth=truth, judged=judged, outcomes=outcomes)


def _seen_everywhere(task: Task, pack: Pack) -> tuple[Appearance, ...]:
    """The sightings of a loop that looks at every whole frame."""
    seen = run("gating off", task, pack, detect_fps=task.fps)
    return tuple(
        Appearance(
            person=(name := one.names[-1] if one.names else "") or f"face {number}", name=name, places=one.places
        )
        for number, one in enumerate(seen.sightings, start=1)
        if one.places[-1].t - one.places[0].t >= LEAST_SECONDS
    )


def report(rows: Sequence[Row]) -> str:
    """One line a clip, and their sum. Found and named: plain / gating off / ours."""
    head = ["clip", "in view", "found", "enrolled", "named", "wrong names", "looks", "detector Mpx", "of gating off"]
    return table(head, [_cells([row], row.name) for row in rows] + [_cells(rows, "**all**")])


def _cells(rows: Sequence[Row], name: str) -> list[str]:
    def each(count: Mapping[str, float]) -> str:
        return " / ".join(f"{count[way]:.0f}" for way in WAYS)

    def total(kind: str) -> str:
        return each({way: sum(sum(getattr(row.judged[way], kind)) for row in rows) for way in WAYS})

    looks = {way: sum(row.outcomes[way].looks for row in rows) for way in WAYS}
    pixels = {way: sum(row.outcomes[way].megapixels for row in rows) for way in WAYS}
    return [
        name,
        str(sum(len(row.truth) for row in rows)),
        total("found"),
        str(sum(bool(one.name) for row in rows for one in row.truth)),
        total("named"),
        each({way: sum(row.judged[way].wrong for row in rows) for way in WAYS}),
        each(looks),
        each(pixels),
        f"{pixels['ours'] / pixels['gating off']:.0%}",
    ]


def _iou(a: Box, b: Box) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    inner = wide * high
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
