"""What stands beside a sighting in lists: how it was told whose it is, by whom, and why it is doubted."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cameras.models import ConflictKind, CorrectedSighting, CorrectionKind, Link, Sighting, SightingConflict

_BY_HAND = {
    CorrectionKind.MERGED: "Two were made one",
    CorrectionKind.SPLIT: "Split off",
    CorrectionKind.NOT_THEM: "Not who it was taken for",
    CorrectionKind.NAMED: "Named",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A sighting as a line of a timeline."""

    sighting: Sighting
    how: str  # it was told whose it is
    doubts: tuple[str, ...]  # why it can not be theirs
    is_lead: bool = False


def entries(sightings: Sequence[Sighting]) -> list[Entry]:
    """The lines of these sightings, in their order; two more statements, whatever their number."""
    said = _said_by({row.pk for row in sightings if row.link == Link.HAND})
    doubts = doubts_of(row.pk for row in sightings if row.is_doubted)
    return [
        Entry(
            sighting=row,
            how=_how(row, said.get(row.pk, "")),
            doubts=doubts.get(row.pk, ("It can not be theirs: they were elsewhere.",)) if row.is_doubted else (),
        )
        for row in sightings
    ]


def _how(sighting: Sighting, said: str) -> str:
    alike = "" if sighting.link_similarity is None else f", similarity {sighting.link_similarity:.3f}"
    if sighting.link == Link.HAND:
        return said or "Said by a person"
    if sighting.link == Link.LINKED:
        return f"The same face as before{alike}"
    if sighting.link == Link.NEW:
        return "The first time this face was seen"
    if sighting.link == Link.RECOGNISED or sighting.person_id is not None:
        return "Recognised"
    return str(Link.ERASED.label) if sighting.link == Link.ERASED else ""


def _said_by(ids: set[uuid.UUID]) -> dict[uuid.UUID, str]:
    """Who said of each of these whose it is: the newest correction that was not undone."""
    rows = CorrectedSighting.objects.filter(sighting__in=ids, correction__undone_at=None).select_related("correction")
    found: dict[uuid.UUID, str] = {}
    for row in rows.order_by("correction_id") if ids else ():
        what = _BY_HAND.get(CorrectionKind(row.correction.kind), "Said")
        found[row.sighting_id] = f"{what} by {row.correction.actor_name}"
    return found


def doubts_of(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[str, ...]]:
    """Why each of these sightings is doubted, in sentences."""
    wanted = list(ids)
    found: dict[uuid.UUID, tuple[str, ...]] = {}
    rows = SightingConflict.objects.filter(weaker__in=wanted).select_related("stronger", "weaker")
    for row in rows.defer(*_PICTURES).order_by("id") if wanted else ():
        found[row.weaker_id] = (*found.get(row.weaker_id, ()), doubt(row))
    return found


_PICTURES = tuple(f"{one}__{column}" for one in ("stronger", "weaker") for column in ("sealed_shot", "course"))


def doubt(conflict: SightingConflict) -> str:
    """The conflict as a sentence about the weaker sighting."""
    there = conflict.stronger.camera_name
    if conflict.kind == ConflictKind.AT_ONCE:
        return f"{there} saw them at the same time, for {_seconds(-conflict.seconds)}, and fits better."
    before = conflict.stronger.first_seen <= conflict.weaker.first_seen
    when = f"{_seconds(conflict.seconds)} {'before' if before else 'after'}"
    least = f": nobody takes less than {_seconds(conflict.needed)}" if conflict.needed is not None else ""
    return f"{there} saw them {when}{least}. That one fits better."


def _seconds(seconds: float) -> str:
    seconds = max(0.0, seconds)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
