"""Whose is a new track of somebody unknown? The decision on who resembles it and on where those were at the time.

A track is linked to the identity whose face resembles it most, where that is enough. How much is enough depends on two
things. First, whether the person can have been there: nothing links to somebody who was elsewhere or could not have got
there; for somebody who would have been unusually fast, or in two places whose views may or may not overlap, the faces
must be more alike; for somebody who is expected there at that time less. Second, how many others it might be: each
stranger who came after somebody was seen last is one more chance to resemble them, so that a link to whom was here a
minute ago asks for less than one to whom hundreds have followed since. Without that a limit that is right for an hour
would be wrong for a day. A wrong link is worse than a missing one, which an operator or the nightly look can put right.

The limits are parts of the way from the pack's threshold to 1, so that they hold for packs whose similarities differ.
They are chosen by `python -m benchmarks.linking`, which prints what follows from others. The pack's threshold itself is
none of them: it is for a list of enrolled people with good photos, while tracks of small, blurred faces are compared
with each other here, and strangers' are much more alike then.

Times are seconds since 1970 (UTC); similarity is 1 - d**2 / 2 (recognition.engine.match).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

LINK: Final = 0.56  # part of the way from the pack's threshold to 1 that a link asks for
LIKELY: Final = 0.41  # where the person is expected there just then
UNLIKELY: Final = 0.76  # where it would be unusual
OTHERS: Final = 50  # these hold where so many tracks of unknown people began since somebody was seen last
TENFOLD: Final = 0.15  # what ten times as many add; a tenth of them takes as much off
FEWEST: Final = 25  # fewer are not told apart from so many
MOST: Final = 0.95  # a face that is as much alike as this is enough wherever it is possible
SLACK: Final = 1.0  # seconds by which times of two cameras may be off
SOON: Final = 10.0  # so soon after it was lost at a camera a face is expected there again
_MUCH_FASTER: Final = 0.5  # of what 95 % take


class Standing(IntEnum):
    """How well somebody's other sightings go with a new one."""

    IMPOSSIBLE = 0
    UNLIKELY = 1
    NEUTRAL = 2
    LIKELY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is known of getting from one camera to another. `usual`: what 5, 50 and 95 % take, in seconds."""

    fastest: float | None = None  # nobody is faster: stated, or by the distance
    usual: tuple[float, float, float] | None = None
    overlaps: bool | None = None  # whether both may see one person at the same time; None: nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A sighting as far as place and time go. `camera` None: one that was removed."""

    camera: int | None
    first_seen: float
    last_seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """An identity that resembles the track: its best similarity, its sightings nearest in time, and how many tracks of
    unknown people began since it was seen last."""

    identity: int
    similarity: float
    near: tuple[Span, ...] = ()
    others: int = OTHERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From which similarity a track is linked, where OTHERS came since; `tenfold`: what ten times as many add."""

    link: float
    likely: float
    unlikely: float
    tenfold: float = 0.0
    most: float = 1.0

    @classmethod
    def of(cls, threshold: float) -> Limits:
        """Those that follow from a pack's threshold."""
        way = 1.0 - threshold
        return cls(
            link=threshold + LINK * way,
            likely=threshold + LIKELY * way,
            unlikely=threshold + UNLIKELY * way,
            tenfold=TENFOLD * way,
            most=threshold + MOST * way,
        )

    @property
    def floor(self) -> float:
        """Below it nothing is ever linked."""
        return self.asked(Standing.LIKELY, others=0)

    def asked(self, standing: Standing, others: int = OTHERS) -> float:
        """The similarity that is enough; infinity where none is."""
        if standing is Standing.IMPOSSIBLE:
            return float("inf")
        base = {Standing.UNLIKELY: self.unlikely, Standing.NEUTRAL: self.link, Standing.LIKELY: self.likely}[standing]
        return min(self.most, base + self.tenfold * math.log10(max(others, FEWEST) / OTHERS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkDecision:
    """Whose the track is; `identity` None: nobody's who was seen before."""

    identity: int | None
    similarity: float | None
    standing: Standing = Standing.NEUTRAL


Ways = Mapping[tuple[int, int], Way]
_UNKNOWN_WAY: Final = Way()


def gap(track: Span, other: Span) -> float:
    """Seconds from the end of the earlier one to the begin of the later one; negative: so far at least a clock would
    have to be off if they were not at once."""
    return max(track.first_seen - other.last_seen, other.first_seen - track.last_seen)


def standing(track: Span, other: Span, ways: Ways) -> Standing:
    """How well one sighting goes with another one of the same person."""
    between = gap(track, other)
    if track.camera is None or other.camera is None:
        return Standing.NEUTRAL
    if track.camera == other.camera:
        return _at_one_camera(between)
    earlier, later = (other, track) if other.first_seen <= track.first_seen else (track, other)
    way = ways.get((earlier.camera or 0, later.camera or 0), _UNKNOWN_WAY)
    if way.overlaps:
        return Standing.LIKELY if between < SOON else Standing.NEUTRAL
    if way.fastest is not None and between < way.fastest - SLACK:
        return Standing.IMPOSSIBLE
    if between < -SLACK:
        return Standing.UNLIKELY if way.overlaps is None else Standing.IMPOSSIBLE
    if way.usual is None:
        return Standing.NEUTRAL
    fast, _, slow = way.usual
    if between < fast * _MUCH_FASTER - SLACK:
        return Standing.UNLIKELY
    return Standing.LIKELY if fast - SLACK <= between <= slow + SLACK else Standing.NEUTRAL


def decide(track: Span, contenders: Iterable[Contender], ways: Ways, limits: Limits) -> LinkDecision:
    """The most similar contender that is similar enough for where they were; ties go to the older identity."""
    for one in sorted(contenders, key=lambda one: (-one.similarity, one.identity)):
        if one.similarity < limits.floor:
            break
        how = overall(track, one.near, ways)
        if one.similarity >= limits.asked(how, one.others):
            return LinkDecision(identity=one.identity, similarity=one.similarity, standing=how)
    return LinkDecision(identity=None, similarity=None)


def overall(track: Span, near: Sequence[Span], ways: Ways) -> Standing:
    """The worst standing there is; where none is bad, the best."""
    found = [standing(track, other, ways) for other in near]
    worst = min(found, default=Standing.NEUTRAL)
    return worst if worst < Standing.NEUTRAL else max(found, default=Standing.NEUTRAL)


def _at_one_camera(between: float) -> Standing:
    """Two faces in one picture are two people, unless a track was only cut in two."""
    if between < -SLACK:
        return Standing.IMPOSSIBLE
    return Standing.LIKELY if between < SOON else Standing.NEUTRAL
