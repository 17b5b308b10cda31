"""The only writer of leases: who runs a camera, until when.

A conditional UPDATE takes a lease when it is free or over, and raises its epoch. Every write of a sighting names the
epoch it was made under; a worker that lost its lease can not write any more (fencing). All comparisons use the
database's clock, so that the clocks of workers may differ. But what cameras see has the time of the worker's clock: how
far that one is off is measured with each renewal (`ClockGauge`) and stands in the lease.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from cameras.models import CameraLease

_MEASURED: Final = 10  # how many measurements of a clock are remembered


class LeaseLost(Exception):
    """The camera is run by somebody else now, or is gone; what was to be written was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run a camera until it expires or is lost."""

    camera_id: int
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the database says of a lease: is it still ours, and what is wanted of its camera now?"""

    camera_id: int
    is_ours: bool
    is_there: bool  # whether the camera still exists
    handover: bool
    revision: int
    enabled: bool
    schedule: str


class ClockGauge:
    """By how many seconds this process's clock is ahead of the database's, from the renewals of its leases.

    The database's time is somewhere between asking and answer, so that a measurement is right to half of what that
    took: of the last ones the one that took least counts. A clock that is set is noticed once those are over.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last: deque[tuple[float, float]] = deque(maxlen=_MEASURED)  # seconds on the way, and the offset

    @property
    def offset(self) -> float | None:
        """None: nothing was measured yet."""
        return round(min(self._last)[1], 3) if self._last else None

    def now(self) -> float:
        return self._clock()

    def take(self, *, asked: float, answered: float, began: float, ended: float) -> None:
        """A measurement: when it was asked and answered by this clock, and when that began and ended by the database's.

        All in seconds since 1970. One during which this clock was set back is worth nothing.
        """
        on_the_way = (answered - asked) - (ended - began)
        if on_the_way >= 0:
            self._last.append((on_the_way, (asked + answered) / 2 - (began + ended) / 2))


# Rows that somebody is writing a sighting under are left out of the renewal, not waited for: one slow write must not
# hold up the leases of all other cameras of the process. They are renewed a second later.
_RENEW = """
WITH mine AS (
    SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS named(camera_id, owner, epoch)
), at_rest AS (
    SELECT lease.camera_id FROM cameras_cameralease AS lease JOIN mine USING (camera_id, owner, epoch)
    ORDER BY lease.camera_id FOR NO KEY UPDATE OF lease SKIP LOCKED
), renewed AS (
    UPDATE cameras_cameralease AS lease SET expires_at = statement_timestamp() + make_interval(secs => %s),
        clock_offset = coalesce(%s, clock_offset)
    FROM at_rest WHERE lease.camera_id = at_rest.camera_id
)
SELECT mine.camera_id, lease.camera_id IS NOT NULL, camera.id IS NOT NULL, coalesce(lease.handover, false),
    coalesce(camera.revision, 0), coalesce(camera.enabled, false), coalesce(camera.schedule, ''),
    extract(epoch FROM statement_timestamp())::float8, extract(epoch FROM clock_timestamp())::float8
FROM mine
LEFT JOIN cameras_cameralease AS lease USING (camera_id, owner, epoch)
LEFT JOIN cameras_camera AS camera ON camera.id = mine.camera_id
"""


def is_live(lease: str = "") -> Q:
    """Whether somebody holds a lease; `lease`: how the query names it, as in "lease__".

    One that ends later than any does that was renewed just now is of before the clock was set back: it is over as well.
    """
    return Q(**{f"{lease}expires_at__gt": Now(), f"{lease}expires_at__lte": Now() + 2 * _span()})


def take_lease(*, camera_id: int, owner: str, worker: str = "") -> Lease | None:
    """The lease, when nobody holds a live one. `owner` names one loop; `worker` the process, for people."""
    taken = (
        CameraLease.objects.exclude(is_live())
        .filter(camera=camera_id)
        .update(
            owner=owner,
            worker=worker,
            epoch=F("epoch") + 1,
            expires_at=Now() + _span(),
            handover=False,
            clock_offset=None,
        )
    )
    if not taken:
        return None
    row = CameraLease.objects.filter(camera=camera_id, owner=owner).first()
    return Lease(camera_id=camera_id, owner=owner, epoch=row.epoch) if row is not None else None


def renew_leases(leases: Sequence[Lease], gauge: ClockGauge | None = None) -> dict[int, Standing]:
    """Holds those leases for longer that are still ours, in one statement; how each stands, by camera.

    With a gauge it is measured how far this process's clock is off, and what was measured before is written down.
    """
    if not leases:
        return {}
    gauge = gauge or ClockGauge()
    named = ([lease.camera_id for lease in leases], [lease.owner for lease in leases], [x.epoch for x in leases])
    connection.ensure_connection()  # what connecting takes is not on the way of the question
    with connection.cursor() as cursor:
        asked = gauge.now()
        cursor.execute(_RENEW, [*named, settings.LEASE_SECONDS, gauge.offset])
        answered = gauge.now()
        rows = cursor.fetchall()
    gauge.take(asked=asked, answered=answered, began=rows[0][-2], ended=max(row[-1] for row in rows))
    return {
        camera_id: Standing(
            camera_id=camera_id,
            is_ours=is_ours,
            is_there=is_there,
            handover=handover,
            revision=revision,
            enabled=enabled,
            schedule=schedule,
        )
        for camera_id, is_ours, is_there, handover, revision, enabled, schedule, *_ in rows
    }


def release_leases(leases: Iterable[Lease]) -> None:
    """Gives those leases back that are still ours, so that another worker can go on at once."""
    ours = Q()
    for lease in leases:
        ours |= Q(camera=lease.camera_id, owner=lease.owner, epoch=lease.epoch)
    if ours:
        freed = {"expires_at": None, "owner": "", "worker": "", "handover": False, "clock_offset": None}
        CameraLease.objects.filter(ours).update(**freed)


def ask_handover(camera_ids: Iterable[int]) -> int:
    """Asks whoever runs these cameras to give them back, for another worker; returns how many were asked."""
    return CameraLease.objects.filter(is_live(), camera__in=list(camera_ids), handover=False).update(handover=True)


def held_rows(lease: Lease) -> QuerySet[CameraLease]:
    """The lease's row as long as nobody else took it; a lease that is over but untaken may still be renewed."""
    return CameraLease.objects.filter(camera=lease.camera_id, owner=lease.owner, epoch=lease.epoch)


def _span() -> timedelta:
    return timedelta(seconds=settings.LEASE_SECONDS)
