"""Makes one person of two: photos and templates move to the one that is kept, sealed anew under their key.

Rows of other rooms that point to the person who goes (sightings, alerts) follow: those rooms listen to `people_merged`,
which is sent inside the transaction. What can not be unsealed stops the merge; nothing is half done.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q
from django.dispatch import Signal

from accounts import vault
from accounts.models import User
from accounts.services import Actor, record
from config.transactions import brief_transaction
from recognition.duplicates import enrolled_digests
from recognition.errors import RecognitionError
from recognition.gallery import template_bind
from recognition.models import BatchPhoto, NotSamePerson, PendingEnrolment, Person, Photo, Template, WatchlistEntry
from recognition.selectors import digest_bind, photo_bind, portrait_bind
from recognition.signals import people_will_change

# Sent with `kept` and `gone`, both Person, before `gone` is deleted. Receivers point their rows to `kept`.
people_merged = Signal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What a merge moves, and onto which watchlists the kept person comes by it.

    `same_photos` are photos that both have: they are kept once. Only a merge that was done knows of them.
    """

    photos: int
    templates: int
    watchlists: tuple[str, ...]
    same_photos: int = 0


def preview(*, kept: Person, gone: Person) -> Merge:
    """What `merge` would do now, as far as this room is concerned."""
    on_lists = kept.entries.values("watchlist")
    new = gone.entries.exclude(watchlist__in=on_lists).select_related("watchlist")
    return Merge(
        photos=gone.photos.count(),
        templates=gone.templates.count(),
        watchlists=tuple(entry.watchlist.name for entry in new),
    )


@brief_transaction()
def merge(*, actor: Actor, kept: Person, gone: Person) -> Merge:
    """Gives `kept` everything of `gone`, then deletes `gone` and shreds their key. Raises RecognitionError.

    The kept person's name stays; the notes of both are kept; of two entries on one watchlist the longer one counts.
    """
    if kept.pk == gone.pk:
        raise RecognitionError("These are one person already. Choose two.")
    people_will_change.send(sender=Person)
    locked = Person.objects.select_for_update().filter(pk__in=[kept.pk, gone.pk]).order_by("pk").in_bulk()
    if len(locked) < 2:
        raise RecognitionError("One of the two was deleted meanwhile, so there is nothing to merge. Look again.")
    kept, gone = locked[kept.pk], locked[gone.pk]
    name, scope = gone.name, gone.scope
    try:
        photos, same, templates = _move_photos(kept, gone)
    except vault.VaultError as error:
        raise RecognitionError(
            f"{gone.name} has photos that can not be unsealed, so nothing was merged: {error} "
            "Restore the key, or delete that person instead."
        ) from error
    joined = _move_entries(kept, gone)
    _move_answers(kept, gone)
    BatchPhoto.objects.filter(person=gone).update(person=kept)
    PendingEnrolment.objects.filter(person=gone).update(person=kept)
    people_merged.send(sender=Person, kept=kept, gone=gone)
    if gone.notes:
        kept.notes = f"{kept.notes}\n{gone.notes}".strip()[:4000]
        kept.save(update_fields=["notes"])
    record(actor=actor, verb="merged", target=f"person {kept.pk}", gone=gone.pk, name=name, photos=photos)
    gone.delete()
    vault.shred(scope)
    return Merge(photos=photos, templates=templates, same_photos=same, watchlists=joined)


@brief_transaction()
def not_the_same(*, actor: Actor, one: Person, other: Person) -> None:
    """Notes for good that these are two people: they are not listed as look-alikes again."""
    if one.pk == other.pk:
        raise RecognitionError("This is one person. Choose two.")
    first, second = sorted((one.pk, other.pk))
    _, new = NotSamePerson.objects.get_or_create(
        first_id=first, second_id=second, defaults={"said_by": actor if isinstance(actor, User) else None}
    )
    if new:
        record(actor=actor, verb="told apart", target=f"person {first}", other=second)


def _move_photos(kept: Person, gone: Person) -> tuple[int, int, int]:
    """(photos moved, photos that were there already, templates moved)."""
    known = enrolled_digests(kept)
    moved = same = templates = 0
    for pk in list(gone.photos.values_list("pk", flat=True)):
        photo = Photo.objects.get(pk=pk)
        digest = _opened(gone, photo.sealed_digest, digest_bind(gone.pk)) if photo.sealed_digest else None
        if digest is not None and digest in known:
            same += 1  # goes with its person
            continue
        photo.sealed = _sealed(kept, _opened(gone, photo.sealed, photo_bind(gone.pk)), photo_bind(kept.pk))
        portrait = _opened(gone, photo.sealed_portrait, portrait_bind(gone.pk))
        photo.sealed_portrait = _sealed(kept, portrait, portrait_bind(kept.pk))
        if digest is not None:
            photo.sealed_digest = _sealed(kept, digest, digest_bind(kept.pk))
            known.add(digest)
        photo.person = kept
        photo.save()
        moved += 1
        for template in Template.objects.filter(photo=photo):
            _move_template(template, kept, gone)
            templates += 1
    return moved, same, templates


def _move_template(template: Template, kept: Person, gone: Person) -> None:
    """As a new row: galleries in memory know a template by its id, and whose it is never changes."""
    embedding = _opened(gone, template.sealed, template_bind(gone.pk, template.pack))
    template.delete()
    template.pk = None
    template.person = kept
    template.sealed = _sealed(kept, embedding, template_bind(kept.pk, template.pack))
    template.save(force_insert=True)


def _move_entries(kept: Person, gone: Person) -> tuple[str, ...]:
    there = {entry.watchlist_id: entry for entry in WatchlistEntry.objects.filter(person=kept)}
    joined = []
    for entry in WatchlistEntry.objects.filter(person=gone).select_related("watchlist"):
        own = there.get(entry.watchlist_id)
        if own is None:
            entry.person = kept
            entry.save(update_fields=["person"])
            joined.append(entry.watchlist.name)
            continue
        # Both were on it: from the earlier beginning to the later end, none being the earliest and the latest.
        starts, ends = (own.starts_at, entry.starts_at), (own.expires_at, entry.expires_at)
        own.starts_at = None if None in starts else min(time for time in starts if time is not None)
        own.expires_at = None if None in ends else max(time for time in ends if time is not None)
        own.reason = own.reason or entry.reason
        own.save(update_fields=["starts_at", "expires_at", "reason"])
    return tuple(joined)


def _move_answers(kept: Person, gone: Person) -> None:
    """Who is not the same as the one who goes is not the same as the one who stays."""
    for row in NotSamePerson.objects.filter(Q(first=gone) | Q(second=gone)):
        other = row.second_id if row.first_id == gone.pk else row.first_id
        if other != kept.pk:
            first, second = sorted((kept.pk, other))
            NotSamePerson.objects.get_or_create(
                first_id=first, second_id=second, defaults={"said_by_id": row.said_by_id}
            )


def _opened(person: Person, sealed: vault.Sealed, bind: str) -> bytes:
    return vault.unseal(person.scope, sealed, bind=bind)


def _sealed(person: Person, content: bytes, bind: str) -> bytes:
    return vault.seal(person.scope, content, bind=bind)
