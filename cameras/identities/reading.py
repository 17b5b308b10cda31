"""What pages and the API show of identities when something about them is put right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import OuterRef, Q, QuerySet, Subquery

from cameras.models import Correction, CorrectionKind, Identity, MergeProposal, NotSameIdentity, Sighting
from cameras.selectors import Cursor
from recognition.models import Person

NEWEST: Final = 100  # of an identity's sightings, among which the best shot is chosen
PROPOSALS_A_PAGE: Final = 20
SIGHTINGS_A_PAGE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """An identity as it is compared: its best recent shot, and where it was seen first and last."""

    identity: Identity
    shot: Sighting | None
    sightings: int
    more: bool  # more than are counted
    first: Sighting | None
    last: Sighting | None

    @property
    def number(self) -> int:
        return self.identity.pk


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Two who may be one."""

    row: MergeProposal
    both: tuple[Card, Card]

    @property
    def known(self) -> Person | None:
        """Whom the unknown one may be."""
        return next((card.identity.person for card in self.both if card.identity.person is not None), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A correction as it is listed."""

    row: Correction
    what: str
    can_be_undone: bool


def proposals() -> QuerySet[MergeProposal]:
    """Those that wait for an answer, the most alike first."""
    opened = MergeProposal.objects.filter(state=MergeProposal.State.OPEN)
    return opened.select_related("first__person", "second__person").order_by("-similarity", "id")


def shown(rows: Sequence[MergeProposal]) -> list[Proposal]:
    """Proposals with both sides of each. The enrolled one is first, else who was seen first."""
    cards = {card.number: card for card in cards_of({one for row in rows for one in (row.first_id, row.second_id)})}
    found = []
    for row in rows:
        first, second = cards[row.first_id], cards[row.second_id]
        both = (second, first) if second.identity.is_known else (first, second)
        found.append(Proposal(row=row, both=both))
    return found


def cards_of(pks: Iterable[int]) -> list[Card]:
    """These identities, in the order of their numbers."""
    theirs = Sighting.objects.filter(identity=OuterRef("pk"))
    newest = Sighting.objects.filter(identity=OuterRef(OuterRef("pk"))).order_by("-first_seen", "-id")
    best = Sighting.objects.filter(pk__in=newest.values("pk")[:NEWEST], shot_day__isnull=False).order_by("-quality")
    rows = list(
        Identity.objects.filter(pk__in=set(pks))
        .select_related("person")
        .annotate(
            best_id=Subquery(best.values("pk")[:1]),
            first_id=Subquery(theirs.order_by("first_seen", "id").values("pk")[:1]),
            last_id=Subquery(theirs.order_by("-first_seen", "-id").values("pk")[:1]),
        )
        .order_by("pk")
    )
    wanted = {pk for row in rows for pk in (row.best_id, row.first_id, row.last_id) if pk is not None}
    sightings = Sighting.objects.in_bulk(wanted)
    return [_card(row, sightings) for row in rows]


def card_of(identity: Identity) -> Card:
    return cards_of([identity.pk])[0]


def sightings_of(identity: Identity, *, before: Cursor | None = None) -> list[Sighting]:
    """Some of its sightings, the newest first; one more than a page holds where there are more."""
    rows = Sighting.objects.filter(identity=identity).order_by("-first_seen", "-id")
    if before is not None:
        rows = rows.filter(Q(first_seen__lt=before.first_seen) | Q(first_seen=before.first_seen, pk__lt=before.id))
    return list(rows[: SIGHTINGS_A_PAGE + 1])


def best_shots(identity: Identity, most: int) -> list[Sighting]:
    """Its sightings with the best pictures, of the newest ones."""
    newest = Sighting.objects.filter(identity=identity).order_by("-first_seen", "-id").values("pk")[:NEWEST]
    return list(Sighting.objects.filter(pk__in=newest, shot_day__isnull=False).order_by("-quality", "pk")[:most])


def proposed_with(identity: Identity) -> list[tuple[Card, float]]:
    """Who may be the same person, by open proposals; the most alike first."""
    rows = list(proposals().filter(Q(first=identity) | Q(second=identity))[:PROPOSALS_A_PAGE])
    alike = {row.second_id if row.first_id == identity.pk else row.first_id: row.similarity for row in rows}
    return sorted(((card, alike[card.number]) for card in cards_of(alike)), key=lambda pair: -pair[1])


def corrections(identity: Identity) -> list[Done]:
    """What people put right about it, the newest first."""
    about = Q(identity=identity) | Q(other=identity)
    rows = Correction.objects.filter(about).select_related("identity__person", "other__person", "person")
    return [Done(row=row, what=said(row), can_be_undone=can_be_undone(row)) for row in rows[:100]]


def can_be_undone(row: Correction) -> bool:
    return row.undone_at is None and row.identity_id is not None


def told_apart(identity: Identity) -> list[tuple[Identity, NotSameIdentity]]:
    """Who somebody said is not the same person."""
    rows = NotSameIdentity.objects.filter(Q(first=identity) | Q(second=identity)).order_by("-said_at")
    found = rows.select_related("first__person", "second__person", "said_by")[:100]
    return [(row.second if row.first_id == identity.pk else row.first, row) for row in found]


def said(row: Correction) -> str:
    """What was done, as a sentence."""
    if row.kind == CorrectionKind.NAMED:
        return f"Named {row.person.name}." if row.person is not None else "Named."
    one, other = (str(who) if who is not None else "somebody who was erased" for who in (row.identity, row.other))
    if row.kind == CorrectionKind.MERGED:
        return f"{other} was made part of {one}."
    if row.kind == CorrectionKind.SPLIT:
        return f"Sightings of {one} were split off, as {other}."
    return f"A sighting of {one} is not them, but {other}."


def people_named(text: str, most: int = 20) -> list[Person]:
    """Enrolled people whose name holds the text."""
    text = text.replace("\x00", "").strip()[:200]
    return list(Person.objects.filter(name__icontains=text)[:most]) if text else []


def _card(row: Any, sightings: dict[Any, Sighting]) -> Card:
    counted = Sighting.objects.filter(identity=row)[:1001].count()
    return Card(
        identity=row,
        shot=sightings.get(row.best_id),
        sightings=min(counted, 1000),
        more=counted > 1000,
        first=sightings.get(row.first_id),
        last=sightings.get(row.last_id),
    )
