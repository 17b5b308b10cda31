"""Photos that wait for a decision: is this somebody who is enrolled already, shall an enhanced photo be used?

They lie sealed under a key of their own, so that nobody uploads anything twice, and are gone with that key when it
was decided, or after KEEP_FOR. Nothing that is worked out about them is stored: the page works it out anew.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts import vault
from accounts.models import User
from recognition.duplicates import Duplicate, Probe, notice
from recognition.engine import PhotoError
from recognition.errors import RecognitionError
from recognition.gallery import gallery
from recognition.models import OnDuplicate, PendingEnrolment, PendingPhoto, Person, Watchlist
from recognition.photos import Enhancement, Treatment, Upload, check_photo, enhancement, portrait_jpeg
from recognition.services import Enrolment, enrol

KEEP_FOR = timedelta(minutes=30)
_QUALITY = "quality"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waiting:
    """One waiting photo as it is shown. `portrait`: JPEG of its face, None where no face was found.

    `why` says why it can not be used as it is, `enhancement` what enhancing makes of it where its quality is too low.
    """

    number: int
    name: str
    portrait: bytes | None
    why: str
    enhancement: Enhancement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What has to be decided about waiting photos."""

    photos: tuple[Waiting, ...]
    duplicates: tuple[Duplicate, ...]
    doubts: tuple[str, ...]

    @property
    def people(self) -> tuple[Duplicate, ...]:
        """The people whom the photos resemble, each once, most alike first."""
        best: dict[int, Duplicate] = {}
        for one in sorted(self.duplicates, key=lambda one: -one.similarity):
            best.setdefault(one.person, one)
        return tuple(best.values())


@transaction.atomic
def keep(
    *, user: User, name: str, photos: Sequence[Upload], person: Person | None = None, watchlist: Watchlist | None = None
) -> PendingEnrolment:
    """Seals the photos until somebody has decided."""
    row = PendingEnrolment.objects.create(asked_by=user, name=name, person=person, watchlist=watchlist)
    PendingPhoto.objects.bulk_create(
        PendingPhoto(
            pending=row,
            name=upload.name[:1000],
            face=upload.face,
            sealed=vault.seal(row.scope, upload.data, bind="photo"),
        )
        for upload in photos
    )
    return row


def find(user: User, pk: uuid.UUID) -> PendingEnrolment | None:
    """The waiting photos of this user, or None when they were decided or dropped."""
    since = timezone.now() - KEEP_FOR
    rows = PendingEnrolment.objects.filter(pk=pk, asked_by=user, created_at__gt=since)
    return rows.select_related("person", "watchlist").first()


def question(row: PendingEnrolment) -> Question:
    """Looks at the waiting photos anew. Raises engine.ModelError, vault.VaultError."""
    waiting: list[Waiting] = []
    probes: list[Probe] = []
    for number, upload in _uploads(row):
        try:
            usable = check_photo(upload)
        except PhotoError as error:
            made = enhancement(upload) if error.code == _QUALITY else None
            face = made.before if made is not None else None
            waiting.append(Waiting(number=number, name=upload.name, portrait=face, why=error.message, enhancement=made))
            if made is not None and not made.problems:  # it may be chosen for matching, so it is asked about as well
                probes.append(Probe(photo=upload.name, embedding=made.embedding))
            continue
        probes.append(Probe(photo=upload.name, embedding=usable.face.embedding))
        portrait = portrait_jpeg(usable.image, usable.face.box)
        waiting.append(Waiting(number=number, name=upload.name, portrait=portrait, why="", enhancement=None))
    noticed = notice(probes, person=row.person, snapshot=gallery())
    return Question(photos=tuple(waiting), duplicates=noticed.duplicates, doubts=noticed.doubts)


def decide(
    row: PendingEnrolment, *, user: User, person: Person | None, treatments: Mapping[int, Treatment]
) -> Enrolment:
    """Enrols the waiting photos for this person, or for a new one, and drops them.

    `treatments` says by number what is done to photos; those it does not name are taken as they are. When none
    is usable that way the photos go on waiting.
    """
    photos = [replace(upload, treatment=treatments.get(number, Treatment.AS_IT_IS)) for number, upload in _uploads(row)]
    with transaction.atomic():
        if not PendingEnrolment.objects.select_for_update().filter(pk=row.pk).exists():
            raise RecognitionError("These photos were decided about already, in another window. Look at the person.")
        done = enrol(
            actor=user,
            name=row.name,
            photos=photos,
            watchlist=row.watchlist,
            person=person,
            on_duplicate=OnDuplicate.NEW,
        )
        if done.photos or done.there:
            drop(row)
    return done


@transaction.atomic
def drop(row: PendingEnrolment) -> None:
    """Forgets the waiting photos for good."""
    vault.shred(row.scope)
    PendingEnrolment.objects.filter(pk=row.pk).delete()


def drop_old() -> int:
    """Drops what nobody decided in time; returns how many."""
    old = list(PendingEnrolment.objects.filter(created_at__lte=timezone.now() - KEEP_FOR))
    for row in old:
        drop(row)
    return len(old)


def _uploads(row: PendingEnrolment) -> list[tuple[int, Upload]]:
    return [
        (
            photo.pk,
            Upload(name=photo.name, data=vault.unseal(row.scope, photo.sealed, bind="photo"), face=photo.face),
        )
        for photo in row.photos.all()
    ]
