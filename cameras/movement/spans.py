"""Sightings as arrays: for the sums, and for figures that look at each one.

    spans = read_spans(place, period)   # at most the newest MOST_SPANS

They come as one value in binary, so that a hundred thousand are read in a fraction of a second and never are objects.
Shapes: all (n,), ordered by when they began. Times are seconds since 1970 (UTC).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from cameras.movement.basis import Basis
from cameras.movement.binary import fetched
from cameras.movement.place import Period, Place
from cameras.movement.slots import Ints, Reals

MOST_SPANS: Final = 100_000
KNOWN: Final = 1
UNKNOWN: Final = 2
RECOGNISED: Final = 1
HAND: Final = 4

_ROW: Final = np.dtype([("camera", ">i8"), ("identity", ">i8"), ("first", ">f8"), ("last", ">f8"), ("kind", ">i4")])
_READ: Final = """
SELECT string_agg(
    int8send(camera_id) || int8send(coalesce(identity_id, 0))
    || float8send(date_part('epoch', first_seen)) || float8send(date_part('epoch', last_seen))
    || int4send(
        CASE verdict WHEN 'known' THEN 1 WHEN 'unknown' THEN 2 ELSE 0 END
        + CASE link WHEN 'recognised' THEN 16 WHEN 'new' THEN 32 WHEN 'linked' THEN 48 WHEN 'hand' THEN 64 ELSE 0 END
        + CASE WHEN is_doubted THEN 1024 ELSE 0 END
    ), ''::bytea)
FROM (SELECT * FROM ({rows}) AS found ORDER BY first_seen DESC, id DESC) AS rows
"""
_NEWEST: Final = """
    SELECT id, camera_id, identity_id, first_seen, last_seen, verdict, link, is_doubted
    FROM cameras_sighting
    WHERE first_seen >= %(since)s AND first_seen < %(until)s AND camera_id IS NOT NULL{chosen}
    ORDER BY first_seen DESC, id DESC
    LIMIT %(most)s
"""
_EACH: Final = """
    SELECT newest.* FROM unnest(%(identities)s::int8[]) AS wanted(identity) CROSS JOIN LATERAL ({newest}) AS newest
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpanArrays:
    """Sightings. `identities`: 0 where it is nobody's, or is doubted to be theirs: somebody was there, but who?"""

    cameras: Ints
    identities: Ints
    first: Reals
    last: Reals  # not before `first`
    verdicts: Ints  # KNOWN, UNKNOWN, or 0
    links: Ints  # how it came about that it is theirs: RECOGNISED, HAND, others
    doubted: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spans:
    """Sightings of a place that began in a period. `kept`: what figures have made of them, for the next figure."""

    rows: SpanArrays
    place: Place
    period: Period
    since: datetime  # later than the period's where there were more than MOST_SPANS
    read_at: datetime
    kept: dict[float, Any] = field(default_factory=dict, repr=False)

    @property
    def is_cut(self) -> bool:
        return self.since > self.period.since

    def basis(self, definition: str) -> Basis:
        return Basis(
            definition=definition,
            sightings=len(self.rows),
            since=self.since,
            until=self.period.until,
            computed_at=self.read_at,
            is_cut=self.is_cut,
        )


def read_spans(place: Place, period: Period, *, most: int = MOST_SPANS) -> Spans:
    """The sightings of a place and period; where there are more than `most`, the newest."""
    now = timezone.now()
    cameras = None if place.all else place.cameras
    rows = read_rows(since=period.since, until=period.until, cameras=cameras, most=most)
    since = period.since
    if len(rows) >= most:
        since = max(since, datetime.fromtimestamp(float(rows.first[0]), UTC))
    return Spans(rows=rows, place=place, period=period, since=since, read_at=now)


def read_rows(
    *, since: datetime, until: datetime, cameras: Collection[int] | None = None, most: int | None = None
) -> SpanArrays:
    """The newest `most` sightings that began from `since` to `until`; `cameras` None: of all there are."""
    chosen = "" if cameras is None else " AND camera_id = ANY(%(cameras)s)"
    params: dict[str, object] = {"since": since, "until": until, "most": most, "cameras": list(cameras or ())}
    ((found,),) = fetched(_READ.format(rows=_NEWEST.format(chosen=chosen)), params)
    return spans_of(found)


def read_each(*, identities: Collection[int], since: datetime, until: datetime, most: int) -> SpanArrays:
    """The newest `most` sightings of each of these identities."""
    newest = _NEWEST.format(chosen=" AND identity_id = wanted.identity")
    params: dict[str, object] = {"since": since, "until": until, "most": most, "identities": list(identities)}
    ((found,),) = fetched(_READ.format(rows=_EACH.format(newest=newest)), params)
    return spans_of(found)


def spans_of(data: Any) -> SpanArrays:
    """What the query gave, newest first, as arrays in order."""
    rows = np.frombuffer(bytes(data or b""), _ROW)[::-1]
    first, kind = rows["first"].astype(np.float64), rows["kind"].astype(np.int64)
    doubted = kind >= 1024
    return SpanArrays(
        cameras=rows["camera"].astype(np.int64),
        identities=np.where(doubted, 0, rows["identity"].astype(np.int64)),
        first=first,
        last=np.maximum(first, rows["last"].astype(np.float64)),
        verdicts=kind % 16,
        links=kind % 1024 // 16,
        doubted=doubted,
    )
