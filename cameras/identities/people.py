"""Identities follow when two enrolled people are made one (`recognition.merging`)."""

from __future__ import annotations

from django.db.models import Q

from cameras.identities import conflicts, ledger
from cameras.models import (
    CorrectedSighting,
    Correction,
    Identity,
    MergeProposal,
    NotSameIdentity,
    Sighting,
)
from recognition.models import Person


def follow_merge(*, kept: Person, gone: Person) -> None:
    """What is known of `gone` is about `kept` from now on. Part of the transaction that merges them.

    Corrections keep whom they were about: that identity is kept, as a part of the other one.
    """
    Sighting.objects.filter(person=gone).update(person=kept)
    # A person who was there before must not be deleted by who takes a name back.
    named = Correction.objects.filter(person=gone)
    for correction in named.filter(detail__made_person=True):
        correction.detail = correction.detail | {"made_person": False}
        correction.save(update_fields=["detail"])
    named.update(person=kept)
    CorrectedSighting.objects.filter(person=gone).update(person=kept)
    theirs = Identity.objects.filter(person=gone).first()
    if theirs is None:
        return
    own = Identity.objects.filter(person=kept).first()
    if own is None:
        Identity.objects.filter(pk=theirs.pk).update(person=kept)
        return
    Sighting.objects.filter(identity=theirs).update(identity=own)
    Identity.objects.filter(pk=theirs.pk).update(person=None, merged_into=own)
    _move_answers(kept=own, gone=theirs)
    ledger.answer_proposals(None, MergeProposal.State.GONE, Q(first=theirs) | Q(second=theirs))
    conflicts.recompute([own.pk, theirs.pk])


def _move_answers(*, kept: Identity, gone: Identity) -> None:
    """Who is not the one who goes is not the one who stays."""
    for row in NotSameIdentity.objects.filter(Q(first=gone) | Q(second=gone)):
        other = row.second_id if row.first_id == gone.pk else row.first_id
        if other == kept.pk:
            continue
        first, second = sorted((kept.pk, other))
        moved, new = NotSameIdentity.objects.get_or_create(
            first_id=first, second_id=second, defaults={"said_by_id": row.said_by_id}
        )
        if new:
            NotSameIdentity.objects.filter(pk=moved.pk).update(said_at=row.said_at)
    NotSameIdentity.objects.filter(Q(first=gone) | Q(second=gone)).delete()
