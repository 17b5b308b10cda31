"""The path of somebody over the places where they were seen, as a geometry of GeoJSON (RFC 7946).

Coordinates are [longitude, latitude] in degrees of WGS 84. A way over the antimeridian is cut there (section 3.1.9).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

Point = list[float]


class Path:
    """Grows from place to place in the order of time; staying at one adds nothing."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self.times: list[str] = []  # when they came to each point

    def go_to(self, lon: float, lat: float, at: str) -> None:
        if not self._points or self._points[-1] != [lon, lat]:
            self._points.append([lon, lat])
            self.times.append(at)

    def geometry(self) -> dict[str, Any] | None:
        """A LineString, or a MultiLineString where it was cut; None: they were in one place only, or in none."""
        if len(self._points) < 2:
            return None
        lines = _cut(self._points)
        if len(lines) == 1:
            return {"type": "LineString", "coordinates": lines[0]}
        return {"type": "MultiLineString", "coordinates": lines}


def _cut(points: list[Point]) -> list[list[Point]]:
    lines: list[list[Point]] = [[points[0]]]
    for (lon, lat), (next_lon, next_lat) in pairwise(points):
        if abs(next_lon - lon) > 180:
            edge = 180.0 if lon > 0 else -180.0
            left = edge - lon  # degrees to the antimeridian, and from there on
            on = next_lon + edge
            share = left / (left + on) if left + on else 0.0
            at = lat + share * (next_lat - lat)
            lines[-1].append([edge, at])
            lines.append([[-edge, at]])
        lines[-1].append([next_lon, next_lat])
    return [line for line in lines if len(line) > 1]
