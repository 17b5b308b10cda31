"""From a firing to an alert: once a sighting and a cooldown, with its deliveries, or counted in the one that is there.

Runs inside the transaction that wrote the sighting or the event. Whoever raises takes the alerts' lock first, so that
two cameras which see the same at once do not both raise; who finds that nothing is to be raised has not taken it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from alerts import escalation, outbox
from alerts.models import Alert, AlertRepeat, CooldownScope, Occasion, Severity, Trigger
from alerts.rules.book import CompiledRule, RuleBook
from alerts.rules.facts import Firing
from cameras.models import CameraEvent, Sighting
from cameras.services import Saved
from recognition.models import Person

ALERTS_LOCK: Final = 0x4C594E01  # migration 0006 has the same: alerts commit one after the other
REVIEWERS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What an alert says of the face and the person.

    `thresholds`: what was asked for, by watchlist; under None what the pack asks for. `two_person`: a watchlist that
    the person is on asks for two people's confirmation.
    """

    person: Person | None = None
    similarity: float | None = None
    thresholds: Mapping[int | None, float] = field(default_factory=dict)
    two_person: bool = False

    @property
    def person_id(self) -> int | None:
        return self.person.pk if self.person is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Somebody was not seen on `day` until `by`."""

    person: Person
    day: date
    by: datetime
    detail: str
    watchlist: int | None = None
    watchlist_name: str = ""


def one_after_the_other() -> None:
    """Until the transaction is over nobody else writes alerts."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ALERTS_LOCK])


def is_told(firing: Firing, told: Iterable[Alert], match: Match) -> bool:
    """Whether one of these alerts of the sighting is what the firing asks for: one by a rule, zone and person."""
    person = match.person_id if firing.about_person else None
    return any((one.rule_id, one.zone_id, one.person_id) == (firing.rule, firing.zone, person) for one in told)


def raise_for_sighting(
    rules: RuleBook, firings: Sequence[Firing], saved: Saved, match: Match, zones: Mapping[int, str]
) -> list[Alert]:
    """Raises what these firings ask for, as far as `is_told` says it was not; the new alerts.

    Repeats within a cooldown are counted. `zones`: the names of the zones that firings name.
    """
    sighting = saved.row
    fresh = list(firings) if saved.created else _not_counted(firings, sighting, match)
    if not fresh:
        return []
    loud = [one for one in fresh if _last_within_cooldown(rules.by_id[one.rule], one, sighting, match) is None]
    if loud:
        one_after_the_other()
    made: list[Alert] = []
    for firing in fresh:
        rule = rules.by_id[firing.rule]
        last = _last_within_cooldown(rule, firing, sighting, match)
        if last is None:
            made.append(_alert_of(rule, firing, sighting, match, zones))
        elif rule.rule.bundle:
            _count_in(last, sighting, match, firing.at)
    return _write(made)


def raise_for_events(pairs: Iterable[tuple[CompiledRule, CameraEvent]]) -> list[Alert]:
    """Raises an alert for each of these rules and events of cameras."""
    made = [
        Alert(
            rule=rule.rule,
            rule_name=rule.rule.name,
            trigger=Trigger.CAMERA,
            event=event,
            camera=event.camera,
            camera_name=event.camera_name,
            severity=rule.rule.severity,
            captured_at=event.began_at,
        )
        for rule, event in pairs
    ]
    if made:
        one_after_the_other()
    return _write(made)


def raise_absence(rule: CompiledRule, absence: Absence) -> list[Alert]:
    """Raises that the person was not seen on this day; nothing where that was raised already."""
    one_after_the_other()
    if Alert.objects.filter(rule=rule.id, person=absence.person, day=absence.day).exists():
        return []
    made = Alert(
        rule=rule.rule,
        rule_name=rule.rule.name,
        trigger=Trigger.ABSENT,
        person=absence.person,
        person_name=absence.person.name,
        watchlist_id=absence.watchlist,
        watchlist_name=absence.watchlist_name,
        severity=rule.rule.severity,
        captured_at=absence.by,
        day=absence.day,
        detail=absence.detail[:500],
    )
    return _write([made])


def _not_counted(firings: Sequence[Firing], sighting: Sighting, match: Match) -> list[Firing]:
    """Those for which this sighting was not counted in another one's alert."""
    repeats = AlertRepeat.objects.filter(sighting=sighting)
    counted = set(repeats.values_list("alert__rule", "alert__zone", "person"))
    return [one for one in firings if (one.rule, one.zone, match.person_id) not in counted]


def _last_within_cooldown(rule: CompiledRule, firing: Firing, sighting: Sighting, match: Match) -> Alert | None:
    """The alert whose cooldown is not over.

    Both ways: after a clock that was ahead is set right, its alerts silence nobody for longer than that.
    """
    quiet = timedelta(seconds=rule.rule.cooldown_seconds)
    if not quiet:
        return None
    near = Alert.objects.filter(rule=rule.id, captured_at__gt=firing.at - quiet, captured_at__lt=firing.at + quiet)
    return near.filter(_same(rule, firing, sighting, match)).order_by("-captured_at").first()


def _same(rule: CompiledRule, firing: Firing, sighting: Sighting, match: Match) -> Q:
    """Alerts about the same, as the rule means it.

    Nobody knows whether two unknown faces are one person's: on the same camera they count as the same, as crowds do.
    """
    scope, camera = CooldownScope(rule.rule.cooldown_scope), Q(camera=sighting.camera_id)
    if scope is CooldownScope.RULE:
        return Q()
    person = match.person_id if firing.about_person else None
    if scope is CooldownScope.CAMERA or person is None:
        return camera if scope is CooldownScope.CAMERA else camera & Q(person=None)
    return Q(person=person) if scope is CooldownScope.PERSON else camera & Q(person=person)


def _count_in(alert: Alert, sighting: Sighting, match: Match, at: datetime) -> None:
    if alert.sighting_id == sighting.pk:  # the same track in another zone
        return
    defaults = {"at": at, "person": match.person}
    _, is_new = AlertRepeat.objects.get_or_create(alert=alert, sighting=sighting, defaults=defaults)
    if is_new:
        Alert.objects.filter(pk=alert.pk).update(count=F("count") + 1, last_at=at, version=F("version") + 1)


def _alert_of(rule: CompiledRule, firing: Firing, sighting: Sighting, match: Match, zones: Mapping[int, str]) -> Alert:
    person = match.person if firing.about_person else None
    is_match = person is not None and match.similarity is not None
    return Alert(
        rule=rule.rule,
        rule_name=rule.rule.name,
        trigger=rule.trigger,
        sighting=sighting,
        camera_id=sighting.camera_id,
        camera_name=sighting.camera_name,
        zone_id=firing.zone,
        zone_name=zones.get(firing.zone or 0, ""),
        person=person,
        person_name=person.name if person is not None else "",
        watchlist_id=firing.watchlist,
        watchlist_name=firing.watchlist_name,
        detail=firing.detail[:500],
        severity=Severity(rule.rule.severity),
        similarity=match.similarity if is_match else None,
        threshold=match.thresholds.get(firing.watchlist) if is_match else None,
        enhanced=sighting.enhanced if is_match else "",
        captured_at=firing.at,
        reviews_needed=REVIEWERS if is_match and match.two_person else 0,
    )


def _write(alerts: list[Alert]) -> list[Alert]:
    """Inserts them with their deliveries; their steps begin to run."""
    if not alerts:
        return []
    now = timezone.now()
    for alert in alerts:
        if alert.rule is not None:
            alert.next_step_at = escalation.first_due(alert.rule, now)
    # In the order in which they are told: a larger id is a later alert.
    made = Alert.objects.bulk_create(alerts)
    outbox.enqueue(made, Occasion.RAISED)
    return made
