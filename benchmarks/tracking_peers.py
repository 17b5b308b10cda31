"""SORT, ByteTrack and OC-SORT of the package `trackers` on given detections, in a process of its own.

    PYTHONPATH=SIDE_FOLDER python benchmarks/tracking_peers.py JOB.npz

Nothing of Lynceus is imported here, so that the peers' folder can have what it likes. The job holds the detections of
clips; the answer is JSON on standard output: a list of {"name", "settings", "tracks": {clip: [[a number or -1 a face] a
frame]}}. Every peer is run with its defaults, at the frame rate given, and with each of SETTINGS; the caller, who knows
the truth, takes the best.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

# Patience in 30ths of a second, as these trackers count it; 78 are the 2.6 s that Lynceus waits.
PATIENCE = (30, 78)
MIN_HITS = (1, 2, 3)
KINDS = {"SORT": "SORTTracker", "ByteTrack": "ByteTrackTracker", "OC-SORT": "OCSORTTracker"}
MIN_IOU = (0.05, 0.15, 0.3)


def main() -> None:
    supervision, trackers = import_module("supervision"), import_module("trackers")

    with np.load(sys.argv[1]) as file:
        job = {name: file[name] for name in file.files}
    fps = float(job["fps"])
    told: list[dict[str, Any]] = []
    for name, kind in KINDS.items():
        for settings in _settings():
            tracks = {}
            for clip in job["clips"]:
                tracker = getattr(trackers, kind)(frame_rate=fps, **settings)
                tracks[str(clip)] = list(_run(tracker, job, str(clip), supervision))
            told.append({"name": name, "settings": settings, "tracks": tracks})
    json.dump(told, sys.stdout)


def _settings() -> Iterator[dict[str, Any]]:
    yield {}
    for patience, hits, iou in itertools.product(PATIENCE, MIN_HITS, MIN_IOU):
        yield {"lost_track_buffer": patience, "minimum_consecutive_frames": hits, "minimum_iou_threshold": iou}


def _run(tracker: Any, job: dict[str, Any], clip: str, supervision: Any) -> Iterator[list[int]]:
    boxes, scores, ends = job[f"{clip}/boxes"], job[f"{clip}/scores"], np.cumsum(job[f"{clip}/counts"])
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        count = int(end - begin)
        found = supervision.Detections(
            xyxy=boxes[begin:end].astype(float).reshape(-1, 4),
            confidence=scores[begin:end].astype(float),
            class_id=np.zeros(count, int),
            data={"row": np.arange(count)},
        )
        numbers = [-1] * count
        update = tracker.update(found)
        if len(update):
            for row, number in zip(update.data["row"], update.tracker_id, strict=True):
                numbers[int(row)] = int(number)
        yield numbers


if __name__ == "__main__":
    main()
