"""Where somebody else may be beside the people who are followed."""

from __future__ import annotations

import pytest

from workers.regions import Box, beside

FACE: Box = (0.45, 0.2, 0.55, 0.35)  # its shoulders go from 0.325 to 0.675


def test_what_one_person_moves_is_explained() -> None:
    assert beside([(0.25, 0.05, 0.75, 1.0)], [FACE]) == []


def test_what_moves_without_a_face_is_not() -> None:
    regions: list[Box] = [(0.0, 0.1, 0.2, 0.9), (0.25, 0.05, 0.75, 1.0)]
    assert beside(regions, [FACE]) == regions[:1]
    assert beside(regions, []) == regions


def test_a_region_that_is_wider_than_the_person_in_it_may_hold_another() -> None:
    wide: Box = (0.1, 0.05, 0.95, 1.0)
    left, right = beside([wide], [FACE])
    assert left == pytest.approx((0.1, 0.05, 0.325, 1.0))
    assert right == pytest.approx((0.675, 0.05, 0.95, 1.0))


def test_there_may_be_somebody_between_two_people_who_are_apart_but_not_between_two_who_are_close() -> None:
    small: Box = (0.1, 0.2, 0.14, 0.26)
    near: Box = (0.2, 0.2, 0.24, 0.26)
    far: Box = (0.6, 0.2, 0.64, 0.26)
    assert beside([(0.04, 0.1, 0.3, 1.0)], [near, small]) == []
    (gap,) = beside([(0.04, 0.1, 0.7, 1.0)], [far, small])
    assert gap == pytest.approx((0.19, 0.1, 0.55, 1.0))


def test_a_small_face_explains_little_of_a_large_region() -> None:
    region: Box = (0.13, 0.0, 0.91, 1.0)
    left, right = beside([region], [(0.42, 0.44, 0.46, 0.53)])
    assert left[2] - left[0] + right[2] - right[0] > 0.8 * (region[2] - region[0])
