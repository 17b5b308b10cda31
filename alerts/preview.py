"""What a rule would have told of in the last days, before it is switched on. It need not be stored.

Stored sightings, their passages and the events of cameras go once more through the evaluation that live ones go
through, cooldown and bundling included. Bounded in sightings and in time; what can not be known is said in `limits`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from typing import Final

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from alerts.models import Rule, Trigger, Who
from alerts.preview_facts import facts_of_all, lookback, sightings_for
from alerts.replay import Fired, Replay, Tally
from alerts.rule_values import COLUMNS, RuleValues, values_of
from alerts.rules.book import CompiledRule, compile_parts, plan_places
from alerts.rules.when import when_of
from alerts.rules.where import where_of
from cameras.models import CameraEvent, CameraGroup, Passage, Sighting, Verdict, Zone
from recognition.models import Person
from recognition.selectors import valid_entries

DAYS: Final = 7
MOST_DAYS: Final = 31
MOST_SIGHTINGS: Final = 50_000
MOST_SECONDS: Final = 1.8  # of computing: a machine that is busy with cameras must not make previews shorter
_LOOKS: Final = 500  # sightings between two looks at the clock
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An alert that there would have been. Without a name: an unknown face, or nobody."""

    at: datetime
    camera_name: str
    person: int | None
    person_name: str
    detail: str
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """How many alerts, how many repeats were counted in them (`bundled`) or left out (`silenced`), the latest of them.

    `limits`: sentences that say what could not be looked at, or is not known.
    """

    days: int
    begin: datetime
    looked_at: int
    fired: int
    bundled: int
    silenced: int
    examples: tuple[Example, ...]
    limits: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What there would have been, as a sentence."""
        span = "day" if self.days == 1 else f"{self.days} days"
        if not self.fired:
            return f"It would not have fired in the last {span}."
        said = f"It would have fired {_times(self.fired)} in the last {span}"
        more = self.bundled or self.silenced
        if not more:
            return f"{said}."
        repeats = "repeat" if more == 1 else "repeats"
        return f"{said}; {more} {repeats} would have been {'counted in these alerts' if self.bundled else 'left out'}."


@dataclass(slots=True, kw_only=True, eq=False)
class _Task:
    """What is looked at."""

    values: RuleValues
    rule: CompiledRule
    begin: datetime
    now: datetime
    looked_at: int = 0
    limits: list[str] = field(default_factory=list)


def preview(rule: RuleValues | Rule, *, now: datetime, days: int = DAYS) -> Preview:
    """What the rule, as stored or as somebody is about to save it, would have told of in these days."""
    values = rule if isinstance(rule, RuleValues) else values_of(rule)
    days = min(max(days, 1), MOST_DAYS)
    begin = now - timedelta(days=days)
    compiled = _compiled(values)
    if compiled is None:
        limits = ("Its times can not be read, so that it never fires. Type them again.",)
        return Preview(days=days, begin=begin, looked_at=0, fired=0, bundled=0, silenced=0, examples=(), limits=limits)
    task = _Task(values=values, rule=compiled, begin=begin, now=now)
    kinds = {Trigger.CAMERA: _troubles, Trigger.ABSENT: _absences}
    tally = kinds.get(compiled.trigger, _sightings)(task)
    return Preview(
        days=days,
        begin=begin,
        looked_at=task.looked_at,
        fired=tally.fired,
        bundled=tally.bundled,
        silenced=tally.silenced,
        examples=_examples(tally),
        limits=tuple(task.limits),
    )


def _compiled(values: RuleValues) -> CompiledRule | None:
    """The rule as it is evaluated, without a row."""
    row = Rule(**{name: getattr(values, name) for name in COLUMNS})
    when = when_of(row)
    if when is None:
        return None
    zones = Zone.objects.filter(pk__in=values.zones)
    before = _cameras(values.before_cameras, values.before_groups)
    return compile_parts(
        row,
        when=when,
        watchlists=frozenset(values.watchlists),
        people=frozenset(values.people),
        never_people=frozenset(values.never_people),
        where=where_of(
            cameras=_cameras(values.cameras, values.groups), zones=zones, placed=values.placed, places=plan_places()
        ),
        before=where_of(cameras=before, zones=(), placed=bool(before), places={}),
    )


def _cameras(cameras: tuple[int, ...], groups: tuple[int, ...]) -> set[int]:
    of_groups = CameraGroup.objects.filter(pk__in=groups, cameras__isnull=False).values_list("cameras", flat=True)
    return set(cameras) | set(of_groups if groups else ())


# --- sightings -------------------------------------------------------------------------------------------------------


def _sightings(task: _Task) -> Tally:
    began = time.thread_time()
    start = task.begin - lookback(task.rule)
    found = sightings_for(task.rule).filter(first_seen__gte=start, first_seen__lt=task.now)
    found = _bounded(task, found)
    _say_what_is_not_known(task)
    replay = Replay(task.rule, task.begin)
    for facts in facts_of_all(found, task.rule, start):
        replay.add(facts)
        task.looked_at += 1
        if task.looked_at % _LOOKS == 0 and time.thread_time() - began > MOST_SECONDS:
            said = _said(facts.first_seen)
            task.limits.append(f"There is more than can be looked at in a moment: what came after {said} is left out.")
            break
    replay.end()
    return replay.tally


def _bounded(task: _Task, found: QuerySet[Sighting]) -> QuerySet[Sighting]:
    """At most so many, the latest."""
    first = found.order_by("-first_seen").values_list("first_seen", flat=True)[MOST_SIGHTINGS : MOST_SIGHTINGS + 1]
    at = next(iter(first), None)
    if at is None:
        return found
    task.begin = max(task.begin, at)
    task.limits.append(
        f"There are many sightings: only the last {MOST_SIGHTINGS:,} were looked at, from {_said(at)} on."
    )
    return found.filter(first_seen__gt=at)


def _say_what_is_not_known(task: _Task) -> None:
    oldest = Sighting.objects.order_by("first_seen").values_list("first_seen", flat=True).first()
    if oldest is None:
        task.limits.append("No sighting is stored yet, so that there is nothing to look at.")
    elif oldest > task.begin:
        task.limits.append(f"Sightings before {_said(oldest)} are not stored, or not any more.")
    zones = Zone.objects.filter(pk__in=task.rule.where.picture_zones, created_at__gt=task.begin)
    for zone in zones:
        task.limits.append(f"Who passed “{zone.name}” is noted since it was drawn, on {_said(zone.created_at)}.")
    if task.rule.min_frames or task.rule.min_quality:
        task.limits.append("Frames and quality count as they were at the end of each sighting.")
    if task.rule.who in (Who.LISTED, Who.NOT_LISTED) and task.rule.watchlists:
        task.limits.append("Watchlists and their thresholds count as they are now; who was recognised, as it was then.")


# --- cameras and absences --------------------------------------------------------------------------------------------


def _troubles(task: _Task) -> Tally:
    tally, rule = Tally(rule=task.rule), task.rule
    events = CameraEvent.objects.filter(
        began_at__gte=task.begin, began_at__lt=task.now, camera__alert_events=True
    ).select_related("camera")
    if rule.event_kinds:
        events = events.filter(kind__in=rule.event_kinds)
    for event in events.order_by("-began_at")[:MOST_SIGHTINGS][::-1]:
        task.looked_at += 1
        if event.camera is not None and _is_there(rule, event) and rule.when.holds(event.began_at):
            one = Fired(at=event.began_at, camera=event.camera_id, camera_name=event.camera_name)
            one.detail = f"{event.get_kind_display()}."
            tally.add_always(one)
    return tally


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    camera: int | None
    latitude: float | None
    longitude: float | None


def _is_there(rule: CompiledRule, event: CameraEvent) -> bool:
    camera = event.camera
    spot = _Spot(
        camera=event.camera_id,
        latitude=camera.latitude if camera is not None else None,
        longitude=camera.longitude if camera is not None else None,
    )
    return rule.where.camera_holds(spot)


def _absences(task: _Task) -> Tally:
    tally, rule = Tally(rule=task.rule), task.rule
    missed = _wanted_since(rule)
    seen = _times_seen(task, missed)
    _say_what_is_not_known(task)
    for since, by in _spans(task):
        for person, wanted_since in sorted(missed.items()):
            if wanted_since <= by and not any(first <= by and last >= since for first, last in seen[person]):
                said = f"Not seen by {by.astimezone(rule.when.zone):%H:%M}."
                tally.add_always(Fired(at=by, person=person, detail=said))
    return tally


def _wanted_since(rule: CompiledRule) -> dict[int, datetime]:
    """Who would be missed, and since when: enrolled, and on a list."""
    found = dict(Person.objects.filter(pk__in=rule.people).values_list("pk", "created_at"))
    for entry in valid_entries().filter(watchlist__in=rule.watchlists):
        since = max(entry.added_at, entry.starts_at or entry.added_at)
        found[entry.person_id] = min(found.get(entry.person_id, since), since)
    return {person: since for person, since in found.items() if person not in rule.never_people}


def _times_seen(task: _Task, people: Collection[int]) -> Mapping[int, list[tuple[datetime, datetime]]]:
    """From when until when each of them was seen at places of the rule."""
    where, found = task.rule.where, defaultdict(list)
    zones = set(where.picture_zones)
    rows = Sighting.objects.filter(
        person__in=people, verdict=Verdict.KNOWN, first_seen__gte=task.begin - 2 * _DAY, first_seen__lt=task.now
    ).annotate(in_zone=Exists(Passage.objects.filter(sighting=OuterRef("pk"), zone__in=zones)))
    columns = ("person", "camera", "latitude", "longitude", "first_seen", "last_seen", "in_zone")
    for person, camera, latitude, longitude, first, last, in_zone in rows.order_by("-first_seen").values_list(*columns)[
        :MOST_SIGHTINGS
    ]:
        task.looked_at += 1
        spot = _Spot(camera=camera, latitude=latitude, longitude=longitude)
        if in_zone or where.camera_holds(spot):
            found[person].append((first, last))
    return found


def _spans(task: _Task) -> Iterator[tuple[datetime, datetime]]:
    """From when until when somebody should have been seen, on each day on which the rule held at the end of it."""
    rule, zone = task.rule, task.rule.when.zone
    by_time, since_time = rule.rule.by_time, rule.rule.since_time or clock()
    if by_time is None:
        return
    day = task.begin.astimezone(zone).date()
    while day <= task.now.astimezone(zone).date():
        by = datetime.combine(day, by_time, zone).astimezone(UTC)
        begun = day if since_time < by_time else day - _DAY  # over midnight
        since = datetime.combine(begun, since_time, zone).astimezone(UTC)
        if task.begin <= by <= task.now and since < by and rule.when.holds(by):
            yield since, by
        day += _DAY


# --- words -----------------------------------------------------------------------------------------------------------


def _examples(tally: Tally) -> tuple[Example, ...]:
    """The latest alerts, newest first, with the names of the people."""
    names = dict(
        Person.objects.filter(pk__in={one.person for one in tally.latest if one.person is not None}).values_list(
            "pk", "name"
        )
    )
    return tuple(
        Example(
            at=one.at,
            camera_name=one.camera_name,
            person=one.person,
            person_name=names.get(one.person or 0, ""),
            detail=one.detail,
            repeats=one.repeats,
        )
        for one in reversed(tally.latest)
    )


def _said(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%d %b %Y, %H:%M}"


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number:,} times")
