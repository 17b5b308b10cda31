"""What is known of getting from camera to camera: what was stated, what was learned, and what distances forbid.

What was stated counts before what was learned, and that before distances. Read every REFRESH_SECONDS at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from cameras.identities.linking import Way, Ways
from cameras.models import Route, TravelTime
from cameras.topology.distances import least_seconds, placed

REFRESH_SECONDS: Final = 10.0
_OVERLAP_SHARE: Final = 0.3  # of the people who pass two cameras, seen by both at once: then their views overlap
_OVERLAP_PEOPLE: Final = 3

_read_at = float("-inf")
_ways: Ways = {}


class _Known(Mapping[tuple[int, int], Way]):
    """What was stated or learned of some pairs; of all others what their distance says, which is worked out when it is
    asked for: five hundred cameras have a quarter of a million pairs."""

    def __init__(self, least: Mapping[tuple[int, int], float]) -> None:
        self._least = least
        self._told: dict[tuple[int, int], Way] = {}

    def __getitem__(self, pair: tuple[int, int]) -> Way:
        told = self._told.get(pair)
        return told if told is not None else Way(fastest=self._least[pair], overlaps=False)

    def __setitem__(self, pair: tuple[int, int], way: Way) -> None:
        self._told[pair] = way

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter(self._told.keys() | self._least.keys())

    def __len__(self) -> int:
        return len(self._told.keys() | self._least.keys())


def ways() -> Ways:
    """By (camera, next camera); pairs of which nothing is known are left out."""
    global _read_at, _ways
    if time.monotonic() - _read_at > REFRESH_SECONDS:
        _ways, _read_at = _read(), time.monotonic()
    return _ways


def forget() -> None:
    """The next use reads everything anew."""
    global _read_at
    _read_at = float("-inf")


def _read() -> Ways:
    found = _Known(least_seconds(list(placed())))
    for row in TravelTime.objects.all():
        pair = (row.start_id, row.end_id)
        before = found.get(pair, Way())
        if row.people >= _OVERLAP_PEOPLE and row.at_once >= _OVERLAP_SHARE * row.count:
            found[pair] = replace(before, overlaps=True)
        else:
            found[pair] = replace(before, usual=(row.p05, row.p50, row.p95))
    for route in Route.objects.all():
        pairs = [(route.start_id, route.end_id)] + [(route.end_id, route.start_id)] * route.both_ways
        for pair in pairs:
            found[pair] = _stated(found.get(pair, Way()), route)
            if route.overlaps:  # views overlap both ways, however people walk
                found[pair[::-1]] = replace(found.get(pair[::-1], Way()), overlaps=True)
    return found


def _stated(before: Way, route: Route) -> Way:
    usual = before.usual
    if route.usual is not None and usual is None:
        usual = (route.fastest if route.fastest is not None else route.usual / 2, route.usual, 2 * route.usual)
    fastest = route.fastest if route.fastest is not None else before.fastest
    return Way(fastest=None if route.overlaps else fastest, usual=usual, overlaps=route.overlaps)
