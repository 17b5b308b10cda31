"""The only writer of rules, alerts and deliveries.

`report_sighting` is where a frame becomes an alert: the sighting, its alerts and their deliveries are written in one
transaction (an outbox), so that what is committed is delivered even when the process dies right after. `report_events`
does the same for what is wrong with cameras. Delivery to open pages is a doorbell: it says that there is something new,
and every page asks for all that it has not shown yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone
from redis.exceptions import RedisError

from accounts.models import User
from accounts.services import Actor, record
from alerts.models import Alert, AlertState, Channel, Delivery, Rule, Severity
from cameras.events import Change
from cameras.models import CameraEvent, EventKind, Sighting, Verdict
from cameras.services import SightingRecord, save_sighting
from config.transactions import brief_transaction
from recognition.models import Category, Person, Watchlist, WatchlistEntry
from recognition.packs import current_pack, threshold_of
from recognition.selectors import valid_entries

_log = logging.getLogger(__name__)
GROUP = "alerts"
RING_SECONDS = 1.0  # those who write sightings ring as well: a Redis that hangs must not keep them from it
_ALERTS_LOCK = 0x4C594E01  # any constant: alerts commit one after the other, so that a larger id is a later commit

_SEVERITY = {
    Category.MISSING: Severity.CRITICAL,
    Category.WANTED: Severity.HIGH,
    Category.BARRED: Severity.HIGH,
    Category.STAFF: Severity.LOW,
    Category.VIP: Severity.MEDIUM,
    Category.OTHER: Severity.MEDIUM,
}
_EVENT_SEVERITY = {
    EventKind.DOWN: Severity.HIGH,
    EventKind.FROZEN: Severity.HIGH,
    EventKind.BLACK: Severity.HIGH,
    EventKind.COVERED: Severity.HIGH,
    EventKind.DEFOCUSED: Severity.MEDIUM,
    EventKind.MOVED: Severity.MEDIUM,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a reported sighting: its row, and the ids of the alerts that it caused."""

    sighting: Sighting
    alerts: tuple[int, ...]


def give_rule(*, watchlist: Watchlist) -> Rule:
    """The watchlist's rule; made with the defaults of its category when there is none."""
    severity = _SEVERITY.get(Category(watchlist.category), Severity.MEDIUM)
    return Rule.objects.get_or_create(watchlist=watchlist, defaults={"severity": severity})[0]


@brief_transaction()
def change_rule(*, actor: Actor, rule: Rule, enabled: bool, severity: Severity, cooldown_seconds: int) -> Rule:
    """Changes a watchlist's alert policy."""
    rule.enabled, rule.severity, rule.cooldown_seconds = enabled, severity, cooldown_seconds
    rule.save(update_fields=["enabled", "severity", "cooldown_seconds"])
    record(actor=actor, verb="changed", target=f"rule of watchlist {rule.watchlist_id}")
    return rule


@brief_transaction()
def report_sighting(*, sighting: SightingRecord, captured_at: datetime) -> Report:
    """Writes the sighting, and the alerts it causes. Repeating it changes nothing. Raises cameras.LeaseLost."""
    row = save_sighting(sighting)
    if row.verdict != Verdict.KNOWN or row.person_id is None:
        return Report(sighting=row, alerts=())
    entries = {e.watchlist_id: e for e in valid_entries(row.person_id) if _is_enough(row, e)}
    told = Alert.objects.filter(sighting=row, person=row.person_id, rule__isnull=False).values("rule")
    rules = list(Rule.objects.filter(watchlist__in=entries, enabled=True).exclude(pk__in=told))
    if not rules:
        return Report(sighting=row, alerts=())
    _one_after_the_other()
    raised = [_raise_alert(rule, entries[rule.watchlist_id], row, captured_at) for rule in rules]
    made = [alert.pk for alert in raised if alert is not None]
    if made:
        transaction.on_commit(lambda: deliver(made))
    return Report(sighting=row, alerts=tuple(made))


@brief_transaction()
def report_events(changes: Sequence[tuple[CameraEvent, Change]]) -> tuple[int, ...]:
    """Raises an alert for each new event of a camera, and says of the others that they changed; the new ones' ids.

    An event has one alert: when it ends pages show that, and when it comes again the same alert is a new one again.
    """
    known = set(Alert.objects.filter(event__in=[event.pk for event, _ in changes]).values_list("event", flat=True))
    ended = [event.pk for event, change in changes if change is Change.ENDED]
    again = [event.pk for event, change in changes if change is not Change.ENDED and event.pk in known]
    Alert.objects.filter(event__in=ended).update(version=F("version") + 1)
    Alert.objects.filter(event__in=again).update(
        version=F("version") + 1, state=AlertState.NEW, acknowledged_by=None, acknowledged_at=None
    )
    fresh = [event for event, change in changes if change is not Change.ENDED and event.pk not in known]
    wanted = [event for event in fresh if event.camera is not None and event.camera.alert_events]
    if wanted:
        _one_after_the_other()
    made = [_raise_event(event).pk for event in wanted]
    if made:
        transaction.on_commit(lambda: deliver(made))
    elif known:
        transaction.on_commit(ring)
    return tuple(made)


def deliver(alert_ids: Sequence[int]) -> None:
    """Rings for open pages and marks the deliveries as sent; what fails stays pending and is tried again by beat."""
    pending = Delivery.objects.filter(alert__in=alert_ids, channel=Channel.LIVE, sent_at=None)
    sent_at = timezone.now() if ring() else None
    pending.update(sent_at=sent_at, attempts=F("attempts") + 1)


def deliver_pending() -> int:
    """Delivers what was committed and not sent, after a crash or an outage; returns how many."""
    ids = list(Delivery.objects.filter(sent_at=None).order_by("id").values_list("alert_id", flat=True)[:1000])
    if ids:
        deliver(ids)
    return len(ids)


def ring() -> bool:
    """Tells every open page that alerts have changed; False when that is not possible now."""
    layer = get_channel_layer()
    if layer is None:
        return False
    try:
        async_to_sync(asyncio.wait_for)(layer.group_send(GROUP, {"type": "alerts.changed"}), RING_SECONDS)
    except (RedisError, OSError) as error:  # a time-out among them
        _log.warning("Open pages could not be told of alerts yet: %s", str(error) or "Redis does not answer.")
        return False
    return True


@brief_transaction()
def acknowledge(*, actor: User, alert: Alert) -> bool:
    """Marks a new alert as seen by the user; False when somebody was faster."""
    done = Alert.objects.filter(pk=alert.pk, state=AlertState.NEW).update(
        state=AlertState.ACKNOWLEDGED,
        acknowledged_by=actor,
        acknowledged_at=timezone.now(),
        version=F("version") + 1,
    )
    if done:
        record(actor=actor, verb="acknowledged", target=f"alert {alert.pk}")
        transaction.on_commit(ring)
    return bool(done)


def move_alerts(*, kept: Person, gone: Person) -> int:
    """Gives the alerts about a person to another one, who turned out to be the same; returns how many.

    Where both caused an alert by one sighting, the other one stays as it is, under the name of then.
    """
    told = Alert.objects.filter(person=kept, rule=OuterRef("rule"), sighting=OuterRef("sighting"))
    return Alert.objects.filter(~Exists(told), person=gone).update(person=kept)


def _one_after_the_other() -> None:
    """Until the transaction is over nobody else writes alerts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ALERTS_LOCK])


def _is_enough(sighting: Sighting, entry: WatchlistEntry) -> bool:
    return sighting.similarity is not None and sighting.similarity >= _threshold(sighting, entry)


def _threshold(sighting: Sighting, entry: WatchlistEntry) -> float:
    """What the entry's watchlist asks for: its own threshold where that means the sighting's pack, or that pack's."""
    watchlist = entry.watchlist
    if watchlist.threshold is not None and watchlist.threshold_pack == sighting.pack:
        return watchlist.threshold
    asked = threshold_of(sighting.pack)
    return current_pack().threshold if asked is None else asked


def _raise_alert(rule: Rule, entry: WatchlistEntry, sighting: Sighting, captured_at: datetime) -> Alert | None:
    """The new alert, or None while the cooldown of the last one is not over."""
    quiet = timedelta(seconds=rule.cooldown_seconds)
    # Both ways: after a clock that was ahead is set right, its alerts silence nobody for longer than that.
    near = Alert.objects.filter(captured_at__gt=captured_at - quiet, captured_at__lt=captured_at + quiet)
    if near.filter(rule=rule, person=sighting.person_id, camera=sighting.camera_id).exists():
        return None
    alert = Alert.objects.create(
        rule=rule,
        sighting=sighting,
        camera_id=sighting.camera_id,
        person_id=sighting.person_id,
        watchlist_name=entry.watchlist.name,
        person_name=entry.person.name,
        camera_name=sighting.camera_name,
        severity=rule.severity,
        similarity=sighting.similarity or 0.0,
        threshold=_threshold(sighting, entry),
        enhanced=sighting.enhanced,
        captured_at=captured_at,
    )
    Delivery.objects.create(alert=alert, channel=Channel.LIVE)
    return alert


def _raise_event(event: CameraEvent) -> Alert:
    alert = Alert.objects.create(
        event=event,
        camera=event.camera,
        camera_name=event.camera_name,
        severity=_EVENT_SEVERITY[EventKind(event.kind)],
        captured_at=event.began_at,
    )
    Delivery.objects.create(alert=alert, channel=Channel.LIVE)
    return alert
