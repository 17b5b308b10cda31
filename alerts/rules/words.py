"""How what happened is told in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta


def lasted(span: timedelta) -> str:
    """ "45 s", "5 min 12 s", "2 h 5 min"."""
    seconds = max(0, round(span.total_seconds()))
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds % 60} s" if seconds % 60 else f"{minutes} min"
    return f"{seconds} s"


def listed(names: Sequence[str]) -> str:
    """ "Gate", "Gate and Yard", "Gate, Yard and 3 others"."""
    if len(names) > 3:
        return f"{names[0]}, {names[1]} and {len(names) - 2} others"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
