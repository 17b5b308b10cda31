"""Tracking beside SORT, ByteTrack and OC-SORT: `python -m benchmarks.tracking` prints a Markdown table.

Clips with known truth (benchmarks/stages.py) are made and looked at once with the pack `compact`; all trackers get the
same detections, at 5 and at 10 frames a second. Lynceus follows as its loop does, looks at faces and cuts included.
The peers are those of the package `trackers`, which is no dependency:

    pip install --target FOLDER --no-deps trackers supervision pydeprecate defusedxml
    python -m benchmarks.tracking --peers FOLDER

Each peer has its defaults and the best, by IDF1 on these very clips, of 18 settings. A person who was away, or hidden,
for more than AWAY seconds is another identity: nobody is asked to remember longer. Rates as in benchmarks/scores.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import scores, site, walks
from benchmarks.heads import Head, people
from benchmarks.looked import Looked, look_at
from benchmarks.scores import Scores
from benchmarks.stages import STAGES
from recognition.engine import Pack, load_pack

AWAY = 2.8  # seconds
ASKED = 0.5  # of a face must be visible for a tracker to be asked for it
EASY = ("apart", "fast")
Numbers = Sequence[Sequence[int]]  # a frame: the track of each detection, or -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: a tracker's counts a stage."""

    name: str
    fps: int
    by_stage: Mapping[str, Scores]

    def total(self, stages: Sequence[str]) -> Scores:
        return sum((self.by_stage[stage] for stage in stages), Scores())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="a folder into which the package trackers was installed")
    parser.add_argument("--people", type=Path, help="more people: one subfolder of photos each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--work", type=Path, help="where clips and detections are kept (default: nowhere)")
    parser.add_argument("--cache", type=Path, help="where the converted models are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-tracking-") as name:
        site.prepare(Path(name))
        import django

        django.setup()
        clips = prepared(options.work or Path(name), options.people, options.seeds, options.cache)
        rows = [
            row for step, fps in ((2, 5), (1, 10)) for row in compare(clips, step, fps, options.peers, options.cache)
        ]
    print(report(rows))


def prepared(work: Path, folder: Path | None, seeds: Sequence[int], cache: Path | None) -> dict[str, Looked]:
    """The clips by `stage-seed`, made and looked at unless that was done before."""
    work.mkdir(parents=True, exist_ok=True)
    pack = load_pack("compact", cache=cache)
    heads = people(pack, folder)
    names = [head.name for head in heads]
    return {
        f"{stage}-{seed}": made(work / f"{stage}-{seed}.mp4", partial(play, names, seed=seed), heads, pack)
        for seed in seeds
        for stage, play in STAGES.items()
    }


def made(path: Path, shots: Callable[[], Sequence[walks.Shot]], heads: Sequence[Head], pack: Pack) -> Looked:
    """A clip of these shots, made and looked at unless that was done before."""
    _say(f"{path.name} …")
    if not path.with_suffix(".json").is_file():
        walks.render(path, shots(), heads=heads, seed=zlib.crc32(path.stem.encode()))
    return look_at(walks.load(path), pack)


def compare(clips: Mapping[str, Looked], step: int, fps: int, peers: Path | None, cache: Path | None) -> list[Row]:
    """The rows of one frame rate: ours first."""
    at_rate = {name: looked.every(step) for name, looked in clips.items()}
    found = [("Lynceus", ours(at_rate, cache)), ("Lynceus, motion alone", by_motion(at_rate))]
    if peers is not None:
        found += _best(_run_peers(at_rate, fps, peers), at_rate)
    return [_row(name, fps, numbers, at_rate) for name, numbers in found]


def ours(clips: Mapping[str, Looked], cache: Path | None) -> dict[str, Numbers]:
    """Every clip followed as the loop does, with an empty gallery."""
    from benchmarks.followed import follow, snapshot

    gallery = snapshot(load_pack("compact", cache=cache))
    numbers: dict[str, Numbers] = {}
    for name, looked in clips.items():
        frames: list[Sequence[int]] = []
        for frame, said in zip(looked.frames, follow(looked, gallery).frames, strict=True):
            by_face = {one.at: one.number for one in said}
            frames.append([by_face.get(at, -1) for at in range(len(frame.found))])
        numbers[name] = frames
    return numbers


def by_motion(clips: Mapping[str, Looked]) -> dict[str, Numbers]:
    """The tracker without a look at any face, to tell what its motion is worth and what its looks are."""
    from workers.tracking import Tracker

    numbers: dict[str, Numbers] = {}
    for name, looked in clips.items():
        tracker, frames = Tracker(), []
        for frame in looked.frames:
            update = tracker.update(frame.t, frame.found, look=lambda at: None, cut=frame.cut)
            by_face = {at: track.number for track, at in update.seen if track.confirmed}
            frames.append([by_face.get(at, -1) for at in range(len(frame.found))])
        numbers[name] = frames
    return numbers


def judge(looked: Looked, numbers: Numbers) -> Scores:
    """The counts of a tracker on one clip."""
    identities = identities_of(looked)
    frames = []
    for frame, given, named in zip(looked.frames, numbers, identities, strict=True):
        truth = looked.clip.truth[frame.number]
        kept = [at for at, number in enumerate(given) if number >= 0]
        frames.append(
            scores.Frame(
                identities=named,
                boxes=np.array([seen.box for seen in truth], np.float32).reshape(-1, 4),
                asked=tuple(seen.visible >= ASKED for seen in truth),
                tracks=tuple(given[at] for at in kept),
                track_boxes=frame.found.boxes[kept],
            )
        )
    return scores.score(frames)


def identities_of(looked: Looked) -> list[tuple[int, ...]]:
    """A number for each face of the truth: a person anew after having been away for more than AWAY seconds."""
    last: dict[str, float] = {}
    number: dict[str, int] = {}
    count, found = 0, []
    for frame in looked.frames:
        truth = looked.clip.truth[frame.number]
        for seen in truth:
            if seen.person not in number or frame.t - last[seen.person] > AWAY:
                number[seen.person], count = count, count + 1
                last[seen.person] = frame.t
            if seen.visible >= ASKED:
                last[seen.person] = frame.t
        found.append(tuple(number[seen.person] for seen in truth))
    return found


def report(rows: Sequence[Row]) -> str:
    """One table: all clips, those without occlusions and cuts, those with them, and each stage's IDF1."""
    hard = [stage for stage in STAGES if stage not in EASY]
    groups = (("all clips", list(STAGES)), ("no occlusion, no cut", list(EASY)), ("occlusions and cuts", hard))
    head = ["fps", "tracker", *(f"{name}: IDF1 · switches · fragments · MOTA" for name, _ in groups), *STAGES]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        cells = [str(row.fps), row.name]
        for _, stages in groups:
            total = row.total(stages)
            cells.append(f"{total.idf1:.3f} · {total.switches} · {total.fragments} · {total.mota:.3f}")
        lines.append(cells + [f"{s.idf1:.3f} ({s.switches})" for stage in STAGES if (s := row.by_stage[stage])])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(name: str, fps: int, numbers: Mapping[str, Numbers], clips: Mapping[str, Looked]) -> Row:
    by_stage = dict.fromkeys(STAGES, Scores())
    for clip, looked in clips.items():
        by_stage[clip.rsplit("-", 1)[0]] += judge(looked, numbers[clip])
    return Row(name=name, fps=fps, by_stage=by_stage)


def _run_peers(clips: Mapping[str, Looked], fps: int, folder: Path) -> list[dict[str, Any]]:
    job: dict[str, Any] = {"fps": fps, "clips": list(clips)}
    for name, looked in clips.items():
        job[f"{name}/counts"] = [len(frame.found) for frame in looked.frames]
        job[f"{name}/boxes"] = np.concatenate([frame.found.boxes for frame in looked.frames])
        job[f"{name}/scores"] = np.concatenate([frame.found.scores for frame in looked.frames])
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        np.savez(file, **job)
        file.flush()
        script = str(Path(__file__).with_name("tracking_peers.py"))
        done = subprocess.run(
            [sys.executable, script, file.name],
            env=dict(os.environ) | {"PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            check=True,
        )
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def _best(told: Sequence[dict[str, Any]], clips: Mapping[str, Looked]) -> list[tuple[str, dict[str, Numbers]]]:
    """Of each peer its defaults, and the settings with the highest IDF1 over all clips."""
    found: list[tuple[str, dict[str, Numbers]]] = []
    for name in dict.fromkeys(one["name"] for one in told):
        own = [one for one in told if one["name"] == name]
        default = next(one for one in own if not one["settings"])

        def idf1(one: dict[str, Any]) -> float:
            return sum((judge(looked, one["tracks"][clip]) for clip, looked in clips.items()), Scores()).idf1

        best = max(own, key=idf1)
        said = ", ".join(str(value) for value in best["settings"].values()) or "defaults"
        found += [(f"{name}, defaults", default["tracks"]), (f"{name}, best ({said})", best["tracks"])]
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
