"""Decoding less than everything: nothing is damaged by it, nothing is lost by waking, everything is counted."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np
import pytest

from cameras.drops import Drop
from cameras.tests.video.clips import FPS, GOP, noisy, opened, pictures_of, rest_of, write
from cameras.video import Capture, Decode, Picture, gop

COUNT = 4 * GOP


@pytest.fixture(scope="module", params=[0, 2], ids=["without B-pictures", "with B-pictures"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("clip") / "clip.mp4", noisy(COUNT, moving=range(30, 70)), bframes=request.param
    )


def steps(capture: Capture, count: int) -> list[Picture]:
    return [picture for _ in range(count) for picture in capture.step()]


def numbers(pictures: list[Picture]) -> list[int]:
    return [round((picture.pts or 0) * 25) for picture in pictures]


def check_pixels(pictures: list[Picture], clip: Path) -> None:
    straight = dict(zip(numbers(everything := pictures_of(clip)), everything, strict=True))
    for number, picture in zip(numbers(pictures), pictures, strict=True):
        assert np.array_equal(picture.luma, straight[number].luma), number


def test_everything_comes_in_order(clip: Path) -> None:
    pictures = pictures_of(clip)
    assert numbers(pictures) == list(range(COUNT))
    assert [n for n, picture in zip(numbers(pictures), pictures, strict=True) if picture.key] == [0, 25, 50, 75]


def test_key_pictures_come_at_once_and_alone(clip: Path) -> None:
    capture = opened(clip)
    capture.decode = Decode.KEYFRAMES
    first = capture.step()
    assert numbers(first) == [0]
    rest = rest_of(capture)
    assert numbers(rest) == [25, 50, 75]
    assert capture.skipped == {Drop.NOT_KEY: COUNT - 4}
    check_pixels(first + rest, clip)
    capture.close()


def test_waking_goes_on_from_the_key_picture_without_a_gap(clip: Path) -> None:
    capture = opened(clip)
    capture.decode = Decode.KEYFRAMES
    before = steps(capture, 40)
    assert numbers(before) == [0, 25]
    after = capture.wake() + rest_of(capture)
    assert capture.decode is Decode.ALL
    assert numbers(after) == list(range(26, COUNT))
    check_pixels(after, clip)
    capture.close()


def test_waking_from_nothing_begins_with_the_last_key_picture(clip: Path) -> None:
    capture = opened(clip)
    capture.decode = Decode.NOTHING
    assert steps(capture, 60) == []
    after = capture.wake() + rest_of(capture)
    assert numbers(after) == list(range(50, COUNT))
    assert capture.skipped[Drop.NOT_WANTED] == 50
    check_pixels(after, clip)
    capture.close()


def test_what_was_kept_comes_in_portions_with_the_times_it_was_received(clip: Path) -> None:
    capture = opened(clip)
    capture.decode = Decode.NOTHING
    steps(capture, 24)
    time.sleep(0.05)
    woken = time.monotonic()
    first = capture.wake()
    assert 0 < len(first) < gop.CHUNK + 3
    assert all(picture.received < woken - 0.04 for picture in first)
    assert len({picture.received for picture in first}) == len(first)
    capture.close()


def test_references_are_the_pictures_that_others_need(tmp_path: Path) -> None:
    clip = write(tmp_path / "b.mp4", noisy(COUNT), bframes=2, options={"x264-params": "b-adapt=0:b-pyramid=none"})
    capture = opened(clip)
    capture.decode = Decode.REFERENCES
    pictures = rest_of(capture)
    assert COUNT * 0.3 < len(pictures) < COUNT * 0.5
    assert capture.skipped == {Drop.NOT_REFERENCE: COUNT - len(pictures)}
    check_pixels(pictures, clip)
    capture.close()


@pytest.mark.parametrize("seed", range(6))
def test_changing_what_is_decoded_never_damages_a_picture(clip: Path, seed: int) -> None:
    choice = random.Random(seed)
    capture, pictures = opened(clip), []
    for _ in range(COUNT):
        if choice.random() < 0.15:
            capture.decode = choice.choice([mode for mode in Decode if mode is not Decode.ROUGH])
        if choice.random() < 0.05:
            pictures += capture.wake()
        pictures += capture.step()
    assert len(numbers(pictures)) == len(set(numbers(pictures)))
    check_pixels(pictures, clip)
    capture.close()


def off(pictures: list[Picture], clip: Path) -> dict[int, float]:
    """By how many grey levels each picture differs from the one that is decoded in full, on average."""
    straight = dict(zip(numbers(everything := pictures_of(clip)), everything, strict=True))
    return {
        number: float(np.abs(picture.luma.astype(int) - straight[number].luma).mean())
        for number, picture in zip(numbers(pictures), pictures, strict=True)
    }


def test_rough_pictures_all_come_and_are_a_little_off_until_the_next_key_picture(clip: Path) -> None:
    capture = opened(clip)
    capture.decode = Decode.ROUGH
    pictures = steps(capture, 2 * GOP + 5)
    capture.decode = Decode.ALL
    pictures += rest_of(capture)
    capture.close()
    assert numbers(pictures) == list(range(COUNT))
    by = off(pictures, clip)
    # How long a group is must be known first, and going back waits for a key picture as well.
    assert not any(by[number] for number in (*range(GOP), *range(3 * GOP, COUNT)))
    assert all(0 < by[number] < 5 for number in range(GOP, 3 * GOP))
    assert not capture.skipped


def test_groups_that_are_long_are_not_decoded_roughly(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gop, "ROUGH_SECONDS", 0.5 * GOP / FPS)
    capture = opened(clip)
    capture.decode = Decode.ROUGH
    check_pixels(rest_of(capture), clip)
    capture.close()


@pytest.mark.parametrize("seed", range(4))
def test_rough_pictures_among_all_other_ways_lose_and_repeat_nothing(clip: Path, seed: int) -> None:
    choice = random.Random(seed)
    capture, pictures = opened(clip), []
    for _ in range(COUNT):
        if choice.random() < 0.2:
            capture.decode = choice.choice([Decode.ROUGH, Decode.ROUGH, *Decode])
        pictures += capture.step()
    capture.decode = Decode.ALL
    pictures += rest_of(capture)
    assert numbers(pictures) == sorted(set(numbers(pictures)))
    assert len(pictures) + capture.skipped.total() == COUNT
    assert max(off(pictures, clip).values()) < 5
    capture.close()


def test_every_picture_comes_or_is_counted(clip: Path) -> None:
    capture, pictures = opened(clip), []
    for number, mode in enumerate([Decode.ALL, Decode.KEYFRAMES, Decode.NOTHING, Decode.ALL]):
        capture.decode = mode
        pictures += steps(capture, 20 + number)
    capture.decode = Decode.ALL
    pictures += rest_of(capture)
    assert len(pictures) + capture.skipped.total() == COUNT
    capture.close()


def test_a_group_too_long_to_keep_is_looked_at_all_the_same(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gop, "GOP_PACKETS", 10)
    capture = opened(clip)
    capture.decode = Decode.KEYFRAMES
    resting = steps(capture, 35)
    assert len(resting) > 4
    after = capture.wake() + rest_of(capture)
    assert numbers(after)[-1] == COUNT - 1
    check_pixels(resting + after, clip)
    capture.close()


def test_what_is_not_wanted_and_too_long_to_keep_waits_for_the_next_key_picture(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gop, "GOP_PACKETS", 10)
    capture = opened(clip)
    capture.decode = Decode.NOTHING
    steps(capture, 40)
    after = capture.wake() + rest_of(capture)
    assert numbers(after) == list(range(50, COUNT))
    check_pixels(after, clip)
    capture.close()


def test_of_video_that_is_all_key_pictures_few_are_decoded_at_rest(tmp_path: Path) -> None:
    clip = write(tmp_path / "m.avi", noisy(100), codec="mjpeg", pixels="yuvj420p")
    capture = opened(clip)
    capture.decode = Decode.KEYFRAMES
    assert len(rest_of(capture)) == 10  # four seconds of 25 pictures each, one every 0.4 s
    assert capture.skipped == {Drop.NOT_KEY: 90}
    capture.close()


def test_pictures_that_were_left_undecoded_cost_little(clip: Path) -> None:
    def cost(mode: Decode) -> float:
        spent = []
        for _ in range(3):
            capture = opened(clip)
            capture.decode = mode
            began = time.thread_time()
            rest_of(capture)
            spent.append(time.thread_time() - began)
            capture.close()
        return min(spent)

    assert cost(Decode.KEYFRAMES) < 0.5 * cost(Decode.ALL)
