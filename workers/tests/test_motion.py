"""The motion gate: what counts as motion, what as a cut, and what as neither."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.engine import Image
from workers.motion import Motion, MotionGate
from workers.tests.scenes import EILEEN, Shot, frames

NOISE = np.random.default_rng(1)


def scene(level: float = 110, seed: int = 5) -> Image:
    """A textured picture, 640x360, the same for the same seed."""
    coarse = np.random.default_rng(seed).uniform(-40, 40, (9, 16)).astype(np.float32)
    grey = np.clip(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC) + level, 0, 255)
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def noisy(image: Image) -> Image:
    return np.clip(image + NOISE.normal(0, 6, image.shape), 0, 255).astype(np.uint8)


def with_square(image: Image, x: int, side: int = 40) -> Image:
    picture = image.copy()
    picture[150 : 150 + side, x : x + side] = 250
    return picture


def watch(*images: Image) -> list[Motion]:
    gate = MotionGate()
    return [gate.look(image) for image in images]


def test_the_first_frame_counts_as_moved() -> None:
    assert watch(scene()) == [Motion(moved=True, cut=False)]


def test_a_still_scene_with_noise_does_not_move() -> None:
    seen = watch(*(noisy(scene()) for _ in range(20)))
    assert not any(motion.moved or motion.cut for motion in seen[1:])


def test_something_that_crosses_the_picture_moves() -> None:
    seen = watch(scene(), *(noisy(with_square(scene(), x)) for x in range(100, 400, 30)))
    assert all(motion.moved for motion in seen)
    assert not any(motion.cut for motion in seen)


def test_a_scene_comes_to_rest_again() -> None:
    seen = watch(scene(), with_square(scene(), 300), *(scene() for _ in range(30)))
    assert seen[1].moved
    assert not seen[-1].moved


def test_daylight_that_changes_slowly_is_no_motion() -> None:
    seen = watch(*(noisy(scene(level)) for level in np.arange(100, 130, 0.5)))
    assert not any(motion.moved or motion.cut for motion in seen[1:])


@pytest.mark.parametrize("level", [110, 45])
def test_another_scene_is_a_cut_also_in_the_dark(level: float) -> None:
    seen = watch(scene(level), scene(level), scene(level, seed=9), scene(level, seed=9))
    assert [motion.cut for motion in seen] == [False, False, True, False]


def test_a_light_switched_on_moves_but_is_no_cut() -> None:
    motion = watch(scene(70), scene(130))[1]
    assert motion.moved
    assert not motion.cut


def test_a_lens_that_is_covered_is_a_cut() -> None:
    assert watch(scene(), np.zeros_like(scene()))[1].cut


def test_noise_in_a_dark_room_is_no_cut() -> None:
    dark = np.full((360, 640, 3), 12, np.uint8)
    assert not any(motion.cut for motion in watch(*(noisy(dark) for _ in range(10))))


def test_a_face_that_appears_moves_and_is_no_cut() -> None:
    pictures = list(frames(Shot(seconds=0.5), Shot(seconds=0.5, people=(EILEEN,))))
    seen = watch(*pictures)
    assert seen[5].moved
    assert not any(motion.cut for motion in seen)
