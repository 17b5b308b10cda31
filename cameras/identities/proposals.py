"""The nightly look at who may be one person. It proposes and never merges: a human decides.

Unknown identities are compared with each other (`clustering`) and with the enrolled gallery, a little below the
threshold at which a camera would have recognised somebody. Nobody is proposed who was said to be somebody else, or who
was elsewhere at the same time.

At most MOST templates are looked at, the newest ones and TEMPLATES of an identity: with embeddings of 512 numbers some
400 MB and a few minutes of one core; what is older waits for the person to be seen again.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts import vault
from cameras.identities import conflicts
from cameras.identities.clustering import Ids, Pair, cluster
from cameras.identities.linking import Span, Standing, standing
from cameras.identities.locks import one_after_the_other
from cameras.identities.unknowns import embedding_of
from cameras.identities.ways import ways
from cameras.models import Identity, MergeProposal, NotSameIdentity, Sighting, unknown_bind, unknown_scope
from config.transactions import brief_transaction
from recognition.duplicates import farther
from recognition.engine import EngineError
from recognition.engine.types import Floats
from recognition.gallery import Snapshot, gallery
from recognition.models import Person
from recognition.packs import threshold_of

_log = logging.getLogger(__name__)

MOST: Final = 100_000
TEMPLATES: Final = 4
SLACK: Final = 1.1  # so much further apart than the threshold asks two may be that are proposed
_BATCH: Final = 5_000
_SPANS: Final = 500  # the newest sightings of an identity by which it is told where it was
_NEXT: Final = 4  # in time, with which each of them is compared

_BEST: Final = """
SELECT pack, sighting_id, sealed, seen_at, identity_id FROM (
    SELECT t.pack, t.sighting_id, t.sealed, t.seen_at, s.identity_id,
        row_number() OVER (PARTITION BY s.identity_id, t.pack ORDER BY s.quality DESC, t.id) AS place
    FROM cameras_unknowntemplate AS t
    JOIN cameras_sighting AS s ON s.id = t.sighting_id
    JOIN cameras_identity AS i ON i.id = s.identity_id
    WHERE i.person_id IS NULL AND NOT s.is_doubted
) AS ranked WHERE place <= %s ORDER BY seen_at DESC LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What a look came to: proposals that are new, that are there still, and that were closed."""

    new: int
    still: int
    closed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Templates of one version of a pack: identities (n,), embeddings (n, d)."""

    identities: Ids
    embeddings: Floats


def propose() -> Proposed:
    """Looks at all, and writes what it found."""
    never = {(row.first_id, row.second_id) for row in NotSameIdentity.objects.all()}
    near: dict[Pair, float] = {}
    alike: dict[Pair, float] = {}
    compared: set[int] = set()
    for pack, rows in _templates().items():
        asked = threshold_of(pack)
        if asked is None:
            continue  # a pack that is not installed any more
        found = cluster(rows.identities, rows.embeddings, floor=farther(asked, SLACK), never=never)
        near |= found.near
        alike |= found.alike
        compared |= set(rows.identities.tolist())
        alike |= _enrolled(pack, rows, never)
    return _written({pair: one for pair, one in alike.items() if not _are_apart(*pair)}, near, compared)


def _templates() -> dict[str, _Rows]:
    """The best templates of unknown identities, opened, by pack."""
    found: dict[str, list[tuple[int, Floats]]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_BEST, [TEMPLATES, MOST])
        while rows := cursor.fetchmany(_BATCH):
            items = [
                (unknown_scope(seen), sealed, unknown_bind(sighting, pack)) for pack, sighting, sealed, seen, _ in rows
            ]
            for (pack, *_, identity), content in zip(rows, vault.unseal_many(items), strict=True):
                if isinstance(content, vault.VaultError):
                    _log.error("A template of an unknown person is left out: %s", content)
                elif (embedding := embedding_of(content)) is not None:
                    found[pack].append((identity, embedding))
    return {pack: _stacked(some) for pack, some in found.items()}


def _stacked(some: list[tuple[int, Floats]]) -> _Rows:
    size = len(some[0][1])
    fitting = [one for one in some if len(one[1]) == size and np.isfinite(one[1]).all()]
    return _Rows(
        identities=np.array([identity for identity, _ in fitting], np.int64),
        embeddings=np.stack([row for _, row in fitting]) if fitting else np.zeros((0, size), np.float32),
    )


def _enrolled(pack: str, rows: _Rows, never: set[Pair]) -> dict[Pair, float]:
    """Unknown identities that resemble somebody who is enrolled, nearly as much as is asked for."""
    try:
        snapshot = gallery()
    except EngineError as error:
        _log.warning("Unknown people are not compared with the enrolled ones: %s", error)
        return {}
    if snapshot.pack.version != pack or len(snapshot.templates) == 0:
        return {}
    best: dict[int, tuple[float, int]] = {}
    for identity, person, similarity in _resembling(snapshot, rows):
        if similarity > best.get(identity, (-2.0, 0))[0]:
            best[identity] = (similarity, person)
    people = _identities_of({person for _, person in best.values()})
    pairs = {}
    for identity, (similarity, person) in best.items():
        theirs = people.get(person)
        if theirs is not None and (pair := (min(identity, theirs), max(identity, theirs))) not in never:
            pairs[pair] = similarity
    return pairs


def _resembling(snapshot: Snapshot, rows: _Rows) -> Iterator[tuple[int, int, float]]:
    for start in range(0, len(rows.identities), _BATCH):
        some = slice(start, start + _BATCH)
        ranked = snapshot.templates.search_many(rows.embeddings[some], top=1)
        for identity, candidates in zip(rows.identities[some].tolist(), ranked, strict=True):
            for one in candidates:
                if one.similarity >= farther(snapshot.threshold(one.person), SLACK):
                    yield identity, one.person, one.similarity


@brief_transaction()
def _identities_of(people: Iterable[int]) -> dict[int, int]:
    """The identities of these people, made where no camera has seen them yet."""
    one_after_the_other()
    there = list(Person.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk"))
    Identity.objects.bulk_create([Identity(person=person) for person in there], ignore_conflicts=True)
    return dict(Identity.objects.filter(person__in=there).values_list("person", "pk"))


def _are_apart(one: int, other: int) -> bool:
    """Whether they were in view of cameras at times at which one person can not have been at both."""
    known = ways()
    both = sorted((*_spans(one), *_spans(other)), key=lambda pair: pair[1].first_seen)
    return any(
        standing(late, early, known) is Standing.IMPOSSIBLE
        for at, (whose, late) in enumerate(both)
        for other_one, early in both[max(0, at - _NEXT) : at]
        if other_one != whose
    )


def _spans(identity: int) -> list[tuple[int, Span]]:
    rows = Sighting.objects.filter(identity=identity, is_doubted=False).only("camera_id", "first_seen", "last_seen")
    return [(identity, conflicts.span_of(row)) for row in rows.order_by("-first_seen", "-id")[:_SPANS]]


@brief_transaction()
def _written(alike: Mapping[Pair, float], near: Mapping[Pair, float], compared: set[int]) -> Proposed:
    one_after_the_other()
    wanted = {one for pair in alike for one in pair}
    alive = dict(Identity.objects.filter(pk__in=wanted, merged_into=None).values_list("pk", "person"))
    never = {(row.first_id, row.second_id) for row in NotSameIdentity.objects.filter(first__in=wanted)}
    pairs = {
        (first, second): similarity
        for (first, second), similarity in alike.items()
        if first in alive
        and second in alive
        and (first, second) not in never
        # Two who are enrolled are merged on the people's page.
        and (alive[first] is None or alive[second] is None)
    }
    closed = _closed(pairs, near, compared)
    there = {(row.first_id, row.second_id): row for row in MergeProposal.objects.filter(first__in=wanted)}
    fresh = [
        MergeProposal(first_id=first, second_id=second, similarity=similarity)
        for (first, second), similarity in pairs.items()
        if (first, second) not in there
    ]
    MergeProposal.objects.bulk_create(fresh)
    again = [there[pair] for pair in pairs if pair in there]
    opened = 0
    for row in again:
        if row.state in (MergeProposal.State.OPEN, MergeProposal.State.GONE):
            opened += row.state == MergeProposal.State.GONE
            row.state, row.similarity, row.decided_at = (
                MergeProposal.State.OPEN,
                pairs[row.first_id, row.second_id],
                None,
            )
    MergeProposal.objects.bulk_update(again, ["state", "similarity", "decided_at"])
    return Proposed(new=len(fresh) + opened, still=len(again) - opened, closed=closed)


def _closed(pairs: Mapping[Pair, float], near: Mapping[Pair, float], compared: set[int]) -> int:
    """Closes open proposals of which nothing is left: one was merged or has no sightings, somebody said that they are
    two, they were at two places at once, or they are not alike any more."""
    rows = MergeProposal.objects.filter(state=MergeProposal.State.OPEN).select_related("first", "second")
    said = NotSameIdentity.objects.filter(first=OuterRef("first"), second=OuterRef("second"))
    seen_first = Sighting.objects.filter(identity=OuterRef("first"))
    seen_second = Sighting.objects.filter(identity=OuterRef("second"))
    over = []
    for row in rows.annotate(said=Exists(said), one=Exists(seen_first), other=Exists(seen_second)):
        pair = (row.first_id, row.second_id)
        empty = not (row.one or row.first.is_known) or not (row.other or row.second.is_known)
        merged = row.first.merged_into_id is not None or row.second.merged_into_id is not None
        unlike = compared.issuperset(pair) and pair not in near and pair not in pairs
        if row.said or empty or merged or unlike or (pair not in pairs and _are_apart(*pair)):
            over.append(row.pk)
    gone = MergeProposal.objects.filter(pk__in=over)
    return gone.update(state=MergeProposal.State.GONE, decided_at=timezone.now())
