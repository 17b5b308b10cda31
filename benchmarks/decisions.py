"""Decisions on tracks beside decisions on frames: `python -m benchmarks.decisions --people FOLDER` prints a table.

The clips are those of benchmarks/tracking.py, looked at FPS times a second and followed by the loop's own code. For
every clip, galleries of N people are drawn; a track of somebody who is in the gallery is mated, every other one is a
stranger's. Enrolment is another photo than those shown where a person has several; else a mirrored, relit copy of the
one shown, which is easier, so that both are told apart. The same gallery is searched with every single face as well,
threshold alone, as programs without tracks do it.

FNIR: mated tracks that end without their person's name. FPIR: strangers' tracks that are given a name at any time, as
that raises an alarm. Intervals are 95 %, from a bootstrap over people, because what happens to one person hangs
together; where nothing went wrong, from the rule of three over the people seen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import rates, site
from benchmarks.heads import Head, people
from benchmarks.looked import Looked
from benchmarks.scores import MIN_IOU, iou
from benchmarks.stages import crossing
from benchmarks.tracking import made, prepared
from recognition.engine import Embedding, Pack, decode_photo, load_pack
from recognition.engine.types import Floats

FPS = 5
SIZES = (10, 50)
TRIALS = 12
FEWEST = 4  # people who walk in a clip of their own
SMALLEST = 24  # pixels of a face that fills the gallery only


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One track of one trial, as decided by one of the two ways."""

    person: str  # who it truly is
    mated: bool
    other_photo: bool
    named: tuple[str, ...]  # the names it was given, in their order, "" for none; equal neighbours are one
    seconds: float | None  # from the first frame to the right name
    looks: int

    @property
    def missed(self) -> bool:
        return self.named[-1:] != (self.person,)

    @property
    def wrong(self) -> bool:
        """Whether anybody else's name was given at any time."""
        return bool({name for name in self.named if name} - ({self.person} if self.mated else set()))

    @property
    def flickers(self) -> int:
        """How often a name that had been given was taken back or changed."""
        return sum(bool(name) for name in self.named[:-1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """What all trials share."""

    pack: Pack
    heads: dict[str, Head]
    ids: dict[str, int]
    enrolled: dict[str, Embedding]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=Path, help="more people: one subfolder of photos each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--work", type=Path, help="where clips and detections are kept (default: nowhere)")
    parser.add_argument("--cache", type=Path, help="where the converted models are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-decisions-") as name:
        site.prepare(Path(name))
        os.environ["DATA_DIR"] = name
        import django

        django.setup()
        work = options.work or Path(name)
        clips = prepared(work, options.people, options.seeds, options.cache)
        world = world_of(load_pack("compact", cache=options.cache), options.people)
        clips |= of_several_photos(work, world, options.seeds)
        at_rate = {name: looked.every(2) for name, looked in clips.items()}
        sizes = [size for size in SIZES if size < len(world.ids)]
        print(report([row for size in sizes for row in _rows(world, at_rate, size)], world))


def world_of(pack: Pack, folder: Path | None) -> World:
    """Everybody who can be enrolled; those with small faces fill galleries only."""
    heads = {head.name: head for head in people(pack, folder, at_least=SMALLEST)}
    faces = {name: pack.analyse(decode_photo(head.enrolment)) for name, head in heads.items()}
    found = {name: faces_[0].embedding for name, faces_ in faces.items() if faces_}
    return World(pack=pack, heads=heads, ids={name: at for at, name in enumerate(found, start=1)}, enrolled=found)


def of_several_photos(work: Path, world: World, seeds: Sequence[int]) -> dict[str, Looked]:
    """More clips of those alone who are enrolled with another photo: there are few of them among all."""
    heads = [head for head in world.heads.values() if head.is_other_photo]
    names = [head.name for head in heads]
    if len(names) < FEWEST:
        return {}
    return {
        f"photos-{seed}": made(work / f"photos-{seed}.mp4", partial(crossing, names, seed=seed), heads, world.pack)
        for seed in seeds
    }


def trials(world: World, clips: dict[str, Looked], size: int, seed: int = 0) -> Iterator[tuple[Looked, list[str]]]:
    """Every clip with TRIALS galleries of so many people, half of which, where it can be, walk in the clip."""
    random = np.random.default_rng(seed)
    for looked in clips.values():
        walkers = sorted({seen.person for frame in looked.clip.truth for seen in frame} & set(world.ids))
        others = sorted(set(world.ids) - set(walkers))
        for _ in range(TRIALS):
            mates = random.permutation(walkers)[: max(1, len(walkers) // 2)]
            rest = random.permutation(others)[: size - len(mates)]
            yield looked, [str(name) for name in (*mates, *rest)]


def by_tracks(world: World, looked: Looked, gallery: Sequence[str]) -> list[Outcome]:
    """What the loop says."""
    from benchmarks.followed import follow, snapshot

    followed = follow(looked, snapshot(world.pack, [(world.ids[name], world.enrolled[name]) for name in gallery]))
    names = {at: name for name, at in world.ids.items()}
    who: dict[int, Counter[str]] = {}
    given: dict[int, list[str]] = {}
    frames_of: dict[int, list[float]] = {}
    for frame, said in zip(looked.frames, followed.frames, strict=True):
        truly = _truth(looked, frame.number, frame.found.boxes)
        for one in said:
            who.setdefault(one.number, Counter()).update([person] if (person := truly[one.at]) else [])
            given.setdefault(one.number, []).append(names.get(one.person or 0, ""))
            frames_of.setdefault(one.number, []).append(frame.t)
    outcomes = []
    for track in followed.closed:
        if not who.get(track.number):
            continue
        person = who[track.number].most_common(1)[0][0]
        named = [*given[track.number], names.get(track.person or 0, "")]
        right = [t for t, name in zip(frames_of[track.number], named, strict=False) if name == person]
        outcomes.append(
            _outcome(world, gallery, person, named, right[0] - track.first_at if right else None, track.looks)
        )
    return outcomes


def by_frames(world: World, looked: Looked, gallery: Sequence[str]) -> list[Outcome]:
    """What single faces say: the truth joins them, each is searched alone, the best above the threshold is the name."""
    from benchmarks.tracking import identities_of

    known = np.stack([world.enrolled[name] for name in gallery])
    given: dict[tuple[str, int], list[tuple[float, str]]] = {}
    for frame, numbers in zip(looked.frames, identities_of(looked), strict=True):
        truth = looked.clip.truth[frame.number]
        number_of = {seen.person: number for seen, number in zip(truth, numbers, strict=True)}
        for at, person in enumerate(_truth(looked, frame.number, frame.found.boxes)):
            if person:
                alike = 1 - ((known - frame.embeddings[at]) ** 2).sum(axis=1) / 2
                best = int(alike.argmax())
                name = gallery[best] if alike[best] >= world.pack.threshold else ""
                given.setdefault((person, number_of[person]), []).append((frame.t, name))
    outcomes = []
    for (person, _), said in given.items():
        right = [t for t, name in said if name == person]
        seconds = right[0] - said[0][0] if right else None
        # A program that decides frames has recognised somebody when one frame did: that is its last word here.
        named = [name for _, name in said] + ([person] if right else [])
        outcomes.append(_outcome(world, gallery, person, named, seconds, len(said)))
    return outcomes


def _outcome(
    world: World, gallery: Sequence[str], person: str, named: Sequence[str], seconds: float | None, looks: int
) -> Outcome:
    changes = [name for at, name in enumerate(named) if at == 0 or name != named[at - 1]]
    return Outcome(
        person=person,
        mated=person in gallery,
        other_photo=world.heads[person].is_other_photo,
        named=tuple(changes),
        seconds=seconds,
        looks=looks,
    )


def _truth(looked: Looked, number: int, boxes: Floats) -> list[str]:
    """Whose each detection is, "" for nobody's."""
    truth = [seen for seen in looked.clip.truth[number] if seen.visible > 0]
    if not truth or not len(boxes):
        return [""] * len(boxes)
    overlap = iou(boxes, np.array([seen.box for seen in truth], np.float32))
    return [truth[row.argmax()].person if row.max() >= MIN_IOU else "" for row in overlap]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """All outcomes of one way at one size of gallery."""

    way: str
    size: int
    outcomes: tuple[Outcome, ...]


def _rows(world: World, clips: dict[str, Looked], size: int) -> list[Row]:
    ways: tuple[tuple[str, Callable[[World, Looked, Sequence[str]], list[Outcome]]], ...] = (
        ("tracks", by_tracks),
        ("single frames", by_frames),
    )
    found: dict[str, list[Outcome]] = {way: [] for way, _ in ways}
    for looked, gallery in trials(world, clips, size):
        for way, decide in ways:
            found[way] += decide(world, looked, gallery)
    print(f"N = {size}: done", file=sys.stderr, flush=True)
    return [Row(way=way, size=size, outcomes=tuple(found[way])) for way, _ in ways]


def report(rows: Sequence[Row], world: World) -> str:
    """A line a rate, a column a way and size."""
    columns = [f"{row.way}, N = {row.size}" for row in rows]
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    measures: list[tuple[str, Callable[[Row], str]]] = [
        ("tracks, mated and strangers'", lambda r: f"{_count(r, mated=True)}, {_count(r, mated=False)}"),
        ("FNIR, another photo enrolled", lambda r: _rate(r, lambda o: o.mated and o.other_photo, lambda o: o.missed)),
        ("FNIR, a changed copy enrolled", lambda r: _rate(r, lambda o: o.mated and not o.other_photo, _missed)),
        ("mated, called somebody else at any time", lambda r: _rate(r, lambda o: o.mated, lambda o: o.wrong)),
        ("FPIR, a name at any time", lambda r: _rate(r, lambda o: not o.mated, lambda o: o.wrong)),
        ("names taken back or changed, a track", _flickers),
        ("first frame → right name, p50 / p95", _seconds),
        ("faces embedded a track", lambda r: f"{np.mean([o.looks for o in r.outcomes]):.1f}"),
    ]
    lines += [[name, *(tell(row) for row in rows)] for name, tell in measures]
    walked = len({outcome.person for row in rows for outcome in row.outcomes})
    said = (
        f"T = {world.pack.threshold:.4f}; {walked} people walk, {len(world.ids)} can be enrolled; {FPS} frames a second"
    )
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"{said}."])


def _missed(outcome: Outcome) -> bool:
    return outcome.missed


def _count(row: Row, *, mated: bool) -> int:
    return sum(outcome.mated is mated for outcome in row.outcomes)


def _rate(row: Row, of: Callable[[Outcome], bool], counts: Callable[[Outcome], bool]) -> str:
    """The share of outcomes, its interval over people, and the numbers it is made of."""
    people_: dict[str, list[bool]] = {}
    for outcome in row.outcomes:
        if of(outcome):
            people_.setdefault(outcome.person, []).append(counts(outcome))
    return rates.told(people_)


def _flickers(row: Row) -> str:
    return f"{np.mean([outcome.flickers for outcome in row.outcomes]):.3f}"


def _seconds(row: Row) -> str:
    found = [outcome.seconds for outcome in row.outcomes if outcome.mated and outcome.seconds is not None]
    return f"{np.quantile(found, 0.5):.1f} / {np.quantile(found, 0.95):.1f} s" if found else "—"


if __name__ == "__main__":
    main()
