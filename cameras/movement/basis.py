"""What every figure carries: its definition, what it rests on, and when it was made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What a figure means and what it rests on. `definition`: one or two sentences that a page shows."""

    definition: str
    sightings: int  # of so many it was made
    since: datetime  # from here on sightings were looked at
    until: datetime
    computed_at: datetime  # of sums: when they were last brought up to date
    waiting: int = 0  # quarters of an hour whose sums are to be made anew, because something was corrected
    is_cut: bool = False  # there were more sightings than are looked at: only the newest, from `since` on
