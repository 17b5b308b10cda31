"""Asks for a search by photo, says which faces are meant, stops it, deletes it. The answer about enrolled people is
written at once, from the gallery of this process; parts that run elsewhere are left to do (parts.py).

The photo is looked at and forgotten; of each face its embedding and a small picture are kept, sealed under the key of
the search.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts import vault
from accounts.models import User
from accounts.services import record
from cameras.history.filters import can_be_kept
from cameras.identities.locks import one_after_the_other
from cameras.models import (
    CASE_LENGTH,
    REASON_LENGTH,
    Camera,
    CameraGroup,
    Identity,
    PhotoSearch,
    PhotoSearchHit,
    PhotoSearchLook,
    SearchFace,
    SearchPart,
    SearchSource,
    SearchState,
    searched_face_bind,
    searched_picture_bind,
)
from cameras.photo_search import pictures
from cameras.photo_search.errors import SearchError
from cameras.photo_search.faces import embedding_of
from cameras.photo_search.sending import send_pictures
from config.transactions import brief_transaction
from recognition.engine import Candidate, Embedding, Face, Image
from recognition.gallery import Snapshot, gallery
from recognition.models import Person
from recognition.photos import PHOTOS_AT_ONCE, Upload, portrait_jpeg, read_photo
from recognition.selectors import enhanced_templates

MOST_FACES: Final = 10
MOST_PEOPLE: Final = 10  # candidates among enrolled people, for each face
LEAST_REASON: Final = 5
CHOOSING_TIME: Final = timedelta(hours=1)  # after which nobody says any more which face was meant
LOOK_AGAIN: Final = timedelta(minutes=15)  # looking at a search for so long is one look in the audit trail
_SIDE: Final = 240
_SMALLEST_NUMBER: Final = -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is searched and why. No cameras and no groups: everywhere. `faces`: numbers, 1 is the largest."""

    reason: str
    case_number: str
    since: datetime | None = None
    until: datetime | None = None
    cameras: Collection[Camera] = ()
    groups: Collection[CameraGroup] = ()
    least_similarity: float | None = None
    stored_pictures: bool = False
    faces: Collection[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Probe:
    """A face of the photo as it is kept."""

    number: int
    face: Face
    picture: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """Whom of the enrolled people a face resembles, best first, and who it is by decision. `thresholds`: of each."""

    candidates: tuple[Candidate, ...]
    match: Candidate | None
    thresholds: tuple[float, ...]
    marks: Mapping[int, str]  # templates of enhanced photos

    def hits(self, face: SearchFace) -> list[PhotoSearchHit]:
        """As they are written."""
        return [
            PhotoSearchHit(
                face=face,
                source=SearchSource.PEOPLE,
                rank=rank,
                similarity=one.similarity,
                threshold=threshold,
                is_match=self.match is not None and one.person == self.match.person,
                person_id=one.person,
                enhanced=self.marks.get(one.template, ""),
            )
            for rank, (one, threshold) in enumerate(zip(self.candidates, self.thresholds, strict=True), start=1)
        ]


def ask(*, actor: User, upload: Upload, wanted: Wanted, choose: bool = False) -> PhotoSearch:
    """Makes the search and begins it. With `choose`, one whose photo shows several faces first asks which are meant.

    Raises SearchError, and engine.EngineError for what is no photo.
    """
    wanted = _checked(wanted)
    snapshot = gallery()
    with PHOTOS_AT_ONCE:
        image = read_photo(upload)
        faces = snapshot.pack.analyse(image, small_faces=settings.SMALL_FACES != "off")
        probes = _probes(image, faces)
    chosen = _chosen(probes, wanted.faces) if wanted.faces else probes
    waits = choose and not wanted.faces and len(probes) > 1
    compared = [] if waits else [_compare(probe.face.embedding, snapshot) for probe in chosen]
    with brief_transaction():
        if not waits:
            one_after_the_other()
        search = _stored(actor, wanted, snapshot, left_out=len(faces) - len(probes))
        rows = _keep(search, chosen)
        if waits:
            # What is asked for beside the faces is kept as a part that does not run yet.
            if wanted.stored_pictures:
                SearchPart.objects.create(search=search, source=SearchSource.PICTURES, state=SearchState.CHOOSING)
            return search
        hits = [hit for row, found in zip(rows, compared, strict=True) for hit in found.hits(row)]
        _begin(actor, search, hits, people=len(snapshot.names), stored_pictures=wanted.stored_pictures)
    return search


def start(*, actor: User, search: PhotoSearch, faces: Collection[int]) -> PhotoSearch:
    """Begins a search for those of its faces that are meant; the others are forgotten. Raises SearchError."""
    snapshot = gallery()
    if search.pack != snapshot.pack.version:
        raise SearchError("The model pack was changed since the photo was looked at. Send the photo again.")
    chosen = list(search.faces.defer(None).filter(number__in=faces))
    if not chosen or len(chosen) < len(set(faces)):
        raise SearchError("Say which of the faces are meant: choose at least one.", field="faces")
    try:
        compared = [(face, _compare(embedding_of(search, face), snapshot)) for face in chosen]
    except vault.VaultError as error:
        raise SearchError(f"The faces can not be opened any more: {error} Send the photo again.") from error
    with brief_transaction():
        one_after_the_other()
        row = PhotoSearch.objects.select_for_update(no_key=True).filter(pk=search.pk).first()
        if row is None:
            raise SearchError("The search was deleted meanwhile. Send the photo again.")
        if row.begun_at is not None:
            raise SearchError("This search has begun already, in another window. Look at its results.")
        row.faces.exclude(pk__in=[face.pk for face in chosen]).delete()
        pictures_too = bool(row.parts.filter(state=SearchState.CHOOSING).delete()[0])
        hits = [hit for face, found in compared for hit in found.hits(face)]
        _begin(actor, row, hits, people=len(snapshot.names), stored_pictures=pictures_too)
    return row


def also_pictures(*, actor: User, search: PhotoSearch) -> None:
    """Has stored pictures looked through as well. Raises SearchError."""
    with brief_transaction():
        row = PhotoSearch.objects.select_for_update(no_key=True).filter(pk=search.pk).first()
        if row is None or row.begun_at is None:
            raise SearchError("There is no such search any more. Send the photo again.")
        before = row.parts.filter(source=SearchSource.PICTURES).first()
        if before is not None and not before.is_over:
            raise SearchError("The stored pictures are being looked through already.")
        if before is not None and before.state == SearchState.DONE:
            raise SearchError("The stored pictures were looked through already.")
        if before is not None:
            before.delete()
        _add_pictures(row)
        record(actor=actor, verb="searched pictures", target=target_of(row), reason=row.reason, case=row.case_number)


@brief_transaction()
def cancel(*, actor: User, search: PhotoSearch) -> bool:
    """Stops what still runs; what was found stays. False when it was over already."""
    parts = SearchPart.objects.filter(search=search, state__in=[SearchState.WAITING, SearchState.RUNNING])
    if not parts.update(state=SearchState.CANCELLED, token=None, finished_at=timezone.now()):
        return False
    record(actor=actor, verb="cancelled", target=target_of(search))
    return True


@brief_transaction()
def delete(*, actor: User, search: PhotoSearch) -> None:
    """Deletes a search with all that it found, and shreds the key of its faces."""
    one_after_the_other()
    forget([search])
    record(actor=actor, verb="deleted", target=target_of(search), case=search.case_number)


def may_change(user: User, search: PhotoSearch) -> bool:
    """Whether they may stop or delete it: who asked for it, and administrators."""
    return search.asked_by_id == user.pk or user.has_perm("cameras.delete_photosearch")


@brief_transaction()
def looked(*, actor: User, search: PhotoSearch) -> None:
    """Puts on record that somebody looks at what another one has asked for."""
    if search.asked_by_id == actor.pk:
        return
    now = timezone.now()
    look, is_new = PhotoSearchLook.objects.get_or_create(
        search=search, user=actor, defaults={"user_name": actor.get_username(), "last_at": now}
    )
    again = PhotoSearchLook.objects.filter(pk=look.pk, last_at__lt=now - LOOK_AGAIN)
    if is_new or again.update(last_at=now):
        record(actor=actor, verb="looked at", target=target_of(search), asked_by=search.asked_by_name)


def prune() -> int:
    """Deletes searches that are older than PHOTO_SEARCH_DAYS, and those that never began; how many it was."""
    now = timezone.now()
    with transaction.atomic():
        one_after_the_other()
        old = list(PhotoSearch.objects.filter(asked_at__lte=now - timedelta(days=settings.PHOTO_SEARCH_DAYS))[:500])
        old += PhotoSearch.objects.filter(begun_at=None, asked_at__lte=now - CHOOSING_TIME).exclude(
            pk__in=[one.pk for one in old]
        )[:500]
        forget(old)
    return len(old)


def forget(searches: Sequence[PhotoSearch]) -> None:
    """Deletes searches and shreds their keys, in the transaction of the caller."""
    for search in searches:
        vault.shred(search.scope)
    PhotoSearch.objects.filter(pk__in=[search.pk for search in searches]).delete()


def _checked(wanted: Wanted) -> Wanted:
    """What was asked for, if it may be searched so; raises SearchError."""
    reason, case = _clean(wanted.reason), _clean(wanted.case_number)
    if len(reason) < LEAST_REASON:
        raise SearchError("Say for what reason this face is searched; it is shown and kept.", field="reason")
    if not case:
        raise SearchError("Give the case number that the search belongs to.", field="case_number")
    for field, moment in (("since", wanted.since), ("until", wanted.until)):
        if not can_be_kept(moment):
            raise SearchError("Times are from 1970 to 9999. Choose another one.", field=field)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise SearchError("The span ends before it begins. Choose a later end.", field="until")
    least = wanted.least_similarity
    if least is not None and not _SMALLEST_NUMBER <= least <= 1.0:
        raise SearchError("A similarity is a number from -1 to 1.", field="least_similarity")
    cameras = {camera.pk: camera for camera in wanted.cameras}
    for group in wanted.groups:
        cameras |= {camera.pk: camera for camera in group.cameras.all()}
    if (wanted.groups or wanted.cameras) and not cameras:
        raise SearchError("There is no camera in these groups. Choose others.", field="groups")
    return Wanted(
        reason=reason[:REASON_LENGTH],
        case_number=case[:CASE_LENGTH],
        since=wanted.since,
        until=wanted.until,
        cameras=tuple(cameras.values()),
        least_similarity=least,
        stored_pictures=wanted.stored_pictures,
        faces=wanted.faces,
    )


def _clean(text: str) -> str:
    return " ".join(text.replace("\x00", "").split())


def _probes(image: Image, faces: Sequence[Face]) -> list[_Probe]:
    """The faces that can be searched, the largest first. Raises SearchError where there is none."""
    if not faces:
        raise SearchError(
            "No face was found. Use a photo that shows the face from the front, upright and in good light.",
            field="photo",
        )
    usable = [(number, face) for number, face in enumerate(faces, start=1) if face.quality.usable]
    if not usable:
        why = " ".join(faces[0].quality.sentences())
        raise SearchError(
            f"The face is too poor to say anything: whoever came out as similar would be chance. {why}".strip(),
            field="photo",
        )
    return [
        _Probe(number=number, face=face, picture=portrait_jpeg(image, face.box, side=_SIDE))
        for number, face in usable[:MOST_FACES]
    ]


def _chosen(probes: Sequence[_Probe], numbers: Collection[int]) -> list[_Probe]:
    there = {probe.number: probe for probe in probes}
    missing = sorted(set(numbers) - set(there))
    if missing:
        raise SearchError(
            f"Face {missing[0]} was asked for, but faces that can be searched are: "
            f"{', '.join(str(number) for number in there)}. 1 is the largest.",
            field="faces",
        )
    return [there[number] for number in sorted(set(numbers))]


def _stored(actor: User, wanted: Wanted, snapshot: Snapshot, *, left_out: int) -> PhotoSearch:
    return PhotoSearch.objects.create(
        asked_by=actor,
        asked_by_name=actor.get_username(),
        reason=wanted.reason,
        case_number=wanted.case_number,
        since=wanted.since,
        until=wanted.until,
        cameras=sorted(camera.pk for camera in wanted.cameras),
        camera_names=", ".join(sorted(camera.name for camera in wanted.cameras)),
        least_similarity=wanted.least_similarity,
        pack=snapshot.pack.version,
        threshold=snapshot.pack_threshold,
        left_out=left_out,
    )


def _keep(search: PhotoSearch, probes: Sequence[_Probe]) -> list[SearchFace]:
    """Seals the faces."""
    return SearchFace.objects.bulk_create(
        SearchFace(
            search=search,
            number=probe.number,
            quality=probe.face.quality.score,
            problems="\n".join(probe.face.quality.sentences()),
            sealed=vault.seal(
                search.scope,
                probe.face.embedding.astype("<f4").tobytes(),
                bind=searched_face_bind(search.pk, probe.number, search.pack),
            ),
            sealed_picture=vault.seal(search.scope, probe.picture, bind=searched_picture_bind(search.pk, probe.number)),
        )
        for probe in probes
    )


def _compare(embedding: Embedding, snapshot: Snapshot) -> _Compared:
    """Whom of the enrolled people a face resembles."""
    candidates = snapshot.search(embedding, top=MOST_PEOPLE)
    return _Compared(
        candidates=tuple(candidates),
        match=snapshot.decide(candidates),
        thresholds=tuple(snapshot.threshold(one.person) for one in candidates),
        marks=enhanced_templates([one.template for one in candidates]),
    )


def _begin(
    actor: User, search: PhotoSearch, hits: Sequence[PhotoSearchHit], *, people: int, stored_pictures: bool
) -> None:
    """Writes what could be answered at once, of people who are there still, and leaves the rest to those who run it."""
    there = Identity.objects.filter(person__in={hit.person_id for hit in hits})
    identities = dict(there.values_list("person_id", "pk"))
    known = set(Person.objects.filter(pk__in={hit.person_id for hit in hits}).values_list("pk", flat=True))
    for hit in hits:
        hit.identity_id = identities.get(hit.person_id) if hit.person_id is not None else None
    PhotoSearchHit.objects.bulk_create(hit for hit in hits if hit.person_id in known)
    search.people, search.begun_at = people, timezone.now()
    search.save(update_fields=["people", "begun_at"])
    SearchPart.objects.create(search=search, source=SearchSource.FACES)
    if stored_pictures:
        _add_pictures(search)
    record(
        actor=actor,
        verb="searched",
        target=target_of(search),
        reason=search.reason,
        case=search.case_number,
        faces=search.faces.count(),
        matched=sum(hit.is_match for hit in hits),
    )


def _add_pictures(search: PhotoSearch) -> None:
    """Has stored pictures looked through. Raises SearchError where they are too many."""
    count = pictures.how_many(search)
    if count > pictures.MOST_PICTURES:
        raise SearchError(
            f"There are more than {pictures.MOST_PICTURES:,} stored pictures in this span, which would take days. "
            "Choose a shorter span, or fewer cameras.",
            field="stored_pictures",
        )
    part = SearchPart.objects.create(search=search, source=SearchSource.PICTURES, total=count)
    transaction.on_commit(lambda: send_pictures(part.pk))


def target_of(search: PhotoSearch) -> str:
    """What the audit trail calls it."""
    return f"photo search {search.pk}"
