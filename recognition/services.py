"""The only writer of people, photos, templates and watchlists; and the search with a photo.

Computing happens outside transactions; rows are written in one, so that a person is enrolled whole or not at all.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import cv2
import numpy as np
from django.conf import settings
from django.db import IntegrityError, connection, transaction

from accounts import vault
from accounts.models import User
from accounts.services import Actor, record
from recognition.engine import Candidate, Face, Image, PhotoError, decode_photo, encode_jpeg
from recognition.gallery import gallery, template_bind
from recognition.models import NAME_LENGTH, Category, Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.packs import current_pack
from recognition.selectors import only_person_named, photo_bind, portrait_bind, valid_entries

PORTRAIT_SIDE = 320
_NAMES_LOCK = 0x4C594E02  # any constant: those who enrol under one name take turns
# A photo of 50 million pixels takes hundreds of MB while it is decoded: so many at once, the others wait.
_PHOTOS_AT_ONCE = threading.BoundedSemaphore(2)
# Nothing that belongs in a name: they move the cursor of a terminal, or turn the letters around.
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class RecognitionError(Exception):
    """Something that was asked for can not be done; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A photo as it came in: its name, for messages, and its bytes. `face` picks one of several: 1 is the largest."""

    name: str
    data: bytes
    face: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    photo: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What became of an enrolment. `person` is None when no photo was usable."""

    person: Person | None
    templates: int
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UsablePhoto:
    """A photo that passed: the upright picture and its one face."""

    image: Image
    face: Face


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IdentifiedFace:
    """One face of a searched photo: who it is by decision, and the ranked candidates either way."""

    face: Face
    match: Candidate | None
    candidates: tuple[Candidate, ...]


def clean_name(name: str) -> str:
    """The name without needless white space or control characters; raises RecognitionError when it is empty or
    too long."""
    name = " ".join(_INVISIBLE.sub("", name).split())
    if not name:
        raise RecognitionError("The name is empty. Type a name.")
    if not name.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in name):
        raise RecognitionError("The name has characters that are no text. Type it again.")
    if len(name) > NAME_LENGTH:
        raise RecognitionError(f"The name has {len(name)} characters; at most {NAME_LENGTH} are kept. Shorten it.")
    return name


def read_photo(upload: Upload) -> Image:
    """Decodes an uploaded photo within the configured limits; raises PhotoError."""
    return decode_photo(upload.data, max_bytes=settings.MAX_PHOTO_MB * 2**20)


def check_photo(upload: Upload) -> UsablePhoto:
    """The photo's one usable face; raises PhotoError with what is wrong and what to do."""
    with _PHOTOS_AT_ONCE:
        image = read_photo(upload)
        faces = current_pack().analyse(image)
    face = _the_face(faces, upload.face)
    problems = face.quality.sentences()
    if problems:
        raise PhotoError("quality", " ".join(problems))
    return UsablePhoto(image=image, face=face)


def enrol(
    *,
    actor: Actor,
    name: str,
    photos: Sequence[Upload],
    watchlist: Watchlist | None = None,
    person: Person | None = None,
    join: bool = False,
) -> Enrolment:
    """Enrols a new person, or adds photos to one, from every photo that is usable; says of the others why not.

    With `join` the photos go to the one person who has the name already, if there is exactly one.
    """
    name = clean_name(name)
    usable: list[UsablePhoto] = []
    rejected: list[Rejected] = []
    for upload in photos:
        try:
            usable.append(check_photo(upload))
        except PhotoError as error:
            rejected.append(Rejected(photo=upload.name, why=error.message))
    if not usable:
        return Enrolment(person=person, templates=0, rejected=tuple(rejected))
    with transaction.atomic():
        if person is None and join:
            person = _namesake(name)
        if person is None:
            person = Person.objects.create(name=name, created_by=actor if isinstance(actor, User) else None)
        elif not Person.objects.select_for_update(no_key=True).filter(pk=person.pk).exists():
            raise RecognitionError(f"{person.name} was deleted meanwhile. Enrol them anew.")
        for photo in usable:
            _store(person, photo)
        if watchlist is not None and not valid_entries(person.pk).filter(watchlist=watchlist).exists():
            add_to_watchlist(actor=actor, watchlist=watchlist, person=person)
        record(
            actor=actor, verb="enrolled", target=f"person {person.pk}", templates=len(usable), rejected=len(rejected)
        )
    return Enrolment(person=person, templates=len(usable), rejected=tuple(rejected))


@transaction.atomic
def rename_person(*, actor: Actor, person: Person, name: str, notes: str) -> None:
    """Changes how a person is called and what is noted about them."""
    person.name, person.notes = clean_name(name), notes
    person.save(update_fields=["name", "notes"])
    record(actor=actor, verb="changed", target=f"person {person.pk}")


@transaction.atomic
def delete_person(*, actor: Actor, person: Person) -> None:
    """Deletes a person and shreds the key of their photos and templates; sightings remain, without their name."""
    target, scope = f"person {person.pk}", person.scope
    # Whoever is writing a sighting or a template of this person ends first, and finds nobody after.
    list(Person.objects.select_for_update().filter(pk=person.pk))
    person.delete()
    vault.shred(scope)
    record(actor=actor, verb="deleted", target=target)


@transaction.atomic
def create_watchlist(
    *,
    actor: Actor,
    name: str,
    category: Category = Category.OTHER,
    purpose: str = "",
    legal_basis: str = "",
    threshold: float | None = None,
    is_active: bool = True,
) -> Watchlist:
    """Makes a watchlist; raises RecognitionError when the name is taken."""
    with unique_name("watchlist", name):
        watchlist = Watchlist.objects.create(
            name=_free_name(name),
            category=category,
            purpose=purpose,
            legal_basis=legal_basis,
            threshold=threshold,
            is_active=is_active,
        )
    record(actor=actor, verb="created", target=f"watchlist {watchlist.pk}")
    return watchlist


@transaction.atomic
def change_watchlist(
    *,
    actor: Actor,
    watchlist: Watchlist,
    name: str,
    category: Category,
    purpose: str,
    legal_basis: str,
    threshold: float | None,
    is_active: bool,
) -> Watchlist:
    """Changes a watchlist; raises RecognitionError when the name is taken. The gallery follows at once."""
    watchlist.name = _free_name(name, but=watchlist.pk)
    watchlist.category, watchlist.purpose, watchlist.legal_basis = category, purpose, legal_basis
    watchlist.threshold, watchlist.is_active = threshold, is_active
    with unique_name("watchlist", name):
        watchlist.save()
    record(actor=actor, verb="changed", target=f"watchlist {watchlist.pk}")
    return watchlist


@transaction.atomic
def delete_watchlist(*, actor: Actor, watchlist: Watchlist) -> None:
    """Deletes a watchlist with its entries and its rule; people and alerts remain."""
    target = f"watchlist {watchlist.pk}"
    watchlist.delete()
    record(actor=actor, verb="deleted", target=target)


def watchlist_named(*, actor: Actor, name: str) -> Watchlist:
    """The watchlist of this name; made when there is none yet."""
    known = Watchlist.objects.filter(name=clean_name(name))
    try:
        return known.first() or create_watchlist(actor=actor, name=name)
    except RecognitionError:  # somebody made it at the same moment
        return known.get()


@transaction.atomic
def add_to_watchlist(
    *, actor: Actor, watchlist: Watchlist, person: Person, reason: str = "", expires_at: datetime | None = None
) -> WatchlistEntry:
    """Puts a person on a watchlist; who is there already gets the new reason and expiry."""
    entry, created = WatchlistEntry.objects.update_or_create(
        watchlist=watchlist,
        person=person,
        defaults={"reason": reason, "expires_at": expires_at},
        create_defaults={
            "reason": reason,
            "expires_at": expires_at,
            "added_by": actor if isinstance(actor, User) else None,
        },
    )
    if created:
        record(actor=actor, verb="listed", target=f"person {person.pk}", watchlist=watchlist.pk)
    return entry


@transaction.atomic
def remove_from_watchlist(*, actor: Actor, watchlist: Watchlist, person: Person) -> bool:
    """Takes a person off a watchlist; False when they were not on it."""
    gone, _ = WatchlistEntry.objects.filter(watchlist=watchlist, person=person).delete()
    if gone:
        record(actor=actor, verb="unlisted", target=f"person {person.pk}", watchlist=watchlist.pk)
    return bool(gone)


@transaction.atomic
def set_watchlists(*, actor: Actor, person: Person, watchlists: Iterable[Watchlist]) -> None:
    """Makes these the person's watchlists: adds what is missing, removes what is not named."""
    wanted = {w.pk: w for w in watchlists}
    gone = WatchlistEntry.objects.filter(person=person).exclude(watchlist__in=wanted)
    for entry in gone:
        record(actor=actor, verb="unlisted", target=f"person {person.pk}", watchlist=entry.watchlist_id)
    gone.delete()
    present = set(WatchlistEntry.objects.filter(person=person).values_list("watchlist_id", flat=True))
    for pk, watchlist in wanted.items():
        if pk not in present:
            add_to_watchlist(actor=actor, watchlist=watchlist, person=person)


def identify(*, actor: Actor, upload: Upload, top: int = 5) -> list[IdentifiedFace]:
    """Searches the gallery for every face of the photo. The search is recorded, the photo is not kept."""
    with _PHOTOS_AT_ONCE:
        image = read_photo(upload)
        faces = current_pack().analyse(image)
    snapshot = gallery()
    found = []
    for face in faces:
        candidates = snapshot.search(face.embedding, top=max(top, 2))
        found.append(IdentifiedFace(face=face, match=snapshot.decide(candidates), candidates=tuple(candidates[:top])))
    record(
        actor=actor,
        verb="searched",
        target="gallery",
        faces=len(faces),
        matched=sum(f.match is not None for f in found),
    )
    return found


@contextmanager
def unique_name(kind: str, name: str) -> Iterator[None]:
    """Writes a row whose name must be free; raises RecognitionError when somebody took it at the same moment."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise RecognitionError(f"There is a {kind} {clean_name(name)!r} already. Choose another name.") from None


def _namesake(name: str) -> Person | None:
    """The one person of this name; whoever else enrols under it at the same moment waits, and then finds them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_NAMES_LOCK, name])
    return only_person_named(name)


def _free_name(name: str, but: int = 0) -> str:
    name = clean_name(name)
    if Watchlist.objects.filter(name=name).exclude(pk=but).exists():
        raise RecognitionError(f"There is a watchlist {name!r} already. Choose another name.")
    return name


def _the_face(faces: Sequence[Face], number: int | None) -> Face:
    if not faces:
        raise PhotoError(
            "no_face", "No face was found. Use a photo that shows the face from the front, upright and in good light."
        )
    if number is None:
        if len(faces) > 1:
            raise PhotoError(
                "several_faces",
                f"The photo shows {len(faces)} faces. Crop it to one person, or say which face (1 is the largest).",
            )
        return faces[0]
    if not 1 <= number <= len(faces):
        raise PhotoError(
            "no_such_face",
            f"Face {number} was asked for, but the photo shows {len(faces)}. Choose one, 1 is the largest.",
        )
    return faces[number - 1]


def _store(person: Person, usable: UsablePhoto) -> None:
    pack = current_pack()
    height, width = usable.image.shape[:2]
    photo = Photo.objects.create(
        person=person,
        sealed=vault.seal(person.scope, encode_jpeg(usable.image, quality=92), bind=photo_bind(person.pk)),
        sealed_portrait=vault.seal(
            person.scope, portrait_jpeg(usable.image, usable.face.box), bind=portrait_bind(person.pk)
        ),
    )
    Template.objects.create(
        person=person,
        photo=photo,
        pack=pack.version,
        sealed=vault.seal(
            person.scope, usable.face.embedding.astype("<f4").tobytes(), bind=template_bind(person.pk, pack.version)
        ),
        quality=usable.face.quality.score,
        box=[round(float(v) / side, 5) for v, side in zip(usable.face.box, (width, height) * 2, strict=True)],
    )


def portrait_jpeg(
    image: Image, box: np.ndarray[tuple[int], np.dtype[np.float32]], *, side: int = PORTRAIT_SIDE
) -> bytes:
    """A square JPEG of the face with some surroundings, at most `side` pixels wide. `box`: xyxy pixels."""
    x1, y1, x2, y2 = (float(v) for v in box)
    half = 0.85 * max(x2 - x1, y2 - y1)
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = image.shape[:2]
    left, top = max(0, int(cx - half)), max(0, int(cy - half))
    crop: Image = image[top : min(height, int(cy + half) + 1), left : min(width, int(cx + half) + 1)]
    scale = side / max(crop.shape[:2])
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return encode_jpeg(np.ascontiguousarray(crop), quality=88)
