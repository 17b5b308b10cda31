"""The motion gate: what counts as motion, what as a cut, and what as neither."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.engine import Image
from workers.motion import SIZE, Motion, MotionGate
from workers.regions import WHOLE
from workers.tests.scenes import EILEEN, Shot, frames

NOISE = np.random.default_rng(1)
GRAIN = NOISE.normal(0, 6, (8, 360, 640, 3)).round().astype(np.int16)


def scene(level: float = 110, seed: int = 5) -> Image:
    """A textured picture, 640x360, the same for the same seed."""
    coarse = np.random.default_rng(seed).uniform(-40, 40, (9, 16)).astype(np.float32)
    grey = np.clip(cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_CUBIC) + level, 0, 255)
    return np.repeat(grey[:, :, None], 3, axis=2).astype(np.uint8)


def noisy(image: Image) -> Image:
    grain = GRAIN[NOISE.integers(len(GRAIN))][: image.shape[0], : image.shape[1]]
    picture: Image = np.clip(image + grain, 0, 255).astype(np.uint8)
    return picture


def with_square(image: Image, x: int, side: int = 40) -> Image:
    picture = image.copy()
    picture[150 : 150 + side, x : x + side] = 250
    return picture


def watch(*images: Image) -> list[Motion]:
    gate = MotionGate()
    return [gate.look(image) for image in images]


def test_the_first_frame_counts_as_moved() -> None:
    assert watch(scene()) == [Motion(moved=True, cut=False, regions=(WHOLE,))]


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


def moved(gate: MotionGate, *images: Image) -> list[bool]:
    return [gate.look(image).moved for image in images]


def rested(**settings: object) -> MotionGate:
    gate = MotionGate(**settings)  # type: ignore[arg-type]
    for _ in range(10):
        gate.look(noisy(scene()))
    return gate


def contains(box: tuple[float, ...], x1: float, y1: float, x2: float, y2: float) -> bool:
    return box[0] <= x1 / 640 and box[1] <= y1 / 360 and box[2] >= x2 / 640 and box[3] >= y2 / 360


def test_luma_is_looked_at_as_pictures_are() -> None:
    for image in (scene(), with_square(scene(), 200)):
        assert MotionGate().look(np.ascontiguousarray(image[:, :, 1])) == MotionGate().look(image)
    gate = rested()
    gate.look(with_square(scene(), 200)[:, :, 1])
    assert gate.grey.shape == SIZE[::-1]
    assert gate.grey.dtype == np.uint8
    assert gate.grey[42, 55] > 240


@pytest.mark.parametrize("sigma", [10, 25])
def test_the_noise_of_a_dark_night_does_not_open_the_gate(sigma: float) -> None:
    gate = rested(sensitivity=8)
    dark = (scene() * 0.3).astype(np.uint8)
    nights = [np.clip(dark + NOISE.normal(0, sigma, dark.shape), 0, 255).astype(np.uint8) for _ in range(40)]
    assert not any(moved(gate, *nights)[15:])
    assert moved(gate, with_square(nights[-1], 200)) == [True]


@pytest.mark.parametrize("flicker", [0.9, 0.8, 1.15])
def test_light_that_flickers_all_over_is_no_motion(flicker: float) -> None:
    gate = rested()
    images = [noisy(np.clip(scene() * (flicker if n % 2 else 1.0), 0, 255).astype(np.uint8)) for n in range(20)]
    assert not any(moved(gate, *images))


def test_somebody_who_walks_under_flickering_light_moves() -> None:
    gate = rested()
    for number in range(10):
        lit = np.clip(with_square(scene(), 100 + 30 * number, 60) * (0.85 if number % 2 else 1.0), 0, 255)
        assert gate.look(noisy(lit.astype(np.uint8))).moved


def test_rain_is_no_motion() -> None:
    gate = rested()
    for _ in range(20):
        image = scene()
        for x, y in zip(NOISE.integers(0, 640, 40), NOISE.integers(0, 340, 40), strict=True):
            image[y : y + 14, x : x + 1] += 40
        assert not gate.look(noisy(image)).moved


def test_sensitivity_says_how_little_is_enough() -> None:
    small = with_square(scene(), 300, 12)
    faint = scene()
    faint[100:200, 300:400] += 14
    assert [moved(rested(sensitivity=level), noisy(small))[0] for level in (1, 5, 9)] == [False, False, True]
    assert [moved(rested(sensitivity=level), noisy(faint))[0] for level in (1, 5, 9)] == [False, True, True]


def test_what_lies_under_a_mask_is_ignored() -> None:
    left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    assert moved(rested(masks=[left]), with_square(scene(), 100)) == [False]
    assert moved(rested(masks=[left]), with_square(scene(), 500)) == [True]
    everything = [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert moved(rested(masks=[everything]), with_square(scene(), 500)) == [False]
    assert moved(rested(masks=[[[0, 0], [1, 1]]]), with_square(scene(), 500)) == [True]  # no polygon at all


def test_regions_hold_the_whole_of_somebody_of_whom_a_part_moves() -> None:
    torso = scene()
    torso[170:260, 300:360] = 250
    regions = rested().look(torso).regions
    assert len(regions) == 1
    assert contains(regions[0], 280, 110, 380, 300)
    assert (regions[0][2] - regions[0][0]) * (regions[0][3] - regions[0][1]) < 0.4


def test_regions_of_what_is_apart_are_apart_and_at_most_four() -> None:
    two = with_square(with_square(scene(), 60), 540)
    regions = rested().look(two).regions
    assert len(regions) == 2
    assert regions[0][2] < regions[1][0]
    many = scene()
    for x in range(10, 620, 60):
        for y in (20, 170, 320):
            many[y : y + 25, x : x + 25] = 250
    regions = rested().look(many).regions
    assert 1 <= len(regions) <= 4
    for x in range(10, 620, 60):
        assert any(contains(region, x, 20, x + 25, 45) for region in regions)
    assert rested().look(scene()).regions == ()


def test_another_size_is_a_cut() -> None:
    gate = rested()
    assert gate.look(scene()[:, :480]) == Motion(moved=True, cut=True, regions=(WHOLE,))
    assert not gate.look(scene()[:, :480]).moved


def test_the_lights_that_went_on_are_usual_at_the_next_picture() -> None:
    gate = rested()
    assert moved(gate, *(noisy(scene(165)) for _ in range(8)))[:1] == [True]
    assert not any(moved(gate, *(noisy(scene(165)) for _ in range(8))))


def test_regions_are_where_something_moves_now_and_not_where_it_was() -> None:
    gate = MotionGate()
    scene = np.full((720, 1280), 90, np.uint8)
    gate.look(scene)
    for x in range(0, 1000, 80):
        picture = scene.copy()
        picture[200:500, x : x + 120] = 200
        motion = gate.look(picture)
    assert motion.moved
    assert motion.regions
    assert min(region[0] for region in motion.regions) > 0.5  # it is at 0.75 to 0.84 by now
    resting = gate.look(picture)
    assert resting.moved  # the background does not know it yet
    assert not resting.regions
