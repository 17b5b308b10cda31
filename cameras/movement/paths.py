"""The path of one identity through the cameras in a span, from its sightings.

A *stop* is a visit to one camera: sightings there that follow each other within JOINED seconds are one. A *leg* is the
way from one stop to the next; its seconds are those from the last sight to the first, 0 where both cameras saw them at
once. Nobody saw what happened on a leg: one that took long is *guessed*, and drawn dashed. Sightings that are doubted
take no part; open ones do. Times are aware; distances are metres as the crow flies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID

from django.db.models import Q

from cameras import release
from cameras.models import Link, Sighting, TravelTime
from cameras.movement.sites import Key, Site, Spot, site

JOINED: Final = 60.0  # seconds within which two sightings at one camera are one visit
GUESSED: Final = 300.0  # seconds after which nobody can say how somebody went, unless such ways are known to take long
MOST_SIGHTINGS: Final = 3000  # of a span; the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """A visit to a camera. `similarity`: the lowest of its sightings'; `is_lead`: no two reviewers confirmed it yet."""

    number: int
    spot: Spot
    since: datetime
    until: datetime
    sightings: tuple[UUID, ...]
    links: tuple[str, ...]
    similarity: float | None = None
    is_open: bool = False
    is_lead: bool = False

    @property
    def seconds(self) -> float:
        return (self.until - self.since).total_seconds()

    @property
    def key(self) -> Key:
        return self.spot.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The way from one stop to the next."""

    start: Stop
    end: Stop
    seconds: float
    metres: float | None
    is_guessed: bool

    @property
    def is_away(self) -> bool:
        """Whether it leads to another camera."""
        return self.start.key != self.end.key

    @property
    def speed(self) -> float | None:
        """Metres a second at least; None where that says nothing."""
        if self.metres is None or self.seconds < 1 or self.is_guessed or not self.is_away:
            return None
        return self.metres / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """Stops in order of time and the legs between them. `doubted`: sightings that take no part; `is_cut`: there are
    older ones in the span than were read."""

    stops: tuple[Stop, ...] = ()
    legs: tuple[Leg, ...] = ()
    doubted: int = 0
    is_cut: bool = False

    @property
    def sightings(self) -> int:
        return sum(len(stop.sightings) for stop in self.stops)

    @property
    def plans(self) -> list[int]:
        """The plans that it touches, the one with most stops first."""
        counts: dict[int, int] = {}
        for stop in self.stops:
            if stop.spot.plan is not None:
                counts[stop.spot.plan] = counts.get(stop.spot.plan, 0) + 1
        return sorted(counts, key=lambda plan: (-counts[plan], plan))

    @property
    def dwells(self) -> list[Dwell]:
        """How long they were at each camera, the longest first."""
        found: dict[Key, Dwell] = {}
        for stop in self.stops:
            known = found.get(stop.key, Dwell(spot=stop.spot))
            found[stop.key] = replace(
                known,
                visits=known.visits + 1,
                seconds=known.seconds + stop.seconds,
                longest=max(known.longest, stop.seconds),
            )
        return sorted(found.values(), key=lambda dwell: (-dwell.seconds, dwell.spot.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """The time in view of one camera: all visits together, and the longest one."""

    spot: Spot
    visits: int = 0
    seconds: float = 0.0
    longest: float = 0.0


def path_of(identity: int, *, since: datetime, until: datetime, camera: int | None = None) -> Path:
    """The path of an identity's sightings that began in the span; of one camera where that is given."""
    found = Sighting.objects.filter(identity=identity, first_seen__gte=since, first_seen__lt=until)
    if camera is not None:
        found = found.filter(camera=camera)
    rows = list(
        release.marked(found.filter(is_doubted=False))
        .order_by("-first_seen", "-id")
        .defer("course", "enhanced", "sealed_shot")[: MOST_SIGHTINGS + 1]
    )
    is_cut = len(rows) > MOST_SIGHTINGS
    rows = rows[:MOST_SIGHTINGS][::-1]
    where = site({row.camera_id for row in rows if row.camera_id is not None})
    stops = stops_of(rows, where)
    return Path(
        stops=stops,
        legs=legs_of(stops, where, _slowest(stops)),
        doubted=found.filter(is_doubted=True).count(),
        is_cut=is_cut,
    )


def stops_of(rows: Iterable[Sighting], where: Site) -> tuple[Stop, ...]:
    """The visits that sightings, the oldest first, amount to."""
    stops: list[Stop] = []
    for row in rows:
        one = _stop(row, where)
        last = stops[-1] if stops else None
        if last is not None and last.key == one.key and (one.since - last.until).total_seconds() <= JOINED:
            stops[-1] = _joined(last, one)
        else:
            stops.append(replace(one, number=len(stops) + 1))
    return tuple(stops)


def legs_of(stops: Sequence[Stop], where: Site, slowest: Mapping[tuple[int, int], float]) -> tuple[Leg, ...]:
    """The ways between stops; `slowest`: after how many seconds one between two cameras is guessed, where known."""
    legs = []
    for start, end in pairwise(stops):
        seconds = max(0.0, (end.since - start.until).total_seconds())
        limit = slowest.get((start.spot.camera or 0, end.spot.camera or 0), GUESSED)
        metres = where.metres(start.spot, end.spot) if start.key != end.key else 0.0
        legs.append(Leg(start=start, end=end, seconds=seconds, metres=metres, is_guessed=seconds > limit))
    return tuple(legs)


def _slowest(stops: Sequence[Stop]) -> dict[tuple[int, int], float]:
    """Twice what 95 % take, where that was learned and is longer than GUESSED."""
    pairs = {
        (start.spot.camera, end.spot.camera)
        for start, end in pairwise(stops)
        if start.spot.camera is not None and end.spot.camera is not None and start.spot.camera != end.spot.camera
    }
    if not pairs:
        return {}
    cameras = {camera for pair in pairs for camera in pair}
    learned = TravelTime.objects.filter(Q(start__in=cameras) & Q(end__in=cameras))
    return {
        (row.start_id, row.end_id): max(GUESSED, 2 * row.p95) for row in learned if (row.start_id, row.end_id) in pairs
    }


def _stop(row: Sighting, where: Site) -> Stop:
    known = where.spots.get(row.camera_id) if row.camera_id is not None else None
    spot = replace(known or Spot(camera=None, name=row.camera_name), latitude=row.latitude, longitude=row.longitude)
    return Stop(
        number=1,
        spot=spot,
        since=row.first_seen,
        until=max(row.first_seen, row.last_seen),
        sightings=(row.pk,),
        links=(str(Link(row.link).label),) if row.link else (),
        similarity=row.link_similarity if row.link == Link.LINKED else row.similarity if row.person_id else None,
        is_open=row.is_open,
        is_lead=bool(getattr(row, "is_lead", False)),
    )


def _joined(first: Stop, second: Stop) -> Stop:
    alike = [one.similarity for one in (first, second) if one.similarity is not None]
    return replace(
        first,
        until=max(first.until, second.until),
        sightings=first.sightings + second.sightings,
        links=first.links + tuple(link for link in second.links if link not in first.links),
        similarity=min(alike, default=None),
        is_open=first.is_open or second.is_open,
        is_lead=first.is_lead or second.is_lead,
    )
