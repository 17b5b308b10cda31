"""`python -m benchmarks.recognition`: the engine beside its peers, as one Markdown table. Takes minutes, no network.

One run, side by side, medians, one thread: embedding and whole frames beside `face_recognition` (dlib), the pipeline's
own work beside insightface's, and searching beside faiss and usearch.
"""

from __future__ import annotations

import os

# Before numpy is imported: its BLAS decides once how many threads it has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import contextlib
import importlib.util
import io
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2

from benchmarks import overhead, search
from benchmarks.embedding import SIX, Embedded, Framed, chips, compare_embedding, compare_frames
from benchmarks.overhead import Overhead
from benchmarks.peer import DlibWay
from recognition.engine import Pack, PackState, load_pack, pack_state

MODELS = Path(os.environ.get("DATA_DIR") or "var") / "models"
_HEAD = ["What", "Lynceus", "Peer", "Ratio, or what else matters"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recognition", description=__doc__)
    parser.add_argument(
        "--models", type=Path, metavar="DIR", default=MODELS, help="where models lie (default: DATA_DIR/models)"
    )
    parser.add_argument("--photos", type=Path, metavar="DIR", help="photos whose faces are embedded as well")
    parser.add_argument("--repeat", type=int, default=15, help="how often frames and pipelines are run (default 15)")
    parser.add_argument("--large", action="store_true", help="search 1,000,000 templates too (8 GB of memory)")
    parser.add_argument("--no-search", action="store_true", help="leave the search out")
    options = parser.parse_args()
    if importlib.util.find_spec("dlib") is None:
        raise SystemExit("dlib, the peer, is not installed. Run `make install-dev`, or: pip install dlib-bin")
    cv2.setNumThreads(1)
    compact, dlib = load_pack("compact", cache=options.models, report=_say), DlibWay()
    _say("Embedding …")
    rows = embedding_rows(compare_embedding(compact, chips(compact, options.photos), dlib))
    _say("Whole frames …")
    rows += frame_rows(compare_frames(_packs(compact, options.models), dlib, repeat=options.repeat))
    _say("Pipelines …")
    with contextlib.redirect_stdout(io.StringIO()):  # insightface tells of every model that it loads
        measured = {name: overhead.measure(name, rounds=options.repeat) for name in overhead.PACKS}
    rows += [overhead_row(name, *found) for name, found in measured.items()]
    print(search.table(_HEAD, rows))
    if not options.no_search:
        sizes = [10_000, 100_000] + ([1_000_000] if options.large else [])
        print(f"\n{search.table(search.HEAD, search.rows(sizes))}")
    print(f"\n{machine()}")


def embedding_rows(found: Embedded) -> list[list[str]]:
    theirs = f"{found.theirs * 1000:.1f} ms (`face_recognition`, dlib)"
    same = f"largest difference {found.difference:.1e} on {found.chips} chips"
    return [
        ["Embedding, a face", f"{found.ours * 1000:.2f} ms", theirs, f"{found.theirs / found.ours:.1f}x; {same}"],
        [
            "Embedding, a face of eight at once",
            f"{found.ours_of_8 * 1000:.2f} ms",
            theirs,
            f"{found.theirs / found.ours_of_8:.1f}x",
        ],
    ]


def frame_rows(found: Sequence[Framed]) -> list[list[str]]:
    """One row a pack, each beside the first, which is the peer."""
    peer, *ours = found
    return [
        [
            f"Whole frame, 1280x720, {len(SIX)} faces, {each.name}",
            f"{each.seconds * 1000:.0f} ms, {_recall(each)}",
            f"{peer.seconds * 1000:.0f} ms, {_recall(peer)} ({peer.name})",
            f"{peer.seconds / each.seconds:.1f}x",
        ]
        for each in ours
    ]


def overhead_row(name: str, ours: Overhead, theirs: Overhead | None) -> list[str]:
    return [
        f"Above ONNX Runtime's own time, networks shaped like {name}'s, {len(overhead.FACES)} faces",
        f"{ours.added:.1f} ms = {ours.share:.1%}",
        f"{theirs.added:.1f} ms = {theirs.share:.1%} (insightface)" if theirs else "insightface is not installed",
        f"the networks alone: {ours.networks:.0f} ms",
    ]


def machine() -> str:
    return (
        f"Medians, one thread, no GPU used. {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )


def _packs(compact: Pack, models: Path) -> list[Pack]:
    """`compact`, and `yunet-compact` where it is installed."""
    ready = pack_state("yunet-compact", models).state is PackState.READY
    return [compact, load_pack("yunet-compact", cache=models)] if ready else [compact]


def _recall(found: Framed) -> str:
    false = f", {found.false} false" if found.false else ""
    return f"{found.found} of {len(SIX)} found{false}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
