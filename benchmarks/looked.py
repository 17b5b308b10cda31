"""What detector and recogniser see in a clip, computed once and kept beside it, so that trackers can be compared.

Of every looked-at frame: its time, whether the motion gate saw a cut, the faces that were found, their qualities and
embeddings. One run at 10 frames a second serves 5 as well: `Looked.every(2)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.walks import Clip, pictures
from recognition.engine import Embedding, FaceDetections, Pack, assess
from recognition.engine.types import Floats
from workers.motion import MotionGate

FPS = 10
MIN_FACE = 32  # what a camera's loop looks for at 720p


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookedFrame:
    """One frame as a tracker gets it. `qualities` and `embeddings` have a row a face."""

    number: int  # of the frame in the clip
    t: float
    cut: bool
    found: FaceDetections
    qualities: Floats  # (n,)
    usable: tuple[bool, ...]
    embeddings: Floats  # (n, d)

    def look(self, at: int) -> Embedding | None:
        """As the loop embeds a face: None when it is too poor."""
        return self.embeddings[at] if self.usable[at] else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """A clip as it was looked at, FPS times a second."""

    clip: Clip
    frames: tuple[LookedFrame, ...]

    def every(self, step: int) -> Looked:
        """Only every so many frames; a cut between two of them is not lost."""
        kept = [
            replace(frame, cut=any(other.cut for other in self.frames[max(0, at + 1 - step) : at + 1]))
            for at, frame in enumerate(self.frames)
            if at % step == 0
        ]
        return Looked(clip=self.clip, frames=tuple(kept))


def look_at(clip: Clip, pack: Pack) -> Looked:
    """Looks at the clip, or takes what was kept of an earlier time with the same pack."""
    kept = clip.path.with_suffix(f".{pack.version}.npz")
    frames = _load(kept) if kept.is_file() else tuple(_frames(clip, pack))
    if not kept.is_file():
        _save(kept, frames)
    return Looked(clip=clip, frames=frames)


def _frames(clip: Clip, pack: Pack) -> Iterator[LookedFrame]:
    gate = MotionGate()
    for number, picture in pictures(clip, fps=FPS):
        motion = gate.look(picture)
        found = pack.detect(picture, min_face=MIN_FACE)
        qualities = [assess(picture, box, points) for box, points in zip(found.boxes, found.points, strict=True)]
        yield LookedFrame(
            number=number,
            t=number / clip.fps,
            cut=motion.cut,
            found=found,
            qualities=np.array([quality.score for quality in qualities], np.float32),
            usable=tuple(quality.usable for quality in qualities),
            embeddings=pack.embed(picture, found.points) if len(found) else np.zeros((0, pack.dimension), np.float32),
        )


def _save(path: Path, frames: tuple[LookedFrame, ...]) -> None:
    with path.open("wb") as file:
        np.savez(
            file,
            numbers=[frame.number for frame in frames],
            times=[frame.t for frame in frames],
            cuts=[frame.cut for frame in frames],
            counts=[len(frame.found) for frame in frames],
            boxes=np.concatenate([frame.found.boxes for frame in frames]),
            scores=np.concatenate([frame.found.scores for frame in frames]),
            points=np.concatenate([frame.found.points for frame in frames]),
            qualities=np.concatenate([frame.qualities for frame in frames]),
            usable=np.array([usable for frame in frames for usable in frame.usable], bool),
            embeddings=np.concatenate([frame.embeddings for frame in frames]),
        )


def _load(path: Path) -> tuple[LookedFrame, ...]:
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    ends = np.cumsum(kept["counts"])
    frames = []
    for at, end in enumerate(ends):
        rows = slice(int(end - kept["counts"][at]), int(end))
        found = FaceDetections(boxes=kept["boxes"][rows], scores=kept["scores"][rows], points=kept["points"][rows])
        frames.append(
            LookedFrame(
                number=int(kept["numbers"][at]),
                t=float(kept["times"][at]),
                cut=bool(kept["cuts"][at]),
                found=found,
                qualities=kept["qualities"][rows],
                usable=tuple(bool(usable) for usable in kept["usable"][rows]),
                embeddings=kept["embeddings"][rows],
            )
        )
    return tuple(frames)
