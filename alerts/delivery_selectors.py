"""Reads of messages on their way: what became of them, page by page, and how the places do that they go to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from accounts.models import User
from alerts.models import Channel, Delivery, DeliveryState, Endpoint

NEWEST_FIRST = ("-created_at", "-id")
_ADDRESS = re.compile(r"[^\s<>\"'(),;:]+@[^\s<>\"'(),;:]+|\+?\d[\d \-]{5,}\d|https?://\S+|[\w-]+(?:\.[\w-]+)+(?::\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last row of a page, after which the next one begins."""

    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}_{self.id}"

    @classmethod
    def parse(cls, text: str | None) -> Cursor | None:
        """What `str` of one gives; None for everything else."""
        moment, _, pk = (text or "").partition("_")
        try:
            created_at = datetime.fromisoformat(moment)
            return cls(created_at=created_at, id=UUID(pk)) if created_at.tzinfo is not None else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How many messages wait to go to a place, and how many were given up."""

    waiting: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place with how it does."""

    endpoint: Endpoint
    health: Health


def deliveries(
    *, state: DeliveryState | None, channel: Channel | None, after: Cursor | None, most: int
) -> list[Delivery]:
    """The newest of these, after the cursor. No channel: all but those to open pages, which every alert has."""
    found = (
        Delivery.objects.exclude(channel=Channel.LIVE) if channel is None else Delivery.objects.filter(channel=channel)
    )
    if after is not None:
        found = found.filter(
            Q(created_at__lt=after.created_at) | Q(created_at=after.created_at, id__lt=after.id),
            created_at__lte=after.created_at,  # which the index goes by
        )
    # The index leads with the state: the newest of all states are the newest of the newest of each.
    states = DeliveryState.values if state is None else [state.value]
    newest = [found.filter(state=one).order_by(*NEWEST_FIRST).values("id")[:most] for one in states]
    ids = [row["id"] for row in newest[0].union(*newest[1:], all=True)]
    rows = Delivery.objects.filter(id__in=ids).select_related("alert__event", "endpoint__user", "user", "group")
    return list(rows.defer("endpoint__sealed_config").order_by(*NEWEST_FIRST)[:most])


def given_up(channel: Channel | None) -> QuerySet[Delivery]:
    """The messages that were given up and whose place is still there, oldest first."""
    found = Delivery.objects.filter(state=DeliveryState.DEAD, endpoint__isnull=False)
    return (found if channel is None else found.filter(channel=channel)).order_by("created_at", "id")


def places(endpoints: Iterable[Endpoint]) -> list[Place]:
    """These places with how each does."""
    rows = list(endpoints)
    waiting, dead = _counts(rows, DeliveryState.PENDING), _counts(rows, DeliveryState.DEAD)
    return [
        Place(endpoint=row, health=Health(waiting=waiting.get(row.pk, 0), dead=dead.get(row.pk, 0))) for row in rows
    ]


def error_for(row: Delivery, reader: User) -> str:
    """Why a message was not taken, for its owner and for who looks after deliveries; nobody else learns where somebody
    is told, and of somebody's own place only they learn the address."""
    place = row.endpoint
    if place is None or place.user_id == reader.pk or row.state == DeliveryState.DROPPED:
        return row.error
    if not reader.has_perm("alerts.view_delivery"):
        return ""
    if place.user_id is None:
        return row.error
    return _ADDRESS.sub("…", row.error.replace(place.shown, "…") if place.shown else row.error)


def _counts(rows: list[Endpoint], state: DeliveryState) -> dict[UUID, int]:
    found = Delivery.objects.filter(state=state, endpoint__in=rows).order_by()
    counted = found.values("endpoint").annotate(n=Count("id"))
    return {row["endpoint"]: row["n"] for row in counted}
