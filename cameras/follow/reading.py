"""Where somebody who is followed is, was last, and is likely to be next, as the page shows it. Reads only.

Cameras that have them in view come first, then the one that saw them last, then those where they are likely next, then
others that saw them within the last minutes. Doubted sightings are listed and take no part in that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from django.utils import timezone

from cameras.models import Camera, Identity, Link, Sighting
from cameras.movement.next import Next, next_cameras
from cameras.tiles import Tile, tiles_of

MOST_SHOWN: Final = 9
MOST_SIGHTINGS: Final = 30
LATELY: Final = timedelta(minutes=2)  # so long a camera that they left is shown
NEXT_FOR: Final = timedelta(hours=1)  # who was not seen for so long has left, whatever was likely
_LEAST_LIKELY: Final = 0.01


class Why(StrEnum):
    """Why a camera is shown."""

    HERE = "here"
    LAST = "last"
    NEXT = "next"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A camera and why it is shown: the sighting that is or was there, or how likely they come there."""

    tile: Tile
    why: Why
    sighting: Sighting | None = None
    next: Next | None = None
    total: int = 0  # of so many departures of everybody


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A sighting and how alike the face is to that because of which it is theirs; None: a person said so, or it is the
    first."""

    sighting: Sighting
    similarity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All that the page shows. `leaves`: how likely it is that no camera sees them within the hour."""

    places: list[Place]
    seen: list[Seen]
    last: Sighting | None
    leaves: float | None
    is_gone: bool  # they were not seen for so long that nothing is likely any more
    mark: str  # changes with whatever the page shows

    @property
    def is_present(self) -> bool:
        return any(place.why is Why.HERE for place in self.places)


def board(identity: Identity, *, now: datetime | None = None) -> Board:
    """What there is to see of somebody now."""
    moment = now or timezone.now()
    sightings = list(Sighting.objects.filter(identity=identity).order_by("-first_seen", "-id")[:MOST_SIGHTINGS])
    sure = [row for row in sightings if not row.is_doubted and row.camera_id is not None]
    last = max(sure, key=lambda row: (row.is_open, row.last_seen), default=None)
    is_gone = last is None or (not last.is_open and moment - last.last_seen > NEXT_FOR)
    outcomes = _likely(last) if last is not None and not is_gone else ()
    lately = [row for row in sure if row == last or moment - row.last_seen < LATELY]
    places = _places(lately, outcomes)
    return Board(
        places=places,
        seen=[_seen(row) for row in sightings],
        last=last,
        leaves=next((one.likelihood for one in outcomes if one.camera is None), None),
        is_gone=is_gone,
        mark=_mark(identity, places, sightings, is_gone),
    )


def forget() -> None:
    """What was likely is found anew."""
    _next.cache_clear()


def _likely(last: Sighting) -> tuple[Next, ...]:
    """What comes after their last sighting; found once a minute, because it rests on the sums of months."""
    if last.identity_id is None or last.camera_id is None:
        return ()
    return _next(last.identity_id, last.camera_id, last.last_seen.replace(second=0, microsecond=0))


@lru_cache(maxsize=256)
def _next(identity: int, camera: int, minute: datetime) -> tuple[Next, ...]:
    return next_cameras(identity, camera, minute + timedelta(minutes=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    """Why a camera is shown."""

    camera: int
    why: Why
    sighting: Sighting | None = None
    next: Next | None = None


def _places(lately: Sequence[Sighting], outcomes: Sequence[Next]) -> list[Place]:
    wanted: dict[int, _Reason] = {}
    for reason in _reasons(lately, outcomes):
        wanted.setdefault(reason.camera, reason)
    cameras = Camera.objects.in_bulk(list(wanted)[:MOST_SHOWN])
    total = sum(one.everybody for one in outcomes)
    tiles = {tile.camera.pk: tile for tile in tiles_of(list(cameras.values()))}
    return [
        Place(tile=tiles[one.camera], why=one.why, sighting=one.sighting, next=one.next, total=total)
        for one in wanted.values()
        if one.camera in tiles
    ]


def _reasons(lately: Sequence[Sighting], outcomes: Sequence[Next]) -> Iterator[_Reason]:
    """Cameras with why they are shown, in the order of it; one may come more than once."""
    newest = sorted(lately, key=lambda row: (row.is_open, row.first_seen if row.is_open else row.last_seen))[::-1]
    first = [row for number, row in enumerate(newest) if row.is_open or number == 0]
    yield from _seen_there(first)
    for one in outcomes:
        if one.camera is not None and one.likelihood >= _LEAST_LIKELY:
            yield _Reason(camera=one.camera, why=Why.NEXT, next=one)
    yield from _seen_there(newest)


def _seen_there(rows: Sequence[Sighting]) -> Iterator[_Reason]:
    for row in rows:
        if row.camera_id is not None:
            yield _Reason(camera=row.camera_id, why=Why.HERE if row.is_open else Why.LAST, sighting=row)


def _seen(row: Sighting) -> Seen:
    return Seen(sighting=row, similarity=row.similarity if row.link == Link.RECOGNISED else row.link_similarity)


def _mark(identity: Identity, places: Sequence[Place], sightings: Sequence[Sighting], is_gone: bool) -> str:
    """Changes with what is shown, and not with times that the page counts itself."""
    said: list[object] = [str(identity), is_gone]
    for place in places:
        likely = round(100 * place.next.likelihood) if place.next is not None else None
        shown = place.sighting.pk if place.sighting is not None else None
        left = place.sighting.last_seen if place.sighting is not None and place.why is Why.LAST else None
        said += [place.tile.camera.pk, place.tile.camera.name, place.why, shown, left, likely, place.total]
    for row in sightings:
        said += [row.pk, row.camera_name, row.is_open, row.is_doubted, round(_seen(row).similarity or 0.0, 3)]
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]
