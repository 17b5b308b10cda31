"""Sightings of one identity that can not both be theirs: shown, and counted against the weaker one.

Two sightings are compared where they are neighbours in time. What is impossible makes the weaker one doubted; what is
only unusual (at two cameras at once, and nobody knows whether their views overlap) does so unless its match is so good
that a link would be made all the same. Doubted sightings stay in the history and take no part in paths and figures.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from django.db.models import Q

from cameras.identities.limits import limits_of
from cameras.identities.linking import SLACK, Span, Standing, Ways, gap, standing
from cameras.identities.ways import ways
from cameras.models import ConflictKind, Link, Sighting, SightingConflict

_NEIGHBOURS: Final = 3  # on each side in time
MOST: Final = 20_000  # the newest sightings of an identity that are looked through
_SURE: Final = 0.25  # part of the way from a person's threshold to 1 from which a match is sure
_STRENGTH: Final = {Link.HAND: 4, Link.RECOGNISED: 3, Link.NEW: 2, Link.LINKED: 1}
_COLUMNS: Final = (
    *("id", "camera_id", "first_seen", "last_seen", "identity_id", "link", "link_similarity", "similarity"),
    *("threshold", "pack", "is_doubted"),
)


def span_of(row: Sighting) -> Span:
    """The sighting as far as place and time go."""
    return Span(camera=row.camera_id, first_seen=row.first_seen.timestamp(), last_seen=row.last_seen.timestamp())


def check(row: Sighting) -> None:
    """Compares a sighting that has just become an identity's with that one's neighbouring ones. Part of a
    transaction."""
    if row.identity_id is None:
        return
    _settle_before(row)
    found = _compared(row, neighbours(row), ways())
    if found:
        SightingConflict.objects.bulk_create(found, ignore_conflicts=True)
        _doubt(found)


def _settle_before(row: Sighting) -> None:
    """What was in conflict with the sighting as long as it was somebody else's is looked at anew."""
    found = SightingConflict.objects.filter(Q(stronger=row) | Q(weaker=row)).exclude(identity=row.identity_id)
    before = set(found.values_list("identity_id", flat=True))
    if before:
        found.delete()
        recompute(before)


def recompute(identity_ids: Collection[int]) -> None:
    """Finds the conflicts of these identities anew, after corrections. Part of a transaction."""
    SightingConflict.objects.filter(Q(identity__in=identity_ids) | Q(weaker__identity__in=identity_ids)).delete()
    Sighting.objects.filter(identity__in=identity_ids, is_doubted=True).update(is_doubted=False)
    known = ways()
    for identity in identity_ids:
        newest = Sighting.objects.filter(identity=identity).only(*_COLUMNS).order_by("-first_seen", "-id")[:MOST]
        rows = list(newest)[::-1]
        found: list[SightingConflict] = []
        for at, row in enumerate(rows):
            found += _compared(row, rows[max(0, at - _NEIGHBOURS) : at], known)
        SightingConflict.objects.bulk_create(found, ignore_conflicts=True)
        _doubt(found)


def neighbours(row: Sighting) -> list[Sighting]:
    """The sightings of its identity that are nearest in time, itself left out."""
    others = Sighting.objects.filter(identity=row.identity_id).exclude(pk=row.pk).only(*_COLUMNS)
    before = others.filter(first_seen__lte=row.first_seen).order_by("-first_seen", "-id")[:_NEIGHBOURS]
    after = others.filter(first_seen__gt=row.first_seen).order_by("first_seen", "id")[:_NEIGHBOURS]
    return [*before, *after]


def _compared(row: Sighting, others: Iterable[Sighting], known: Ways) -> list[SightingConflict]:
    found = []
    own = span_of(row)
    for other in others:
        if other.is_doubted or row.is_doubted:
            continue
        theirs = span_of(other)
        how, between = standing(own, theirs, known), gap(own, theirs)
        if how > Standing.UNLIKELY or (how is Standing.UNLIKELY and between > -SLACK):
            continue
        stronger, weaker = (row, other) if _strength(row) >= _strength(other) else (other, row)
        way = known.get((stronger.camera_id or 0, weaker.camera_id or 0))
        conflict = SightingConflict(
            identity_id=row.identity_id or 0,
            stronger=stronger,
            weaker=weaker,
            kind=ConflictKind.AT_ONCE if between < 0 else ConflictKind.TOO_FAST,
            seconds=round(between, 2),
            needed=way.fastest if way is not None else None,
        )
        weaker.is_doubted = weaker.link != Link.HAND and not _is_enough(weaker, how)
        found.append(conflict)
    return found


def _doubt(found: Sequence[SightingConflict]) -> None:
    doubted = [one.weaker_id for one in found if one.weaker.is_doubted]
    Sighting.objects.filter(pk__in=doubted).update(is_doubted=True)


def _strength(row: Sighting) -> tuple[int, float, float]:
    """How sure it is whose the sighting is; of equal ones the later one is the weaker."""
    margin = (row.similarity or 0.0) - (row.threshold or 0.0) if row.link == Link.RECOGNISED else row.link_similarity
    return _STRENGTH.get(Link(row.link), 0) if row.link else 0, margin or 0.0, -row.first_seen.timestamp()


def _is_enough(row: Sighting, how: Standing) -> bool:
    """Whether the match is so good that it counts although the person would be in two places."""
    if how is Standing.IMPOSSIBLE:
        return False
    if row.link == Link.NEW:
        return True  # it is theirs before the other one is
    if row.link == Link.RECOGNISED:
        threshold = row.threshold if row.threshold is not None else 1.0
        return (row.similarity or 0.0) >= threshold + _SURE * (1.0 - threshold)
    return (row.link_similarity or 0.0) >= limits_of(row.pack).asked(how)
