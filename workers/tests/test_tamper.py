"""What a watched view may go through without being called tampered with, and what must be noticed, on photos."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import skimage

from cameras.live import View
from workers.motion import SIZE, MotionGate
from workers.tamper import CLEAR_SECONDS, HOLD_SECONDS, MOVE_SECONDS, TamperWatch

Floats = npt.NDArray[np.float32]
Change = Callable[[Floats, int], Floats]
STEP = 0.5
PHOTOS = ("astronaut.png", "coffee.png", "camera.png", "rocket.jpg", "coins.png")
WIDTH, HEIGHT = 320, 180
EVERY_PHOTO = pytest.mark.parametrize("name", PHOTOS)


@cache
def photo(name: str) -> Floats:
    image = cv2.imread(str(Path(skimage.__file__).parent / "data" / name), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    rows = image.shape[1] * HEIGHT // WIDTH
    top = max(0, (image.shape[0] - rows) // 2)
    return cv2.resize(image[top : top + rows], (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


@cache
def grain() -> Floats:
    """Noise of a standard deviation of one."""
    return np.asarray(np.random.default_rng(1).normal(0, 1, (HEIGHT, WIDTH)), np.float32)


@cache
def lamp() -> Floats:
    """The light of an infra-red lamp: strong in the middle, little at the edges."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(np.exp(-((rows - HEIGHT / 2) ** 2 + (columns - WIDTH / 2) ** 2) / (2 * 110.0**2)), np.float32)


class Camera:
    """A view that is watched through the motion gate, with the noise of a sensor, twice a second."""

    def __init__(self, name: str, noise: float = 2) -> None:
        self._photo = photo(name)
        self._noise = noise
        self._number = 0
        self.t = 1000.0
        self.gate, self.watch = MotionGate(), TamperWatch()

    def show(self, seconds: float, change: Change = lambda picture, number: picture, noise: float = 0) -> list[View]:
        """What is said while the view is changed in this way."""
        views = []
        for _ in range(round(seconds / STEP)):
            self._number += 1
            self.t += STEP
            picture = change(self._photo.copy(), self._number)
            picture = picture + (noise or self._noise) * np.roll(grain(), self._number * 1237 % grain().size)
            self.gate.look(np.clip(picture, 0, 255).astype(np.uint8))
            views.append(self.watch.look(self.gate.grey, self.t))
        return views


def settled(name: str) -> Camera:
    camera = Camera(name)
    assert set(camera.show(45, crossing)) == {View.CLEAR}
    return camera


def crossing(picture: Floats, number: int) -> Floats:
    """Somebody large walks by, again and again."""
    x = number * 11 % (WIDTH + 80) - 60
    left, right = max(0, x), max(0, x + 60)
    picture[30:170, left:right] = picture[30:170, left:right] * 0.2 + 40
    return picture


def lit(picture: Floats, number: int) -> Floats:
    """By infra-red light, with other contrasts than by day."""
    return 204 * np.sqrt(picture / 255) * lamp()


def blurred(sigma: float) -> Change:
    return lambda picture, number: cv2.GaussianBlur(picture, (0, 0), sigma).astype(np.float32, copy=False)


def turned(pixels: int) -> Change:
    """The camera looks elsewhere: the view moves to the side, and what comes in is new."""
    shift = np.array([[1, 0, pixels], [0, 1, pixels / 8]], np.float32)
    return lambda picture, number: cv2.warpAffine(
        picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT
    ).astype(np.float32, copy=False)


def covered(picture: Floats, number: int) -> Floats:
    """A cloth before the lens, lit from one side."""
    return np.broadcast_to(np.linspace(140, 100, WIDTH, dtype=np.float32), picture.shape)


def dimmed(factor: float, offset: float = 0.0) -> Change:
    return lambda picture, number: picture * np.float32(factor) + np.float32(offset)


@EVERY_PHOTO
@pytest.mark.parametrize(
    "change",
    [
        crossing,
        lit,
        dimmed(0.5),
        dimmed(0.3),
        dimmed(0.25, 16),
        dimmed(1.5),
        lambda picture, number: picture * np.float32(0.4 if number // 6 % 2 else 1),
        lambda picture, number: crossing(picture * np.float32(0.3), number),
    ],
    ids=["people", "infra-red", "dusk", "night", "night, limited range", "sun", "lights switched", "people by night"],
)
def test_what_happens_before_every_camera_is_nothing(name: str, change: Change) -> None:
    assert set(settled(name).show(60, change)) == {View.CLEAR}


@EVERY_PHOTO
def test_day_that_becomes_night_and_noise_is_nothing(name: str) -> None:
    camera = settled(name)
    ramp = camera.show(120, lambda picture, number: picture * np.float32(max(0.3, 1 - number / 400)))
    assert set(ramp + camera.show(60, dimmed(0.3), noise=7)) == {View.CLEAR}


@EVERY_PHOTO
@pytest.mark.parametrize(
    ("change", "view"),
    [
        (lambda picture, number: np.full_like(picture, 17), View.BLACK),
        (covered, View.COVERED),
        (blurred(3), View.DEFOCUSED),
        (blurred(6), View.DEFOCUSED),
        (turned(45), View.MOVED),
        (turned(125), View.MOVED),
    ],
    ids=["black", "covered", "out of focus", "far out of focus", "turned a little", "turned away"],
)
def test_what_was_done_to_a_camera_is_said_and_taken_back(name: str, change: Change, view: View) -> None:
    camera = settled(name)
    views = camera.show(40, change)
    first = next(number for number, said in enumerate(views) if said is not View.CLEAR)
    assert first * STEP >= HOLD_SECONDS[view] - STEP
    assert views[-1] is view
    after = camera.show(CLEAR_SECONDS + 20)
    assert after[-1] is View.CLEAR


@EVERY_PHOTO
def test_a_new_view_is_the_usual_one_after_a_while(name: str) -> None:
    camera = settled(name)
    away = turned(125)
    views = camera.show(HOLD_SECONDS[View.MOVED] + MOVE_SECONDS + 20, away)
    assert View.MOVED in views
    assert set(camera.show(60, lambda picture, number: away(crossing(picture, number), number))) == {View.CLEAR}
    assert camera.show(60)[-1] is View.MOVED  # turned back: again not what it was


def test_a_short_disturbance_is_nothing() -> None:
    camera = settled("astronaut.png")
    for _ in range(4):
        assert set(camera.show(5, covered) + camera.show(15)) == {View.CLEAR}


def test_a_camera_that_starts_in_the_dark_is_black_and_learns_when_it_sees() -> None:
    camera = Camera("coffee.png")
    assert camera.show(20, dimmed(0, 16))[-1] is View.BLACK
    assert camera.show(60)[-1] is View.CLEAR
    assert camera.show(40, covered)[-1] is View.COVERED


def test_before_a_blank_wall_nothing_can_be_missed() -> None:
    camera = Camera("camera.png")
    wall = dimmed(0, 150)
    assert set(camera.show(60, wall) + camera.show(20, dimmed(0, 120))) == {View.CLEAR}


def test_after_a_gap_the_last_word_stands_until_it_was_looked_at_again() -> None:
    camera = settled("coffee.png")
    assert camera.show(40, covered)[-1] is View.COVERED
    camera.t += 3600
    assert camera.show(1)[-1] is View.COVERED
    assert camera.show(30)[-1] is View.CLEAR


def test_pictures_that_come_fast_are_looked_at_now_and_then() -> None:
    watch = TamperWatch()
    grey = np.random.default_rng(0).integers(0, 255, SIZE[::-1]).astype(np.uint8)
    before = grey.copy()
    assert {watch.look(grey, t) for t in np.arange(0, 10, 0.04)} == {View.CLEAR}
    assert np.array_equal(grey, before)
