"""Are unknown people linked across cameras, and not with each other? `python -m benchmarks.linking` prints tables.

Real faces walk past four cameras that see them differently (benchmarks/passes.py); the loop's own code makes the
tracks, and the linker's own decision takes them in the order of many drawn days (benchmarks/linked.py), with what a
site would state and learn of its ways, and without. The people come from installed packages and from `--people FOLDER`
(one subfolder a person, or photos named `ada_1.jpg`); without the folder there are seven, which is too few.

- *Rank-1*: of the tracks of somebody who was seen before, those whose most similar earlier track is the same person's
  and that were linked to that one's identity.
- *False links*: of all tracks, those that were given somebody else's identity. An identity is whoever founded it, so
  that all who follow a wrong link count as well.

Intervals are 95 %, from a bootstrap over people. The limits in cameras/identities/linking.py were chosen by `--choose`,
which shows what limits give with one half of the people, and tracks of `compact`; the other half reports. People of one
group photo (named `GROUP__1`, `GROUP__2`, …) are in one half.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks import rates, site
from benchmarks.linked import SPAN, Crowd, Outcome, day, link, topology
from benchmarks.linked_clips import footage
from benchmarks.text import table
from cameras.identities import linking
from cameras.identities.linking import Limits, Ways

FOOTAGE = Path(os.environ.get("LYNCEUS_TEST_DATA") or site.ROOT.parent / "shared" / "data")
DAYS = 20
TESTED = 6  # days for each point of the curve
ASKED_RIGHT, ASKED_FALSE = 0.95, 0.01
SMALLEST = 44  # pixels: nobody is shown larger than they were photographed
CURVE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.44, 0.48, 0.52, 0.56, 0.6, 0.64, 0.68, 0.72)
CROWDS = (10, 20, 40)
DENSER = (600.0, 150.0)  # seconds
_STEPS = ((0.44, 0.48, 0.52, 0.56, 0.6), (0.0, 0.1, 0.15, 0.2), (0.0, 0.1, 0.15, 0.2))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linking", description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=Path, help="more people: one subfolder of photos each")
    parser.add_argument("--footage", type=Path, default=FOOTAGE, help="the real clips (default: LYNCEUS_TEST_DATA)")
    parser.add_argument("--pack", action="append", help="only this pack; again for another (default: all that load)")
    parser.add_argument("--work", type=Path, help="where clips and detections are kept (default: nowhere)")
    parser.add_argument("--cache", type=Path, help="where the models are")
    parser.add_argument("--choose", action="store_true", help="show what limits give with the choosing half")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-linking-") as name:
        site.prepare(Path(name))
        import django

        django.setup()
        print(_report(options, options.work or Path(name)))


def _report(options: argparse.Namespace, work: Path) -> str:
    from benchmarks.heads import people
    from benchmarks.passes import tracks
    from recognition.engine import load_pack

    work.mkdir(parents=True, exist_ok=True)
    heads = people(load_pack("compact", cache=options.cache), options.people, at_least=SMALLEST)
    parts = []
    for name in options.pack or _ready(options.cache):
        _say(f"{name} …")
        pack = load_pack(name, cache=options.cache)
        taken = tracks(heads, pack, work)
        crowd = Crowd.of(taken.tracks)
        parts.append(
            f"`{name}`, threshold {pack.threshold:.4f}: {len(taken.tracks)} tracks of {len(crowd.people)} people, "
            f"{taken.mixed} of two people left out, {taken.missed} passes without a track."
        )
        if options.choose:
            parts.append(_choices(crowd, pack.threshold))
        else:
            parts.append(_footage(footage(options.footage, pack, work, Limits.of(pack.threshold))))
            parts += [_at_default(crowd, pack.threshold), _curve(crowd, pack.threshold), _crowds(crowd, pack.threshold)]
    return "\n\n".join(parts)


def _ready(cache: Path | None) -> list[str]:
    """Every pack whose models are here."""
    from recognition.engine import PackState, manifests, pack_state

    return [name for name in manifests() if pack_state(name, cache).state is PackState.READY]


def halves(people: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those who choose and those who report. People of one group photo, who may be relatives, are together."""
    groups = sorted({name.split("__")[0] for name in people})
    first = set(groups[::2])
    return [one for one in people if one.split("__")[0] in first], [
        one for one in people if one.split("__")[0] not in first
    ]


def outcomes(
    crowd: Crowd,
    people: Sequence[str],
    limits: Limits,
    ways: Ways,
    days: int,
    *,
    first: int = 0,
    within: float = SPAN,
) -> list[Outcome]:
    """Everything that so many days give."""
    found: list[Outcome] = []
    for seed in range(first, first + days):
        found += link(crowd, day(crowd, people, seed, within=within), ways, limits)
    return found


def limits_at(threshold: float, link_: float, *, less: float | None = None, tenfold: float | None = None) -> Limits:
    """Limits whose link is at a part of the way; the others as far from it as they are by default."""
    way = 1.0 - threshold
    less = linking.LINK - linking.LIKELY if less is None else less
    more = linking.UNLIKELY - linking.LINK
    return Limits(
        link=threshold + link_ * way,
        likely=threshold + (link_ - less) * way,
        unlikely=threshold + (link_ + more) * way,
        tenfold=(linking.TENFOLD if tenfold is None else tenfold) * way,
        most=threshold + linking.MOST * way,
    )


def _at_default(crowd: Crowd, threshold: float) -> str:
    """The rates at the default, of the half that reports and of all."""
    _, reporting = halves(crowd.people)
    limits = Limits.of(threshold)
    columns = [
        (f"{said}, {how}", outcomes(crowd, people, limits, ways, DAYS))
        for said, people in ((f"{len(reporting)} who report", reporting), (f"all {len(crowd.people)}", crowd.people))
        for how, ways in (("with ways", topology()), ("without", {}))
    ]
    measures: list[tuple[str, Callable[[Outcome], bool], Callable[[Outcome], bool]]] = [
        ("Rank-1 linking", _seen_before, _right),
        ("… one photo, changed by each camera", lambda o: o.seen_before and not o.other_photo, _right),
        ("… another photo at each camera", lambda o: o.seen_before and o.other_photo, _right),
        ("False links", lambda o: True, _false),
        ("… of people who are seen for the first time", lambda o: not o.seen_before, _false),
        ("Most similar earlier track is theirs", _seen_before, lambda o: o.most_alike == o.person),
    ]
    rows = [[name, *(_told(found, of, counts) for _, found in columns)] for name, of, counts in measures]
    return table([f"{DAYS} days", *(name for name, _ in columns)], rows)


def _footage(found: Sequence[Outcome]) -> str:
    """The real clips in a sentence."""
    if not found:
        return "The real clips are not here; LYNCEUS_TEST_DATA names their folder."
    before = [one for one in found if one.seen_before]
    return (
        f"Real clips, each cut in two: {len(found)} tracks of {len({one.person for one in found})} people, "
        f"{sum(one.right for one in before)} of {len(before)} who were seen before linked to themselves, "
        f"{sum(one.false for one in found)} to somebody else."
    )


def _curve(crowd: Crowd, threshold: float) -> str:
    """Rank-1 and false links over the limit, of the half that reports; the other limits move along."""
    _, reporting = halves(crowd.people)
    rows = []
    for part in CURVE:
        limits = limits_at(threshold, part)
        cells = [f"**{part:.2f}**" if part == linking.LINK else f"{part:.2f}", f"{limits.link:.3f}"]
        for ways in (topology(), {}):
            found = outcomes(crowd, reporting, limits, ways, TESTED)
            cells += [_share(found, _seen_before, _right), _share(found, lambda o: True, _false)]
        rows.append(cells)
    head = ["Part of the way", "Similarity", "Rank-1, with ways", "False", "Rank-1, without", "False"]
    return table(head, rows)


def _crowds(crowd: Crowd, threshold: float) -> str:
    """What more people, and less time for all to come, do to both rates, at the default."""
    random = np.random.default_rng(1)
    rows = []
    sizes = [(one, SPAN) for one in CROWDS if one < len(crowd.people)]
    for size, within in (*sizes, *((len(crowd.people), one) for one in (SPAN, *DENSER))):
        cells = [str(size), f"{within / 60:g}"]
        for ways in (topology(), {}):
            found: list[Outcome] = []
            for seed in range(DAYS):
                some = [str(name) for name in random.permutation(crowd.people)[:size]]
                found += outcomes(crowd, some, Limits.of(threshold), ways, 1, first=seed, within=within)
            cells += [_share(found, _seen_before, _right), _share(found, lambda o: True, _false)]
        rows.append(cells)
    return table(["People", "Within minutes", "Rank-1, with ways", "False", "Rank-1, without", "False"], rows)


def _choices(crowd: Crowd, threshold: float) -> str:
    """The choosing half: settings that hold both with and without ways, the best rank-1 first."""
    choosing, _ = halves(crowd.people)
    ways = topology()
    rows: list[tuple[float, list[str]]] = []
    for part, less, tenfold in product(*_STEPS):
        limits = limits_at(threshold, part, less=less, tenfold=tenfold)
        both = [outcomes(crowd, choosing, limits, known, TESTED) for known in (ways, {})]
        right = [_mean(found, _seen_before, _right) for found in both]
        false = [_mean(found, lambda o: True, _false) for found in both]
        if max(false) <= ASKED_FALSE:
            shares = [f"{100 * one:.1f} %" for one in (right[0], false[0], right[1], false[1])]
            rows.append((sum(right), [f"{part:.2f}", f"{part - less:.2f}", f"{tenfold:.2f}", *shares]))
    rows.sort(key=lambda row: -row[0])
    head = ["LINK", "LIKELY", "TENFOLD", "Rank-1, with ways", "False", "Rank-1, without", "False"]
    return table(head, [cells for _, cells in rows[:25]])


def _seen_before(outcome: Outcome) -> bool:
    return outcome.seen_before


def _right(outcome: Outcome) -> bool:
    return outcome.right


def _false(outcome: Outcome) -> bool:
    return outcome.false


def _told(found: Sequence[Outcome], of: Callable[[Outcome], bool], counts: Callable[[Outcome], bool]) -> str:
    by_person: dict[str, list[bool]] = {}
    for one in found:
        if of(one):
            by_person.setdefault(one.person, []).append(counts(one))
    return rates.told(by_person)


def _mean(found: Sequence[Outcome], of: Callable[[Outcome], bool], counts: Callable[[Outcome], bool]) -> float:
    asked = [counts(one) for one in found if of(one)]
    return sum(asked) / len(asked) if asked else 0.0


def _share(found: Sequence[Outcome], of: Callable[[Outcome], bool], counts: Callable[[Outcome], bool]) -> str:
    return f"{100 * _mean(found, of, counts):.1f} %"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
