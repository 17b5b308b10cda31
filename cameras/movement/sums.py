"""Sums of a place and period as arrays, read from the rows that `cameras.movement.summing` keeps.

    sums = read_sums(everywhere(), last_days(90))
    figure = visits(sums)

Read once for a page; figures made of it take milliseconds. Shapes: c cameras in the order of `place.spots`, s slots
(quarters of an hour, UTC) from `first` on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from cameras.models import SumsState
from cameras.movement.basis import Basis
from cameras.movement.binary import fetched
from cameras.movement.packing import ARRIVAL_BYTES, COUNTS, Arrivals, unpack_arrivals, unpack_dwells
from cameras.movement.place import Period, Place, Spot
from cameras.movement.slots import (
    BINS,
    SLOTS_A_DAY,
    Ints,
    day_of,
    slot_after,
    start_of,
    wall_hours,
    weekday_of,
)
from cameras.movement.summing import waiting

_READ: Final = """
SELECT camera_id, (day - '1970-01-01'::date)::int4, {columns} FROM cameras_cameraday
WHERE camera_id = ANY(%(cameras)s) AND day >= %(since)s AND day <= %(until)s ORDER BY day, camera_id
"""
_COLUMN_BYTES: Final = SLOTS_A_DAY * 4  # of one of COUNTS, a day


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """What is summed up of a place and period; what a figure needs is read when it asks first."""

    place: Place
    period: Period
    names: tuple[str, ...]  # of COUNTS
    first: int  # the first slot
    slots: int  # how many
    summed_at: datetime
    waiting: int

    @cached_property
    def counts(self) -> npt.NDArray[np.uint32]:
        """(c, n, s) by `names`."""
        part = "counts"
        if self.names != COUNTS:
            begin = COUNTS.index(self.names[0]) * _COLUMN_BYTES
            part = f"substring(counts FROM {begin + 1} FOR {_COLUMN_BYTES * len(self.names)})"
        begin, end = self.first // SLOTS_A_DAY, (self.first + self.slots - 1) // SLOTS_A_DAY + 1
        shape = (len(self.place.spots), len(self.names), end - begin, SLOTS_A_DAY)
        found = np.zeros(shape, np.uint32)
        rows = self.rows(part)
        if rows:
            values = np.frombuffer(b"".join(row[2] for row in rows), "<u4")
            cameras, days = self._positions(rows)
            found[cameras, :, days - begin] = values.reshape(len(rows), len(self.names), SLOTS_A_DAY)
        ahead = self.first - begin * SLOTS_A_DAY
        return found.reshape(*shape[:2], shape[2] * SLOTS_A_DAY)[..., ahead : ahead + self.slots]

    @cached_property
    def dwells(self) -> Ints:
        """(c, BINS) how many sightings lasted how long."""
        found = np.zeros((len(self.place.spots), BINS), np.int64)
        for since, until in self._whole_days():
            rows = self.rows("dwells_day", since=since, until=until)
            if rows:
                values = np.frombuffer(b"".join(row[2] for row in rows), "<u4").reshape(len(rows), BINS)
                np.add.at(found, self._positions(rows)[0], values)
        for since, until in self._parts_of_days():
            rows = self.rows("dwells", since=since, until=until)
            for at, day, data in zip(*self._positions(rows), (row[2] for row in rows), strict=True):
                begin = day * SLOTS_A_DAY
                found[at] += unpack_dwells(data)[since - begin : until - begin].sum(axis=0)
        return found

    @cached_property
    def arrivals(self) -> tuple[Arrivals, Ints]:
        """Transitions to these cameras, from whichever: (n,) of ARRIVAL, and to which camera each (its id)."""
        parts = []
        for since, until in self._whole_days():
            parts += self.rows("arrivals_day", since=since, until=until)
        found = [_joined(parts)]
        for since, until in self._parts_of_days():
            rows, cameras = _joined(self.rows("arrivals", since=since, until=until))
            begin = since // SLOTS_A_DAY * SLOTS_A_DAY
            inside = (rows["slot"] >= since - begin) & (rows["slot"] < until - begin)
            found.append((rows[inside], cameras[inside]))
        return np.concatenate([rows for rows, _ in found]), np.concatenate([cameras for _, cameras in found])

    @cached_property
    def wall(self) -> Ints:
        """(s,) on which hour of the wall's clock each slot lies (cameras.movement.slots.wall_hours)."""
        return wall_hours(self.first, self.slots, self.period.zone)

    def count(self, name: str) -> Ints:
        """(c, s) one of `names`."""
        return self.counts[:, self.names.index(name)].astype(np.int64)

    def alone(self, spot: Spot) -> Sums:
        """The sums of one of the cameras."""
        return replace(self, place=Place(spots=(spot,)))

    def chosen(self, weekdays: Collection[int] | None, hours: Collection[int] | None) -> npt.NDArray[np.bool_]:
        """(s,) which slots are on these weekdays (Monday 0) and in these hours; None: on all."""
        wanted = np.ones(self.slots, bool)
        if weekdays is not None:
            wanted &= np.isin(weekday_of(self.wall), list(weekdays))
        if hours is not None:
            wanted &= np.isin(self.wall % 24, list(hours))
        return wanted

    def basis(self, definition: str, *, sightings: int | None = None) -> Basis:
        return Basis(
            definition=definition,
            sightings=int(self.count("sightings").sum()) if sightings is None else sightings,
            since=start_of(self.first),
            until=start_of(self.first + self.slots),
            computed_at=self.summed_at,
            waiting=self.waiting,
        )

    def rows(self, column: str, *, since: int | None = None, until: int | None = None) -> list[tuple[int, int, bytes]]:
        """(camera, day, column) of the days that hold slots of the period, or of a part of it; days since 1970."""
        first = self.first if since is None else since
        last = (self.first + self.slots if until is None else until) - 1
        if last < first:
            return []
        params = {"cameras": list(self.place.cameras), "since": day_of(first), "until": day_of(last)}
        return fetched(_READ.format(columns=column), params)

    def _whole_days(self) -> list[tuple[int, int]]:
        """From where to where (not in it) the period holds whole days in UTC; none or one."""
        begin = -(-self.first // SLOTS_A_DAY) * SLOTS_A_DAY
        end = (self.first + self.slots) // SLOTS_A_DAY * SLOTS_A_DAY
        return [(begin, end)] if begin < end else []

    def _parts_of_days(self) -> list[tuple[int, int]]:
        """From where to where it holds parts of a day: at its ends."""
        end = self.first + self.slots
        cuts = [self.first, end]
        for begin, over in self._whole_days():
            cuts = [self.first, begin, over, end]
        if not self._whole_days() and self.first // SLOTS_A_DAY != (end - 1) // SLOTS_A_DAY:
            middle = end // SLOTS_A_DAY * SLOTS_A_DAY
            cuts = [self.first, middle, middle, end]
        return [(since, until) for since, until in zip(cuts[::2], cuts[1::2], strict=True) if since < until]

    def _positions(self, rows: list[tuple[int, int, bytes]]) -> tuple[Ints, Ints]:
        """(n,) which of the cameras each row is of, and its day."""
        index = {camera: at for at, camera in enumerate(self.place.cameras)}
        cameras = np.array([index[row[0]] for row in rows], np.int64)
        return cameras, np.array([row[1] for row in rows], np.int64)


def read_sums(place: Place, period: Period, *, names: tuple[str, ...] = COUNTS) -> Sums:
    """The sums of the quarters of an hour that begin in the period. `names`: which of COUNTS are needed, in a row."""
    first = slot_after(period.since)
    state = SumsState.objects.first()
    return Sums(
        place=place,
        period=period,
        names=names,
        first=first,
        slots=max(0, slot_after(period.until) - first),
        summed_at=state.summed_at if state else timezone.now(),
        waiting=waiting(),
    )


def _joined(rows: list[tuple[int, int, bytes]]) -> tuple[Arrivals, Ints]:
    """The transitions of some rows, and to which camera each is."""
    lengths = [len(data) // ARRIVAL_BYTES for _, _, data in rows]
    arrivals = unpack_arrivals(b"".join(data for _, _, data in rows))
    return arrivals, np.repeat(np.array([row[0] for row in rows], np.int64), lengths)
