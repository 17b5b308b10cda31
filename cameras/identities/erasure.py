"""Everything about somebody goes: their right, whether they are enrolled or only an unknown face.

That somebody was in view somewhere stays, as a sighting of nobody: without picture, similarity, way through the
picture, or whose it was. It is marked (`Link.ERASED`), so that a camera's worker that still follows the same track
writes none of it again. Other rooms and packages wipe what they hold when `somebody_erased` tells them.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Final

from django.db.models import Q

from accounts.services import Actor, forget_words, record
from cameras.identities import ledger
from cameras.identities.errors import CorrectionError
from cameras.identities.locks import one_after_the_other
from cameras.identities.signals import somebody_erased
from cameras.models import (
    CorrectedSighting,
    Correction,
    Identity,
    Link,
    Sighting,
    SightingConflict,
    UnknownTemplate,
    Verdict,
)
from config.transactions import brief_transaction
from recognition.models import Person

_NOTHING: Final[dict[str, object]] = {
    "person": None,
    "identity": None,
    "link": Link.ERASED,
    "link_similarity": None,
    "similarity": None,
    "threshold": None,
    "enhanced": "",
    "quality": 0.0,
    "is_doubted": False,
    "course": None,
    "sealed_shot": None,
    "shot_day": None,
}


@brief_transaction()
def erase_identity(*, actor: Actor, identity: Identity, reason: str) -> int:
    """Wipes everything about somebody unknown; returns how many sightings. Raises CorrectionError.

    Somebody who is enrolled is deleted on the people's page, which does the same. The reason goes nowhere but into this
    check: it may say who it was.
    """
    ledger.clean_reason(reason)
    one_after_the_other()
    (row,) = ledger.locked(identity.pk)
    ledger.check_not_merged(row)
    if row.is_known:
        raise CorrectionError(f"{row} is enrolled. Delete them on their page: everything about them goes with that.")
    wiped = _wipe(_family([row.pk]), None)
    record(actor=actor, verb="erased", target=f"identity {row.pk}", sightings=wiped)
    return wiped


def erase_person(person: Person) -> int:
    """Wipes everything that cameras know of a person who is about to be deleted; returns how many sightings. Part of
    that transaction, whose first deed was `one_after_the_other`."""
    own = Identity.objects.filter(person=person).values_list("pk", flat=True)
    return _wipe(_family(list(own)), person)


def _family(pks: list[int]) -> tuple[int, ...]:
    """These identities, and all that were made part of them."""
    found, newest = set(pks), set(pks)
    while newest:
        newest = set(Identity.objects.filter(merged_into__in=newest).values_list("pk", flat=True)) - found
        found |= newest
    return tuple(sorted(found))


def _wipe(identities: tuple[int, ...], person: Person | None) -> int:
    theirs = Q(identity__in=identities)
    if person is not None:
        theirs |= Q(person=person)
    rows = Sighting.objects.select_for_update(no_key=True).filter(theirs).order_by("pk")
    ids = tuple(rows.values_list("pk", flat=True))
    _forget_corrections(ids, identities, person)
    SightingConflict.objects.filter(Q(stronger__in=ids) | Q(weaker__in=ids)).delete()
    UnknownTemplate.objects.filter(sighting__in=ids).delete()
    found = Sighting.objects.filter(pk__in=ids)
    found.filter(verdict=Verdict.KNOWN).update(verdict=Verdict.UNKNOWN)
    found.update(**_NOTHING)
    forget_words([f"identity {pk}" for pk in identities], filters=[f"identity={pk}" for pk in identities])
    # After what takes long where there are many sightings: from here on nobody raises alerts until the commit.
    somebody_erased.send(sender=Identity, sightings=ids, person=person, identities=identities)
    Identity.objects.filter(pk__in=identities).delete()
    return len(ids)


def _forget_corrections(ids: Collection[uuid.UUID], identities: Collection[int], person: Person | None) -> None:
    """Who corrected what when stays; whom it was about, and what was said about them, does not."""
    about = Q(identity__in=identities) | Q(other__in=identities)
    before = Q(sighting__in=ids) | Q(identity__in=identities)
    if person is not None:
        about, before = about | Q(person=person), before | Q(person=person)
    touched = CorrectedSighting.objects.filter(before)
    Correction.objects.filter(about | Q(pk__in=list(touched.values_list("correction", flat=True).distinct()))).update(
        reason=""
    )
    touched.delete()
