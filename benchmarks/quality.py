"""Does the quality score say how likely recognition errs? `python -m benchmarks.quality FOLDER` prints tables.

FOLDER has one subfolder a person. Every photo is spoiled in all ways of benchmarks/spoil.py; each spoiled picture in
which the face is found is compared with the clean photo it was made from, with the other photos of the same person,
and with the clean photos of everybody else. The error-versus-discard characteristic (Grother and Tabassi, IEEE PAMI
29(4), 2007) says which error remains when the pictures of least quality are refused.

`--fit` fits the weights of the score anew on every second person (non-negative least squares of the drop in similarity)
and tells them beside those in use; all tables are of the other people alone then.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks import spoil
from benchmarks.faces import Portrait, find, portraits
from recognition.engine import UNUSABLE, Image, Pack, Quality, assess, load_pack, similarity
from recognition.engine.quality import WEIGHTS, penalties

BINS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0001)
DISCARD = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
CAMERAS = 20  # pictures a photo with several defects at once


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """One spoiled picture."""

    person: str
    way: str
    amount: float
    quality: Quality | None = None  # None: the face was not found
    own: float = float("nan")  # similarity to the photo it was made from
    mates: tuple[float, ...] = ()  # to the other photos of the person
    others: tuple[float, ...] = ()  # to everybody else's


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="one subfolder a person")
    parser.add_argument("--pack", default="compact")
    parser.add_argument("--cache", type=Path, help="where the converted models are kept")
    parser.add_argument("--fit", action="store_true", help="fit the weights on every second person first")
    options = parser.parse_args()
    pack = load_pack(options.pack, cache=options.cache)
    faces = portraits(options.folder, pack)
    probes = list(measure(faces, pack))
    if options.fit:
        train, probes = halves(probes)
        print(weights_table(train))
    print(report(probes, pack.threshold))


def measure(faces: Sequence[Portrait], pack: Pack, *, every: int = 1) -> Iterator[Probe]:
    """All spoiled pictures of all faces, or every so manieth."""
    for at, portrait in enumerate(faces):
        for way, amount, picture in islice(spoiled(portrait, seed=at * CAMERAS), at % every, None, every):
            found = find(portrait, picture, pack)
            if found is None:
                yield Probe(person=portrait.person, way=way, amount=amount)
                continue
            scores = [similarity(found.embedding, other.face.embedding) for other in faces]
            yield Probe(
                person=portrait.person,
                way=way,
                amount=amount,
                quality=assess(picture, found.box, found.points),
                own=scores[at],
                mates=tuple(
                    score
                    for index, (score, other) in enumerate(zip(scores, faces, strict=True))
                    if other.person == portrait.person and index != at
                ),
                others=tuple(s for s, other in zip(scores, faces, strict=True) if other.person != portrait.person),
            )


def spoiled(portrait: Portrait, *, seed: int) -> Iterator[tuple[str, float, Image]]:
    points = portrait.face.points
    for way, (spoiler, amounts) in spoil.LADDERS.items():
        for amount in amounts:
            yield way, amount, spoiler(portrait.image, points, amount)
    for number in range(CAMERAS):
        amount = (number % 10 + 1) / 10
        yield "several", amount, spoil.as_from_a_camera(portrait.image, points, amount, seed=seed + number)


def halves(probes: Sequence[Probe]) -> tuple[list[Probe], list[Probe]]:
    """The probes of every second person, and those of the others."""
    first = set(sorted({probe.person for probe in probes})[::2])
    return [p for p in probes if p.person in first], [p for p in probes if p.person not in first]


def weights_table(train: Sequence[Probe]) -> str:
    """The weights that fit these probes best, beside those in use."""
    usable = [(probe, probe.quality) for probe in train if probe.quality and probe.quality.size_px > 0]
    rows = [list(penalties_of(quality).values()) for _, quality in usable]
    fitted, _ = nnls(np.array(rows), np.array([1 - probe.own for probe, _ in usable]))
    lines = ["| penalty | weight in use | fitted on half of the people |", "|---|---|---|"]
    lines += [
        f"| {name} | {used} | {weight:.4f} |" for (name, used), weight in zip(WEIGHTS.items(), fitted, strict=True)
    ]
    return "\n".join([*lines, ""])


def penalties_of(quality: Quality) -> dict[str, float]:
    return penalties(
        size=quality.size_px,
        sharpness=quality.sharpness,
        yaw=quality.yaw,
        pitch=quality.pitch,
        inside=quality.inside,
        contrast=max(quality.contrast, 1e-6),
        clipped=quality.clipped,
        noise=quality.noise,
        blocks=quality.blocks,
        features=quality.features,
    )


def report(probes: Sequence[Probe], threshold: float) -> str:
    found = [probe for probe in probes if probe.quality is not None]
    people = len({probe.person for probe in probes})
    head = (
        f"{len(probes)} pictures of {people} people, the face found in {len(found)}; threshold {threshold:.4f}; "
        f"unusable below {UNUSABLE}."
    )
    return "\n\n".join(
        [head, bins_table(found, threshold), discard_table(found, threshold), ways_table(probes, threshold)]
    )


def bins_table(found: Sequence[Probe], threshold: float) -> str:
    lines = [
        "| score | pictures | FNMR, its own photo | FNMR, other photos of the person | FMR |",
        "|---|---|---|---|---|",
    ]
    for low, high in pairwise(BINS):
        here = [probe for probe in found if probe.quality and low <= probe.quality.score < high]
        lines.append(
            f"| {low:.2f} to {min(high, 1):.2f} | {len(here)} | {misses([p.own for p in here], threshold)} "
            f"| {misses([s for p in here for s in p.mates], threshold)} "
            f"| {matches([s for p in here for s in p.others], threshold)} |"
        )
    return "\n".join(lines)


def discard_table(found: Sequence[Probe], threshold: float) -> str:
    ranked = sorted(found, key=lambda probe: probe.quality.score if probe.quality else 0.0)
    lines = ["| refused | lowest score left | FNMR, its own photo | FNMR, other photos |", "|---|---|---|---|"]
    for share in DISCARD:
        left = ranked[int(share * len(ranked)) :]
        lowest = left[0].quality.score if left and left[0].quality else 0.0
        lines.append(
            f"| {100 * share:.0f} % | {lowest:.2f} | {misses([p.own for p in left], threshold)} "
            f"| {misses([s for p in left for s in p.mates], threshold)} |"
        )
    return "\n".join(lines)


def ways_table(probes: Sequence[Probe], threshold: float) -> str:
    lines = [
        "| spoiled | amount | found | median score | median similarity to its own photo | FNMR |",
        "|---|---|---|---|---|---|",
    ]
    for way, amount in dict.fromkeys((probe.way, probe.amount) for probe in probes):
        here = [probe for probe in probes if probe.way == way and probe.amount == amount]
        seen = [probe for probe in here if probe.quality]
        if seen:
            score = float(np.median([probe.quality.score for probe in seen if probe.quality]))
            own = [probe.own for probe in seen]
            cells = f"{score:.2f} | {np.median(own):.3f} | {misses(own, threshold)}"
        else:
            cells = "— | — | —"
        lines.append(f"| {way} | {amount:g} | {len(seen)} of {len(here)} | {cells} |")
    return "\n".join(lines)


def misses(scores: Sequence[float], threshold: float) -> str:
    if not scores:
        return "—"
    return f"{np.mean(np.array(scores) < threshold):.3f} of {len(scores)}"


def matches(scores: Sequence[float], threshold: float) -> str:
    if not scores:
        return "—"
    return f"{np.mean(np.array(scores) >= threshold):.4f} of {len(scores)}"


if __name__ == "__main__":
    main()
