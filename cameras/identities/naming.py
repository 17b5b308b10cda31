"""Somebody unknown gets a name: a new person, enrolled from best shots that an operator has chosen, or one who is
enrolled already. All sightings so far turn into theirs.

Photos are looked at before the transaction in which sightings change. Whom the enrolment has made is deleted again
where the identity turned out to be somebody else's meanwhile, or was erased; of somebody who was enrolled before, the
photos are that it has added. A process that dies in between leaves a person who is enrolled, and the identity unnamed:
naming it again says that the face is enrolled.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q

from accounts.services import Actor
from accounts.vault import VaultError
from cameras import shots
from cameras.identities import ledger
from cameras.identities.corrections import give
from cameras.identities.errors import CorrectionError
from cameras.identities.locks import one_after_the_other
from cameras.models import REASON_LENGTH, Correction, CorrectionKind, Identity, MergeProposal, Sighting
from cameras.services import shot_of
from config.transactions import brief_transaction
from recognition.engine import EngineError
from recognition.models import OnDuplicate, Person, Watchlist
from recognition.names import clean_name
from recognition.packs import current_pack
from recognition.photos import PHOTOS_AT_ONCE
from recognition.services import Enrolment, Upload, delete_person, enrol, take_back
from recognition.watchlist_services import add_to_watchlist

MOST_SHOTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What became of it. `correction` None: nothing was changed, and the enrolment says why."""

    correction: Correction | None
    person: Person | None
    enrolment: Enrolment | None = None


def name(
    *,
    actor: Actor,
    identity: Identity,
    person: Person | None = None,
    name: str = "",
    watchlist: Watchlist | None = None,
    shots: Sequence[uuid.UUID] = (),
    reason: str = "",
    all_the_same: bool = False,
) -> Naming:
    """Says who somebody unknown is: `person`, or a new one of this name. Raises CorrectionError.

    A new person is enrolled from `shots`, which are sightings of the identity; for one who is there they are further
    photos. Where a face is enrolled for somebody else, or photos do not seem to show one person, nothing is changed
    and that is answered, unless it shall be done `all_the_same`.
    """
    _check(identity)
    called = person.name if person is not None else clean_name(name)
    if person is None and not shots:
        raise CorrectionError("Choose at least one picture: a new person is enrolled from the pictures you choose.")
    enrolment = None
    if shots:
        enrolment = enrol(
            actor=actor,
            name=called,
            photos=_uploads(identity, shots),
            watchlist=watchlist,
            person=person,
            on_duplicate=OnDuplicate.NEW if all_the_same else OnDuplicate.REFUSE,
            careful=not all_the_same,
        )
        if enrolment.person is None or not (enrolment.photos or enrolment.there):
            return Naming(correction=None, person=None, enrolment=enrolment)
    named = enrolment.person if enrolment is not None and enrolment.person is not None else person
    if named is None:
        raise CorrectionError("Nobody was enrolled, so that nobody was named. Try again.")
    photos = enrolment.stored if enrolment is not None else ()
    try:
        correction = _given(actor, identity, named, person is None, reason, watchlist if not shots else None, photos)
    except CorrectionError:
        if person is None:
            delete_person(actor=actor, person=named)
        else:
            take_back(actor=actor, person=named, photos=photos)
        raise
    return Naming(correction=correction, person=named, enrolment=enrolment)


@brief_transaction()
def _given(
    actor: Actor,
    identity: Identity,
    person: Person,
    is_new: bool,
    reason: str,
    watchlist: Watchlist | None,
    photos: Sequence[int],
) -> Correction:
    """All sightings of the identity are the person's from now on."""
    one_after_the_other()
    there = Person.objects.select_for_update(no_key=True).filter(pk=person.pk).first()
    if there is None:
        raise CorrectionError(f"{person.name} was deleted meanwhile, so that nobody was named.")
    (row,) = ledger.locked(identity.pk)
    _check(row)
    theirs = Identity.objects.select_for_update(of=("self",)).filter(person=there).first()
    if theirs is not None and (said := ledger.told_apart(row.pk, theirs.pk)) is not None:
        raise CorrectionError(
            f"{ledger.who_said(said)} said on {ledger.moment(said.said_at)} that {row} is not {there.name}. Take "
            "that back first, if it is wrong."
        )
    said_why = " ".join(reason.split())[:REASON_LENGTH]
    correction = ledger.begin(
        actor=actor,
        kind=CorrectionKind.NAMED,
        identity=row,
        other=theirs,
        reason=said_why,
        person=there,
        detail={"made_person": is_new, "photos": list(photos)},
    )
    ids = ledger.keep(correction, Sighting.objects.filter(identity=row))
    if theirs is None:
        Identity.objects.filter(pk=row.pk).update(person=there)
        row.person, target = there, row
    else:
        Identity.objects.filter(pk=row.pk).update(merged_into=theirs)
        theirs.person, target = there, theirs
        first, second = sorted((row.pk, theirs.pk))
        ledger.answer_proposals(actor, MergeProposal.State.ACCEPTED, Q(first=first, second=second))
    give(ids, target)
    ledger.answer_proposals(actor, MergeProposal.State.GONE, Q(first=row) | Q(second=row))
    if watchlist is not None and not there.entries.filter(watchlist=watchlist).exists():
        add_to_watchlist(actor=actor, watchlist=watchlist, person=there)
    ledger.finish(actor, correction, "named", ids, [row.pk, target.pk])
    return correction


def _check(identity: Identity) -> None:
    row = Identity.objects.select_related("person").filter(pk=identity.pk).first()
    if row is None:
        raise CorrectionError("This one was removed meanwhile. Look at the list again.")
    ledger.check_not_merged(row)
    if row.is_known:
        raise CorrectionError(f"This is {row} already. Change the name on their page.")


def _uploads(identity: Identity, chosen: Sequence[uuid.UUID]) -> list[Upload]:
    """The best shots of these sightings, in which nobody else can be recognised."""
    if len(chosen) > MOST_SHOTS:
        raise CorrectionError(f"Choose {MOST_SHOTS} pictures at most: the best ones are enough.")
    rows = Sighting.objects.defer(None).filter(pk__in=chosen, identity=identity)
    found = {row.pk: row for row in rows}
    if len(found) < len(set(chosen)):
        raise CorrectionError(f"Some of these pictures are not of {identity} any more. Look at the page again.")
    pack = current_pack()
    uploads = []
    for pk in dict.fromkeys(chosen):
        row = found[pk]
        try:
            jpeg = shot_of(row)
            if jpeg is None:
                continue
            with PHOTOS_AT_ONCE:
                jpeg = shots.to_hand_out(jpeg, pack)
        except (EngineError, VaultError) as error:
            raise CorrectionError(f"The picture of {row.camera_name} can not be used: {error}") from error
        uploads.append(Upload(name=f"{row.camera_name}, {ledger.moment(row.first_seen)}", data=jpeg))
    if not uploads:
        raise CorrectionError("None of these sightings has a picture any more. Choose others.")
    return uploads
