"""`python -m benchmarks.search`: searching a gallery, beside numpy, faiss and usearch, as Markdown. No network.

One core. Every number of templates is a new gallery of 512 dimensions, one template a person, top 10. A time is the
median over many searches, the smallest beside it; recall is the share of probes whose first candidate is the one that
comparing everything in float32 finds. --large adds 1,000,000 templates (8 GB of memory, some minutes), --load N reads N
sealed templates from a PostgreSQL of its own.
"""

from __future__ import annotations

import os

# Before numpy is imported: its BLAS decides once how many threads it has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np

from benchmarks.search_load import Loaded, measure
from benchmarks.search_ways import Positions, Way, best_of_all, faces, probes, ways
from recognition.engine import Gallery, Templates
from recognition.engine.match import Storage
from recognition.engine.types import Floats

DIMENSION = 512
MANY = 32
_PROBES = 500  # of each kind
_SECONDS = 3.0  # that one kind of search is measured, at most
HEAD = [
    "Templates",
    "Way",
    "1 probe, ms",
    "32 probes, ms each",
    "Recall@1, mates",
    "Recall@1, strangers",
    "Bytes a template",
    "Prepared in, s",
]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--large", action="store_true", help="measure 1,000,000 templates too")
    parser.add_argument("--load", type=int, default=0, metavar="N", help="read N sealed templates from PostgreSQL")
    options = parser.parse_args()
    sizes = [10_000, 100_000] + ([1_000_000] if options.large else [])
    print(table(HEAD, rows(sizes)))
    print()
    print(
        table(
            ["Templates", "One template more and one less, ms", "Longest", "Search after 500 of these, ms"],
            [changes(size) for size in sizes],
        )
    )
    if options.load:
        print()
        print(loaded(measure(options.load)))


def rows(sizes: Sequence[int]) -> list[list[str]]:
    """A row for each size and way."""
    found = []
    for size in sizes:
        _say(f"{size:,} templates …")
        enrolled = faces(size, DIMENSION, seed=1)
        asked = probes(enrolled, _PROBES, seed=100)
        truth = best_of_all(enrolled, asked)
        for way in ways():
            _say(f"  {way.name}")
            found.append([f"{size:,}", *_row(way, enrolled, asked, truth)])
    return found


def _row(way: Way, enrolled: Floats, asked: Floats, truth: Positions) -> list[str]:
    began = time.perf_counter()
    search, size = way.prepare(enrolled)
    prepared = time.perf_counter() - began
    single = _times(lambda at: search(asked[at % len(asked)][None]))
    many = _times(lambda at: search(asked[(at * MANY) % (len(asked) - MANY) :][:MANY]), least=3)
    # numpy and the flat indexes compare everything in float32, as the truth does.
    exact = not way.name.startswith("Lynceus")
    right = np.ones(len(asked), bool) if exact else search(asked) == truth
    return [
        way.name,
        f"{median(single) * 1000:.2f} ({min(single) * 1000:.2f})",
        f"{median(many) * 1000 / MANY:.2f}",
        *(["exact", "exact"] if exact else [f"{right[:_PROBES].mean():.4f}", f"{right[_PROBES:].mean():.4f}"]),
        f"{size:,.0f}",
        f"{prepared:.1f}",
    ]


def changes(size: int) -> list[str]:
    """A row on what it takes until a search finds a template that was added, and no more one that was removed."""
    enrolled, new = faces(size, DIMENSION, seed=1), faces(500, DIMENSION, seed=3)
    ids = np.arange(size)
    gallery = Gallery.build(
        dimension=DIMENSION, templates=ids, persons=ids, embeddings=enrolled, storage=Storage.FLOAT32
    )
    spent = []
    for at, row in enumerate(new):
        began = time.perf_counter()
        gallery = gallery.changed(add=Templates([size + at], [size + at], row[None]), remove=[at])
        spent.append(time.perf_counter() - began)
        if gallery.search(row, top=1)[0].template != size + at or gallery.search(enrolled[at], top=1)[0].template == at:
            raise SystemExit("A change was not seen.")
    after = _times(lambda at: gallery.search(new[at % len(new)]))
    return [f"{size:,}", f"{median(spent) * 1000:.2f}", f"{max(spent) * 1000:.2f}", f"{median(after) * 1000:.2f}"]


def loaded(found: Loaded) -> str:
    """What loading took, as sentences."""
    return (
        f"{found.templates:,} sealed templates of {DIMENSION} dimensions, each under a key of its own, read from"
        f" PostgreSQL, opened and indexed in {found.load_seconds:.1f} s, {found.bytes_each:,.0f} bytes a template in"
        f" memory, with everybody's name. One person and template more and one less are followed in"
        f" {found.change_seconds * 1000:.0f} ms (the shortest {found.shortest_change_seconds * 1000:.0f} ms), a new"
        f" name in {found.rename_seconds * 1000:.0f} ms."
    )


def table(head: list[str], body: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body])


def _times(search: Callable[[int], object], *, least: int = 5) -> list[float]:
    """Seconds of each call, for up to _SECONDS or 200 calls; the first is not counted."""
    search(0)
    spent: list[float] = []
    while len(spent) < least or (sum(spent) < _SECONDS and len(spent) < 200):
        began = time.perf_counter()
        search(len(spent))
        spent.append(time.perf_counter() - began)
    return spent


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
