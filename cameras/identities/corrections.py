"""What people put right about whose sightings are whose: two identities are one, or one is two, or a face is not them.

Naming somebody is in `naming`, taking a correction back in `undoing`. How each sighting was before is kept in
CorrectedSighting. A sighting that was given to a person, or taken from whom it was linked to, is `Link.HAND`: neither
the cameras' workers nor the linker change whose it is any more. Where two unknown people are made one the links stay
what they were, so that a camera which still sees somebody may recognise them yet.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import Q

from accounts.services import Actor, record
from cameras.identities import ledger, rechecks
from cameras.identities.errors import CorrectionError
from cameras.identities.locks import one_after_the_other
from cameras.models import (
    Correction,
    CorrectionKind,
    Identity,
    Link,
    MergeProposal,
    NotSameIdentity,
    Sighting,
)
from config.transactions import brief_transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Merging:
    """What a merge would do: who stays, who goes into them, and how many sightings move."""

    kept: Identity
    gone: Identity
    sightings: int


def merging(*, kept: Identity, gone: Identity) -> Merging:
    """What `merge` would do now. Raises CorrectionError where it would refuse.

    Whoever is known stays, whichever way round it was asked.
    """
    if gone.is_known and not kept.is_known:
        kept, gone = gone, kept
    _check_merge(kept, gone)
    return Merging(kept=kept, gone=gone, sightings=Sighting.objects.filter(identity=gone).count())


@brief_transaction()
def merge(*, actor: Actor, kept: Identity, gone: Identity, reason: str) -> Correction:
    """Makes one of two: all sightings of `gone` go to `kept`. Raises CorrectionError."""
    why = ledger.clean_reason(reason)
    one_after_the_other()
    if kept.pk == gone.pk:
        raise CorrectionError(f"{kept} can not be merged into themselves. Choose somebody else.")
    plan = merging(**dict(zip(("kept", "gone"), ledger.locked(kept.pk, gone.pk), strict=True)))
    kept, gone = plan.kept, plan.gone
    correction = ledger.begin(actor=actor, kind=CorrectionKind.MERGED, identity=kept, other=gone, reason=why)
    ids = ledger.keep(correction, Sighting.objects.filter(identity=gone))
    give(ids, kept)
    Identity.objects.filter(pk=gone.pk).update(merged_into=kept)
    first, second = sorted((kept.pk, gone.pk))
    ledger.answer_proposals(actor, MergeProposal.State.ACCEPTED, Q(first=first, second=second))
    ledger.answer_proposals(actor, MergeProposal.State.GONE, Q(first=gone) | Q(second=gone))
    ledger.finish(actor, correction, "merged", ids, [kept.pk, gone.pk])
    return correction


def give(ids: Collection[uuid.UUID], identity: Identity) -> None:
    """These sightings are this one's from now on."""
    rows = Sighting.objects.filter(pk__in=ids)
    if identity.is_known:
        rows.update(identity=identity, person=identity.person, link=Link.HAND, link_similarity=None)
    else:
        rows.update(identity=identity)


@brief_transaction()
def split(*, actor: Actor, identity: Identity, sightings: Collection[uuid.UUID], reason: str) -> Correction:
    """Makes two of one: these sightings are of somebody else, whom nobody knows. Raises CorrectionError.

    `other` of the correction is who they are now. Those of a known person lose the name.
    """
    why = ledger.clean_reason(reason)
    one_after_the_other()
    (identity,) = ledger.locked(identity.pk)
    return _split_off(actor, identity, set(sightings), why, CorrectionKind.SPLIT)


@brief_transaction()
def not_them(*, actor: Actor, sighting: Sighting, reason: str) -> Correction:
    """This sighting is not whom it was taken for. Raises CorrectionError.

    It is somebody unknown from now on; a moment later it is looked whether that is somebody who was seen elsewhere.
    """
    why = ledger.clean_reason(reason)
    one_after_the_other()
    row = Sighting.objects.select_for_update(no_key=True).filter(pk=sighting.pk).first()
    if row is None:
        raise CorrectionError("This sighting was removed meanwhile. Look at the list again.")
    if row.identity_id is None and row.person_id is not None:  # the linker has not come to it yet
        Sighting.objects.filter(pk=row.pk).update(
            identity=Identity.objects.get_or_create(person_id=row.person_id)[0], link=row.link or Link.RECOGNISED
        )
        row.refresh_from_db(fields=["identity"])
    if row.identity_id is None:
        raise CorrectionError("This sighting is nobody's yet. Wait until it was compared, and look again.")
    (identity,) = ledger.locked(row.identity_id)
    correction = _split_off(actor, identity, {row.pk}, why, CorrectionKind.NOT_THEM)
    rechecks.ask_for(correction.pk)
    return correction


@brief_transaction()
def told_apart(*, actor: Actor, one: Identity, other: Identity) -> None:
    """Notes that these are two people: they are neither linked nor proposed as one again. Raises CorrectionError."""
    one_after_the_other()
    if one.pk == other.pk:
        raise CorrectionError("This is one person. Choose two.")
    for identity in ledger.locked(one.pk, other.pk):
        ledger.check_not_merged(identity)
    if ledger.tell_apart(actor, one.pk, other.pk):
        record(actor=actor, verb="told apart", target=f"identity {min(one.pk, other.pk)}", other=max(one.pk, other.pk))


@brief_transaction()
def together_again(*, actor: Actor, one: Identity, other: Identity) -> None:
    """Takes back that these are two people."""
    one_after_the_other()
    first, second = sorted((one.pk, other.pk))
    if NotSameIdentity.objects.filter(first=first, second=second).delete()[0]:
        again = MergeProposal.objects.filter(first=first, second=second, state=MergeProposal.State.REFUSED)
        again.update(state=MergeProposal.State.GONE)
        record(actor=actor, verb="took back that two are apart", target=f"identity {first}", other=second)


def _check_merge(kept: Identity, gone: Identity) -> None:
    if kept.pk == gone.pk:
        raise CorrectionError(f"{kept} can not be merged into themselves. Choose somebody else.")
    ledger.check_not_merged(kept)
    ledger.check_not_merged(gone)
    if kept.is_known and gone.is_known:
        raise CorrectionError(
            f"{kept} and {gone} are both enrolled. Merge them on the people's page: there their photos become one "
            "person's too."
        )
    said = ledger.told_apart(kept.pk, gone.pk)
    if said is not None:
        raise CorrectionError(
            f"{ledger.who_said(said)} said on {ledger.moment(said.said_at)} that {kept} and {gone} are two "
            "people. Take that back first, if it is wrong."
        )


def _split_off(
    actor: Actor, identity: Identity, wanted: set[uuid.UUID], reason: str, kind: CorrectionKind
) -> Correction:
    ledger.check_not_merged(identity)
    if not wanted:
        raise CorrectionError("Choose at least one sighting.")
    theirs = Sighting.objects.filter(identity=identity)
    chosen = theirs.filter(pk__in=wanted)
    if chosen.count() < len(wanted):
        raise CorrectionError(f"Some of these sightings are not of {identity} any more. Look at the page again.")
    if not identity.is_known and not theirs.exclude(pk__in=wanted).exists():
        raise CorrectionError(
            f"These are all sightings of {identity}: nobody would be left from whom they are told apart. "
            "Leave out at least one."
        )
    new = Identity.objects.create()
    correction = ledger.begin(actor=actor, kind=kind, identity=identity, other=new, reason=reason)
    ids = ledger.keep(correction, chosen)
    ledger.lose_their_person(ids)
    Sighting.objects.filter(pk__in=ids).update(identity=new, link=Link.HAND, link_similarity=None, is_doubted=False)
    ledger.tell_apart(actor, identity.pk, new.pk)
    verb = "split" if kind == CorrectionKind.SPLIT else "said it is not them"
    ledger.finish(actor, correction, verb, ids, [identity.pk, new.pk])
    return correction
