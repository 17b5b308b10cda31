"""Quality: every way to spoil a photo lowers the score, and is named where it goes too far."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from recognition.engine import Image, Pack, Problem, Quality, ShapeError, assess
from recognition.engine.types import Floats


@pytest.fixture(scope="module")
def face(pack: Pack, astronaut: Image) -> tuple[Floats, Floats]:
    found = pack.detect(astronaut)
    return found.boxes[0], found.points[0]


def test_a_good_photo_has_no_problem(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    quality = assess(astronaut, *face)
    assert quality.problems == ()
    assert quality.sentences() == []
    assert quality.score > 0.5
    assert abs(quality.yaw) < 10
    assert abs(quality.roll) < 10


def blurred(image: Image, share: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), share * 85), np.uint8)


def smeared(image: Image, length: float) -> Image:
    return np.asarray(cv2.blur(image, (int(length), 1)), np.uint8)


def exposed(image: Image, gain: float) -> Image:
    return np.asarray(np.clip(image.astype(np.float32) * gain, 0, 255), np.uint8)


def washed_out(image: Image, contrast: float) -> Image:
    return np.asarray(127 + (image.astype(np.float32) - 127) * contrast, np.uint8)


@pytest.mark.parametrize(
    ("spoil", "amounts", "problem"),
    [
        (blurred, (0.01, 0.02, 0.04, 0.08), Problem.BLURRED),
        (smeared, (5, 11, 19, 29), Problem.BLURRED),  # a moving face
        (exposed, (0.4, 0.25, 0.15, 0.05), Problem.TOO_DARK),
        (exposed, (1.35, 2.0, 4.0, 8.0), Problem.TOO_BRIGHT),
        (washed_out, (0.6, 0.4, 0.2, 0.1), None),
    ],
)
def test_the_more_it_is_spoiled_the_lower_the_score(
    spoil: Callable[[Image, float], Image],
    amounts: tuple[float, ...],
    problem: Problem | None,
    astronaut: Image,
    face: tuple[Floats, Floats],
) -> None:
    qualities = [assess(astronaut, *face)] + [assess(spoil(astronaut, amount), *face) for amount in amounts]
    scores = [quality.score for quality in qualities]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.5 * scores[0]
    if problem is not None:
        assert problem in qualities[-1].problems


def test_a_small_face(pack: Pack, astronaut: Image) -> None:
    small = np.asarray(cv2.resize(astronaut, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8)
    (face,) = pack.analyse(small, embed=False)
    assert face.quality.problems == (Problem.TOO_SMALL,)
    (sentence,) = face.quality.sentences()
    assert f"only {face.quality.size_px:.0f} px" in sentence
    assert "at least 60 px" in sentence


def test_a_face_cut_off_by_the_edge(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    box, points = face
    left, top = 215, 60  # through the middle of the face
    cut = np.ascontiguousarray(astronaut[top:, left:])
    moved = np.array([left, top], np.float32)
    quality = assess(cut, np.clip(box - np.tile(moved, 2), 0, None), points - moved)
    assert Problem.CUT_OFF in quality.problems
    assert quality.score < assess(astronaut, box, points).score


@pytest.mark.parametrize("side", [-1, 1])
def test_a_turned_face(astronaut: Image, face: tuple[Floats, Floats], side: int) -> None:
    box, points = face
    turned = points.copy()
    turned[2, 0] += side * 0.6 * (points[1, 0] - points[0, 0])
    quality = assess(astronaut, box, turned)
    assert Problem.TURNED in quality.problems
    assert quality.yaw * side > 45
    assert quality.score < assess(astronaut, box, points).score


@pytest.mark.parametrize("angle", [-30, 20])
def test_roll_is_the_tilt_of_the_eyes(astronaut: Image, face: tuple[Floats, Floats], angle: int) -> None:
    box, points = face
    turn = cv2.getRotationMatrix2D((0, 0), -angle, 1)[:, :2]
    middle = points.mean(axis=0)
    tilted = assess(astronaut, box, ((points - middle) @ turn.T + middle).astype(np.float32))
    upright = assess(astronaut, box, points)
    assert tilted.roll - upright.roll == pytest.approx(angle, abs=0.01)
    assert tilted.yaw == pytest.approx(upright.yaw, abs=0.01)


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (5, 5, 5, 5), (90, 90, 20, 20), (-50, -50, 500, 500), (900, 900, 950, 950)]
)
def test_any_box_gives_a_score(box: tuple[int, int, int, int]) -> None:
    image = np.random.default_rng(2).integers(0, 256, (100, 100, 3), np.uint8)
    quality = assess(image, np.array(box, np.float32), np.full((5, 2), 50, np.float32))
    assert 0 <= quality.score <= 1
    assert all(np.isfinite(value) for value in dataclasses.astuple(quality)[:-1])


def test_one_pixel_gives_a_score() -> None:
    quality = assess(np.zeros((1, 1, 3), np.uint8), np.array([0, 0, 1, 1], np.float32), np.zeros((5, 2), np.float32))
    assert quality.score == 0
    assert Problem.TOO_SMALL in quality.problems


def test_wrong_arrays_are_refused(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    box, points = face
    with pytest.raises(ShapeError):
        assess(astronaut, box[:3], points)
    with pytest.raises(ShapeError):
        assess(astronaut, box * np.float32(np.nan), points)
    with pytest.raises(ShapeError):
        assess(astronaut, box, points[:4])


def test_every_problem_says_what_to_do() -> None:
    everything = Quality(
        score=0, size_px=31, sharpness=0, yaw=-61, roll=0, brightness=0, contrast=0, problems=tuple(Problem)
    )
    sentences = everything.sentences()
    assert len(set(sentences)) == len(Problem)
    assert all("; use a" in sentence and sentence.endswith(".") for sentence in sentences)
    assert all("; use a" in problem.sentence for problem in Problem)
    assert any("61 degrees" in sentence for sentence in sentences)
