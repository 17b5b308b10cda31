"""Pictures that stand still are told from still scenes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from cameras.video import Picture
from recognition.engine import Image
from workers.sources.frozen import FrozenWatch
from workers.tests.scenes import Shot, frames

SECONDS = 30.0
RNG = np.random.default_rng(8)
SCENE = next(frames(Shot(seconds=1)))


def frozen_after(pictures: Iterable[tuple[float, bool, Image]]) -> float | None:
    """When the picture counted as frozen at the first time."""
    watch = FrozenWatch(SECONDS)
    for t, key, image in pictures:
        picture = Picture.of(image)
        picture.key = key
        if watch.look(picture, t):
            return t
    return None


def noisy(level: float) -> Image:
    return np.clip(SCENE + RNG.normal(0, level, SCENE.shape), 0, 255).astype(np.uint8)


def test_the_very_same_picture_for_long_is_frozen() -> None:
    stream = [(t / 5, t % 10 == 0, SCENE) for t in range(400)]
    assert frozen_after(stream) == pytest.approx(SECONDS, abs=0.5)


def test_a_stream_of_key_pictures_freezes_as_well() -> None:
    assert frozen_after([(t / 25, True, SCENE) for t in range(2000)]) == pytest.approx(SECONDS, abs=0.5)


def test_without_any_further_key_picture_it_takes_longer() -> None:
    stream = [(t / 5, t == 0, SCENE) for t in range(1000)]
    assert frozen_after(stream) == pytest.approx(4 * SECONDS, abs=1.0)


@pytest.mark.parametrize("noise", [0.4, 3.0])
def test_a_still_scene_is_not_frozen(noise: float) -> None:
    """Between key pictures an encoder may well say "as before"."""
    shown: list[tuple[float, bool, Image]] = []
    for t in range(500):
        shown.append((t / 5, t % 10 == 0, noisy(noise) if t % 10 == 0 else shown[-1][2]))
    assert frozen_after(shown) is None


def test_one_who_walks_by_between_two_equal_key_pictures_thaws_it() -> None:
    passing = SCENE.copy()
    passing[:, 100:200] = 200
    stream = [(t / 5, t % 10 == 0, passing if t % 100 in range(3, 9) else SCENE) for t in range(1000)]
    assert frozen_after(stream) is None


def test_the_first_other_picture_thaws_it() -> None:
    watch = FrozenWatch(SECONDS)
    for t in range(40):
        watch.look(Picture.of(SCENE), float(t))
    assert watch.frozen
    assert not watch.look(Picture.of(noisy(2.0)), 40.0)
    assert not watch.look(Picture.of(noisy(2.0)[:200]), 41.0)  # another size is another picture
