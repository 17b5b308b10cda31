"""Who runs a part of a search: one process at a time, which says every moment that it is still at it.

A part is taken by a row lock that others skip. What its runner writes names the token it was given then, so that one
who was thought dead writes nothing more. A part whose runners died MOST_TIMES is given up.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from cameras.models import SearchPart, SearchSource, SearchState
from config.transactions import brief_transaction

STALE: Final = timedelta(seconds=30)
MOST_TIMES: Final = 3


class NotMine(Exception):
    """The part was cancelled, deleted, or taken by another one: nothing more is written."""


def take(source: SearchSource, pk: int | None = None) -> SearchPart | None:
    """The oldest part that waits (or this one, where it does), which the caller runs from now on; or None."""
    rows = waiting(source)
    if pk is not None:
        rows = rows.filter(pk=pk)
    return _taken(rows) if rows.exists() else None


@brief_transaction()
def _taken(rows: QuerySet[SearchPart]) -> SearchPart | None:
    part = rows.select_for_update(skip_locked=True, of=("self",)).order_by("id").first()
    if part is None:
        return None
    part.times += part.state == SearchState.RUNNING and part.heartbeat_at is not None
    part.heartbeat_at = timezone.now()
    if part.times >= MOST_TIMES:
        part.state, part.token, part.finished_at = SearchState.FAILED, None, timezone.now()
        part.why = f"Whoever searched died {part.times} times at it. The log says more. Search again."
        part.save(update_fields=["state", "token", "times", "why", "finished_at", "heartbeat_at"])
        return None
    part.state, part.token = SearchState.RUNNING, uuid.uuid4()
    part.save(update_fields=["state", "token", "times", "heartbeat_at"])
    return SearchPart.objects.select_related("search").get(pk=part.pk)


def waiting(source: SearchSource) -> QuerySet[SearchPart]:
    """Parts that nobody runs: not begun, put down, or their runner died."""
    put_down = Q(state=SearchState.RUNNING) & (Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - STALE))
    return SearchPart.objects.filter(Q(state=SearchState.WAITING) | put_down, source=source)


def hold(part: SearchPart) -> SearchPart:
    """At the begin of a transaction that writes: the part is still the caller's until its end. Raises NotMine."""
    rows = SearchPart.objects.select_for_update(no_key=True, of=("self",))
    row = rows.filter(pk=part.pk, token=part.token, state=SearchState.RUNNING).first()
    if row is None:
        raise NotMine
    return row


def put_down(part: SearchPart) -> None:
    """Lets others go on with it."""
    _mine(part).update(heartbeat_at=None, token=None)


def finish(part: SearchPart, *, said: Sequence[str] = ()) -> None:
    """It is done; `said`: sentences on what was not searched."""
    _mine(part).update(
        state=SearchState.DONE, why="\n".join(said), total=F("done"), token=None, finished_at=timezone.now()
    )


def fail(part: SearchPart, why: str) -> None:
    """It can not be done; `why` is a sentence for people."""
    _mine(part).update(state=SearchState.FAILED, why=why, token=None, finished_at=timezone.now())


def _mine(part: SearchPart) -> QuerySet[SearchPart]:
    return SearchPart.objects.filter(pk=part.pk, token=part.token, state=SearchState.RUNNING)
