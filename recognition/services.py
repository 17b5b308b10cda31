"""The only writer of people, photos and templates; and the search with a photo.

Computing happens outside transactions; rows are written in one, so that a person is enrolled whole or not at all.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import connection

from accounts import vault
from accounts.models import User
from accounts.services import Actor, record
from config.transactions import brief_transaction
from recognition.duplicates import Duplicate, Probe, enrolled_digests, notice, picture_digest
from recognition.engine import Candidate, Face, PhotoError, encode_jpeg
from recognition.erasing import forget_traces
from recognition.errors import RecognitionError
from recognition.gallery import Snapshot, gallery, look_again, template_bind
from recognition.models import (
    OnDuplicate,
    Person,
    Photo,
    Template,
    Watchlist,
)
from recognition.names import clean_name
from recognition.packs import share_pack_in_use
from recognition.photos import PHOTOS_AT_ONCE
from recognition.photos import Treatment as Treatment
from recognition.photos import Upload as Upload
from recognition.photos import UsablePhoto as UsablePhoto
from recognition.photos import check_photo as check_photo
from recognition.photos import portrait_jpeg as portrait_jpeg
from recognition.photos import read_photo as read_photo
from recognition.selectors import digest_bind, only_person_named, photo_bind, portrait_bind, valid_entries
from recognition.signals import people_will_change, person_deleted
from recognition.watchlist_services import add_to_watchlist

_NAMES_LOCK = 0x4C594E02  # any constant: those who enrol under one name take turns
_TRIES = 5


class PackChanged(Exception):
    """The pack in use changed while photos were looked at: look at them again, then store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A photo that is not used, and why. `code` is that of PhotoError, or empty."""

    photo: str
    why: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What became of an enrolment. `person` is None when nothing was stored for anybody.

    `there` are photos that the person had already, `duplicates` faces that are enrolled for somebody else, and
    `doubts` sentences about photos that do not seem to show one person. `stored`: the ids of the new photos.
    """

    person: Person | None
    templates: int
    rejected: tuple[Rejected, ...]
    photos: int = 0  # that were stored, also those without a template
    there: tuple[str, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    doubts: tuple[str, ...] = ()
    stored: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentifiedFace:
    """One face of a searched photo: who it is by decision, and the ranked candidates either way.

    A face too poor to say anything has neither: whom it resembles would be chance. `pack`: the version that searched.
    """

    face: Face
    pack: str
    match: Candidate | None = None
    candidates: tuple[Candidate, ...] = ()

    @property
    def usable(self) -> bool:
        return self.face.quality.usable


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """An enrolment as it was asked for."""

    actor: Actor
    name: str
    photos: Sequence[Upload]
    watchlist: Watchlist | None
    person: Person | None
    join: bool
    on_duplicate: OnDuplicate
    careful: bool


def enrol(
    *,
    actor: Actor,
    name: str,
    photos: Sequence[Upload],
    watchlist: Watchlist | None = None,
    person: Person | None = None,
    join: bool = False,
    on_duplicate: OnDuplicate = OnDuplicate.NEW,
    careful: bool = False,
    seen_at_once: bool = True,
) -> Enrolment:
    """Enrols a new person, or adds photos to one, from every photo that is usable; says of the others why not.

    With `join` the photos go to the one person who has the name already, if there is exactly one. When a face is
    enrolled for somebody else, `on_duplicate` says whether nothing is stored, the photos go to that person, or
    are enrolled as asked. A `careful` enrolment stores nothing either while there are doubts about the photos.
    `seen_at_once`: the next search of this process knows the face; else within GALLERY_POLL_SECONDS.
    """
    wanted = _Wanted(
        actor=actor,
        name=clean_name(name),
        photos=photos,
        watchlist=watchlist,
        person=person,
        join=join,
        on_duplicate=on_duplicate,
        careful=careful,
    )
    for _ in range(_TRIES):
        try:
            done = _enrol(wanted)
            if done.templates and seen_at_once:
                look_again()
            return done
        except PackChanged:
            time.sleep(settings.GALLERY_POLL_SECONDS)
    raise RecognitionError("The model pack is being changed at this moment. Enrol the photos again in a minute.")


def _enrol(wanted: _Wanted) -> Enrolment:
    usable, rejected = _look_at(wanted.photos)
    if not usable:
        return Enrolment(person=wanted.person, templates=0, rejected=rejected)
    person = wanted.person or (only_person_named(wanted.name) if wanted.join else None)
    noticed = notice(
        [Probe(photo=upload.name, embedding=photo.face.embedding) for upload, photo in usable if photo.for_matching],
        person=person,
        snapshot=_snapshot_for([photo for _, photo in usable]),
    )
    found = Enrolment(person=None, templates=0, rejected=rejected, duplicates=noticed.duplicates, doubts=noticed.doubts)
    if (noticed.duplicates and wanted.on_duplicate is OnDuplicate.REFUSE) or (noticed.doubts and wanted.careful):
        return found
    if noticed.duplicates and wanted.on_duplicate is OnDuplicate.JOIN:
        best = max(noticed.duplicates, key=lambda one: one.similarity)
        wanted = replace(wanted, person=Person.objects.filter(pk=best.person).first())
    return _stored(wanted, usable, found)


def _look_at(photos: Sequence[Upload]) -> tuple[list[tuple[Upload, UsablePhoto]], tuple[Rejected, ...]]:
    """The photos that pass, and of the others why they do not."""
    usable: list[tuple[Upload, UsablePhoto]] = []
    rejected: list[Rejected] = []
    for upload in photos:
        try:
            usable.append((upload, check_photo(upload)))
        except PhotoError as error:
            rejected.append(Rejected(photo=upload.name, why=error.message, code=error.code))
    return usable, tuple(rejected)


def _snapshot_for(photos: Sequence[UsablePhoto]) -> Snapshot:
    """The gallery of the pack that looked at the photos; raises PackChanged when that is another one by now."""
    snapshot = gallery()
    if any(photo.pack != snapshot.pack.version for photo in photos):
        raise PackChanged
    return snapshot


@brief_transaction()
def _stored(wanted: _Wanted, usable: Sequence[tuple[Upload, UsablePhoto]], found: Enrolment) -> Enrolment:
    """Writes the person, the photos that they do not have yet, and the watchlist entry."""
    hold_pack([photo for _, photo in usable])
    actor, watchlist = wanted.actor, wanted.watchlist
    person = wanted.person or (_namesake(wanted.name) if wanted.join else None)
    if person is None:
        person = Person.objects.create(name=wanted.name, created_by=actor if isinstance(actor, User) else None)
    elif not Person.objects.select_for_update(no_key=True).filter(pk=person.pk).exists():
        raise RecognitionError(f"{person.name} was deleted meanwhile. Enrol them anew.")
    known = enrolled_digests(person)
    there: list[str] = []
    stored: list[int] = []
    templates = 0
    for upload, photo in usable:
        digest = picture_digest(photo.image, upload.face)
        if digest in known:
            there.append(upload.name)
            continue
        known.add(digest)
        stored.append(_store(person, photo, digest))
        templates += photo.for_matching
    if watchlist is not None and not valid_entries(person.pk).filter(watchlist=watchlist).exists():
        add_to_watchlist(actor=actor, watchlist=watchlist, person=person)
    record(
        actor=actor,
        verb="enrolled",
        target=f"person {person.pk}",
        templates=templates,
        rejected=len(found.rejected),
        there=len(there),
        enhanced=sum(bool(photo.enhanced) for _, photo in usable),
        like=[str(pk) for pk in sorted({one.person for one in found.duplicates} - {person.pk})],
    )
    others = tuple(one for one in found.duplicates if one.person != person.pk)
    return replace(
        found,
        person=person,
        templates=templates,
        photos=len(stored),
        there=tuple(there),
        duplicates=others,
        stored=tuple(stored),
    )


@brief_transaction()
def take_back(*, actor: Actor, person: Person, photos: Collection[int]) -> int:
    """Deletes photos of a person that turned out to show somebody else, with their templates; returns how many."""
    gone = person.photos.filter(pk__in=photos)
    count = gone.count()
    if count:
        gone.delete()
        record(actor=actor, verb="took back photos", target=f"person {person.pk}", photos=count)
    return count


def hold_pack(photos: Sequence[UsablePhoto]) -> None:
    """At the begin of a transaction that stores photos: the pack in use stays until its end.

    Raises PackChanged when the photos were looked at with another one.
    """
    version = share_pack_in_use()
    if any(photo.pack != version for photo in photos):
        raise PackChanged


@brief_transaction()
def rename_person(*, actor: Actor, person: Person, name: str, notes: str) -> None:
    """Changes how a person is called and what is noted about them."""
    person.name, person.notes = clean_name(name), notes
    person.save(update_fields=["name", "notes"])
    record(actor=actor, verb="changed", target=f"person {person.pk}")


@brief_transaction()
def delete_person(*, actor: Actor, person: Person) -> None:
    """Deletes a person and everything about them, and shreds the key of their photos and templates.

    Other rooms do the same: they listen to `person_deleted`.
    """
    target, scope = f"person {person.pk}", person.scope
    people_will_change.send(sender=Person)
    # Whoever is writing a sighting or a template of this person ends first, and finds nobody after.
    row = Person.objects.select_for_update().filter(pk=person.pk).first()
    if row is None:
        return
    person_deleted.send(sender=Person, person=row)
    forget_traces(row)
    row.delete()
    vault.shred(scope)
    record(actor=actor, verb="deleted", target=target)


def identify(*, actor: Actor, upload: Upload, top: int = 5) -> list[IdentifiedFace]:
    """Searches the gallery for every face of the photo. The search is recorded, the photo is not kept."""
    snapshot = gallery()
    with PHOTOS_AT_ONCE:
        image = read_photo(upload)
        faces = snapshot.pack.analyse(image, small_faces=settings.SMALL_FACES != "off")
    version, found = snapshot.pack.version, []
    for face in faces:
        if not face.quality.usable:
            found.append(IdentifiedFace(face=face, pack=version))
            continue
        candidates = snapshot.search(face.embedding, top=max(top, 2))
        match = snapshot.decide(candidates)
        found.append(IdentifiedFace(face=face, pack=version, match=match, candidates=tuple(candidates[:top])))
    record(
        actor=actor,
        verb="searched",
        target="gallery",
        faces=len(faces),
        matched=sum(f.match is not None for f in found),
    )
    return found


def _namesake(name: str) -> Person | None:
    """The one person of this name; whoever else enrols under it at the same moment waits, and then finds them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_NAMES_LOCK, name])
    return only_person_named(name)


def _store(person: Person, usable: UsablePhoto, digest: bytes) -> int:
    """Writes a photo and its template; returns the photo's id."""
    height, width = usable.image.shape[:2]
    photo = Photo.objects.create(
        person=person,
        sealed=vault.seal(person.scope, encode_jpeg(usable.image, quality=92), bind=photo_bind(person.pk)),
        sealed_portrait=vault.seal(
            person.scope, portrait_jpeg(usable.image, usable.face.box), bind=portrait_bind(person.pk)
        ),
        sealed_digest=vault.seal(person.scope, digest, bind=digest_bind(person.pk)),
        enhanced=usable.enhanced,
        for_matching=usable.for_matching,
    )
    if not usable.for_matching:
        return photo.pk
    Template.objects.create(
        person=person,
        photo=photo,
        pack=usable.pack,
        sealed=vault.seal(
            person.scope, usable.face.embedding.astype("<f4").tobytes(), bind=template_bind(person.pk, usable.pack)
        ),
        quality=usable.face.quality.score,
        box=[round(float(v) / side, 5) for v, side in zip(usable.face.box, (width, height) * 2, strict=True)],
    )
    return photo.pk
