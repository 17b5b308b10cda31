"""Which deliveries go next: they are claimed, checked once more, and marked with what became of them.

One process at a time works for a place: it holds the place's row while it decides, and finds there whether another
one's claims are still running. That keeps a place's limits exact, however many processes send. A claim outlives what
may be begun under it (START_SECONDS) and one attempt; what a killed process had claimed is anybody's after that, and
goes again under the same key.

Several deliveries are one message (a digest) where they were collected, kept back by the place's limit or because it
took nothing, or waited for the end of quiet hours. From its first attempt on a digest stays together.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from alerts.channels import base
from alerts.channels.base import SEND_SECONDS, NotDelivered
from alerts.models import OUTSIDE, Alert, AlertState, Channel, Delivery, DeliveryState, Endpoint, Occasion, Severity
from alerts.outbox import DISMISSED, is_held, release
from alerts.quiet import quiet_until
from alerts.recipients import memberships, who_may_review, who_may_see
from alerts.reviews import LEADS
from config.transactions import brief_transaction

START_SECONDS: Final = 5.0  # so old what was checked and written may be when it is begun to be sent
CLAIM_SECONDS: Final = START_SECONDS + SEND_SECONDS + 5.0
A_CLAIM: Final = 50  # deliveries of a place
PLACES: Final = 16  # a claim
HOUR: Final = timedelta(hours=1)
GIVE_UP: Final = timedelta(hours=24)
DELAYS: Final = (5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)  # the last one again and again
MOST_ATTEMPTS: Final = 29  # with these delays after a day
_JITTER = 0.2
_PAUSE_LEAST, _PAUSE_MOST = 5.0, 60.0  # between attempts of other messages to a place that takes none
_WAITED = timedelta(minutes=1)
_CLAIM: Final = timedelta(seconds=CLAIM_SECONDS)
_ERROR_LENGTH = 500
_READ = ("alert__rule", "alert__event", "alert__camera", "alert__sighting", "alert__person", "alert__watchlist__policy")
_LISTS = "alert__person__entries__watchlist__policy"
_SHOWN_EVERY = timedelta(seconds=1)
# Whoever locks several deliveries does so in the order of their creation, or leaves out what is locked.
_MARK = """
WITH locked AS (
    SELECT id FROM alerts_delivery WHERE id = ANY(%(ids)s::uuid[]) ORDER BY created_at, id FOR UPDATE
)
UPDATE alerts_delivery
SET state = 'sent', sent_at = %(now)s, receipt = said.receipt, attempts = attempts + 1, error = '', claimed_until = NULL
FROM locked JOIN unnest(%(ids)s::uuid[], %(receipts)s::text[]) AS said(id, receipt) USING (id)
WHERE alerts_delivery.id = locked.id
"""
_SEALED = ("alert__camera__sealed_source", "alert__camera__sealed_detail", "alert__sighting__sealed_shot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """Deliveries that go to a place as one message, oldest first. `until`: to when they are claimed."""

    endpoint: Endpoint
    key: uuid.UUID
    rows: tuple[Delivery, ...]
    until: datetime

    @property
    def is_urgent(self) -> bool:
        return any(row.alert.severity == Severity.CRITICAL for row in self.rows)


def drop_homeless() -> int:
    """Gives up what was to go to places that were removed."""
    gone = Delivery.objects.filter(state=DeliveryState.PENDING, endpoint=None).exclude(channel=Channel.LIVE)
    return gone.update(state=DeliveryState.DROPPED, error="The place that it was to go to was removed.")


def release_confirmed() -> int:
    """Lets go what is held though its alert is no lead any more: it was looked at while somebody confirmed that."""
    held = Delivery.objects.filter(state=DeliveryState.HELD, endpoint__isnull=False).values("alert")
    forgotten = Alert.objects.filter(pk__in=held).exclude(LEADS)[:A_CLAIM]
    return sum(release(alert) for alert in forgotten)


def claim(busy: Collection[uuid.UUID]) -> list[Parcel]:
    """Claims what is due for some places that nobody sends to now. `busy`: places that are left out."""
    working = _claimed(Delivery.objects.all(), timezone.now()).values_list("endpoint", flat=True).distinct()
    left_out = {*busy, *working}
    places = _due(timezone.now()).exclude(endpoint__in=left_out).values_list("endpoint", flat=True).distinct()
    wanted = [place for place in places.order_by()[:PLACES] if place is not None]
    return _claim(wanted) if wanted else []


@brief_transaction()
def _claim(places: Collection[uuid.UUID]) -> list[Parcel]:
    # Whoever adds deliveries for a place, which locks its key, is not kept waiting.
    free = Endpoint.objects.defer(None).filter(pk__in=places).select_for_update(no_key=True, skip_locked=True)
    endpoints = list(free.order_by("pk"))
    now = timezone.now()
    working = set(_claimed(Delivery.objects.filter(endpoint__in=endpoints), now).values_list("endpoint", flat=True))
    until = now + _CLAIM
    found = [one for place in endpoints if place.pk not in working for one in _parcels(place, now, until)]
    parcels = _checked(found)
    for parcel in parcels:
        for row in parcel.rows:
            row.claimed_until, row.digest = until, parcel.key if len(parcel.rows) > 1 or row.digest else None
    Delivery.objects.bulk_update(
        [row for parcel in parcels for row in parcel.rows if row.digest is not None], ["digest"]
    )
    Delivery.objects.filter(pk__in=_ids(parcels)).update(claimed_until=until)
    return parcels


def mark_sent(done: Sequence[tuple[Parcel, str]]) -> None:
    """These were taken by the other side, which calls them so. True whatever became of the claim."""
    now = timezone.now()
    rows = [(row.pk, receipt[:200]) for parcel, receipt in done for row in parcel.rows]
    with connection.cursor() as cursor:  # the ORM has no UPDATE of many rows to different values that is as quick
        cursor.execute(_MARK, {"now": now, "ids": [pk for pk, _ in rows], "receipts": [said for _, said in rows]})
    late = Q(last_sent_at=None) | Q(last_sent_at__lt=now - _SHOWN_EVERY) | Q(failing_since__isnull=False)
    Endpoint.objects.filter(late, pk__in={parcel.endpoint.pk for parcel, _ in done}).update(
        last_sent_at=now, failing_since=None, last_error=""
    )


@brief_transaction()
def put_off(parcel: Parcel, problem: NotDelivered) -> None:
    """The other side did not take it: it is tried again later, or given up; what else waits for the place waits too."""
    now, error = timezone.now(), str(problem)[:_ERROR_LENGTH]
    Endpoint.objects.filter(pk=parcel.endpoint.pk).update(
        failing_since=Coalesce(F("failing_since"), Value(now)), last_error=error
    )
    attempts = max(row.attempts for row in parcel.rows) + 1
    down = now - (parcel.endpoint.failing_since or now)
    is_old = down > GIVE_UP and now - min(row.created_at for row in parcel.rows) > GIVE_UP
    is_over = problem.permanent or is_old or attempts >= MOST_ATTEMPTS
    ours = Delivery.objects.filter(pk__in=_ids([parcel]), state=DeliveryState.PENDING, claimed_until=parcel.until)
    ours.update(
        state=DeliveryState.DEAD if is_over else DeliveryState.PENDING,
        due_at=now + timedelta(seconds=delay(attempts, problem.retry_after)),
        attempts=attempts,
        error=error,
        claimed_until=None,
    )
    if not problem.permanent:
        _let_wait(parcel.endpoint, now, down, problem.retry_after)


def let_go(parcels: Collection[Parcel]) -> None:
    """These were not begun: anybody may take them."""
    for until in {parcel.until for parcel in parcels}:
        ours = Delivery.objects.filter(pk__in=_ids(one for one in parcels if one.until == until), claimed_until=until)
        ours.filter(state=DeliveryState.PENDING).update(claimed_until=None)


def delay(attempts: int, retry_after: float | None = None) -> float:
    """Seconds until the next attempt after so many. What the other side asks for is kept to, for an hour at most."""
    seconds = DELAYS[min(attempts, len(DELAYS)) - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return max(seconds, min(retry_after or 0.0, DELAYS[-1]))


def _due(now: datetime) -> QuerySet[Delivery]:
    return _free(now).filter(due_at__lte=now)


def _free(now: datetime) -> QuerySet[Delivery]:
    # A claim that ends later than any that is made now is of before the clock was set back: it is over.
    unclaimed = Q(claimed_until=None) | Q(claimed_until__lt=now) | Q(claimed_until__gt=now + _CLAIM)
    return Delivery.objects.filter(unclaimed, state=DeliveryState.PENDING, endpoint__isnull=False)


def _claimed(rows: QuerySet[Delivery], now: datetime) -> QuerySet[Delivery]:
    return rows.filter(state=DeliveryState.PENDING, claimed_until__range=(now, now + _CLAIM), endpoint__isnull=False)


def _unlocked(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those of them that nobody else holds now, locked."""
    return Delivery.objects.filter(pk__in=rows.select_for_update(of=("self",), skip_locked=True).values("pk"))


def _ids(parcels: Iterable[Parcel]) -> list[uuid.UUID]:
    return [row.pk for parcel in parcels for row in parcel.rows]


def _read(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Locked, with all that writing and checking a message reads; what somebody else holds is left out."""
    read = rows.select_related(*_READ).prefetch_related(_LISTS).defer(*_SEALED)
    return read.select_for_update(of=("self",), skip_locked=True)


def _parcels(place: Endpoint, now: datetime, until: datetime) -> list[Parcel]:
    """What goes to the place next, the most urgent first, as far as its limit allows."""
    urgent = Case(When(alert__severity=Severity.CRITICAL, then=False), default=True, output_field=BooleanField())
    rows = list(_read(_due(now).filter(endpoint=place)).order_by(urgent, "due_at", "created_at")[:A_CLAIM])
    first = rows[:1]
    if digests := {row.digest for row in rows if row.digest is not None}:
        together = _read(Delivery.objects.filter(digest__in=digests, state=DeliveryState.PENDING))
        rows = [row for row in rows if row.digest is None] + list(together)
    collected = [row for row in rows if _is_collected(row, place)]
    if collected and place.digest_minutes:
        collected += _collected_since(collected, place, now)
    parts: dict[uuid.UUID, list[Delivery]] = {}
    for row in rows:
        if row not in collected:
            parts.setdefault(row.digest or row.pk, []).append(row)
    if collected:
        parts[uuid.uuid4() if len(collected) > 1 else collected[0].pk] = collected
    found = [
        Parcel(endpoint=place, key=key, rows=tuple(sorted(part, key=lambda row: row.created_at)), until=until)
        for key, part in parts.items()
    ]
    if place.failing_since is not None:  # who takes nothing is asked with one message at a time
        found = [parcel for parcel in found if set(first) & set(parcel.rows)]
    return _within_limit(found, place, now)


def _is_collected(row: Delivery, place: Endpoint) -> bool:
    """Whether it may go with others, as one message."""
    if row.alert.severity == Severity.CRITICAL or row.attempts or row.digest is not None or not _makes_digests(place):
        return False
    # By the place's limit, or because it took nothing for a while: what is told so late need not come one by one.
    was_kept_back = row.due_at - row.created_at > _WAITED
    was_quiet = place.user_id is not None and quiet_until(row.alert.rule, row.created_at) is not None
    return place.digest_minutes > 0 or was_kept_back or was_quiet


def _makes_digests(place: Endpoint) -> bool:
    return base.sender(Channel(place.channel)).digests


def _collected_since(rows: Sequence[Delivery], place: Endpoint, now: datetime) -> list[Delivery]:
    """What a place that collects has got since the first of these, though its own time is later."""
    later = _free(now).filter(endpoint=place, due_at__gt=now, attempts=0, digest=None)
    later = later.filter(due_at__lte=now + timedelta(minutes=place.digest_minutes))
    later = later.exclude(alert__severity=Severity.CRITICAL).order_by("due_at")
    found = _read(later)[: max(0, A_CLAIM - len(rows))]
    return [row for row in found if place.user_id is None or quiet_until(row.alert.rule, now) is None]


def _within_limit(parcels: list[Parcel], place: Endpoint, now: datetime) -> list[Parcel]:
    """As many as the place's limit allows; the others wait until there is room. Critical ones are never kept back."""
    if place.most_per_hour is None:
        return parcels
    sent = Delivery.objects.filter(endpoint=place, state=DeliveryState.SENT, sent_at__gt=now - HOUR)
    messages = {digest or pk: at for pk, digest, at in sent.values_list("pk", "digest", "sent_at") if at is not None}
    urgent = [parcel for parcel in parcels if parcel.is_urgent]
    others = [parcel for parcel in parcels if not parcel.is_urgent]
    room = max(0, place.most_per_hour - len(messages) - len(urgent))
    taken = urgent + others[:room]
    if len(others) > room:
        times = sorted([*messages.values(), *(now for _ in taken)])
        frees = times[max(0, len(times) - place.most_per_hour)] if place.most_per_hour and times else now
        waiting = _due(now).filter(endpoint=place).exclude(pk__in=_ids(taken))
        _unlocked(waiting.exclude(alert__severity=Severity.CRITICAL)).update(due_at=frees + HOUR)
    return taken


def _checked(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Without what is not to be sent any more, which is marked so."""
    rows = [row for parcel in parcels for row in parcel.rows]
    people = {parcel.endpoint.user_id for parcel in parcels} - {None}
    users = {user for user in people if user is not None}
    check = _Check(
        may_see=who_may_see(users),
        member=memberships(users) if any(row.by_role for row in rows) else set(),
        reviewers=who_may_review(users) if any(row.alert.is_lead for row in rows) else set(),
    )
    stopped: list[Delivery] = []
    kept: list[Parcel] = []
    for parcel in parcels:
        going = []
        for row in parcel.rows:
            verdict = check.verdict(row, parcel.endpoint)
            if verdict is None:
                going.append(row)
            else:
                row.state, row.error = verdict
                stopped.append(row)
        if going:
            kept.append(replace(parcel, rows=tuple(going)))
    Delivery.objects.bulk_update(stopped, ["state", "error"])
    return kept


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """What is known of the people, read just now."""

    may_see: set[int]
    member: set[tuple[int, int]]
    reviewers: set[int]

    def verdict(self, row: Delivery, place: Endpoint) -> tuple[DeliveryState, str] | None:
        """What becomes of a delivery that is not to be sent now, and why."""
        why = self._why_not(row, place) or (_is_over(row.alert, row) if place.channel in OUTSIDE else "")
        if why:
            return DeliveryState.DROPPED, why
        if is_held(row.alert, place, self.reviewers):
            return DeliveryState.HELD, ""
        return None

    def _why_not(self, row: Delivery, place: Endpoint) -> str:
        if not place.enabled:
            return "The place was switched off before it was sent."
        if place.user_id is None:
            return ""
        if place.user_id not in self.may_see:
            return "Whom it was for may not see alerts any more."
        if row.by_role and (row.group_id is None or (place.user_id, row.group_id) not in self.member):
            return "Whom it was for has left the group that was told."
        return ""


def _is_over(alert: Alert, row: Delivery) -> str:
    if alert.state == AlertState.DISMISSED:
        return DISMISSED
    if row.occasion == Occasion.ESCALATED and alert.state != AlertState.NEW:
        return "Somebody has acknowledged the alert before it was sent."
    return ""


def _let_wait(place: Endpoint, now: datetime, down: timedelta, retry_after: float | None) -> None:
    """Spares a place that takes nothing the rest for a while; what has waited for a day is given up."""
    pause = max(_PAUSE_LEAST, min(_PAUSE_MOST, down.total_seconds() / 4), min(retry_after or 0.0, DELAYS[-1]))
    later = now + timedelta(seconds=pause)
    waiting = _free(now).filter(endpoint=place)
    _unlocked(waiting.filter(due_at__lt=later)).update(due_at=later)
    if down > GIVE_UP:
        _unlocked(waiting.filter(created_at__lt=now - GIVE_UP)).update(
            state=DeliveryState.DEAD, error="The place has taken nothing for more than a day."
        )
