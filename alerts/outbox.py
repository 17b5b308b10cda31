"""The outbox: deliveries are written with their alert, in its transaction; what is committed is delivered.

`enqueue` decides where a message goes, and when. `kick` says after the commit that there is something: it rings for
open pages, which then ask for all that they have not shown yet, and nudges the sender (`alerts.sending`). Both are
hints only: what they miss is found by beat.

While an alert is a lead (`Alert.is_lead`), what would leave the house is held, but for those who may review it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from channels.layers import get_channel_layer
from django.db import transaction
from django.db.models import Count, F, Min, Q, prefetch_related_objects
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from accounts.services import Actor, record
from alerts.models import OUTSIDE, Alert, Channel, Delivery, DeliveryState, Endpoint, Occasion, RuleStep, Severity
from alerts.quiet import quiet_until
from alerts.recipients import Place, places_of, who_may_review
from config import own_loop
from config.celery import app
from config.redis import client
from config.transactions import brief_transaction

_log = logging.getLogger(__name__)

GROUP: Final = "alerts"
RING_SECONDS = 1.0  # those who write sightings ring as well: a Redis that hangs must not keep them from it
SEND_TASK: Final = "alerts.tasks.send_due"
NUDGE_SECONDS: Final = 2  # a nudge that nobody has heard by then is beat's
NUDGED_MS: Final = 200  # so long one nudge stands for all
KEPT_DAYS: Final = 90
RECORDS: Final = (Channel.LOG, Channel.SYSLOG)  # they keep everything, one by one, and stay in the house

_NUDGED = "lynceus:outbox-nudged"
_TELLING = (Occasion.RAISED, Occasion.ESCALATED)
# What a message that was not tried yet will say by itself, because it is written when it is sent.
_SAID_ANYWAY = (Occasion.NAMED, Occasion.REVISED, Occasion.CONFIRMED)
_RANKS: Final = {severity.value: rank for rank, severity in enumerate(Severity)}
_AT_ONCE = 1000
DISMISSED: Final = "The alert was dismissed before it was sent."  # by this it is found when the alert is opened again


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What is on its way to places outside of the pages. `oldest`: since when the first one should have gone."""

    pending: int
    held: int
    dead: int
    oldest: datetime | None


# --- writing -------------------------------------------------------------------------------------------------------


def enqueue(alerts: Sequence[Alert], occasion: Occasion, *, turn: int = 0, step: int = 0) -> list[Delivery]:
    """Writes the deliveries of these alerts, in the transaction that wrote them; what was written before stays.

    RAISED and ESCALATED go to the places of the rule's step of this number; everything else to those that were told
    of the alert before. A rule whose steps were prefetched and that has none costs the insert only.
    """
    now = timezone.now()
    rows = [Delivery(alert=alert, channel=Channel.LIVE, occasion=occasion, turn=turn, due_at=now) for alert in alerts]
    prefetch_related_objects(list(alerts), "rule__steps")
    pairs = list(_at_step(alerts, occasion, step, now) if occasion in _TELLING else _told_before(alerts, occasion, now))
    leads = {place.user for alert, place in pairs if place.user is not None and alert.is_lead}
    reviewers = who_may_review(leads)
    for alert, place in pairs:
        rows.append(
            Delivery(
                alert=alert,
                channel=place.endpoint.channel,
                endpoint=place.endpoint,
                user_id=place.user,
                group_id=place.group,
                by_role=place.group is not None,
                occasion=occasion,
                turn=turn,
                state=DeliveryState.HELD if is_held(alert, place.endpoint, reviewers) else DeliveryState.PENDING,
                due_at=due_at(alert, place.endpoint, now),
            )
        )
    return Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def is_held(alert: Alert, endpoint: Endpoint, reviewers: Collection[int]) -> bool:
    """Whether this place must wait until the alert is more than a lead. `reviewers`: users who may review."""
    return alert.is_lead and endpoint.channel in OUTSIDE and endpoint.user_id not in reviewers


def is_loud_enough(alert: Alert, endpoint: Endpoint) -> bool:
    return _RANKS[alert.severity] >= _RANKS[endpoint.min_severity]


def due_at(alert: Alert, endpoint: Endpoint, now: datetime) -> datetime:
    """When a message about the alert is to go there: later in quiet hours, and where messages are collected."""
    if alert.severity == Severity.CRITICAL or endpoint.channel in RECORDS:
        return now
    quiet = quiet_until(alert.rule, now) if endpoint.user_id is not None else None
    return max(quiet or now, now + timedelta(minutes=endpoint.digest_minutes))


@brief_transaction()
def release(alert: Alert) -> int:
    """Lets go what was held while the alert was a lead; returns how many. One message a place says it all."""
    now, known, due, said = timezone.now(), set(), [], []
    held = Delivery.objects.filter(alert=alert, state=DeliveryState.HELD, endpoint__isnull=False)
    for row in held.select_related("endpoint").select_for_update(of=("self",)).order_by("created_at", "pk"):
        if row.endpoint is None or row.endpoint_id in known:
            row.state, row.error = DeliveryState.DROPPED, "Another message says the same."
            said.append(row)
        else:
            known.add(row.endpoint_id)
            row.state, row.due_at = DeliveryState.PENDING, due_at(alert, row.endpoint, now)
            due.append(row)
    Delivery.objects.bulk_update([*due, *said], ["state", "due_at", "error"])
    if due:
        transaction.on_commit(kick)
    return len(due)


@brief_transaction()
def drop_held(alert: Alert) -> int:
    """Takes back what has not left the house yet, because the alert was dismissed; returns how many."""
    waiting = Delivery.objects.filter(alert=alert, state__in=(DeliveryState.HELD, DeliveryState.PENDING))
    locked = waiting.filter(channel__in=OUTSIDE).select_for_update().order_by("created_at", "pk")
    return Delivery.objects.filter(pk__in=[row.pk for row in locked]).update(
        state=DeliveryState.DROPPED, claimed_until=None, error=DISMISSED
    )


@brief_transaction()
def take_up(alert: Alert) -> int:
    """What was taken back because the alert was dismissed is to go after all: it was opened again; returns how many."""
    now = timezone.now()
    dropped = Delivery.objects.filter(
        alert=alert, state=DeliveryState.DROPPED, error=DISMISSED, endpoint__isnull=False
    ).select_related("endpoint")
    rows = list(dropped.select_for_update(of=("self",)).order_by("created_at", "pk"))
    reviewers = who_may_review({row.user_id for row in rows if row.user_id is not None}) if alert.is_lead else set()
    for row in rows:
        if row.endpoint is not None:
            held = is_held(alert, row.endpoint, reviewers)
            row.state = DeliveryState.HELD if held else DeliveryState.PENDING
            row.due_at, row.error = due_at(alert, row.endpoint, now), ""
    Delivery.objects.bulk_update(rows, ["state", "due_at", "error"])
    if rows:
        transaction.on_commit(kick)
    return len(rows)


@brief_transaction()
def resend(*, actor: Actor, delivery: Delivery) -> bool:
    """Tries again what was given up or dropped, under the same key; False where there is nothing to send any more."""
    row = (
        Delivery.objects.select_for_update(of=("self",))
        .select_related("alert", "endpoint")
        .filter(pk=delivery.pk, state__in=(DeliveryState.DEAD, DeliveryState.DROPPED))
        .first()
    )
    if row is None or row.endpoint is None:
        return False
    reviewers = who_may_review({row.user_id}) if row.user_id is not None else set()
    held = is_held(row.alert, row.endpoint, reviewers)
    row.state = DeliveryState.HELD if held else DeliveryState.PENDING
    row.attempts, row.error, row.due_at, row.claimed_until = 0, "", timezone.now(), None
    row.digest = row.digest or row.pk  # it is in no digest of later ones: whoever has it knows it by its key
    row.save(update_fields=["state", "attempts", "error", "due_at", "claimed_until", "digest"])
    record(actor=actor, verb="resent", target=f"delivery {row.pk}", alert=row.alert_id)
    transaction.on_commit(kick)
    return True


def prune() -> int:
    """Forgets what became of messages longer than KEPT_DAYS ago; returns how many."""
    over = (DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.DROPPED)
    old = Delivery.objects.filter(state__in=over, created_at__lt=timezone.now() - timedelta(days=KEPT_DAYS))
    gone = 0
    while ids := list(old.values_list("pk", flat=True)[:_AT_ONCE]):
        gone += Delivery.objects.filter(pk__in=ids).delete()[0]
    return gone


def counts() -> Counts:
    """How much is on its way now."""
    open_ones = (DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.DEAD)
    found = Delivery.objects.filter(state__in=open_ones).exclude(channel=Channel.LIVE)
    pending, held, dead = (Count("pk", filter=Q(state=state)) for state in open_ones)
    oldest = Min("due_at", filter=Q(state=DeliveryState.PENDING, due_at__lte=timezone.now()))
    return Counts(**found.aggregate(pending=pending, held=held, dead=dead, oldest=oldest))


def _at_step(alerts: Sequence[Alert], occasion: Occasion, number: int, now: datetime) -> Iterator[tuple[Alert, Place]]:
    steps = {alert.pk: step for alert in alerts if (step := _step(alert, occasion, number)) is not None}
    places = places_of({step.pk for step in steps.values()}, now)
    for alert in alerts:
        step = steps.get(alert.pk)
        for place in places.get(step.pk, ()) if step is not None else ():
            if is_loud_enough(alert, place.endpoint):
                yield alert, place


def _step(alert: Alert, occasion: Occasion, number: int) -> RuleStep | None:
    steps = list(alert.rule.steps.all()) if alert.rule is not None else []
    if number >= len(steps) or (occasion is Occasion.RAISED and steps[number].after_minutes > 0):
        return None
    return steps[number]


def _told_before(alerts: Sequence[Alert], occasion: Occasion, now: datetime) -> Iterator[tuple[Alert, Place]]:
    """The places that know of the alert, or are about to, each once."""
    told = (
        Delivery.objects.filter(alert__in=alerts, occasion__in=_TELLING, endpoint__enabled=True)
        .filter(state__in=(DeliveryState.PENDING, DeliveryState.HELD, DeliveryState.SENT))
        .select_related("endpoint")
        # Nobody begins to send one of them before this is committed: none is written about the alert as it was.
        .select_for_update(of=("self",))
        .order_by("created_at", "pk")
    )
    by_place: dict[tuple[int, object], list[Delivery]] = defaultdict(list)
    for row in told:
        by_place[row.alert_id, row.endpoint_id].append(row)
    by_id = {alert.pk: alert for alert in alerts}
    for (alert_id, _), rows in by_place.items():
        endpoint = rows[0].endpoint
        is_said = occasion in _SAID_ANYWAY and any(_is_untouched(row, now) for row in rows)
        if endpoint is not None and not is_said and is_loud_enough(by_id[alert_id], endpoint):
            first = next((row for row in rows if not row.by_role), rows[0])
            yield by_id[alert_id], Place(endpoint=endpoint, user=endpoint.user_id, group=first.group_id)


def _is_untouched(row: Delivery, now: datetime) -> bool:
    is_waiting = row.state in (DeliveryState.PENDING, DeliveryState.HELD)
    return is_waiting and row.attempts == 0 and (row.claimed_until is None or row.claimed_until < now)


# --- saying that there is something --------------------------------------------------------------------------------


def kick(alert_ids: Sequence[int] | None = None) -> None:
    """After the commit: rings for open pages, and has sent what is due. It never raises for a Redis that is away.

    `alert_ids`: what was written just now; without it only pages and the sender are told that there may be something.
    """
    heard = ring() if alert_ids is None else deliver(alert_ids)
    if heard and (alert_ids is None or _goes_outside(alert_ids)):
        nudge()


def nudge() -> None:
    """Asks for a round of sending at once, a few times a second at most; what gets lost is beat's."""
    try:
        if client().set(_NUDGED, 1, nx=True, px=NUDGED_MS):
            # A connection of its own, with an end to every wait: whoever writes alerts must not stand still here.
            options = {"max_retries": 0, "socket_timeout": RING_SECONDS, "socket_connect_timeout": RING_SECONDS}
            with app.connection_for_write(transport_options=options) as connection:
                app.send_task(SEND_TASK, expires=NUDGE_SECONDS, retry=False, connection=connection)
    except (RedisError, BrokerError, OSError) as error:
        _log.warning("Messages leave a little later: %s", str(error) or "Redis does not answer.")


def deliver(alert_ids: Sequence[int]) -> bool:
    """Rings for open pages and marks the deliveries as sent; what fails stays pending and is tried again by beat."""
    pending = Delivery.objects.filter(alert__in=alert_ids, channel=Channel.LIVE, state=DeliveryState.PENDING)
    if heard := ring():
        pending.update(state=DeliveryState.SENT, sent_at=timezone.now(), attempts=F("attempts") + 1)
    else:
        pending.update(attempts=F("attempts") + 1)
    return heard


def deliver_pending() -> int:
    """Delivers to open pages what was committed and not sent, after a crash or an outage; returns how many."""
    ids = list(
        Delivery.objects.filter(state=DeliveryState.PENDING, channel=Channel.LIVE)
        .order_by("due_at")
        .values_list("alert_id", flat=True)[:_AT_ONCE]
    )
    if ids:
        deliver(ids)
    return len(ids)


def ring() -> bool:
    """Tells every open page that alerts have changed; False when that is not possible now."""
    layer = get_channel_layer()
    if layer is None:
        return False
    try:
        own_loop.run(layer.group_send(GROUP, {"type": "alerts.changed"}), seconds=RING_SECONDS)
    except (RedisError, OSError) as error:  # a time-out among them
        _log.warning("Open pages could not be told of alerts yet: %s", str(error) or "Redis does not answer.")
        return False
    return True


def _goes_outside(alert_ids: Sequence[int]) -> bool:
    waiting = Delivery.objects.filter(alert__in=alert_ids, state=DeliveryState.PENDING)
    return waiting.exclude(channel=Channel.LIVE).exists()
