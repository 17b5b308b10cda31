"""Where names go beside the dots of a drawing, so that they do not lie over each other.

Names have a size in pixels whatever the size of the drawing, so that they are laid out once for a wide and once for a
narrow screen. One for which there is no room is left out: the table beside the drawing has them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

WIDE: Final = 860.0  # pixels that a drawing has on a desktop, about
NARROW: Final = 330.0  # and on a telephone
LINE: Final = 15.0
_LETTER: Final = 6.9  # mean width of a letter at 12 pixels, rather too much
_GAP: Final = 15.0  # from the middle of the dot to its name
_DOT: Final = 12.0
MOST: Final = 60
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A name that should stand at a place, x and y from 0 to 1 of the drawing; the first ones get a place first."""

    x: float
    y: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Lines of text at a place; `left` and `top` in percent of the drawing, `dx` and `dy` in pixels."""

    left: str
    top: str
    dx: float
    dy: float
    anchor: str
    lines: tuple[str, ...]


def short(name: str, letters: int) -> str:
    """The name, cut where it is longer."""
    return name if len(name) <= letters else name[: letters - 1].rstrip() + "…"


def percent(share: float) -> str:
    """A share as SVG takes it, whatever the language of the page writes for a decimal point."""
    return f"{100 * share:.2f}%"


def lay_out(
    wanted: Sequence[Wanted], dots: Iterable[tuple[float, float]], *, width: float, ratio: float, letters: int
) -> tuple[Label, ...]:
    """The names that find room on a drawing of `width` pixels and `ratio` times that height; first all lines of a name
    are tried, then its first alone."""
    height = width * ratio
    taken = [_around(x * width, y * height) for x, y in dots]
    placed: list[Label] = []
    for one in wanted[:MOST]:
        lines = (short(one.lines[0], letters), *one.lines[1:])
        for shown in (lines, lines[:1]) if len(lines) > 1 else (lines,):
            found = _place(one, shown, width, height, taken)
            if found is not None:
                label, box = found
                placed.append(label)
                taken.append(box)
                break
    return tuple(placed)


def _around(x: float, y: float) -> _Box:
    return x - _DOT, y - _DOT, x + _DOT, y + _DOT


def _place(
    one: Wanted, lines: tuple[str, ...], width: float, height: float, taken: Sequence[_Box]
) -> tuple[Label, _Box] | None:
    wide, high = max(map(len, lines)) * _LETTER, len(lines) * LINE
    x, y = one.x * width, one.y * height
    sides = (
        ("start", _GAP, -high / 2),
        ("end", -_GAP, -high / 2),
        ("middle", 0.0, -_GAP - high),
        ("middle", 0.0, _GAP),
        ("start", _GAP * 0.6, _GAP * 0.6),
        ("end", -_GAP * 0.6, _GAP * 0.6),
        ("start", _GAP * 0.6, -_GAP * 0.6 - high),
        ("end", -_GAP * 0.6, -_GAP * 0.6 - high),
    )
    for anchor, dx, dy in sides:
        left = x + dx - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        box = (left, y + dy, left + wide, y + dy + high)
        if box[0] < 0 or box[1] < 0 or box[2] > width or box[3] > height:
            continue
        if not any(_overlap(box, other) for other in taken):
            baseline = round(dy + LINE * 0.8, 1)
            label = Label(
                left=percent(one.x), top=percent(one.y), dx=round(dx, 1), dy=baseline, anchor=anchor, lines=lines
            )
            return label, box
    return None


def _overlap(one: _Box, other: _Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
