"""How looks become sightings: whose face stays one sighting, whose is another, and which looks are believed.

The packs are made up: one with similarities as Euclidean ones have them, one with those of cosine packs, whose looks at
one person are often no more alike than 0.5.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from benchmarks.followed import Followed, follow, snapshot
from benchmarks.looked import Looked, LookedFrame
from benchmarks.walks import Clip
from recognition.engine import Embedding, FaceDetections, Pack

FPS = 5
DIMENSION = 64
EUCLIDEAN, COSINE = 0.83755, 0.42
# How alike two looks at one person are, and a look at somebody else, with packs of these thresholds.
SAME = {EUCLIDEAN: 0.9, COSINE: 0.55}
OTHER = {EUCLIDEAN: 0.7, COSINE: 0.05}
ANNA = 7
CLIP = Clip(path=Path("none.mp4"), fps=FPS, size=(1280, 720), truth=())
Face = tuple[float, Embedding]  # the middle of the face on the x axis, what the recogniser makes of it


def pack(threshold: float) -> Pack:
    return cast("Pack", SimpleNamespace(version="made-up", threshold=threshold, margin=0.02, dimension=DIMENSION))


def axis(number: int) -> Embedding:
    return np.asarray(np.eye(DIMENSION)[number], np.float32)


def looks(person: int, count: int, alike: float) -> list[Embedding]:
    """Looks at one person any two of which have this similarity."""
    own = [axis(10 + number) for number in range(count)]
    return [np.float32(np.sqrt(alike)) * axis(person) + np.float32(np.sqrt(1 - alike)) * noise for noise in own]


def between(a: Embedding, b: Embedding, alike: float) -> Embedding:
    """A look as alike as this to a, and otherwise like b, which is at a right angle to it."""
    return np.asarray(np.float32(alike) * a + np.float32(np.sqrt(1 - alike**2)) * b, np.float32)


def followed(frames: list[list[Face]], threshold: float, known: dict[int, Embedding] | None = None) -> Followed:
    """The faces, each 100 px wide, followed at FPS frames a second."""
    seen = []
    for number, faces in enumerate(frames):
        boxes = np.array([[x - 50, 200, x + 50, 320] for x, _ in faces], np.float32).reshape(-1, 4)
        count = len(faces)
        seen.append(
            LookedFrame(
                number=number,
                t=number / FPS,
                cut=False,
                found=FaceDetections(
                    boxes=boxes, scores=np.full(count, 0.999, np.float32), points=np.zeros((count, 5, 2), np.float32)
                ),
                qualities=np.full(count, 0.8, np.float32),
                usable=(True,) * count,
                embeddings=np.array([look for _, look in faces], np.float32).reshape(-1, DIMENSION),
            )
        )
    return follow(Looked(clip=CLIP, frames=tuple(seen)), snapshot(pack(threshold), (known or {}).items()))


@pytest.mark.parametrize("threshold", [EUCLIDEAN, COSINE])
def test_looks_at_one_person_are_one_sighting_whatever_the_packs_similarities(threshold: float) -> None:
    seen = followed([[(400, look)] for look in looks(0, 12, SAME[threshold])], threshold)
    assert len(seen.closed) == 1
    assert seen.closed[0].frames == 12


@pytest.mark.parametrize("threshold", [EUCLIDEAN, COSINE])
def test_another_face_at_the_same_place_is_another_sighting(threshold: float) -> None:
    first = looks(0, 4, SAME[threshold])
    mean = np.mean(first, axis=0)
    other = between(mean / np.linalg.norm(mean), axis(1), OTHER[threshold])
    frames = [[(400.0, look)] for look in first] + [[(400.0, other)] for _ in range(30)]
    assert len(followed(frames, threshold).closed) == 2


@pytest.mark.parametrize("threshold", [EUCLIDEAN, COSINE])
def test_who_is_enrolled_is_named_after_a_few_looks(threshold: float) -> None:
    taken = looks(0, 7, SAME[threshold])
    seen = followed([[(400, look)] for look in taken[1:]], threshold, {ANNA: taken[0]})
    assert [one.person for one in seen.closed] == [ANNA]


def test_while_faces_are_close_together_a_look_that_may_show_the_other_one_is_not_learnt() -> None:
    a, b = axis(0), axis(1)
    mixed = between(a, b, EUCLIDEAN - 0.02)  # not alike enough for a match, and too much for somebody else
    begin = [[(400.0, a), (620.0, b)]] * 2
    looks_at_a = []
    for beside in (620.0, 490.0):
        seen = followed([*begin, [(400.0, a), (beside, b)]] + [[(400.0, mixed), (beside, b)]] * 4, EUCLIDEAN)
        assert len(seen.closed) == 2
        looks_at_a.append(seen.closed[0].looks)
    assert looks_at_a[0] >= 4
    assert looks_at_a[1] == 3


def test_people_who_are_never_apart_are_learnt_all_the_same() -> None:
    a, b = axis(0), axis(1)
    seen = followed([[(400.0, a), (490.0, b)]] * 6, EUCLIDEAN, {ANNA: a, ANNA + 1: b})
    assert sorted(one.person or 0 for one in seen.closed) == [ANNA, ANNA + 1]
