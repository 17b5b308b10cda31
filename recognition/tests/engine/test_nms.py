"""Non-maximum suppression on large and hostile input; what a loop would do is checked with MTCNN's tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine.nms import suppress
from recognition.engine.types import Floats


def boxes_of(seed: int, count: int, spread: float) -> tuple[Floats, Floats]:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, spread, (count, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 60, (count, 2))], axis=1).astype(np.float32)
    return boxes, random.uniform(0, 1, count).astype(np.float32)


def overlaps(box: Floats, others: Floats, pixel: float) -> Floats:
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]) + pixel
    shared = np.clip(sides, 0, None).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2] + pixel).prod(axis=1)
    return np.asarray(shared / ((box[2:] - box[:2] + pixel).prod() + areas - shared))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(0, 900), st.sampled_from([40.0, 400.0, 4000.0]), st.sampled_from([0.0, 1.0]))
def test_what_is_kept_does_not_overlap_and_what_goes_does(seed: int, count: int, spread: float, pixel: float) -> None:
    """Counts above the size of a block as well."""
    boxes, scores = boxes_of(seed, count, spread)
    kept = suppress(boxes, scores, 0.4, pixel=pixel)
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) <= 0).all()
    gone = np.setdiff1d(np.arange(count), kept)
    for place, at in enumerate(kept):
        assert (overlaps(boxes[at], boxes[kept[:place]], pixel) <= 0.4 + 1e-5).all()
    for at in gone:
        better = kept[scores[kept] >= scores[at]]
        assert overlaps(boxes[at], boxes[better], pixel).max() > 0.4 - 1e-5


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_suppressing_twice_changes_nothing(seed: int, count: int) -> None:
    boxes, scores = boxes_of(seed, count, 100.0)
    kept = suppress(boxes, scores, 0.3)
    again = suppress(boxes[kept], scores[kept], 0.3)
    assert again.tolist() == list(range(len(kept)))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(1, 300), st.integers(-512, 512), st.sampled_from([0.5, 2.0, 4.0]))
def test_moving_and_scaling_all_boxes_keeps_the_same(seed: int, count: int, shift: int, scale: float) -> None:
    boxes, scores = boxes_of(seed, count, 200.0)
    boxes = np.round(boxes)  # whole numbers and powers of two are exact in float32
    moved = ((boxes + shift) * scale).astype(np.float32)
    assert suppress(moved, scores, 0.3).tolist() == suppress(boxes, scores, 0.3).tolist()


def test_the_same_box_thousands_of_times_is_one_face() -> None:
    boxes = np.tile(np.array([10, 10, 50, 60], np.float32), (5000, 1))
    assert suppress(boxes, np.linspace(0, 1, 5000, dtype=np.float32), 0.4).tolist() == [4999]


@pytest.mark.parametrize("count", [0, 1])
def test_none_and_one(count: int) -> None:
    boxes, scores = boxes_of(1, count, 10.0)
    assert suppress(boxes, scores, 0.4).tolist() == list(range(count))
