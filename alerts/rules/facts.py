"""What a rule is told of a sighting, and what it answers. Plain values; nothing here asks a database."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from cameras.models import Passage, PassageKind, Sighting, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """The track went into a zone of the picture, out of it, or over a line."""

    zone: int
    kind: PassageKind
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingFacts:
    """A sighting as it is now.

    `lists`: watchlists that the person is on now and whose threshold the similarity reaches, with their names;
    `member_of`: all that they are on. `passages`: of the whole track, oldest first.
    """

    id: uuid.UUID
    camera: int | None
    camera_name: str
    latitude: float | None
    longitude: float | None
    first_seen: datetime
    last_seen: datetime
    verdict: Verdict
    person: int | None
    similarity: float | None
    quality: float
    frames: int
    at: datetime  # when the frame that decided it was captured
    lists: Mapping[int, str] = field(default_factory=dict)
    member_of: frozenset[int] = frozenset()
    passages: tuple[Passed, ...] = ()

    def inside(self, zone: int) -> datetime | None:
        """Since when the track has been in the zone of the picture; None: it is not."""
        since: datetime | None = None
        for passed in self.passages:
            if passed.zone == zone:
                since = passed.at if passed.kind == PassageKind.ENTERED else None
        return since

    def of_a_stranger(self) -> SightingFacts:
        """The same of a face of which somebody said that it is not the person's."""
        return replace(
            self, verdict=Verdict.UNKNOWN, person=None, similarity=None, lists={}, member_of=frozenset[int]()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """An earlier sighting of the same person."""

    camera: int | None
    camera_name: str
    latitude: float | None
    longitude: float | None
    first_seen: datetime
    last_seen: datetime


class History(Protocol):
    """What was seen before; each answer is asked for only where a rule needs it."""

    def before(self, facts: SightingFacts, *, since: datetime) -> tuple[Before, ...]:
        """Earlier sightings of the same known person that ended after `since`, the latest first."""
        ...

    def together(self, facts: SightingFacts, *, cameras: Collection[int] | None) -> tuple[SightingFacts, ...]:
        """All who were in view of these cameras (None: of all) at `facts.at`, this sighting included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A rule applies to a sighting. `detail`: a sentence for people; `at`: when it came about."""

    rule: int
    detail: str
    at: datetime
    watchlist: int | None = None
    watchlist_name: str = ""
    zone: int | None = None
    about_person: bool = True  # a crowd is about nobody


def facts_of(
    row: Sighting,
    *,
    at: datetime,
    lists: Mapping[int, str] | None = None,
    member_of: Collection[int] = (),
    passages: Collection[Passage] = (),
) -> SightingFacts:
    """The facts of a stored sighting."""
    return SightingFacts(
        id=row.pk,
        camera=row.camera_id,
        camera_name=row.camera_name,
        latitude=row.latitude,
        longitude=row.longitude,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        verdict=Verdict(row.verdict),
        person=row.person_id if row.verdict == Verdict.KNOWN else None,
        similarity=row.similarity,
        quality=row.quality,
        frames=row.frames,
        at=at,
        lists=lists or {},
        member_of=frozenset(member_of),
        passages=tuple(
            Passed(zone=one.zone_id, kind=PassageKind(one.kind), at=one.at)
            for one in sorted(passages, key=lambda one: (one.at, one.number))
        ),
    )
