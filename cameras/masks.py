"""Ignore masks: parts of a camera's picture where nothing counts, as polygons.

A polygon is a list of [x, y] corners, each in [0, 1] of the picture's width and height, in order around it; it closes
itself. No Django here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

Polygon = list[list[float]]

MOST_POLYGONS = 20
MOST_CORNERS = 64
_FEWEST_CORNERS = 3
_SMALLEST = 1e-4  # of the picture: smaller ones are slips of the hand
_DECIMALS = 5


class MaskError(ValueError):
    """The masks can not be used; the message is a sentence for people."""


def clean_masks(given: object) -> list[Polygon]:
    """The polygons, rounded and without corners that come twice; raises MaskError. Takes lists or JSON text of them."""
    if isinstance(given, str):
        given = _parsed(given)
    if given is None:
        return []
    if not isinstance(given, Sequence):
        raise MaskError("Masks are a list of polygons, each a list of [x, y] corners. Draw them on the picture.")
    if len(given) > MOST_POLYGONS:
        raise MaskError(f"There are {len(given)} masks; at most {MOST_POLYGONS} are kept. Join or remove some.")
    return [_polygon(each, number) for number, each in enumerate(given, start=1)]


def area(polygon: Sequence[Sequence[float]]) -> float:
    """The part of the picture that the polygon covers, in [0, 1] (shoelace formula)."""
    doubled = 0.0
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        doubled += x1 * y2 - x2 * y1
    return abs(doubled) / 2


def _parsed(text: str) -> object:
    if not text.strip():
        return []
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise MaskError("The masks are no JSON. Write them as in [[[0, 0], [0.5, 0], [0.5, 0.2]]].") from None


def _polygon(given: object, number: int) -> Polygon:
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise MaskError(f"Mask {number} is no list of [x, y] corners. Draw it again.")
    corners: Polygon = []
    for each in given[: MOST_CORNERS * 2]:
        corner = _corner(each, number)
        if not corners or corner != corners[-1]:
            corners.append(corner)
    if len(corners) > 1 and corners[0] == corners[-1]:
        corners.pop()
    count = len(corners) if len(given) <= MOST_CORNERS * 2 else len(given)
    if not _FEWEST_CORNERS <= count <= MOST_CORNERS:
        raise MaskError(
            f"Mask {number} has {count} corners; {_FEWEST_CORNERS} to {MOST_CORNERS} are taken. Draw it again."
        )
    if area(corners) < _SMALLEST:
        raise MaskError(f"Mask {number} covers nothing. Draw it again, or remove it.")
    return corners


def _corner(given: object, number: int) -> list[float]:
    if not isinstance(given, str) and isinstance(given, Sequence) and len(given) == 2:
        x, y = given
        if _is_share(x) and _is_share(y):
            return [round(float(x), _DECIMALS), round(float(y), _DECIMALS)]
    raise MaskError(f"Mask {number} has a corner that is not [x, y] with both from 0 to 1. Draw it again.")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1  # no NaN either
