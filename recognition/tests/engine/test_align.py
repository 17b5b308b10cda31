"""Alignment: the transform that was applied to a face is the one that is undone."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition.engine import Image, Pack, ShapeError
from recognition.engine.align import CHIP_POINTS, Reference, chip_to_picture, cut_chip, similarity_transform
from recognition.engine.types import Floats

angles = st.floats(-math.pi, math.pi)
scales = st.floats(0.05, 20)
shifts = st.floats(-2000, 2000)


def placed(angle: float, scale: float, x: float, y: float) -> Floats:
    """The points of a perfect chip, turned, scaled and moved into a picture."""
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    moved = CHIP_POINTS @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
    return np.asarray(moved, np.float32)


@given(angles, scales, shifts, shifts)
def test_a_perfect_face_lands_on_the_reference(angle: float, scale: float, x: float, y: float) -> None:
    points = placed(angle, scale, x, y)
    transform = similarity_transform(points)
    landed = points.astype(np.float64) @ transform[:, :2].T + transform[:, 2]
    # float32 points far from the origin are only good to some 1e-4 of a pixel, small faces magnify that.
    assert np.abs(landed - CHIP_POINTS).max() < 0.01 + 0.002 / scale


@given(angles, scales, shifts, shifts)
def test_there_and_back(angle: float, scale: float, x: float, y: float) -> None:
    transform = similarity_transform(placed(angle, scale, x, y))
    corners = np.array([(0, 0), (150, 0), (75, 33)], np.float64)
    back = chip_to_picture(transform, corners)
    assert back @ transform[:, :2].T + transform[:, 2] == pytest.approx(corners, abs=1e-6)


@given(st.lists(st.floats(-500, 500, width=32), min_size=10, max_size=10))
def test_any_five_points_give_a_similarity(numbers: list[float]) -> None:
    transform = similarity_transform(np.array(numbers, np.float32).reshape(5, 2))
    assert np.isfinite(transform).all()
    assert transform[0, 0] == transform[1, 1]
    assert transform[0, 1] == -transform[1, 0]


def test_points_in_one_spot_still_give_a_chip(astronaut: Image) -> None:
    assert cut_chip(astronaut, np.full((5, 2), 40, np.float32)).shape == (150, 150, 3)


@pytest.mark.parametrize("points", [np.zeros((4, 2), np.float32), np.full((5, 2), np.nan, np.float32)])
def test_wrong_points_are_refused(astronaut: Image, points: Floats) -> None:
    with pytest.raises(ShapeError):
        cut_chip(astronaut, points)


@pytest.mark.parametrize(
    ("points", "weights"),
    [
        (np.zeros((4, 2), np.float32), None),
        (CHIP_POINTS, np.ones(4, np.float32)),
        (CHIP_POINTS, np.zeros(5, np.float32)),
        (CHIP_POINTS, np.array((1, 1, 1, 1, -1), np.float32)),
        (CHIP_POINTS, np.array((1, 1, 1, 1, np.nan), np.float32)),
    ],
)
def test_a_reference_that_is_none_is_refused(points: Floats, weights: Floats | None) -> None:
    with pytest.raises(ShapeError):
        Reference.of(points=points, weights=weights)


def test_points_that_weigh_more_lie_nearer_to_the_reference() -> None:
    """A mouth that is open: the more the eyes weigh, the less it moves them."""
    points = placed(0, 1, 0, 0)
    points[3:, 1] += 30
    missed = []
    for eyes in (1, 5, 1000):
        reference = Reference.of(points=CHIP_POINTS, weights=np.array((eyes, eyes, 1, 1, 1), np.float32))
        transform = similarity_transform(points, reference)
        missed.append(np.abs(points[:2] @ transform[:, :2].T + transform[:, 2] - CHIP_POINTS[:2]).max())
    assert missed[0] > missed[1] > missed[2]
    assert missed[2] < 0.5


def test_a_face_outside_the_picture_is_black(astronaut: Image) -> None:
    assert cut_chip(astronaut, placed(0, 1, 5000, 5000)).max() == 0
    assert cut_chip(astronaut, placed(0, 9, 9000, 9000)).max() == 0


def test_a_one_pixel_picture_gives_a_chip() -> None:
    assert cut_chip(np.zeros((1, 1, 3), np.uint8), placed(0, 30, -700, -700)).shape == (150, 150, 3)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_a_larger_photo_gives_the_same_chip(pack: Pack, astronaut: Image, factor: int) -> None:
    """Photos larger than the chip are shrunk by area first, which must not shift anything."""
    points = pack.detect(astronaut).points[0]
    large = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR)
    moved = ((points + 0.5) * factor - 0.5).astype(np.float32)
    reference = cut_chip(astronaut, points).astype(int)
    assert np.abs(cut_chip(np.asarray(large, np.uint8), moved).astype(int) - reference).mean() < 3
