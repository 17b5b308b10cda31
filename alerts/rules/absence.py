"""Who should have been seen by a time and was not: looked for once that time has come, once a day.

A day is the local one of the rule; its time applies where the rule's schedule holds at that moment. An absence says
nothing of a place that nobody watched: cameras of the rule that gave no pictures meanwhile are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.db.models import Q

from alerts import outbox
from alerts.models import Alert
from alerts.rules.book import CompiledRule, book
from alerts.rules.raising import Absence, raise_absence
from alerts.rules.words import listed
from cameras.models import Camera, CameraEvent, EventKind, Sighting, Verdict
from config.transactions import brief_transaction
from recognition.models import Person
from recognition.selectors import valid_entries

LATE: Final = timedelta(hours=6)  # after an outage: an absence that is older is no news
GRACE: Final = timedelta(seconds=30)  # what was seen in the last moment is written by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From when until when somebody should have been seen on this day."""

    day: date
    since: datetime
    by: datetime


def report_absences(now: datetime) -> tuple[int, ...]:
    """Raises an alert for each person who should have been seen by now and was not; the ids of the new ones."""
    made: list[int] = []
    for rule in book().absences:
        for span in due(rule, now):
            made += _report(rule, span)
    if made:
        outbox.kick(made)
    return tuple(made)


def due(rule: CompiledRule, now: datetime) -> Iterator[Span]:
    """The spans of the rule that were over a short while ago."""
    by_time, since_time = rule.rule.by_time, rule.rule.since_time or time()
    if by_time is None:
        return
    today = now.astimezone(rule.when.zone).date()
    for day in (today - timedelta(days=1), today):
        by = datetime.combine(day, by_time, rule.when.zone).astimezone(UTC)
        begun = day if since_time < by_time else day - timedelta(days=1)  # over midnight
        since = datetime.combine(begun, since_time, rule.when.zone).astimezone(UTC)
        created = rule.rule.created_at
        if GRACE <= now - by <= LATE and since < by and rule.when.holds(by) and (created is None or created <= by):
            yield Span(day=day, since=since, by=by)


@brief_transaction()
def _report(rule: CompiledRule, span: Span) -> list[int]:
    expected = _expected(rule)
    told = Alert.objects.filter(rule=rule.id, day=span.day).values_list("person", flat=True)
    missing = set(expected) - set(told) - _seen(rule, span, set(expected))
    if not missing:
        return []
    blind = _blind(rule, span)
    made: list[int] = []
    # Locked before alerts are, as whoever deletes one of them does.
    for person in Person.objects.select_for_update(no_key=True).filter(pk__in=missing).order_by("id"):
        watchlist, name = expected[person.pk]
        absence = Absence(
            person=person,
            day=span.day,
            by=span.by,
            detail=_said(rule, span, blind),
            watchlist=watchlist,
            watchlist_name=name,
        )
        made += [alert.pk for alert in raise_absence(rule, absence)]
    return made


def _expected(rule: CompiledRule) -> Mapping[int, tuple[int | None, str]]:
    """Whom the rule is about now, each with the watchlist that says so."""
    found: dict[int, tuple[int | None, str]] = dict.fromkeys(rule.people, (None, ""))
    for entry in valid_entries().filter(watchlist__in=rule.watchlists):
        found[entry.person_id] = (entry.watchlist_id, entry.watchlist.name)
    return {person: why for person, why in found.items() if person not in rule.never_people}


def _seen(rule: CompiledRule, span: Span, people: set[int]) -> set[int]:
    """Those who were seen in the span at a place of the rule."""
    rows = Sighting.objects.filter(
        person__in=people, verdict=Verdict.KNOWN, first_seen__lte=span.by, last_seen__gte=span.since
    ).defer("sealed_shot")
    where = rule.where
    inside = set(where.picture_zones)
    found = {row.person_id for row in rows if where.camera_holds(_Place.of(row))}
    if inside:
        found |= set(rows.filter(passages__zone__in=inside).values_list("person", flat=True))
    return {person for person in found if person is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    camera: int | None
    latitude: float | None
    longitude: float | None

    @classmethod
    def of(cls, row: Sighting) -> _Place:
        return cls(camera=row.camera_id, latitude=row.latitude, longitude=row.longitude)


def _blind(rule: CompiledRule, span: Span) -> list[str]:
    """Cameras of the rule that gave no pictures for some of the span."""
    events = CameraEvent.objects.filter(
        Q(ended_at=None) | Q(ended_at__gte=span.since), kind=EventKind.DOWN, began_at__lte=span.by
    )
    reach = rule.where.reach
    if reach is not None:
        events = events.filter(camera__in=reach)
    names = set(events.values_list("camera_name", flat=True))
    off = Camera.objects.filter(enabled=False)
    return sorted(names | set((off if reach is None else off.filter(pk__in=reach)).values_list("name", flat=True)))


def _said(rule: CompiledRule, span: Span, blind: list[str]) -> str:
    zone = rule.when.zone
    since, by = span.since.astimezone(zone), span.by.astimezone(zone)
    said = f"Not seen from {since:%H:%M} to {by:%H:%M}."
    if not blind:
        return said
    return f"{said} But nobody may have looked: {listed(blind)} gave no pictures for some of that time."
