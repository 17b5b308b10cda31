"""How often a camera's frames are looked at, and which looks it missed.

Three rates. *Keen*, all that the camera asks for, while somebody is not decided yet or something new moves; *calm*,
half of that, while all who are in view are decided and move slowly; both fall together, weighted by priority, when the
machine is short of time (`Turns.share`). What is wanted is what the rate by then asks for: a look that came too late by
one interval or more, though there were frames, is a missed one.

Times in seconds on the frames' clock, rates in looks a second. Pure computing.
"""

from __future__ import annotations

import math
from enum import StrEnum

CALM = 0.5
LEAST_CALM = 2.0  # looks a second: faces that walk are lost with less
LEAST = 0.2
_EARLY = 0.1  # of an interval: a frame that comes so much before its time is taken


class Attention(StrEnum):
    """How closely a camera is followed by now."""

    KEEN = "keen"
    CALM = "calm"


class Pace:
    """Says when one camera's next look is due. Owned by its loop."""

    def __init__(self, most: float, *, priority: int = 2) -> None:
        self._most = most
        self._priority = priority
        self._due = float("-inf")
        self.fps = most  # by now
        self.wanted = 0  # looks that the rate asked for
        self.missed = 0  # of these, the ones that did not take place

    @property
    def due(self) -> float:
        """When the next look should take place."""
        return self._due

    @property
    def interval(self) -> float:
        return 1.0 / self.fps

    def is_due(self, t: float) -> bool:
        """Whether the frame of time t should be looked at."""
        return t >= self._due - _EARLY * self.interval

    def look(self, t: float, *, came: int) -> int:
        """Notes that the frame of time t is looked at; `came`: frames since the last look, this one included.

        Returns how many looks were missed before it.
        """
        late = max(0, math.floor((t - self._due) / self.interval + 1e-6)) if math.isfinite(self._due) else 0
        missed = max(0, min(late, came - 1))
        # On a grid, so that the mean rate is the one asked for whatever the source's; anew when it was left behind.
        self._due = t + self.interval if late or not math.isfinite(self._due) else self._due + self.interval
        self.wanted += 1 + missed
        self.missed += missed
        return missed

    def miss(self) -> None:
        """The look that was noted last did not take place after all."""
        self.missed += 1

    def tune(self, attention: Attention, share: float, t: float) -> None:
        """Sets the rate for what is in view at time t and for what the machine can give."""
        wanted = self._most if attention is Attention.KEEN else min(self._most, max(LEAST_CALM, CALM * self._most))
        before = self.fps
        self.fps = max(min(LEAST, self._most), wanted * weighted(share, self._priority))
        if self.fps > before:  # whoever is keen does not wait for the calm rate's time
            self._due = min(self._due, t + self.interval)


def weighted(share: float, priority: int) -> float:
    """What a camera of this priority gets of the share: as it is for 2 (normal), less for 1, more for 3."""
    return float(share ** (2.0 / max(1, priority)))
