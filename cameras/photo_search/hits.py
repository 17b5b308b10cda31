"""Candidates of a search that are found among sightings: whose they are now, and how they are written.

A candidate is an enrolled person, an identity, or a sighting that is nobody's yet; of several faces of one candidate
the one most alike counts. Whoever writes holds the lock under which identities change and people are deleted: whose a
sighting is, is asked after that, so that nothing is written of somebody who was deleted meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet

from cameras.models import Identity, Link, PhotoSearch, PhotoSearchHit, SearchPart, SearchSource, Sighting

MOST: Final = 40  # candidates of each source that are kept for each face


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """A sighting whose face resembles a searched one. `face`: the SearchFace's id."""

    face: int
    sighting: uuid.UUID
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """Whose a sighting is, and where and when it was."""

    sighting: uuid.UUID
    person: int | None
    identity: int | None
    seen_at: datetime
    camera_name: str


def in_span(search: PhotoSearch) -> QuerySet[Sighting]:
    """The sightings of the search's span and cameras."""
    found = Sighting.objects.all()
    if search.since is not None:
        found = found.filter(first_seen__gte=search.since)
    if search.until is not None:
        found = found.filter(first_seen__lte=search.until)
    return found.filter(camera__in=search.cameras) if search.cameras else found


def is_limited(search: PhotoSearch) -> bool:
    return bool(search.since or search.until or search.cameras)


def write(part: SearchPart, search: PhotoSearch, found: Sequence[Alike], *, elsewhere: Collection[uuid.UUID]) -> None:
    """Adds what was found to the candidates of the part's source; the best MOST of each face are kept.

    `elsewhere`: sightings outside of the span. They count where somebody has others within it. Call it in a
    transaction that holds one_after_the_other() and the part.
    """
    source = SearchSource(part.source)
    owners = _owners({one.sighting for one in found})
    kept = [one for one in found if one.sighting in owners]
    seen = _seen_in_span(search, {owners[pk].identity for pk in elsewhere if pk in owners})
    kept = [one for one in kept if one.sighting not in elsewhere or owners[one.sighting].identity in seen]
    for face in {one.face for one in kept}:
        mine = [one for one in kept if one.face == face]
        _merge(search, source, face, mine, owners)


def _merge(
    search: PhotoSearch,
    source: SearchSource,
    face: int,
    found: Sequence[Alike],
    owners: Mapping[uuid.UUID, _Owner],
) -> None:
    """Replaces the candidates of one face by the best of those there are and the new ones."""
    before = list(PhotoSearchHit.objects.filter(face=face, source=source))
    best: dict[tuple[str, object], PhotoSearchHit] = {}
    for hit in [*before, *(_hit(search, source, face, one, owners[one.sighting]) for one in found)]:
        key = _key(hit)
        if key not in best or hit.similarity > best[key].similarity:
            best[key] = hit
    ordered = sorted(best.values(), key=lambda hit: -hit.similarity)[:MOST]
    if [hit.pk for hit in ordered] == [hit.pk for hit in before]:
        return
    PhotoSearchHit.objects.filter(face=face, source=source).delete()
    for rank, hit in enumerate(ordered, start=1):
        hit.pk, hit.rank = None, rank
    PhotoSearchHit.objects.bulk_create(ordered)


def _hit(search: PhotoSearch, source: SearchSource, face: int, one: Alike, owner: _Owner) -> PhotoSearchHit:
    return PhotoSearchHit(
        face_id=face,
        source=source,
        rank=0,
        similarity=one.similarity,
        threshold=search.threshold,
        is_match=one.similarity >= search.threshold,
        person_id=owner.person,
        identity_id=owner.identity,
        sighting_id=owner.sighting,
        seen_at=owner.seen_at,
        camera_name=owner.camera_name,
    )


def _key(hit: PhotoSearchHit) -> tuple[str, object]:
    if hit.person_id is not None:
        return "person", hit.person_id
    return ("identity", hit.identity_id) if hit.identity_id is not None else ("sighting", hit.sighting_id)


def _owners(sightings: Collection[uuid.UUID]) -> dict[uuid.UUID, _Owner]:
    """Whose these sightings are now; those that are gone, or of somebody erased, are left out."""
    rows = (
        Sighting.objects.filter(pk__in=sightings)
        .exclude(link=Link.ERASED)
        .values_list("pk", "person", "identity", "identity__person", "first_seen", "camera_name")
    )
    return {
        pk: _Owner(sighting=pk, person=person or named, identity=identity, seen_at=first_seen, camera_name=camera_name)
        for pk, person, identity, named, first_seen, camera_name in rows
    }


def _seen_in_span(search: PhotoSearch, identities: Collection[int | None]) -> set[int]:
    """Those of these identities that were seen in the span."""
    wanted = {one for one in identities if one is not None}
    if not wanted:
        return set()
    seen = Exists(in_span(search).filter(identity=OuterRef("pk"), is_doubted=False))
    return set(Identity.objects.filter(seen, pk__in=wanted).values_list("pk", flat=True))
