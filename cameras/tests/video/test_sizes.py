"""What packet sizes say of a scene at rest and of one in which somebody walks; real encodes."""

from __future__ import annotations

import numpy as np
import pytest

from cameras.tests.video.clips import GOP, noisy, opened, write
from cameras.video import Decode, EndOfSource
from cameras.video.sizes import PacketSizes

STILL = 120 * 25  # two minutes
WALK = range(STILL + 5, STILL + 5 + 60)  # begins five pictures after a key picture


@pytest.fixture(scope="module", params=[0, 2], ids=["without B-pictures", "with B-pictures"])
def stirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[bool]:
    """After each packet of two still minutes and a walk, whether it seemed to move."""
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    capture = opened(write(path, noisy(WALK.stop, moving=WALK), bframes=request.param))
    capture.decode = Decode.KEYFRAMES
    seen: list[bool] = []
    while True:
        try:
            capture.step()
        except EndOfSource:
            capture.close()
            return seen
        seen.append(capture.stirred)


def test_a_noisy_scene_at_rest_is_still_for_minutes(stirs: list[bool]) -> None:
    assert not any(stirs[:STILL])


def test_somebody_who_walks_is_noticed_before_the_next_key_picture(stirs: list[bool]) -> None:
    assert any(stirs[WALK.start : STILL + GOP])


def test_a_stream_whose_sizes_vary_much_is_given_more_room() -> None:
    """An encoder of constant rate: what looked unusual is usual after some of it."""
    random = np.random.default_rng(0)
    sizes = PacketSizes()
    noticed = []
    for number in range(3000):
        loud = number > 1500 and number // 40 % 3 == 0
        before = sizes.stirred
        sizes.add(int(random.normal(4000, 150) * (1.6 if loud else 1)), key=number % 25 == 0, resting=True)
        noticed.append(sizes.stirred and not before)
    assert not any(noticed[:1500])
    assert sum(noticed[1500:2000]) > 0
    assert sum(noticed[2500:]) < sum(noticed[1500:2000])


def test_what_moves_while_awake_is_not_learned_as_usual() -> None:
    sizes = PacketSizes()
    for number in range(500):
        sizes.add(4000 + number % 7, key=number % 25 == 0, resting=True)
    for number in range(500, 1000):
        sizes.add(9000, key=number % 25 == 0, resting=False)
    for number in range(1000, 1024):
        sizes.add(9000 if number > 1010 else 4000, key=number == 1000, resting=True)
        if number <= 1010:
            assert not sizes.stirred
    assert sizes.stirred
