"""`make bench`: measures the frame path, alerts and the engine; prints Markdown tables. Needs minutes, no network."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import clip, site
from benchmarks.frame_path import Measured, Phase, measure
from benchmarks.peer import PeerResult, decode_only, face_recognition_way
from benchmarks.text import NONE, p50_p95, table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="how long each phase is measured (default 40)")
    parser.add_argument(
        "--only", choices=["frame-path", "alerts", "recognition", "history", "linking"], help="one table"
    )
    options = parser.parse_args()
    outside = dict(os.environ)  # what follows points this process to a folder of its own
    if options.only in (None, "frame-path"):
        print(_frame_path(options.seconds), flush=True)
    # In processes of their own: each has its folder, and numpy's threads are set before it is imported.
    others = {
        "alerts": ["benchmarks.rules", "benchmarks.live"],
        "recognition": ["benchmarks.recognition"],
        "history": ["benchmarks.history"],
        "linking": ["benchmarks.unknowns", "benchmarks.linking"],
    }
    codes = []
    for name, modules in others.items():
        # Ten million sightings take longer than all the others: only where they are asked for.
        if options.only == name or (options.only is None and name != "history"):
            codes += [
                subprocess.run([sys.executable, "-m", one], env=outside, check=False).returncode for one in modules
            ]
    sys.exit(max(codes, default=0))


def _frame_path(seconds: float) -> str:
    """Starts everything, measures, stops everything; the table."""
    with tempfile.TemporaryDirectory(prefix="lynceus-bench-") as name:
        folder = Path(name)
        site.prepare(folder / "data")
        (folder / "data").mkdir()
        _say("Making the clips …")
        clips = {"busy": clip.busy(folder / "busy.mp4"), "still": clip.still(folder / "still.mp4")}
        _say("Measuring the peers …")
        limit, peer = decode_only(clips["busy"]), face_recognition_way(clips["busy"], seconds=seconds / 2)
        _say(f"Running Lynceus: three phases of up to {seconds:.0f} s …")
        measured = measure(folder / "data", clips, seconds=seconds)
    return f"{report(measured, peer, limit)}\n"


def report(measured: Measured, peer: PeerResult | None, limit: PeerResult) -> str:
    """The table, and under it what it was measured on."""
    phases = [measured.one, measured.four, measured.still]
    head = ["", "1 camera", "4 cameras", "1 still camera", "`face_recognition`, every frame", "decoding alone"]
    rows = [
        ["Frame that decides → alert at the page, p50 / p95", *(p50_p95(p.from_deciding_frame) for p in phases)],
        ["First frame with the face → alert, p50 / p95", *(p50_p95(p.from_first_frame) for p in phases)],
        ["Alerts measured", *(str(len(p.from_first_frame) or NONE) for p in phases)],
        ["Appearances recognised", *(_share(p) for p in phases)],
        ["Frames a second a camera, in", *(f"{p.fps_in:.1f}" for p in phases)],
        ["Frames a second a camera, looked at", *(f"{p.fps_processed:.1f}" for p in phases)],
        ["CPU seconds a camera minute", *(f"{p.cpu_per_camera_minute:.1f}" for p in phases)],
        ["Memory of the worker", *(f"{p.memory_mb:.0f} MB" for p in phases)],
    ]
    others = {
        "Frame that decides": [p50_p95(peer.frame_seconds) + " (computing only)" if peer else NONE, NONE],
        "Appearances": [f"{peer.recognised} of {peer.with_face} frames" if peer else NONE, NONE],
        "Frames a second a camera, in": [f"needs {clip.FPS}" if peer else NONE, f"{clip.FPS}"],
        "Frames a second a camera, looked": [
            f"at most {peer.fps:.1f}" if peer else "dlib is not installed",
            f"at most {limit.fps:.0f}",
        ],
        "CPU seconds": [
            f"{peer.cpu_per_camera_minute:.0f}" if peer else NONE,
            f"{limit.cpu_per_camera_minute:.1f}",
        ],
    }
    for row in rows:
        row += next((cells for start, cells in others.items() if row[0].startswith(start)), [NONE, NONE])
    breaks = measured.breaks
    broken = [f"The page's connection broke {len(breaks)} times, first: {breaks[0]}"] if breaks else []
    return "\n".join([table(head, rows), "", _machine(), *broken])


def _share(phase: Phase) -> str:
    return f"{phase.known} of {phase.sightings}" if phase.sightings else NONE


def _machine() -> str:
    width, height = clip.SIZE
    return (
        f"Clip: {width}x{height}, {clip.FPS} frames a second, MPEG-4. {os.cpu_count()} cores, no GPU used, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}."
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
