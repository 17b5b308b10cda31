"""What a camera must have seen: films whose crossings are known, and what may be said of sightings of them.

One person comes every PERIOD seconds, for PRESENT of them; the film is played in a loop as a live camera. Whatever
happened meanwhile, one sighting follows the other by PERIOD: a larger gap is one that was lost, a smaller one is one
that was written twice (or a track that broke).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cameras.models import Sighting
from workers.tests.scenes import EILEEN, Shot, clip

PERIOD, PRESENT = 6.0, 2.5
_SLACK = 0.4  # of a period: a busy machine sees the first face late


def film(folder: Path) -> Path:
    return clip(folder / "comes-and-goes.mp4", Shot(seconds=PRESENT, people=(EILEEN,)), Shot(seconds=PERIOD - PRESENT))


def gaps(found: Sequence[Sighting]) -> list[float]:
    """Seconds from one beginning to the next."""
    return [(after.first_seen - before.first_seen).total_seconds() for before, after in pairwise(found)]


def check_none_lost_none_twice(found: Sequence[Sighting]) -> None:
    steps = gaps(found)
    assert all(abs(step - PERIOD) < _SLACK * PERIOD for step in steps), steps
    check_sane(found)


def check_sane(found: Sequence[Sighting]) -> None:
    """No sighting ends before it begins, lasts longer than the person was there, or overlaps another."""
    spans = [(one.last_seen - one.first_seen).total_seconds() for one in found]
    assert all(0 <= span < PERIOD for span in spans), spans
    overlaps = [(str(a.pk), str(b.pk)) for a, b in pairwise(found) if b.first_seen < a.last_seen]
    assert not overlaps, overlaps
