"""Runs the loop's own `Following` over clips that were looked at before: what it takes for whom, frame by frame.

Tracks, looks and decisions are those of a running camera; only decoding and detection were done earlier, and nothing is
written anywhere. Import it after `django.setup()`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from unittest import mock

import numpy as np

from benchmarks.looked import Looked, LookedFrame
from cameras.models import Verdict
from recognition.engine import Embedding, Gallery, Image, Pack, Quality
from recognition.gallery import Snapshot
from workers import following
from workers.faces import Faces, FaceView
from workers.sightings import SightingWriter, Watched
from workers.sources import Frame

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_BLANK = np.zeros((720, 1280, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A confirmed track in one frame, and what was decided about it by then."""

    number: int
    at: int  # the detection
    verdict: Verdict
    person: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closed:
    """How a track ended. `first_at`, `last_at` and `decided_at` are seconds of the clip; `mean`: of its best looks."""

    number: int
    verdict: Verdict
    person: int | None
    similarity: float | None
    frames: int
    looks: int
    first_at: float
    last_at: float
    mean: Embedding | None
    decided_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A clip followed to its end. `embedded`: how many faces were embedded for it."""

    frames: tuple[tuple[Said, ...], ...]
    closed: tuple[Closed, ...]
    embedded: int


def snapshot(pack: Pack, people: Iterable[tuple[int, Embedding]] = ()) -> Snapshot:
    """A gallery of these people, one template each."""
    known = list(people)
    return Snapshot(
        revision=1,
        pack=pack,
        templates=Gallery.build(
            dimension=pack.dimension,
            templates=[person for person, _ in known],
            persons=[person for person, _ in known],
            embeddings=np.array([embedding for _, embedding in known], np.float32).reshape(-1, pack.dimension),
        ),
        names={person: str(person) for person, _ in known},
        thresholds={},
        expires_at=None,
    )


def follow(looked: Looked, gallery: Snapshot) -> Followed:
    """Takes every frame the whole way of the loop, from its faces on."""
    writer = _Writer()
    loop = following.Following(cast("SightingWriter", writer))
    said, embedded = [], 0
    with mock.patch.object(following, "gallery", return_value=gallery):
        loop.go_over_to(gallery.pack)
        for frame in looked.frames:
            faces = _Faces(frame)
            loop.take(cast("Faces", faces), cut=frame.cut)
            loop.decide(frame.t, gallery)
            said.append(tuple(_said(watched, frame) for watched in loop.watched if _is_shown(watched, frame)))
            embedded += len(faces.embedded)
        loop.drop_all()
    return Followed(frames=tuple(said), closed=tuple(writer.closed), embedded=embedded)


class _Writer:
    """Keeps how tracks ended, where a camera's writer would store it."""

    def __init__(self) -> None:
        self.closed: list[Closed] = []

    def changed(self, watched: Watched, *, urgent: bool = False) -> None:
        if watched.closed:
            self.closed.append(
                Closed(
                    number=watched.track.number,
                    verdict=watched.decision.verdict,
                    person=watched.decision.person,
                    similarity=watched.decision.similarity,
                    frames=watched.frames,
                    looks=watched.evidence.count,
                    first_at=(watched.first_at - _BEGAN).total_seconds(),
                    last_at=(watched.last_at - _BEGAN).total_seconds(),
                    mean=watched.evidence.mean(),
                    decided_at=(watched.decided_at - _BEGAN).total_seconds() if watched.decided_at else None,
                )
            )


class _Faces:
    """A frame's faces as `workers.faces.Faces` gives them, from what was kept."""

    def __init__(self, looked: LookedFrame) -> None:
        self._looked, self.found = looked, looked.found
        moment = _BEGAN + timedelta(seconds=looked.t)
        self.frame = Frame.of(_BLANK, t=looked.t, captured_at=moment, received=looked.t)
        self.embedded: set[int] = set()

    def view(self, at: int) -> FaceView:
        image: Image = _BLANK
        found = self._looked.found
        return FaceView(image=image, box=found.boxes[at], points=found.points[at], quality=self.quality(at))

    def quality(self, at: int) -> Quality:
        score = float(self._looked.qualities[at])
        return Quality(score=score, size_px=0, sharpness=0, yaw=0, roll=0, brightness=0, contrast=0)

    def embed(self, wanted: Iterable[int]) -> None:
        self.embedded |= {at for at in wanted if self._looked.usable[at]}

    def embedding(self, at: int) -> Embedding | None:
        self.embed([at])
        return self._looked.look(at)


def _is_shown(watched: Watched, frame: LookedFrame) -> bool:
    return watched.track.confirmed and watched.track.last_t == frame.t


def _said(watched: Watched, frame: LookedFrame) -> Said:
    """The detection is found by its box: a track has the box that it was seen at last."""
    at = int(np.flatnonzero((frame.found.boxes == watched.track.box).all(axis=1))[0])
    return Said(number=watched.track.number, at=at, verdict=watched.decision.verdict, person=watched.decision.person)
