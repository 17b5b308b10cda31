"""What a search found, as it is shown: candidates for each face, with where and when they were seen in the span.

Whose sightings are whose is asked now, not as it was when the search ran: corrections count. A candidate who was found
in several places (among people, among faces, in pictures) is one, with the highest similarity.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import connection

from accounts.pictures import thumbnail
from accounts.vault import VaultError
from cameras import release
from cameras.identities.leading import waiting_since
from cameras.models import (
    Identity,
    PhotoSearch,
    PhotoSearchHit,
    SearchFace,
    SearchPart,
    SearchSource,
    SearchState,
    Sighting,
)
from cameras.photo_search.faces import picture_of
from recognition.meaning import Meaning, meaning
from recognition.models import Person, Template

COUNTED: Final = 100  # sightings of a candidate; of more it is said that there are more
SHOWN: Final = 6  # best shots of a candidate
_MOST_MERGES: Final = 20

# The newest sightings of each of these people, or identities, in the span.
_NEWEST = """
SELECT wanted.id, near.id FROM unnest(%(ids)s::bigint[]) AS wanted(id) CROSS JOIN LATERAL (
    SELECT id FROM cameras_sighting
    WHERE {column} = wanted.id AND NOT is_doubted
      AND (%(since)s::timestamptz IS NULL OR first_seen >= %(since)s)
      AND (%(until)s::timestamptz IS NULL OR first_seen <= %(until)s)
      AND (%(cameras)s::bigint[] IS NULL OR camera_id = ANY(%(cameras)s))
    ORDER BY first_seen DESC, id DESC LIMIT %(most)s
) AS near
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Who a candidate is now: exactly one of the three."""

    person: int | None = None
    identity: int | None = None
    sighting: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """Somebody whom a face resembles. `best`: the sighting most like the photo, where one was compared; `sightings`:
    the newest SHOWN of the span; `count`: of the span, at most COUNTED (`is_more`: there are more)."""

    key: Key
    rank: int
    name: str
    similarity: float
    threshold: float
    is_match: bool
    sources: tuple[str, ...]
    person: Person | None
    identity: Identity | None
    best: Sighting | None
    enhanced: str
    meaning: str
    count: int = 0
    is_more: bool = False
    sightings: tuple[Sighting, ...] = ()

    @property
    def last(self) -> Sighting | None:
        return self.sightings[0] if self.sightings else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceResult:
    """A searched face. `picture`: a data: address, empty where it can not be opened any more."""

    number: int
    picture: str
    problems: tuple[str, ...]
    matches: tuple[Candidate, ...]
    others: tuple[Candidate, ...]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        return self.matches + self.others


@dataclass(slots=True, kw_only=True, eq=False)
class _Group:
    """The hits of one candidate, the best one first."""

    key: Key
    person: Person | None
    identity: Identity | None
    hits: list[PhotoSearchHit] = field(default_factory=list)


def results(search: PhotoSearch) -> list[FaceResult]:
    """Every face of the search with its candidates, best first; those below the least similarity are left out."""
    rows = PhotoSearchHit.objects.filter(face__search=search).select_related("person", "identity__person")
    if search.least_similarity is not None:
        rows = rows.filter(similarity__gte=search.least_similarity)
    merged = _merged([hit.identity for hit in rows if hit.identity is not None])
    faces = list(search.faces.defer(None))
    groups = {face.pk: _groups((hit for hit in rows if hit.face_id == face.pk), merged) for face in faces}
    seen = _seen(search, {group.key for some in groups.values() for group in some})
    shown = _sightings(seen, [hit.sighting_id for hit in rows])
    known = meaning()
    said = known if known is not None and known.pack == search.pack else None
    found = []
    for face in faces:
        candidates = [
            _candidate(rank, group, seen.get(group.key, []), shown, said)
            for rank, group in enumerate(groups[face.pk], start=1)
        ]
        found.append(
            FaceResult(
                number=face.number,
                picture=picture(search, face),
                problems=tuple(face.problems.splitlines()),
                matches=tuple(one for one in candidates if one.is_match),
                others=tuple(one for one in candidates if not one.is_match),
            )
        )
    return found


def picture(search: PhotoSearch, face: SearchFace) -> str:
    """The face as a data: address, or nothing where it can not be opened any more."""
    try:
        return thumbnail(picture_of(search, face))
    except VaultError:
        return ""


def not_searched(search: PhotoSearch) -> list[str]:
    """Sentences on what is not among what was searched, as far as that is known by now."""
    said = []
    without = Person.objects.exclude(templates__in=Template.objects.filter(pack=search.pack)).count()
    if without:
        people = "1 enrolled person has" if without == 1 else f"{without} enrolled people have"
        said.append(f"{people} no template of the model pack in use, and can not be found among people.")
    parts = {part.source: part for part in search.parts.all()}
    faces, stored = parts.get(SearchSource.FACES), parts.get(SearchSource.PICTURES)
    if faces is not None:
        said += faces.sentences if faces.state != SearchState.WAITING else _nobody_links()
        said += _stopped(faces, "Not all faces of unknown people were searched")
    if stored is None:
        said.append("Stored pictures were not looked through.")
    else:
        said += stored.sentences
        said += _stopped(
            stored, f"{stored.done:,} of {stored.total:,} stored pictures were looked through, newest first"
        )
    return said


def _stopped(part: SearchPart, text: str) -> list[str]:
    return [f"{text}: it was stopped."] if part.state == SearchState.CANCELLED else []


def _nobody_links() -> list[str]:
    """Why a search over unknown people waits longer than a moment."""
    if waiting_since() is None:
        return []
    if not settings.UNKNOWN_HOURS:
        return ["Faces of unknown people are not kept here, so that they can not be searched."]
    return [
        "No process links sightings right now, so faces of unknown people wait to be searched. "
        "Tell an administrator: manage.py up, or manage.py linker, starts it."
    ]


def _merged(identities: Iterable[Identity]) -> dict[int, Identity]:
    """Whom identities became that were merged into others since, by what they were."""
    found = {one.pk: one for one in identities}
    wanted = {one.merged_into_id for one in found.values() if one.merged_into_id is not None} - set(found)
    for _ in range(_MOST_MERGES):
        if not wanted:
            break
        more = Identity.objects.select_related("person").in_bulk(wanted)
        found |= more
        wanted = {one.merged_into_id for one in more.values() if one.merged_into_id is not None} - set(found)
    ends: dict[int, Identity] = {}
    for pk in found:
        end = found[pk]
        for _ in range(_MOST_MERGES):
            if end.merged_into_id is None or end.merged_into_id not in found:
                break
            end = found[end.merged_into_id]
        ends[pk] = end
    return ends


def _groups(hits: Iterable[PhotoSearchHit], merged: dict[int, Identity]) -> list[_Group]:
    """The hits of a face by who they are, the most alike first."""
    groups: dict[Key, _Group] = {}
    for hit in sorted(hits, key=lambda hit: -hit.similarity):
        identity = merged.get(hit.identity_id) if hit.identity_id is not None else None
        person = hit.person or (identity.person if identity is not None else None)
        if person is not None:
            key = Key(person=person.pk)
        elif identity is not None:
            key = Key(identity=identity.pk)
        else:
            key = Key(sighting=hit.sighting_id)
        group = groups.setdefault(key, _Group(key=key, person=person, identity=identity))
        group.identity = group.identity or identity
        group.hits.append(hit)
    return list(groups.values())


def _seen(search: PhotoSearch, keys: Iterable[Key]) -> dict[Key, list[uuid.UUID]]:
    """The newest sightings of each candidate in the span, one more than COUNTED at most."""
    found: dict[Key, list[uuid.UUID]] = {}
    people = [key.person for key in keys if key.person is not None]
    identities = [key.identity for key in keys if key.identity is not None]
    for column, ids in (("person_id", people), ("identity_id", identities)):
        if not ids:
            continue
        values = {
            "ids": ids,
            "since": search.since,
            "until": search.until,
            "cameras": search.cameras or None,
            "most": COUNTED + 1,
        }
        with connection.cursor() as cursor:
            cursor.execute(_NEWEST.format(column=column), values)
            for whose, sighting in cursor.fetchall():
                key = Key(person=whose) if column == "person_id" else Key(identity=whose)
                found.setdefault(key, []).append(sighting)
    for key in keys:
        if key.sighting is not None:
            found[key] = [key.sighting]
    return found


def _sightings(seen: dict[Key, list[uuid.UUID]], best: Sequence[uuid.UUID | None]) -> dict[uuid.UUID, Sighting]:
    """The sightings that are shown, each with `is_lead`."""
    wanted = {pk for pk in best if pk is not None}
    for some in seen.values():
        wanted.update(some[:SHOWN])
    return release.marked(Sighting.objects.filter(pk__in=wanted)).in_bulk() if wanted else {}


def _candidate(
    rank: int, group: _Group, seen: list[uuid.UUID], shown: dict[uuid.UUID, Sighting], said: Meaning | None
) -> Candidate:
    first = group.hits[0]
    compared = next((hit.sighting_id for hit in group.hits if hit.sighting_id is not None), None)
    return Candidate(
        key=group.key,
        rank=rank,
        name=str(group.person or group.identity or "Nobody yet"),
        similarity=first.similarity,
        threshold=first.threshold,
        is_match=any(hit.is_match for hit in group.hits),
        sources=tuple(dict.fromkeys(SearchSource(hit.source).label for hit in group.hits)),
        person=group.person,
        identity=group.identity,
        best=shown.get(compared) if compared is not None else None,
        enhanced=next((hit.enhanced for hit in group.hits if hit.enhanced), ""),
        meaning=said.sentence(first.similarity) if said is not None else "",
        count=min(len(seen), COUNTED),
        is_more=len(seen) > COUNTED,
        sightings=tuple(shown[pk] for pk in seen[:SHOWN] if pk in shown),
    )
