"""Does enhancement help a recogniser? `python -m benchmarks.enhanced FOLDER` prints a table (Markdown).

FOLDER has one subfolder a person. Photos are spoiled in the ways that enhancement has a step for, found, enhanced, and
found again; both are compared with the clean photo and with everybody else's. What counts is not that the similarity
to the own photo rises but that it rises more than that to strangers: the FMR at the same threshold says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import spoil
from benchmarks.faces import Found, Portrait, find, portraits
from recognition.engine import Image, Pack, assess, enhance, load_pack, similarity

WAYS: dict[str, tuple[spoil.Spoil, float]] = {
    "small, 20 px between the eyes": (spoil.shrunk, 20),
    "small, 12 px": (spoil.shrunk, 12),
    "small, 7 px": (spoil.shrunk, 7),
    "dark": (spoil.darkened, 0.2),
    "overexposed": (spoil.overexposed, 2.2),
    "faded": (spoil.faded, 0.15),
    "noise": (spoil.grainy, 25),
    "noise, strong": (spoil.grainy, 45),
    "out of focus": (spoil.blurred, 0.1),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pair:
    """One spoiled picture, as it is and enhanced; None where the face was not found."""

    before: Found | None
    after: Found | None
    steps: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.enhanced", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="one subfolder a person")
    parser.add_argument("--cache", type=Path, help="where the converted models are kept")
    options = parser.parse_args()
    pack = load_pack("compact", cache=options.cache)
    faces = portraits(options.folder, pack)
    print("| spoiled | steps | enhanced | found before / after | own photo | strangers, mean | FNMR | FMR |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (way, amount) in WAYS.items():
        pairs = [pair(portrait, way(portrait.image, portrait.face.points, amount), pack) for portrait in faces]
        print(row(name, list(zip(faces, pairs, strict=True)), faces, pack.threshold))


def pair(portrait: Portrait, spoiled: Image, pack: Pack) -> Pair:
    before = find(portrait, spoiled, pack)
    if before is None:
        return Pair(before=None, after=None, steps="")
    better = enhance(spoiled, assess(spoiled, before.box, before.points))
    return Pair(before=before, after=find(portrait, better.image, pack), steps=better.text)


def row(name: str, pairs: Sequence[tuple[Portrait, Pair]], faces: Sequence[Portrait], threshold: float) -> str:
    """Before and after, of the pictures that were enhanced and in which the face was found both times."""
    changed = [(portrait, pair) for portrait, pair in pairs if pair.steps]
    both = [(portrait, pair) for portrait, pair in changed if pair.before and pair.after]
    cells = [name, " / ".join(sorted({pair.steps for _, pair in changed})) or "none", f"{len(changed)} of {len(pairs)}"]
    found = [sum(pair.before is not None for _, pair in changed), sum(pair.after is not None for _, pair in changed)]
    cells.append(f"{found[0]} / {found[1]}")
    if not both:
        return f"| {' | '.join([*cells, '—', '—', '—', '—'])} |"
    own = [[similarity(f.embedding, portrait.face.embedding) for portrait, f in looks(both, w)] for w in (0, 1)]
    others = [
        [
            similarity(f.embedding, other.face.embedding)
            for portrait, f in looks(both, w)
            for other in faces
            if other.person != portrait.person
        ]
        for w in (0, 1)
    ]
    cells.append(" → ".join(f"{np.mean(scores):.3f}" for scores in own))
    cells.append(" → ".join(f"{np.mean(scores):.3f}" for scores in others))
    cells.append(" → ".join(f"{np.mean(np.array(scores) < threshold):.3f}" for scores in own))
    cells.append(" → ".join(f"{np.mean(np.array(scores) >= threshold):.4f}" for scores in others))
    return f"| {' | '.join(cells)} |"


def looks(both: Sequence[tuple[Portrait, Pair]], which: int) -> Iterator[tuple[Portrait, Found]]:
    for portrait, one in both:
        found = (one.before, one.after)[which]
        if found is not None:
            yield portrait, found


if __name__ == "__main__":
    main()
