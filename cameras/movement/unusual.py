"""What is unusual for a place: hours with far more or fewer sightings than usual, and visits unlike the person's own.

Hours. The count of an hour is compared with the same hour of the same weekday in the weeks before it. The model is a
negative binomial whose mean m is the mean of those weeks (with half a sighting added, so that no mean is zero) and
whose variance is m + φ m², where φ >= 0 is found by the method of moments from all hours of the camera in those weeks;
the variance is made larger by the share 1 / weeks because m itself is not known for sure. p is two-sided, twice the
smaller tail. Many hours are tested, so that some seem unlikely by chance: listed are those that Benjamini and
Hochberg's procedure (1995) lets through at `level`, the share of false alarms among those listed that is expected at
most where the model holds. Hours that the clock leaves out or repeats, and hours with fewer than FEWEST_WEEKS before
them, are not tested.

Visits. Each is compared with all that the same person made in the HISTORY_DAYS days before, at whichever camera.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import numpy as np
from django.db.models import Min
from scipy.special import betainc

from cameras.models import CameraDay
from cameras.movement.basis import Basis
from cameras.movement.hours import night_hours
from cameras.movement.place import Period, Place
from cameras.movement.presence import GAP
from cameras.movement.slots import HOUR_SLOTS, Ints, Reals, first_slot, hour_start, slot_after, wall_hours
from cameras.movement.spans import Spans, read_each
from cameras.movement.stays import Visits, joined
from cameras.movement.sums import Sums, read_sums

FEWEST_WEEKS: Final = 4
MOST_WEEKS: Final = 26
MOST_ROWS: Final = 100
_WEEK: Final = 7 * 24

HISTORY_DAYS: Final = 90
AWAY_DAYS: Final = 30
MOST_PEOPLE: Final = 100
MOST_EACH: Final = 200  # sightings of each
_FEWEST: Final = {"first_night": 10, "first_here": 20, "long_away": 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualHour:
    """An hour of a camera. `p`: how likely a count so far off or further is; `q`: at which level it is listed."""

    camera: int
    name: str
    start: datetime  # in the period's zone
    count: int
    expected: float
    weeks: int  # that the expectation rests on
    p: float
    q: float

    @property
    def is_more(self) -> bool:
        return self.count > self.expected


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualHours:
    """Hours that stand out. `tested`: pairs of a camera and an hour."""

    basis: Basis
    weeks: int
    level: float
    tested: int
    untested: int
    rows: tuple[UnusualHour, ...]  # least likely first


class Oddity(StrEnum):
    """Why a visit is unlike the person's own."""

    FIRST_NIGHT = "first_night"
    FIRST_HERE = "first_here"
    LONG_AWAY = "long_away"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS: Final = {
    Oddity.FIRST_NIGHT: "At night for the first time",
    Oddity.FIRST_HERE: "At this camera for the first time",
    Oddity.LONG_AWAY: "Back after a long time",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualVisit:
    """A visit unlike the ones before. `before`: how many it is compared with."""

    identity: int
    kind: Oddity
    camera: int
    name: str
    at: datetime
    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusualVisits:
    """Visits unlike the person's own before, newest first. `people`: who was looked at, of all who came."""

    basis: Basis
    people: int
    of: int
    rows: tuple[UnusualVisit, ...]


def unusual_hours(place: Place, period: Period, *, weeks: int = 8, level: float = 0.05) -> UnusualHours:
    """The hours of a period that stand out from the `weeks` weeks before each. Raises ValueError."""
    if not FEWEST_WEEKS <= weeks <= MOST_WEEKS:
        raise ValueError(f"Hours are compared with {FEWEST_WEEKS} to {MOST_WEEKS} weeks before. Choose so many.")
    if not 0 < level < 1:
        raise ValueError("The level of false alarms lies between 0 and 1. Choose one, such as 0.05.")
    wide = Period(since=period.since - timedelta(weeks=weeks), until=period.until, zone=period.zone)
    sums = read_sums(place, wide, names=("sightings",))
    counts, whole, first = _hours(sums)
    tested = int(wall_hours(slot_after(period.since), 1, period.zone)[0]) - first
    expected, p, number = probabilities(
        counts, whole & (first + np.arange(len(whole)) >= _known_since(sums)), tested, weeks
    )
    sure = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    q[sure] = adjusted(p[sure])
    rows = [
        UnusualHour(
            camera=place.spots[at].id,
            name=place.spots[at].name,
            start=hour_start(first + tested + hour, period.zone),
            count=int(counts[at, tested + hour]),
            expected=float(expected[at, hour]),
            weeks=int(number[hour]),
            p=float(p[at, hour]),
            q=float(q[at, hour]),
        )
        for at, hour in np.argwhere(np.nan_to_num(q, nan=1.0) <= level).tolist()
    ]
    return UnusualHours(
        basis=sums.basis(
            f"Hours whose number of sightings is unlikely, given the same hour of the same weekday in the {weeks} weeks"
            f" before: negative binomial, two-sided, with at most {level:.0%} false alarms among the hours listed. At"
            f" least {FEWEST_WEEKS} weeks are needed. What is unusual need not be wrong: holidays are, too."
        ),
        weeks=weeks,
        level=level,
        tested=int(sure.sum()),
        untested=int(p.size - sure.sum()),
        rows=tuple(sorted(rows, key=lambda row: (row.p, row.start, row.name))[:MOST_ROWS]),
    )


def probabilities(counts: Ints, whole: Ints, begin: int, weeks: int) -> tuple[Reals, Reals, Ints]:
    """(c, n) what was expected, (c, n) p, and (n,) how many weeks it rests on, of the hours from `begin` on.

    `counts` (c, h): by hour on the wall's clock; `whole` (h,): hours that were whole. p is NaN where nothing is tested.
    """
    hours = np.arange(begin, counts.shape[1])
    before = hours[:, None] - _WEEK * np.arange(1, weeks + 1)
    usable = (before >= 0) & np.where(before >= 0, whole[np.maximum(before, 0)], False)
    number = usable.sum(axis=1)
    seen = np.where(usable, counts[:, np.maximum(before, 0)], 0).astype(np.float64)  # (c, n, weeks)
    safe = np.maximum(number, 1)
    plain = seen.sum(axis=2) / safe
    spread = (np.where(usable, seen - plain[..., None], 0.0) ** 2).sum(axis=2) / np.maximum(number - 1, 1)
    enough = number >= FEWEST_WEEKS
    squares = (plain[:, enough] ** 2).sum(axis=1)
    extra = (spread - plain)[:, enough].sum(axis=1)
    phi = np.maximum(0.0, np.divide(extra, squares, out=np.zeros_like(extra), where=squares > 0))
    mean = (seen.sum(axis=2) + 0.5) / safe
    variance = (mean + phi[:, None] * mean**2) * (1 + 1 / safe)
    size = mean**2 / np.maximum(variance - mean, 1e-9)
    p = _two_sided(counts[:, hours], mean, size)
    p[:, ~(enough & (whole[hours] > 0))] = np.nan
    return plain, p, number


def adjusted(p: Reals) -> Reals:
    """Benjamini and Hochberg's q: the level from which on each is let through."""
    order = np.argsort(p)
    ranked = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(1.0, np.minimum.accumulate(ranked[::-1])[::-1])
    return q


def _two_sided(counts: Ints, mean: Reals, size: Reals) -> Reals:
    """Twice the smaller tail of the negative binomial with this mean and size, the count itself in both."""
    share = size / (size + mean)
    less = betainc(size, counts + 1.0, share)
    more = np.where(counts > 0, betainc(np.maximum(counts, 1.0), size, 1 - share), 1.0)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(less, more)), np.float64)


def _hours(sums: Sums) -> tuple[Ints, Ints, int]:
    """(c, h) sightings by hour on the wall's clock, (h,) whether the hour is whole, and the first hour's number."""
    first = int(sums.wall.min())
    at, size = sums.wall - first, int(sums.wall.max()) - first + 1
    seen = sums.count("sightings")
    cells = np.arange(len(seen))[:, None] * size + at
    counts = np.bincount(cells.ravel(), weights=seen.ravel(), minlength=len(seen) * size)
    whole = np.bincount(at, minlength=size) == HOUR_SLOTS
    return counts.astype(np.int64).reshape(len(seen), size), whole, first


def _known_since(sums: Sums) -> int:
    """The first hour on the wall's clock of which there are sums at all: before it nobody watched."""
    first = CameraDay.objects.aggregate(first=Min("day"))["first"]
    slot = max(sums.first, first_slot(first)) if first else sums.first + sums.slots
    return int(wall_hours(slot, 1, sums.period.zone)[0])


# --- Visits ----------------------------------------------------------------------------------------------------------


def unusual_visits(spans: Spans, *, night: tuple[int, int] = (22, 6)) -> UnusualVisits:
    """Visits unlike the person's own in the 90 days before, of the MOST_PEOPLE who came last."""
    hours = night_hours(*night)
    here = spans.rows.identities > 0
    people, newest = np.unique(spans.rows.identities[here][::-1], return_index=True)
    chosen = people[np.argsort(newest)][:MOST_PEOPLE]
    names = {spot.id: spot.name for spot in spans.place.spots}
    rows = [
        UnusualVisit(
            identity=int(found.identities[at]),
            kind=kind,
            camera=int(found.cameras[at]),
            name=names[int(found.cameras[at])],
            at=datetime.fromtimestamp(float(found.since[at]), UTC).astimezone(spans.period.zone),
            before=at,
        )
        for found in _histories(spans, chosen)
        for at, kind in _oddities(found, hours, spans)
        if int(found.cameras[at]) in names
    ]
    return UnusualVisits(
        basis=spans.basis(
            f"Visits unlike the same person's in the {HISTORY_DAYS} days before, as far as their newest {MOST_EACH}"
            f" sightings reach: at night ({night[0]:02d}:00 to"
            f" {night[1]:02d}:00) for the first time after at least {_FEWEST['first_night']} visits, at a camera for"
            f" the first time after at least {_FEWEST['first_here']}, or after {AWAY_DAYS} days without any after at"
            f" least {_FEWEST['long_away']}. Unknown people are remembered for a short time only, and are rarely here."
        ),
        people=len(chosen),
        of=len(people),
        rows=tuple(sorted(rows, key=lambda row: row.at, reverse=True)[:MOST_ROWS]),
    )


def _histories(spans: Spans, people: Ints) -> Iterator[Visits]:
    """Each one's visits everywhere, in order, from HISTORY_DAYS before the period on."""
    if not len(people):
        return
    rows = read_each(
        identities=[int(one) for one in people],
        since=spans.since - timedelta(days=HISTORY_DAYS),
        until=spans.period.until,
        most=MOST_EACH,
    )
    found = joined(rows, gap=GAP)
    found = found.taken(np.lexsort((found.since, found.identities)))
    for one in people:
        begin, end = np.searchsorted(found.identities, [one, one + 1])
        yield found.taken(np.arange(begin, end))


def _oddities(found: Visits, night: tuple[int, ...], spans: Spans) -> Iterator[tuple[int, Oddity]]:
    """Which of one person's visits in the period are unlike those before."""
    hours = np.array([_hour(since, spans) for since in found.since.tolist()])
    at_night = np.isin(hours, night)
    _, first_at = np.unique(found.cameras, return_index=True)
    firsts = set(first_at.tolist())
    for at in np.flatnonzero(found.since >= spans.since.timestamp()).tolist():
        if at >= _FEWEST["first_night"] and at_night[at] and not at_night[:at].any():
            yield at, Oddity.FIRST_NIGHT
        if at >= _FEWEST["first_here"] and at in firsts:
            yield at, Oddity.FIRST_HERE
        away = found.since[at] - found.until[:at].max(initial=-np.inf)
        if at >= _FEWEST["long_away"] and away >= AWAY_DAYS * 86_400:
            yield at, Oddity.LONG_AWAY


def _hour(seconds: float, spans: Spans) -> int:
    """The hour on the wall's clock at this moment."""
    return datetime.fromtimestamp(seconds, spans.period.zone).hour
