"""Quality: every way to spoil a photo lowers the score, and is named where it goes too far."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from benchmarks.faces import Portrait, cut
from benchmarks.quality import Probe, measure
from recognition.engine import Image, Pack, Problem, Quality, ShapeError, assess, encode_jpeg
from recognition.engine.quality import MAX_PITCH, MAX_YAW, UNUSABLE
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


def grainy(image: Image, deviation: float) -> Image:
    noise = np.random.default_rng(3).normal(0, deviation, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def compressed(image: Image, quality: float) -> Image:
    back = cv2.imdecode(np.frombuffer(encode_jpeg(image, quality=int(quality)), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(back, np.uint8)


@pytest.mark.parametrize(
    ("spoil", "amounts", "problem"),
    [
        (blurred, (0.01, 0.02, 0.04, 0.08), Problem.BLURRED),
        (smeared, (5, 11, 19, 29), Problem.BLURRED),  # a moving face
        (exposed, (0.4, 0.25, 0.15, 0.05), Problem.TOO_DARK),
        (exposed, (1.35, 2.0, 4.0, 8.0), Problem.TOO_BRIGHT),
        (washed_out, (0.3, 0.2, 0.1, 0.05), Problem.FLAT),
        (grainy, (15, 40, 70, 110), Problem.NOISY),
        (compressed, (40, 20, 10, 3), Problem.COMPRESSED),
    ],
)
def test_the_more_it_is_spoiled_the_lower_the_score(
    spoil: Callable[[Image, float], Image],
    amounts: tuple[float, ...],
    problem: Problem,
    astronaut: Image,
    face: tuple[Floats, Floats],
) -> None:
    qualities = [assess(astronaut, *face)] + [assess(spoil(astronaut, amount), *face) for amount in amounts]
    scores = [quality.score for quality in qualities]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.5 * scores[0]
    assert problem in qualities[-1].problems
    assert problem not in qualities[0].problems


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
    assert quality.yaw * side > MAX_YAW
    assert quality.score < assess(astronaut, box, points).score


@pytest.mark.parametrize("side", [-1, 1])
def test_a_face_that_looks_up_or_down(astronaut: Image, face: tuple[Floats, Floats], side: int) -> None:
    box, points = face
    nodded = points.copy()
    nodded[2, 1] -= side * 0.5 * (points[1, 0] - points[0, 0])  # the nose is seen nearer to the eyes: looks up
    quality = assess(astronaut, box, nodded)
    assert Problem.NODDED in quality.problems
    assert quality.pitch * side > MAX_PITCH
    assert quality.score < assess(astronaut, box, points).score
    (sentence,) = [s for s in quality.sentences() if "degrees" in s]
    assert ("up" if side > 0 else "down") in sentence


@pytest.mark.parametrize("what", ["an eye", "the mouth"])
def test_a_covered_face(astronaut: Image, face: tuple[Floats, Floats], what: str) -> None:
    box, points = face
    x, y = points[0] if what == "an eye" else (points[3] + points[4]) / 2
    covered = astronaut.copy()
    cv2.rectangle(covered, (int(x) - 30, int(y) - 25), (int(x) + 30, int(y) + 25), (120, 120, 120), -1)
    quality = assess(covered, box, points)
    assert Problem.COVERED in quality.problems
    assert quality.score < assess(astronaut, box, points).score


def test_an_enlarged_face_is_as_blurred_as_it_looks(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    box, points = face
    small = cv2.resize(astronaut, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    large = np.asarray(cv2.resize(small, (512, 512), interpolation=cv2.INTER_CUBIC), np.uint8)
    enlarged = assess(large, box, points)
    assert enlarged.size_px == assess(astronaut, box, points).size_px
    assert Problem.BLURRED in enlarged.problems


def test_a_box_beside_its_points_is_measured_all_the_same(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    box, points = face
    quality = assess(astronaut, box, points + np.float32(300))
    assert quality.features == 0
    assert Problem.COVERED in quality.problems


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
    measures = dataclasses.asdict(quality)
    del measures["problems"]
    assert all(np.isfinite(value) for value in measures.values())


def test_one_pixel_gives_a_score() -> None:
    quality = assess(np.zeros((1, 1, 3), np.uint8), np.array([0, 0, 1, 1], np.float32), np.zeros((5, 2), np.float32))
    assert quality.score == 0
    assert not quality.usable
    assert Problem.TOO_SMALL in quality.problems


def test_wrong_arrays_are_refused(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    box, points = face
    with pytest.raises(ShapeError):
        assess(astronaut, box[:3], points)
    with pytest.raises(ShapeError):
        assess(astronaut, box * np.float32(np.nan), points)
    with pytest.raises(ShapeError):
        assess(astronaut, box, points[:4])


@pytest.fixture(scope="module")
def probes(pack: Pack, astronaut: Image, six_people: Image) -> list[Probe]:
    """Seven people, each spoiled in all ways of the benchmark, and searched for."""
    cuts = [cut(astronaut, "astronaut", pack)]
    cuts += [cut(six_people, f"person {which}", pack, which=which) for which in range(6)]
    people: list[Portrait] = [portrait for portrait in cuts if portrait is not None]
    assert len(people) == 7
    return [probe for probe in measure(people, pack) if probe.quality is not None]


def missed(probes: list[Probe], threshold: float) -> float:
    return float(np.mean([probe.own < threshold for probe in probes]))


def test_the_score_is_monotone_with_recognition_error(pack: Pack, probes: list[Probe]) -> None:
    ranked = sorted(probes, key=lambda probe: probe.quality.score if probe.quality else 0)
    assert len(ranked) > 350
    third = len(ranked) // 3
    parts = [ranked[:third], ranked[third : 2 * third], ranked[2 * third :]]
    similarities = [float(np.mean([probe.own for probe in part])) for part in parts]
    assert similarities == sorted(similarities)
    errors = [missed(part, pack.threshold) for part in parts]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 3 * errors[-1]


def test_refusing_the_poorest_leaves_fewer_errors(pack: Pack, probes: list[Probe]) -> None:
    ranked = sorted(probes, key=lambda probe: probe.quality.score if probe.quality else 0)
    left = [missed(ranked[int(share * len(ranked)) :], pack.threshold) for share in (0, 0.1, 0.2, 0.4)]
    assert left == sorted(left, reverse=True)
    assert left[1] < left[0]


def test_what_scores_lowest_fails_far_more_often(pack: Pack, probes: list[Probe]) -> None:
    """A little above what is unusable; the set is too small to have ten faces below."""
    poor = [probe for probe in probes if probe.quality and probe.quality.score < 2 * UNUSABLE]
    others = [probe for probe in probes if probe.quality and probe.quality.score >= 2 * UNUSABLE]
    assert len(poor) >= 10
    assert missed(poor, pack.threshold) > 4 * missed(others, pack.threshold)


def test_every_problem_says_what_to_do() -> None:
    everything = Quality(
        score=0, size_px=31, sharpness=0, yaw=-61, roll=0, brightness=0, contrast=0, problems=tuple(Problem)
    )
    sentences = everything.sentences()
    assert len(set(sentences)) == len(Problem)
    assert all("; use a" in sentence and sentence.endswith(".") for sentence in sentences)
    assert all("; use a" in problem.sentence for problem in Problem)
    assert any("61 degrees" in sentence for sentence in sentences)
