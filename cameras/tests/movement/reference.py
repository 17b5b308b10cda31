"""The definitions, read plainly: loops over sightings, to compare the figures with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from cameras.tests.movement.many import Seen

SLOT = 900
HOUR = 3600.0


def slot(moment: float) -> int:
    return int(moment // SLOT)


def presence(rows: Iterable[Seen], begin: float, end: float) -> dict[int, float]:
    """Seconds in view between two moments, by camera; of each sighting its first two hours."""
    found: dict[int, float] = defaultdict(float)
    for row in rows:
        found[row.camera] += max(0.0, min(row.last, row.first + 2 * HOUR, end) - max(row.first, begin))
    return found


def transitions(rows: Sequence[Seen]) -> list[tuple[Seen, Seen, float]]:
    """Sightings of one person that follow each other, and the seconds between, 0 where they overlap."""
    last: dict[int, Seen] = {}
    found = []
    for row in rows:
        if not row.identity:
            continue
        before = last.get(row.identity)
        if before is not None and row.first - before.last <= HOUR and row.first - before.first <= 3 * HOUR:
            found.append((before, row, max(0.0, row.first - before.last)))
        last[row.identity] = row
    return found


def heat(rows: Iterable[Seen]) -> Counter[tuple[int, int, int]]:
    """Seconds by camera, row and column."""
    found: Counter[tuple[int, int, int]] = Counter()
    for row in rows:
        for at, (t, x, y) in enumerate(row.course):
            until = row.course[at + 1][0] if at + 1 < len(row.course) else row.last - row.first
            found[row.camera, min(int(y * 9), 8), min(int(x * 16), 15)] += max(0.0, until - t)  # type: ignore[assignment]
    return found


def at_once(rows: Sequence[Seen], moment: float) -> int:
    """How many people are in view at a moment."""
    there = [row for row in rows if row.first <= moment <= row.last]
    return len({row.identity for row in there if row.identity}) + sum(not row.identity for row in there)


def visits(rows: Sequence[Seen], gap: float) -> list[list[Seen]]:
    """Sightings joined into visits."""
    open_: dict[tuple[int, int], list[Seen]] = {}
    found: list[list[Seen]] = []
    for row in rows:
        key = (row.identity, row.camera)
        current = open_.get(key)
        if row.identity and current and row.first - max(one.last for one in current) <= gap:
            current.append(row)
            continue
        open_[key] = [row]
        found.append(open_[key])
    return found
