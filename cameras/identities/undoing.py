"""Takes a correction back: every sighting is as it was before.

What was corrected again since stays as it is by the later correction, whose "before" becomes that of the one which is
taken back: so whichever of several corrections is undone first, after all of them everything is as it was.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.services import Actor
from cameras.identities import ledger
from cameras.identities.errors import CorrectionError
from cameras.identities.locks import one_after_the_other
from cameras.models import (
    CorrectedSighting,
    Correction,
    CorrectionKind,
    Identity,
    MergeProposal,
    NotSameIdentity,
    Sighting,
)
from config.transactions import brief_transaction
from recognition.models import Person
from recognition.services import delete_person, take_back

# The next correction of each sighting that still holds, of those that came after this one.
_HAND_ON: Final = """
WITH next AS (
    SELECT DISTINCT ON (own.id) own.id AS own, later.id AS later
    FROM cameras_correctedsighting AS own
    JOIN cameras_correctedsighting AS later
        ON later.sighting_id = own.sighting_id AND later.correction_id > own.correction_id
    JOIN cameras_correction AS correction ON correction.id = later.correction_id AND correction.undone_at IS NULL
    WHERE own.correction_id = %s ORDER BY own.id, later.correction_id
)
UPDATE cameras_correctedsighting AS later
SET identity_id = own.identity_id, person_id = own.person_id, verdict = own.verdict, link = own.link,
    link_similarity = own.link_similarity, is_doubted = own.is_doubted
FROM next JOIN cameras_correctedsighting AS own ON own.id = next.own
WHERE later.id = next.later RETURNING later.sighting_id, later.correction_id
"""
_RESTORE: Final = """
UPDATE cameras_sighting AS sighting
SET identity_id = coalesce(whose.identity, kept.identity_id), person_id = kept.person_id, verdict = kept.verdict,
    link = kept.link, link_similarity = kept.link_similarity, is_doubted = false
FROM cameras_correctedsighting AS kept
LEFT JOIN unnest(%(before)s::bigint[], %(person)s::bigint[], %(identity)s::bigint[]) AS whose(before, person, identity)
    ON whose.before = kept.identity_id AND whose.person = coalesce(kept.person_id, 0)
WHERE kept.correction_id = %(correction)s AND kept.sighting_id = sighting.id AND sighting.id = ANY(%(ids)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What became of it: the sightings that are as before, those that were changed again since and stay, and the person
    whom the naming has made and who is still enrolled."""

    correction: Correction
    restored: int
    left: int
    still_enrolled: Person | None = None


@brief_transaction()
def undo(*, actor: Actor, correction: Correction, remove_person: bool = False) -> Undone:
    """Takes a correction back. Raises CorrectionError, also where it was undone already.

    Whom a naming has made stays enrolled, unless the person shall be removed with all their photos. Photos that it has
    added to somebody who was enrolled before are deleted: cameras would take one for the other by them.
    """
    one_after_the_other()
    row = Correction.objects.select_for_update(of=("self",)).select_related("identity", "other", "person")
    found = row.filter(pk=correction.pk).first()
    if found is None or found.identity_id is None:
        raise CorrectionError("The person was deleted meanwhile, and everything about them: nothing can be undone.")
    if found.undone_at is not None:
        raise CorrectionError(f"{found.undone_by_name} has undone this already, {ledger.moment(found.undone_at)}.")
    if remove_person and found.person_id is not None:  # before sightings, as cameras lock them
        list(Person.objects.select_for_update().filter(pk=found.person_id))
    user = actor if isinstance(actor, User) else None
    found.undone_at, found.undone_by = timezone.now(), user
    found.undone_by_name = user.get_username() if user else "system"
    found.save(update_fields=["undone_at", "undone_by", "undone_by_name"])
    return _undone(actor, found, remove_person)


def _undone(actor: Actor, correction: Correction, remove_person: bool) -> Undone:
    led_to = ledger.final(_target(correction))
    kept = CorrectedSighting.objects.filter(correction=correction)
    all_of_it = kept.count()
    handed_on = _hand_on(correction)
    # Whose they are by now in another way, a camera has said since.
    still = kept.exclude(sighting__in=handed_on).filter(sighting__identity=led_to)
    ids = list(still.order_by("sighting").values_list("sighting", flat=True))
    list(Sighting.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))
    _let_stand_alone(correction)
    touched = _restore(correction, ids)
    if correction.kind == CorrectionKind.NAMED:
        touched |= _leave_to_person(correction)
    _take_back_what_was_said(correction)
    ledger.finish(actor, correction, "undid", ids, {*touched, led_to})
    person = correction.person if correction.detail.get("made_person") else None
    if person is None and correction.person is not None:
        take_back(actor=actor, person=correction.person, photos=correction.detail.get("photos", []))
    if person is not None and remove_person:
        delete_person(actor=actor, person=person)
        correction, person = Correction.objects.get(pk=correction.pk), None
    return Undone(correction=correction, restored=len(ids), left=all_of_it - len(ids), still_enrolled=person)


def _target(correction: Correction) -> int:
    """To whom the correction gave its sightings."""
    if correction.kind == CorrectionKind.MERGED or correction.other_id is None:
        return correction.identity_id or 0
    return correction.other_id


def _hand_on(correction: Correction) -> set[uuid.UUID]:
    """Sightings that were corrected again since: those corrections lead back to what was before this one."""
    with connection.cursor() as cursor:
        cursor.execute(_HAND_ON, [correction.pk])
        rows = cursor.fetchall()
    for later in Correction.objects.filter(pk__in={pk for _, pk in rows}):
        revived = {*later.detail.get("revive", []), *_gone_by(correction)}
        later.detail = later.detail | {"revive": sorted(revived)}
        later.save(update_fields=["detail"])
    return {sighting for sighting, _ in rows}


def _gone_by(correction: Correction) -> set[int]:
    """Who is part of another one by this correction."""
    gone = correction.other_id if correction.kind == CorrectionKind.MERGED else None
    if correction.kind == CorrectionKind.NAMED:
        gone = correction.identity_id
    return {*correction.detail.get("revive", []), *([gone] if gone is not None else [])}


def _let_stand_alone(correction: Correction) -> None:
    """Who was part of another one is somebody again."""
    gone = Identity.objects.filter(pk__in=_gone_by(correction))
    gone.update(merged_into=None)
    if correction.kind == CorrectionKind.NAMED and correction.person_id is not None:
        gone.filter(person=correction.person_id).update(person=None)


def _restore(correction: Correction, ids: Collection[uuid.UUID]) -> set[int]:
    """Puts the sightings back; the identities that have them now."""
    before = CorrectedSighting.objects.filter(correction=correction, sighting__in=ids, identity__isnull=False)
    pairs = list(before.order_by().values_list("identity", "person").distinct())
    whose: Mapping[tuple[int, int], int] = {(one, person or 0): _now(one, person) for one, person in pairs}
    values: dict[str, Any] = {
        "before": [one for one, _ in whose],
        "person": [person for _, person in whose],
        "identity": list(whose.values()),
        "correction": correction.pk,
        "ids": list(ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_RESTORE, values)
    return set(whose.values())


def _now(identity: int, person: int | None) -> int:
    """Who that is by now: of somebody enrolled their identity, else whoever it was made part of since."""
    if person is not None:
        return Identity.objects.get_or_create(person_id=person)[0].pk
    return ledger.final(identity)


def _leave_to_person(correction: Correction) -> set[int]:
    """What cameras have recognised since as the person stays theirs, and gets an identity of its own."""
    if correction.person_id is None or correction.identity_id is None:
        return set()
    since = Sighting.objects.filter(identity=correction.identity_id, person=correction.person_id)
    if not since.exists():
        return set()
    theirs, _ = Identity.objects.get_or_create(person_id=correction.person_id)
    since.update(identity=theirs)
    return {theirs.pk}


def _take_back_what_was_said(correction: Correction) -> None:
    """That two are apart was said by a split; that two are one, by a merge."""
    if correction.identity_id is None or correction.other_id is None:
        return
    first, second = sorted((correction.identity_id, correction.other_id))
    pair = Q(first=first, second=second)
    if correction.kind in (CorrectionKind.SPLIT, CorrectionKind.NOT_THEM):
        NotSameIdentity.objects.filter(pair).delete()
    else:
        MergeProposal.objects.filter(pair, state=MergeProposal.State.ACCEPTED).update(state=MergeProposal.State.GONE)
