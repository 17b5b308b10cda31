"""How dark a number is drawn: eight steps of one hue from nothing to the largest number.

One hue that only gets stronger is told apart by colour-blind people too, and works in light and dark, where the
stylesheet mixes it with the ground. Steps are equal shares of the largest number's square root, so that a few large
numbers do not leave the rest blank.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

STEPS: Final = 7


def shade(value: float, most: float) -> int:
    """0 for nothing, else 1 to STEPS."""
    if value <= 0 or most <= 0:
        return 0
    return max(1, min(STEPS, math.ceil(STEPS * math.sqrt(value / most))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a scale, and the largest number that it stands for."""

    shade: int
    text: str


def scale(most: float, *, unit: str = "", whole: bool = False) -> tuple[Step, ...]:
    """What each step means, for the legend; of whole numbers without the steps that hold none."""
    if most <= 0:
        return ()
    tops = [(step, most * (step / STEPS) ** 2) for step in range(1, STEPS + 1)]
    if whole:
        # A thousandth more than it is: the last step's top is the most, whatever floating point makes of it.
        floors = [(step, math.floor(top + 1e-3)) for step, top in tops]
        tops = [(step, top) for (step, top), (_, below) in zip(floors, [(0, 0), *floors], strict=False) if top > below]
    return tuple(Step(shade=step, text=f"{number(top)}{unit}") for step, top in tops)


def number(value: float) -> str:
    """A number as a legend writes it: three digits that count, thousands apart."""
    if value >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"
