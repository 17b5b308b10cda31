"""Whose is a face that was said not to be somebody's? Its template is made again and compared with other unknown ones.

The camera's own template of the track was dropped when it was taken for somebody who is enrolled, so that it is made
from the best shot, with the pack in use. All stored templates of unknown people are read in pieces for it and none is
kept: about ten seconds of one core for a million of them, some megabytes of memory. Where nothing can be made or
nobody is alike enough, the sighting keeps the identity of its own that the correction gave it.

Shapes: embeddings (d,) and (n, d) float32 of one version of a pack.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import numpy as np
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from accounts import vault
from accounts.services import record
from cameras import shots
from cameras.identities import conflicts, ledger
from cameras.identities.contending import contenders
from cameras.identities.linking import Limits, decide
from cameras.identities.locks import one_after_the_other
from cameras.identities.unknowns import opened
from cameras.identities.ways import ways
from cameras.models import (
    Correction,
    CorrectionKind,
    Identity,
    Sighting,
    UnknownTemplate,
)
from cameras.services import shot_of
from cameras.unknown_faces import seal_unknown, unknown_until
from config.celery import app
from config.transactions import brief_transaction
from recognition.engine import Embedding, EngineError
from recognition.packs import current_pack
from recognition.photos import PHOTOS_AT_ONCE

_log = logging.getLogger(__name__)
TASK: Final = "cameras.identity_tasks.recheck"
_PIECE: Final = 5_000


def ask_for(correction_id: int) -> None:
    """After the commit a worker looks whose the sighting may be. Without Redis it stays somebody of its own."""

    def send() -> None:
        try:
            app.send_task(TASK, args=[correction_id], retry=False)
        except (OperationalError, RedisError, OSError) as error:
            _log.warning("The face of correction %s is not compared again: %s", correction_id, error)

    transaction.on_commit(send)


def recheck(correction_id: int) -> int | None:
    """Looks whose the sighting of a "not this person" is; the identity that it was linked to, None: nobody's."""
    correction = Correction.objects.filter(pk=correction_id, kind=CorrectionKind.NOT_THEM, undone_at=None).first()
    row = _freed(correction) if correction is not None else None
    if correction is None or row is None or correction.other_id is None:
        return None
    made = _embedded(row)
    if made is None:
        return None
    embedding, pack, threshold = made
    best = _alike(embedding, pack, but=row)
    if not _remembered(correction, row, embedding, pack):
        return None
    return _linked(correction, row, best, Limits.of(threshold))


def _freed(correction: Correction) -> Sighting | None:
    """The sighting, as long as it still is where the correction has put it."""
    if correction.other_id is None:
        return None
    rows = Sighting.objects.defer(None).filter(corrections__correction=correction, identity=correction.other_id)
    return rows.first()


def _embedded(row: Sighting) -> tuple[Embedding, str, float] | None:
    """The face of the best shot, with the version of the pack and its threshold; None where that is not possible."""
    try:
        pack = current_pack()
        jpeg = shot_of(row)
        if jpeg is None:
            return None
        with PHOTOS_AT_ONCE:
            face = shots.look(jpeg, pack, embed=True).subject
    except (EngineError, vault.VaultError) as error:
        _log.warning("The face of sighting %s is not compared again: %s", row.pk, error)
        return None
    if face is None or not np.isfinite(face.embedding).all():
        return None
    return face.embedding, pack.version, pack.threshold


def _alike(embedding: Embedding, pack: str, *, but: Sighting) -> dict[int, float]:
    """The similarity of the best template of each unknown identity."""
    best: dict[int, float] = {}
    for rows in _pieces(pack):
        found = {pk: one for pk, one in opened(rows).items() if one.shape == embedding.shape}
        if not found:
            continue
        apart = np.stack(list(found.values())).astype(np.float64) - embedding.astype(np.float64)
        alike = 1.0 - (apart**2).sum(axis=1) / 2.0  # as recognition.engine.similarity
        whose = {row.pk: row.sighting.identity_id for row in rows if row.sighting_id != but.pk}
        for pk, one in zip(found, alike, strict=True):
            identity = whose.get(pk)
            if identity is not None:
                best[identity] = max(best.get(identity, -2.0), float(one))
    return best


def _pieces(pack: str) -> Iterator[list[UnknownTemplate]]:
    """Stored templates of unknown people by this pack, some thousand at a time."""
    rows = UnknownTemplate.objects.defer(None).filter(pack=pack, sighting__identity__person=None)
    rows = rows.exclude(sighting__identity=None).select_related("sighting").order_by("pk")
    last = 0
    while piece := list(rows.filter(pk__gt=last)[:_PIECE]):
        yield piece
        last = piece[-1].pk


@brief_transaction()
def _remembered(correction: Correction, row: Sighting, embedding: Embedding, pack: str) -> bool:
    """Seals the template, so that the person is found to be the same elsewhere; False where it was undone meanwhile."""
    one_after_the_other()
    if not _is_still_there(correction, row):
        return False
    if settings.UNKNOWN_HOURS and unknown_until(row) > timezone.now():
        seal_unknown(row, embedding, pack)
    return True


@brief_transaction()
def _linked(correction: Correction, row: Sighting, best: dict[int, float], limits: Limits) -> int | None:
    """Gives the sighting to the unknown person whose face it is, if that can be."""
    one_after_the_other()
    own = correction.other_id
    if own is None or not _is_still_there(correction, row):
        return None
    never = ledger.apart_from(own) | {own}
    wanted = {pk: one for pk, one in best.items() if pk not in never and one >= limits.floor}
    there = Identity.objects.filter(pk__in=wanted, person=None, merged_into=None).values_list("pk", flat=True)
    alike = contenders(row, {pk: wanted[pk] for pk in there}, since=_began_after)
    decision = decide(conflicts.span_of(row), alike, ways(), limits)
    if decision.identity is None:
        return None
    Sighting.objects.filter(pk=row.pk).update(identity=decision.identity, link_similarity=decision.similarity)
    Identity.objects.filter(pk=own).update(merged_into=decision.identity)
    conflicts.recompute([decision.identity])
    record(actor=None, verb="linked again", target=f"identity {decision.identity}", correction=correction.pk, other=own)
    return decision.identity


def _began_after(moment: float) -> int:
    return UnknownTemplate.objects.filter(seen_at__gt=datetime.fromtimestamp(moment, UTC)).count()


def _is_still_there(correction: Correction, row: Sighting) -> bool:
    """Whether the sighting is where the correction has put it, and nobody else's; locks it."""
    if not Correction.objects.filter(pk=correction.pk, undone_at=None).exists():
        return False
    theirs = Sighting.objects.select_for_update(no_key=True).filter(identity=correction.other_id)
    return set(theirs.values_list("pk", flat=True)) == {row.pk}
