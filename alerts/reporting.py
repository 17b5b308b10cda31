"""Where a frame becomes an alert: the sighting, its alerts and their deliveries are written in one transaction.

An outbox: what is committed is delivered, even when the process dies right after. `report_events` does the same for
what is wrong with cameras (who was not seen: `alerts.rules.absence`). What an alert said and what the track turned out
to be are kept apart: a name that arrives late is put into the alert that is there, and told once more.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts import escalation, feedback, lifecycle, outbox
from alerts.models import Alert, AlertState, AlertStep, NotThisPerson, Occasion, StepKind, Trigger, Who
from alerts.rules.book import CompiledRule, RuleBook, book
from alerts.rules.evaluate import fired
from alerts.rules.facts import Firing, SightingFacts, facts_of
from alerts.rules.history import StoredHistory
from alerts.rules.raising import REVIEWERS, Match, is_told, one_after_the_other, raise_for_events, raise_for_sighting
from cameras.events import Change
from cameras.models import CameraEvent, Link, Passage, Sighting, Verdict, Zone
from cameras.services import SightingRecord, write_sighting
from config.transactions import brief_transaction
from recognition.models import WatchlistEntry
from recognition.packs import current_pack
from recognition.selectors import threshold_on, valid_entries

_OF_A_NAME = (
    "person",
    "person_name",
    "watchlist",
    "watchlist_name",
    "similarity",
    "threshold",
    "enhanced",
    "named_at",
    "reviews_needed",
)
_counted: deque[uuid.UUID] = deque(maxlen=1000)  # sightings whose alerts were suppressed


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a reported sighting: its row, and the ids of the alerts that it caused."""

    sighting: Sighting
    alerts: tuple[int, ...]


@brief_transaction()
def report_sighting(*, sighting: SightingRecord, captured_at: datetime) -> Report:
    """Writes the sighting, and the alerts it causes. Repeating it changes nothing. Raises cameras.LeaseLost."""
    saved, rules = write_sighting(sighting), book()
    row = saved.row
    entries = list(valid_entries(row.person_id)) if row.verdict == Verdict.KNOWN and row.person_id is not None else []
    match = _match(row, entries, rules)
    facts = _facts(row, entries, captured_at, rules)
    told = [] if saved.created else _told(row)
    mistake = _known_mistake(sighting, row)
    if mistake is not None:
        _count_suppressed(mistake, rules, facts, [alert.rule_id for alert in told])
        match, facts = Match(), facts.of_a_stranger()
    changed = _rename(told, row, match, facts)
    if changed:
        told = _told(row)
    firings = [one for one in fired(rules, facts, StoredHistory()) if not is_told(one, told, match)]
    made = raise_for_sighting(rules, firings, saved, match, _zone_names(firings)) if firings else []
    if made or changed:
        ids = [alert.pk for alert in (*changed, *made)]
        transaction.on_commit(lambda: outbox.kick(ids))
    return Report(sighting=row, alerts=tuple(alert.pk for alert in made))


@brief_transaction()
def report_events(changes: Sequence[tuple[CameraEvent, Change]]) -> tuple[int, ...]:
    """Raises an alert for each new event of a camera and rule, and says of the others that they changed.

    An event has one alert by a rule: when it ends pages show that, and when it comes again the same alert is a new one
    again. Returns the ids of the new ones.
    """
    told = list(Alert.objects.filter(event__in=[event.pk for event, _ in changes]).select_related("rule"))
    ended = {event.pk for event, change in changes if change is Change.ENDED}
    about = {(rule.id, event.pk): rule for event, _ in changes for rule in book().troubles if _is_about(rule, event)}
    over = [alert for alert in told if alert.event_id in ended]
    # A rule that was switched off, or is not about it any more, is not told again.
    again = [alert for alert in told if alert.event_id not in ended and (alert.rule_id, alert.event_id) in about]
    others = [alert.pk for alert in told if alert not in again]
    if others:
        Alert.objects.filter(pk__in=others).update(version=F("version") + 1)
    _enqueue(over, Occasion.ENDED)
    for alert in again:
        _open_again(alert)
    _enqueue(again, Occasion.AGAIN)
    known = {alert.event_id for alert in told}
    fresh = [event for event, change in changes if change is not Change.ENDED and event.pk not in known]
    made = raise_for_events((rule, event) for event in fresh for (_, pk), rule in about.items() if pk == event.pk)
    if made or told:
        ids = [alert.pk for alert in (*told, *made)]
        transaction.on_commit(lambda: outbox.kick(ids))
    return tuple(alert.pk for alert in made)


def _is_about(rule: CompiledRule, event: CameraEvent) -> bool:
    """Whether the rule tells of the event, and the camera's events are told of at all."""
    return (
        event.camera is not None
        and event.camera.alert_events
        and (not rule.event_kinds or event.kind in rule.event_kinds)
        and rule.where.camera_holds(_Seen.of(event))
        and rule.when.holds(event.began_at)
    )


def _open_again(alert: Alert) -> None:
    """A new one again, as if nobody had done anything about it yet."""
    Alert.objects.filter(pk=alert.pk).update(
        version=F("version") + 1,
        state=AlertState.NEW,
        acknowledged_by=None,
        acknowledged_at=None,
        decided_at=None,
        dismissal="",
        closed_at=None,
        steps_told=0,
        next_step_at=escalation.first_due(alert.rule, timezone.now()) if alert.rule is not None else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    camera: int | None
    latitude: float | None
    longitude: float | None

    @classmethod
    def of(cls, event: CameraEvent) -> _Seen:
        camera = event.camera
        return cls(
            camera=event.camera_id,
            latitude=camera.latitude if camera else None,
            longitude=camera.longitude if camera else None,
        )


def _told(row: Sighting) -> list[Alert]:
    """The alerts that the sighting has caused."""
    return list(Alert.objects.filter(sighting=row).select_related("rule"))


def _enqueue(alerts: Sequence[Alert], occasion: Occasion) -> None:
    """Says it to those who were told of these alerts, each time that it comes."""
    for alert in alerts:
        outbox.enqueue([alert], occasion, turn=alert.event.times if alert.event is not None else 0)


def _facts(row: Sighting, entries: Collection[WatchlistEntry], at: datetime, rules: RuleBook) -> SightingFacts:
    passages = Passage.objects.filter(sighting=row) if rules.needs_passages(row.camera_id) else ()
    return facts_of(
        row,
        at=at,
        lists={entry.watchlist_id: entry.watchlist.name for entry in entries if _is_enough(row, entry)},
        member_of=[entry.watchlist_id for entry in entries],
        passages=tuple(passages),
    )


def _match(row: Sighting, entries: Collection[WatchlistEntry], rules: RuleBook) -> Match:
    if row.verdict != Verdict.KNOWN or row.person is None:
        return Match()
    thresholds: dict[int | None, float] = {
        entry.watchlist_id: threshold_on(entry.watchlist, row.pack) for entry in entries
    }
    thresholds[None] = row.threshold if row.threshold is not None else current_pack().threshold
    return Match(
        person=row.person,
        similarity=row.similarity or 0.0,
        thresholds=thresholds,
        two_person=any(rules.policy(entry.watchlist_id).two_person for entry in entries),
    )


def _is_enough(row: Sighting, entry: WatchlistEntry) -> bool:
    return row.similarity is not None and row.similarity >= threshold_on(entry.watchlist, row.pack)


def _known_mistake(sighting: SightingRecord, row: Sighting) -> NotThisPerson | None:
    """Where somebody said of this face before that it is not the person it is taken for: then it is a stranger's."""
    if row.verdict != Verdict.KNOWN or row.person_id is None or sighting.probe is None:
        return None
    return feedback.is_known_mistake(
        person_id=row.person_id, pack=row.pack, embedding=sighting.probe, similarity=row.similarity or 0.0
    )


def _count_suppressed(
    mistake: NotThisPerson, rules: RuleBook, facts: SightingFacts, told: Collection[int | None]
) -> None:
    """Counts, once a sighting, that rules which look for the person would have told of them."""
    if facts.id in _counted:
        return
    found = fired(rules, facts, StoredHistory())
    if any(rules.by_id[one.rule].who is Who.LISTED and one.rule not in told for one in found if one.about_person):
        _counted.append(facts.id)
        feedback.count_suppressed(mistake=mistake)


def _zone_names(firings: Collection[Firing]) -> Mapping[int, str]:
    zones = {firing.zone for firing in firings if firing.zone is not None}
    return dict(Zone.objects.filter(pk__in=zones).values_list("pk", "name")) if zones else {}


def _rename(told: Sequence[Alert], row: Sighting, match: Match, facts: SightingFacts) -> list[Alert]:
    """Puts a name that arrived late into the alerts about an unknown face, and says in those about somebody that the
    face is taken for somebody else by now; returns the alerts that changed.

    What was said is kept in the history. An alert that somebody has decided stays as it was decided.
    """
    if row.verdict == Verdict.UNDECIDED or row.link in (Link.HAND, Link.ERASED):
        return []  # what people say of whom it shows, `alerts.reassigning` puts into alerts
    person = match.person.pk if match.person is not None else None
    others = [
        alert
        for alert in told
        if alert.trigger != Trigger.CROWD
        and alert.state in lifecycle.OPEN
        and alert.person_id != person
        and (alert.person_id is not None or not alert.person_name)
    ]
    if not others:
        return []
    one_after_the_other()
    # As they are now: until the commit nobody else writes alerts.
    still = Alert.objects.filter(pk__in=[alert.pk for alert in others], state__in=lifecycle.OPEN).select_related("rule")
    return [alert for alert in still if _give_name(alert, row, match, facts) or _take_back(alert, match)]


def _give_name(alert: Alert, row: Sighting, match: Match, facts: SightingFacts) -> bool:
    """The unknown face has a name now; False where the alert is about somebody already."""
    if alert.person_id is not None or match.person is None:
        return False
    watchlist = next(iter(facts.lists), None)
    alert.person, alert.person_name = match.person, match.person.name
    alert.watchlist_id, alert.watchlist_name = watchlist, facts.lists.get(watchlist or 0, "")
    alert.similarity = match.similarity
    alert.threshold = match.thresholds.get(watchlist, match.thresholds[None])
    alert.enhanced, alert.named_at = row.enhanced, timezone.now()
    alert.reviews_needed = REVIEWERS if match.two_person else 0
    alert.version += 1
    alert.save(update_fields=[*_OF_A_NAME, "version"])
    _note(alert, StepKind.NAMED, match.person.name)
    outbox.enqueue([alert], Occasion.NAMED)
    return True


def _take_back(alert: Alert, match: Match) -> bool:
    """The face is not taken for the alert's person any more; False where that was said already."""
    now = match.person.name if match.person is not None else "nobody who is known"
    text = f"The face is not taken for {alert.person_name} any more, but for {now}."
    said = AlertStep.objects.filter(alert=alert, kind=StepKind.REVISED).order_by("-id").first()
    if alert.person_id is None or (said is not None and said.text == text):
        return False
    Alert.objects.filter(pk=alert.pk).update(version=F("version") + 1)
    _note(alert, StepKind.REVISED, text)
    outbox.enqueue([alert], Occasion.REVISED, turn=AlertStep.objects.filter(alert=alert, kind=StepKind.REVISED).count())
    return True


def _note(alert: Alert, kind: StepKind, text: str) -> None:
    AlertStep.objects.create(alert=alert, kind=kind, actor_name="system", text=text)
