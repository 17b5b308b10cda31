"""Shares of outcomes that hang together by person, with 95 % intervals.

Intervals come from a bootstrap over people, because what happens to one person hangs together; where nothing went wrong
a bootstrap shows nothing: then the rule of three over the people gives the share below which the rate lies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ROUNDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A share and between which it lies, all in [0, 1]."""

    hits: int
    total: int
    people: int
    low: float
    high: float

    @property
    def share(self) -> float:
        return self.hits / self.total


def rate(by_person: Mapping[str, Sequence[bool]]) -> Rate | None:
    """How many of the outcomes are true; None without any."""
    found = [outcomes for outcomes in by_person.values() if outcomes]
    if not found:
        return None
    hits, totals = np.array([sum(one) for one in found]), np.array([len(one) for one in found])
    if hits.any():
        drawn = np.random.default_rng(1).integers(len(hits), size=(ROUNDS, len(hits)))
        low, high = np.quantile(hits[drawn].sum(axis=1) / totals[drawn].sum(axis=1), [0.025, 0.975])
    else:
        low, high = 0.0, 1 - 0.05 ** (1 / len(found))
    return Rate(hits=int(hits.sum()), total=int(totals.sum()), people=len(found), low=float(low), high=float(high))


def told(by_person: Mapping[str, Sequence[bool]]) -> str:
    """The share, its interval, and the numbers it is made of."""
    found = rate(by_person)
    if found is None:
        return "—"
    if not found.hits:
        return f"0 of {found.total} ({found.people} people: below {100 * found.high:.0f} %)"
    share = f"{100 * found.share:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f} %)"
    return f"{share}, {found.hits} of {found.total}"
