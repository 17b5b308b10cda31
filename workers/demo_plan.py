"""The site plan of the demo: the ground floor of a small station, drawn to the coordinates of its cameras."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from recognition.engine import Image

METRES: Final = 160.0  # from the left edge to the right one
_SIZE: Final = (1200, 900)
_PAPER, _FLOOR, _WALL, _LINE, _TEXT = (236, 239, 240), (255, 255, 255), (70, 66, 62), (190, 186, 180), (90, 80, 70)
# Name, left, top, right, bottom in pixels.
_ROOMS: Final = (
    ("Car park", 380, 50, 800, 260),
    ("Main entrance", 800, 190, 1130, 450),
    ("Ticket hall", 640, 450, 1130, 850),
    ("Passage", 330, 560, 640, 700),
    ("Platforms", 60, 300, 330, 850),
)
# Where one walks from room to room.
_DOORS: Final = ((794, 205, 806, 245), (900, 444, 1010, 456), (634, 590, 646, 670), (324, 590, 336, 670))
_TRACKS: Final = (96, 176, 256)


def draw_plan() -> bytes:
    """The plan as PNG."""
    plan = np.full((_SIZE[1], _SIZE[0], 3), _PAPER, np.uint8)
    for _, left, top, right, bottom in _ROOMS:
        cv2.rectangle(plan, (left, top), (right, bottom), _FLOOR, -1)
        cv2.rectangle(plan, (left, top), (right, bottom), _WALL, 6)
    _draw_inside(plan)
    for left, top, right, bottom in _DOORS:
        cv2.rectangle(plan, (left, top), (right, bottom), _FLOOR, -1)
    for name, left, top, _, _ in _ROOMS:
        cv2.putText(plan, name, (left + 18, top + 38), cv2.FONT_HERSHEY_DUPLEX, 0.85, _TEXT, 1, cv2.LINE_AA)
    return cv2.imencode(".png", plan)[1].tobytes()


def _draw_inside(plan: Image) -> None:
    """Parking lots, tracks, and the counter of the ticket hall."""
    for x in range(420, 800, 60):
        cv2.line(plan, (x, 170), (x, 254), _LINE, 2)
    for x in _TRACKS:
        for y in range(370, 850, 22):
            cv2.line(plan, (x - 18, y), (x + 18, y), _LINE, 5)
        for side in (-9, 9):
            cv2.line(plan, (x + side, 358), (x + side, 846), _WALL, 2)
    cv2.rectangle(plan, (1040, 540), (1080, 800), _LINE, -1)
