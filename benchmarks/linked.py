"""Days in which people walk past cameras, and whom the link decision takes them for.

The tracks are those of benchmarks/passes.py; when they happen is drawn anew for every day: somebody comes in at any
moment of the day's span and walks past all cameras in one direction or the other. Tracks are linked in the order in
which they ended, as the linker does: the most similar templates, each identity by its best one, the identity's
sightings nearest in time, `linking.decide`. An identity is whoever founded it, so that a wrong link stays wrong.

Times are seconds; `alike` is (n, n), the similarity of each pair of tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise, permutations

import numpy as np

from benchmarks.passes import PLACES, Passed
from cameras.identities.linking import Contender, Limits, Span, Way, Ways, decide
from recognition.engine.types import Floats

SPAN = 1800.0  # seconds within which everybody comes in
TOP, CONTENDERS, BEFORE, AFTER = 32, 5, 3, 1  # as in cameras/identities/linker.py
PACE = 1.3  # metres a second, as people walk
_RUNNING = 4.0
_PASSING = 5.0  # seconds in view
_WALKS_LEARNED = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crowd:
    """All tracks, and how alike they are."""

    tracks: tuple[Passed, ...]
    alike: Floats

    @classmethod
    def of(cls, tracks: Sequence[Passed]) -> Crowd:
        means = np.stack([one.mean for one in tracks]).astype(np.float64)
        away = ((means[:, None] - means[None]) ** 2).sum(axis=2)
        return cls(tracks=tuple(tracks), alike=(1 - away / 2).astype(np.float32))

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(sorted({one.person for one in self.tracks}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a track was taken for. `founder`: of the identity it was linked to; None: it became a new one."""

    person: str
    other_photo: bool
    seen_before: bool
    most_alike: str  # whose the most similar earlier track is; empty for the first of all
    founder: str | None

    @property
    def right(self) -> bool:
        """Of somebody who was seen before: the most similar track is theirs, and so is the identity."""
        return self.most_alike == self.person and self.founder == self.person

    @property
    def false(self) -> bool:
        return self.founder is not None and self.founder != self.person


@dataclass(slots=True, eq=False)
class _Known:
    """An identity as it grows."""

    founder: str
    spans: list[Span] = field(default_factory=list)


def day(crowd: Crowd, people: Sequence[str], seed: int, *, within: float = SPAN) -> list[tuple[int, Span]]:
    """The tracks of these people, who come in within so many seconds, in the order in which they ended."""
    random = np.random.default_rng(seed)
    of: dict[tuple[str, int], list[int]] = {}
    for at, one in enumerate(crowd.tracks):
        of.setdefault((one.person, one.place), []).append(at)
    found = []
    for person in people:
        for place, moment in _walk(random, within):
            for at in of.get((person, place), []):
                one = crowd.tracks[at]
                found.append((at, Span(camera=place, first_seen=moment + one.began, last_seen=moment + one.ended)))
    return sorted(found, key=lambda one: (one[1].last_seen, one[0]))


def _walk(random: np.random.Generator, within: float) -> list[tuple[int, float]]:
    """The cameras in the order of one way, with the moments at which somebody comes into their pictures."""
    order = list(range(len(PLACES)))[:: 1 if random.random() < 0.5 else -1]
    pace = PACE * float(random.lognormal(0, 0.15))
    moments = [float(random.uniform(0, within))]
    for one, other in pairwise(order):
        stays = _PASSING + float(random.exponential(8.0))
        moments.append(moments[-1] + stays + _distance(one, other) / pace)
    return list(zip(order, moments, strict=True))


def topology() -> Ways:
    """What a site would state and learn: how fast anybody is, that no two views overlap, and what most people take."""
    random = np.random.default_rng(1)
    taken: dict[tuple[int, int], list[float]] = {}
    for _ in range(_WALKS_LEARNED):
        for (one, began), (other, later) in pairwise(_walk(random, SPAN)):
            taken.setdefault((one, other), []).append(later - began - _PASSING)
    ways = {}
    for one, other in permutations(range(len(PLACES)), 2):
        seconds = taken.get((one, other))
        fast, middle, slow = np.quantile(seconds, [0.05, 0.5, 0.95]).tolist() if seconds else (0.0, 0.0, 0.0)
        usual = (fast, middle, slow) if seconds else None
        ways[one, other] = Way(fastest=_distance(one, other) / _RUNNING, usual=usual, overlaps=False)
    return ways


def link(crowd: Crowd, in_order: Sequence[tuple[int, Span]], ways: Ways, limits: Limits) -> list[Outcome]:
    """What each track is taken for, one after the other."""
    known: list[_Known] = []
    whose: dict[int, int] = {}  # track -> identity
    began: list[float] = []  # of all tracks so far
    found = []
    for at, span in in_order:
        one = crowd.tracks[at]
        earlier = np.fromiter(whose, np.int64, len(whose))
        alike = crowd.alike[at, earlier]
        nearest = np.argsort(-alike, kind="stable")[:TOP]
        best: dict[int, float] = {}
        for row in nearest:
            best.setdefault(whose[int(earlier[row])], float(alike[row]))
        contenders = [
            _contender(identity, similarity, span, known[identity].spans, began)
            for identity, similarity in list(best.items())[:CONTENDERS]
        ]
        taken = decide(span, contenders, ways, limits).identity
        found.append(
            Outcome(
                person=one.person,
                other_photo=one.other_photo,
                seen_before=any(crowd.tracks[other].person == one.person for other in whose),
                most_alike=crowd.tracks[int(earlier[nearest[0]])].person if len(nearest) else "",
                founder=known[taken].founder if taken is not None else None,
            )
        )
        if taken is None:
            taken = len(known)
            known.append(_Known(founder=one.person))
        whose[at] = taken
        began.append(span.first_seen)
        known[taken].spans.append(span)
    return found


def _contender(
    identity: int, similarity: float, span: Span, spans: Sequence[Span], began: Sequence[float]
) -> Contender:
    """With the sightings nearest in time: the last ones that began before the track's end, and the next one."""
    ordered = sorted(spans, key=lambda one: one.first_seen)
    before = [one for one in ordered if one.first_seen <= span.last_seen]
    near = (*before[-BEFORE:], *[one for one in ordered if one.first_seen > span.last_seen][:AFTER])
    last = max(one.last_seen for one in spans)
    others = sum(one > last for one in began)
    return Contender(identity=identity, similarity=similarity, near=near, others=others)


def _distance(one: int, other: int) -> float:
    return float(np.hypot(PLACES[one].x - PLACES[other].x, PLACES[one].y - PLACES[other].y))
