"""What all corrections have in common: whom they may be about, what was before, and who is told after.

Everything happens in one transaction under `locks.one_after_the_other`, so that of two people who correct the same at
once the second one is told what the first one did.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services import Actor, record
from cameras.identities import conflicts
from cameras.identities.errors import CorrectionError
from cameras.identities.signals import sightings_reassigned
from cameras.models import (
    REASON_LENGTH,
    Correction,
    CorrectionKind,
    Identity,
    MergeProposal,
    NotSameIdentity,
    Sighting,
    Verdict,
)
from recognition.models import Person

SHORTEST_REASON: Final = 5

_KEEP = """
INSERT INTO cameras_correctedsighting
    (correction_id, sighting_id, identity_id, person_id, verdict, link, link_similarity, is_doubted)
SELECT %s, id, identity_id, person_id, verdict, link, link_similarity, is_doubted
FROM cameras_sighting WHERE id = ANY(%s)
"""


def clean_reason(reason: str) -> str:
    """The reason on one line. Raises CorrectionError where there is none."""
    said = " ".join("".join(one if one.isprintable() else " " for one in reason).split())[:REASON_LENGTH]
    if len(said) < SHORTEST_REASON:
        raise CorrectionError(
            f"Say why, in {SHORTEST_REASON} characters at least: whoever looks at this later has to understand it."
        )
    return said


def locked(*pks: int) -> list[Identity]:
    """These identities as they are now, in this order, until the transaction is over. Raises CorrectionError."""
    rows = Identity.objects.select_for_update(of=("self",)).select_related("person").order_by("pk")
    found = rows.in_bulk(pks)
    if len(found) < len(set(pks)):
        raise CorrectionError("One of these was removed meanwhile. Look at the list again.")
    return [found[pk] for pk in pks]


def final(pk: int) -> int:
    """Who this identity is by now, after all merges."""
    seen = {pk}
    while (further := Identity.objects.filter(pk=pk).values_list("merged_into", flat=True).first()) is not None:
        if further in seen:
            break
        pk = further
        seen.add(pk)
    return pk


def check_not_merged(identity: Identity) -> None:
    """Raises CorrectionError for one that was made part of another, with whom, by whom and when."""
    if identity.merged_into_id is None:
        return
    into = Identity.objects.select_related("person").get(pk=final(identity.pk))
    done = (
        Correction.objects.filter(
            Q(kind=CorrectionKind.MERGED, other=identity) | Q(kind=CorrectionKind.NAMED, identity=identity),
            undone_at=None,
        )
        .order_by("-id")
        .first()
    )
    by = f" by {done.actor_name}, {moment(done.at)}" if done is not None else ""
    raise CorrectionError(f"{identity} was made part of {into}{by}. Open {into} and go on there.")


def moment(at: datetime) -> str:
    return f"{timezone.localtime(at):%d %b %Y, %H:%M:%S}"


def told_apart(one: int, other: int) -> NotSameIdentity | None:
    """Whether somebody has said that these are two people."""
    first, second = sorted((one, other))
    return NotSameIdentity.objects.select_related("said_by").filter(first=first, second=second).first()


def who_said(apart: NotSameIdentity) -> str:
    """By whom two were told apart, in sentences."""
    return apart.said_by.get_username() if apart.said_by is not None else "somebody"


def apart_from(identity: int) -> set[int]:
    """Who somebody said is not the same as this one."""
    pairs = NotSameIdentity.objects.filter(Q(first=identity) | Q(second=identity)).values_list("first", "second")
    return {pk for pair in pairs for pk in pair} - {identity}


def tell_apart(actor: Actor, one: int, other: int) -> bool:
    """Notes that these are two people; whether that is new. An open proposal of the two is answered."""
    first, second = sorted((one, other))
    user = actor if isinstance(actor, User) else None
    _, new = NotSameIdentity.objects.get_or_create(first_id=first, second_id=second, defaults={"said_by": user})
    answer_proposals(actor, MergeProposal.State.REFUSED, Q(first=first, second=second))
    return new


def answer_proposals(actor: Actor, state: MergeProposal.State, which: Q) -> None:
    """Closes open proposals. That one is gone nobody has decided."""
    user = actor if isinstance(actor, User) and state != MergeProposal.State.GONE else None
    MergeProposal.objects.filter(which, state=MergeProposal.State.OPEN).update(
        state=state, decided_at=timezone.now(), decided_by=user
    )


def begin(
    *,
    actor: Actor,
    kind: CorrectionKind,
    identity: Identity,
    other: Identity | None,
    reason: str,
    person: Person | None = None,
    detail: dict[str, object] | None = None,
) -> Correction:
    """The row of a correction."""
    user = actor if isinstance(actor, User) else None
    return Correction.objects.create(
        kind=kind,
        identity=identity,
        other=other,
        person=person,
        reason=reason,
        actor=user,
        actor_name=user.get_username() if user else "system",
        detail=detail or {},
    )


def keep(correction: Correction, rows: QuerySet[Sighting]) -> list[uuid.UUID]:
    """Locks these sightings and notes how they are now; their ids."""
    ids = list(rows.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [correction.pk, ids])
    return ids


def finish(
    actor: Actor, correction: Correction, verb: str, sightings: Sequence[uuid.UUID], about: Iterable[int]
) -> None:
    """What depends on whose the sightings are is decided anew, and it is put on record. `about`: identities."""
    conflicts.recompute(sorted(set(about)))
    if sightings:
        sightings_reassigned.send(sender=Sighting, sightings=tuple(sightings))
    record(
        actor=actor,
        verb=verb,
        target=f"identity {correction.identity_id}",
        correction=correction.pk,
        other=correction.other_id,
        person=correction.person_id,
        sightings=len(sightings),
    )


def lose_their_person(ids: Collection[uuid.UUID]) -> None:
    """Sightings that are nobody's any more who is enrolled."""
    Sighting.objects.filter(pk__in=ids, verdict=Verdict.KNOWN).update(verdict=Verdict.UNKNOWN)
    Sighting.objects.filter(pk__in=ids).update(person=None)
