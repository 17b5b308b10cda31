"""Enhancement: each step where its problem was measured and only there, and always told."""

import cv2
import numpy as np
import pytest

from recognition.engine import Image, Pack, Problem, Quality, ShapeError, assess
from recognition.engine.enhance import MAX_SCALE, MAX_SIDE, Enhanced, Step, enhance
from recognition.engine.types import Floats


@pytest.fixture(scope="module")
def face(pack: Pack, astronaut: Image) -> tuple[Floats, Floats]:
    found = pack.detect(astronaut)
    return found.boxes[0], found.points[0]


def enhanced(image: Image, face: tuple[Floats, Floats], scale: float = 1.0) -> tuple[Quality, Enhanced]:
    factor = np.float32(scale)
    quality = assess(image, face[0] * factor, face[1] * factor)
    return quality, enhance(image, quality)


def measured_again(image: Image, face: tuple[Floats, Floats], scale: float) -> Quality:
    return assess(image, face[0] * np.float32(scale), face[1] * np.float32(scale))


def test_a_good_photo_stays_as_it_is(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    _, result = enhanced(astronaut, face)
    assert result.steps == ()
    assert result.text == ""
    assert result.sentences() == []
    assert result.scale == 1
    assert result.image is astronaut


def test_a_small_face_is_enlarged(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    small = np.asarray(cv2.resize(astronaut, None, fx=0.4, fy=0.4, interpolation=cv2.INTER_AREA), np.uint8)
    before, result = enhanced(small, face, 0.4)
    assert Problem.TOO_SMALL in before.problems
    assert result.steps == (Step.ENLARGED,)
    assert result.text == "enlarged"
    assert 1.5 < result.scale <= MAX_SCALE
    assert result.image.shape == (round(205 * result.scale), round(205 * result.scale), 3)
    after = measured_again(result.image, face, 0.4 * result.scale)
    assert Problem.TOO_SMALL not in after.problems
    assert after.score < before.score * 1.2  # pixels are added, no detail


def test_a_dark_face_becomes_lighter(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    dark = (astronaut * 0.15).astype(np.uint8)
    before, result = enhanced(dark, face)
    assert Step.LIGHTENED in result.steps
    after = measured_again(result.image, face, 1)
    assert after.brightness > 2 * before.brightness
    assert Problem.TOO_DARK not in after.problems


def test_a_bright_face_becomes_darker(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    bright = (255 - (255 - astronaut.astype(np.float32)) * 0.2).astype(np.uint8)
    before, result = enhanced(bright, face)
    assert Problem.TOO_BRIGHT in before.problems
    assert result.steps[0] is Step.DARKENED
    assert measured_again(result.image, face, 1).brightness < before.brightness - 0.1


def test_a_flat_face_gets_contrast(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    flat = (127 + (astronaut.astype(np.float32) - 127) * 0.1).astype(np.uint8)
    before, result = enhanced(flat, face)
    assert Step.CONTRAST in result.steps
    assert measured_again(result.image, face, 1).contrast > 1.3 * before.contrast


def test_noise_becomes_less(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    noise = np.random.default_rng(3).normal(0, 65, astronaut.shape)
    grainy = np.clip(astronaut + noise, 0, 255).astype(np.uint8)
    before, result = enhanced(grainy, face)
    assert result.steps == (Step.DENOISED,)
    after = measured_again(result.image, face, 1)
    assert after.noise < 0.75 * before.noise
    clean = astronaut.astype(np.float32)
    assert np.abs(result.image - clean).mean() < 0.8 * np.abs(grainy - clean).mean()


def test_nothing_is_done_about_blur(astronaut: Image, face: tuple[Floats, Floats]) -> None:
    blurred = np.asarray(cv2.GaussianBlur(astronaut, (0, 0), 5), np.uint8)
    before, result = enhanced(blurred, face)
    assert Problem.BLURRED in before.problems
    assert result.steps == ()


def quality(**measures: object) -> Quality:
    usual = {
        "score": 0.1,
        "size_px": 100.0,
        "sharpness": 0.5,
        "yaw": 0.0,
        "roll": 0.0,
        "brightness": 0.5,
        "contrast": 0.2,
    }
    return Quality(**{**usual, **measures})  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (40, 60), (3000, 90)])
def test_any_picture_stays_within_bounds(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    poor = quality(size_px=3.0, contrast=0.01, noise=0.5, problems=(Problem.NOISY,))
    result = enhance(image, poor)
    assert result.image.dtype == np.uint8
    assert max(result.image.shape) <= max(MAX_SIDE, *shape)
    assert result.scale <= MAX_SCALE
    assert np.array_equal(result.image, enhance(image, poor).image)


def test_every_step_has_its_sentence() -> None:
    assert len({step.sentence for step in Step}) == len(Step)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ShapeError):
        enhance(np.zeros((4, 4), np.uint8), quality())
