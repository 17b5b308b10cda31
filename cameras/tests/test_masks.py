"""Ignore masks: what is kept, and what is refused with which words."""

from __future__ import annotations

import json

import pytest

from cameras.masks import MOST_CORNERS, MOST_POLYGONS, MaskError, area, clean_masks

SQUARE = [[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]


def test_polygons_are_kept_rounded_and_without_corners_that_come_twice() -> None:
    given = [[[0, 0], [0, 0], [0.5, 0.0], [0.5, 0.123456789], [0, 0]], [tuple(corner) for corner in SQUARE]]
    assert clean_masks(given) == [[[0.0, 0.0], [0.5, 0.0], [0.5, 0.12346]], SQUARE]
    assert clean_masks(json.dumps([SQUARE])) == [SQUARE]
    assert clean_masks(None) == clean_masks("") == clean_masks([]) == []
    assert clean_masks(clean_masks([SQUARE])) == [SQUARE]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[[", "no JSON"),
        ("[" * 5000, "no JSON"),
        (5, "list of polygons"),
        ({"x": 1}, "list of polygons"),
        ([5], "Mask 1 is no list"),
        (["abc"], "Mask 1 is no list"),
        ([SQUARE, [[0, 0], [1, 1]]], "Mask 2 has 2 corners"),
        ([[[0, 0], [0.5, 0.5], [0, 0]]], "Mask 1 has 2 corners"),
        ([[[0, 0], [0.5, 0.5], [1, 1]]], "covers nothing"),
        ([[[0, 0], [0.001, 0], [0.001, 0.001]]], "covers nothing"),
        ([[[0, 0], [1.1, 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], [-0.1, 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], [float("nan"), 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], [10**400, 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], [True, 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], ["1", 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], [1, 0, 0], [1, 1]]], "from 0 to 1"),
        ([[[0, 0], "ab", [1, 1]]], "from 0 to 1"),
        ([SQUARE] * (MOST_POLYGONS + 1), "at most 20"),
        ([[[i / 100, (i % 2) / 2] for i in range(MOST_CORNERS + 1)]], "has 65 corners"),
        ([[[i / 1000, (i % 2) / 2] for i in range(500)]], "has 500 corners"),
    ],
)
def test_what_makes_no_sense_is_refused(given: object, said: str) -> None:
    with pytest.raises(MaskError, match=said):
        clean_masks(given)


def test_an_area_is_a_part_of_the_picture() -> None:
    assert area(SQUARE) == pytest.approx(0.25)
    assert area([[0, 0], [0, 1], [1, 0]]) == pytest.approx(0.5)
