"""Sightings by hour and weekday, over time, and at night: from sums, in the time zone of the period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from cameras.movement.basis import Basis
from cameras.movement.slots import HOUR_SLOTS, SLOT_SECONDS, Ints, Reals, start_of, weekday_of
from cameras.movement.sums import Sums

STEPS: Final = ("quarter", "hour", "day")
_WEEK: Final = 7 * 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WeekHours:
    """Sightings that began in each hour of the week; Monday is row 0."""

    basis: Basis
    counts: Ints  # (7, 24)
    hours: Reals  # (7, 24) how many such hours the period held

    @property
    def means(self) -> Reals:
        """(7, 24) sightings an hour; NaN where the period held no such hour."""
        return np.where(self.hours > 0, self.counts / np.where(self.hours > 0, self.hours, 1.0), np.nan)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    """Sums by quarter of an hour, hour or day."""

    basis: Basis
    starts: tuple[datetime, ...]  # n beginnings, in the period's zone
    sightings: Ints  # (n,)
    known: Ints
    unknown: Ints
    identities: Ints  # sum over quarters of an hour of how many different people began to be seen in each
    presence: Reals  # (n,) faces in view at once, on average


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraNights:
    """One camera's sightings at night and in all."""

    camera: int
    name: str
    night: int
    sightings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nights:
    """Sightings that began at night. `begins`, `ends`: hours on the wall's clock; over midnight where the night does
    not end after it begins."""

    basis: Basis
    begins: int
    ends: int
    night: int
    sightings: int
    cameras: tuple[CameraNights, ...]  # most at night first


def visits(sums: Sums) -> WeekHours:
    """Sightings by weekday and hour."""
    week = weekday_of(sums.wall) * 24 + sums.wall % 24
    counts = np.bincount(week, weights=sums.count("sightings").sum(axis=0), minlength=_WEEK)
    return WeekHours(
        basis=sums.basis(
            "Sightings that began in each hour of the week, by the clock on the wall. An hour that the clock left out"
            " is not counted as one, an hour that came twice counts as two. A sighting is one stretch of a face in"
            " view, not one visitor."
        ),
        counts=counts.astype(np.int64).reshape(7, 24),
        hours=np.bincount(week, minlength=_WEEK).reshape(7, 24) / HOUR_SLOTS,
    )


def timeline(sums: Sums, *, step: str = "hour") -> Timeline:
    """Sums over time; `step`: one of STEPS. Raises ValueError for another."""
    if step not in STEPS:
        raise ValueError(f"Steps are {', '.join(STEPS)}. Choose one.")
    slots = np.arange(sums.slots, dtype=np.int64)
    keys = {"quarter": slots, "hour": sums.wall, "day": sums.wall // 24}[step]
    _, begins, group = np.unique(keys, return_index=True, return_inverse=True)
    number = len(begins)

    def summed(name: str) -> Ints:
        return np.bincount(group, weights=sums.count(name).sum(axis=0), minlength=number).astype(np.int64)

    seconds = np.bincount(group, minlength=number) * float(SLOT_SECONDS)
    return Timeline(
        basis=sums.basis(
            "Sightings that began in each step, and how many faces were in view at once on average: seconds in view,"
            " of each sighting its first two hours at most, divided by the seconds of the step. People are counted anew"
            " in every quarter of an hour, and by every camera: their sum over longer steps is no number of different"
            " people."
        ),
        starts=tuple(start_of(sums.first + int(at)).astimezone(sums.period.zone) for at in begins),
        sightings=summed("sightings"),
        known=summed("known"),
        unknown=summed("unknown"),
        identities=summed("identities"),
        presence=np.asarray(summed("presence") / 10 / seconds, np.float64),
    )


def night_hours(begins: int, ends: int) -> tuple[int, ...]:
    """The hours on the wall's clock that are night; all of them where it ends when it begins. Raises ValueError."""
    if not (0 <= begins <= 23 and 0 <= ends <= 23):
        raise ValueError("A night begins and ends at a full hour from 0 to 23. Choose such hours.")
    return tuple((begins + hour) % 24 for hour in range((ends - begins - 1) % 24 + 1))


def nights(sums: Sums, *, begins: int = 22, ends: int = 6) -> Nights:
    """What happened at night."""
    at_night = sums.chosen(None, night_hours(begins, ends))
    seen = sums.count("sightings")
    rows = [
        CameraNights(camera=spot.id, name=spot.name, night=int(row[at_night].sum()), sightings=int(row.sum()))
        for spot, row in zip(sums.place.spots, seen, strict=True)
    ]
    return Nights(
        basis=sums.basis(
            f"Sightings that began from {begins:02d}:00 to {ends:02d}:00 by the clock on the wall, of all sightings."
        ),
        begins=begins,
        ends=ends,
        night=sum(row.night for row in rows),
        sightings=sum(row.sightings for row in rows),
        cameras=tuple(sorted(rows, key=lambda row: (-row.night, row.name))),
    )
