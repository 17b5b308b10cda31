"""Rules and facts for tests of evaluation: plain values, no database."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.models import OnHolidays, Rule, Trigger, Who
from alerts.rules.book import CompiledRule, RuleBook, compile_parts
from alerts.rules.facts import Before, Passed, SightingFacts
from alerts.rules.when import When
from alerts.rules.where import Where
from cameras.models import PassageKind, Verdict
from cameras.schedule import parse_schedule

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)  # a Saturday
LIST, PERSON, CAMERA, ZONE = 1, 10, 100, 1000
ANYWHERE = Where(anywhere=True)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def at_camera(*cameras: int) -> Where:
    return Where(anywhere=False, cameras=frozenset(cameras))


def in_zone(zone: int = ZONE, name: str = "Yard") -> Where:
    return Where(anywhere=False, picture_zones={zone: (CAMERA, name)})


def times(schedule: str = "", **values: Any) -> When:
    return When(schedule=parse_schedule(schedule), zone=UTC, **values)


def rule(
    trigger: Trigger = Trigger.APPEARS,
    *,
    who: Who = Who.LISTED,
    watchlists: Collection[int] = (LIST,),
    people: Collection[int] = (),
    never: Collection[int] = (),
    where: Where = ANYWHERE,
    before: Where = ANYWHERE,
    when: When | None = None,
    pk: int = 1,
    **columns: Any,
) -> CompiledRule:
    """A rule about somebody on the list, anywhere and always, where nothing else is said."""
    row = Rule(pk=pk, name=f"Rule {pk}", trigger=trigger, who=who, on_holidays=OnHolidays.AS_ALWAYS, **columns)
    return compile_parts(
        row,
        when=when or times(),
        watchlists=frozenset(watchlists),
        people=frozenset(people),
        never_people=frozenset(never),
        where=where,
        before=before,
    )


def book_of(*rules: CompiledRule) -> RuleBook:
    return RuleBook(rules, {}, 1)


def seen(**changes: Any) -> SightingFacts:
    """Somebody on the list, recognised two seconds after they came into view."""
    facts = SightingFacts(
        id=uuid.UUID(int=1),
        camera=CAMERA,
        camera_name="Gate",
        latitude=47.0,
        longitude=8.0,
        first_seen=NOON,
        last_seen=after(4),
        verdict=Verdict.KNOWN,
        person=PERSON,
        similarity=0.9,
        quality=0.6,
        frames=20,
        at=after(2),
        lists={LIST: "Wanted"},
        member_of=frozenset({LIST}),
    )
    return replace(facts, **changes)


def unknown(**changes: Any) -> SightingFacts:
    nobody: dict[str, Any] = {"verdict": Verdict.UNKNOWN, "person": None, "lists": {}, "member_of": frozenset()}
    return seen(**nobody | changes)


def undecided(**changes: Any) -> SightingFacts:
    return unknown(verdict=Verdict.UNDECIDED, **changes)


def passed(kind: PassageKind, seconds: float, zone: int = ZONE) -> Passed:
    return Passed(zone=zone, kind=kind, at=after(seconds))


def earlier(first: float, last: float, camera: int = CAMERA, **changes: Any) -> Before:
    """A sighting of the same person that many seconds after noon (before it: negative)."""
    values: dict[str, Any] = {"camera_name": f"Camera {camera}", "latitude": 47.0, "longitude": 8.0} | changes
    return Before(camera=camera, first_seen=after(first), last_seen=after(last), **values)


class Remembered:
    """A history that a test makes up; counts how often it was asked."""

    def __init__(self, before: Iterable[Before] = (), together: Iterable[SightingFacts] = ()) -> None:
        self._before = sorted(before, key=lambda one: one.last_seen, reverse=True)
        self._together = tuple(together)
        self.asked = 0

    def before(self, facts: SightingFacts, *, since: datetime) -> tuple[Before, ...]:
        self.asked += 1
        return tuple(one for one in self._before if one.last_seen >= since) if facts.person is not None else ()

    def together(self, facts: SightingFacts, *, cameras: Collection[int] | None) -> tuple[SightingFacts, ...]:
        self.asked += 1
        return (facts, *(one for one in self._together if cameras is None or one.camera in cameras))
