"""A schedule as people see it: the week in half hours, whether it is on now, and what the next change is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from cameras.schedule import Schedule, ScheduleError, parse_schedule

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONDAY = datetime(2024, 1, 1, tzinfo=UTC)  # any week without a change of the clock
_HALVES = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of one day that is on: half hours after midnight, and how many."""

    start: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    name: str
    top: int  # of its row in the drawing
    spans: list[Span]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a schedule's text means, or in one sentence why it means nothing."""

    problem: str = ""
    is_on: bool = True
    is_always: bool = True
    next_change: datetime | None = None
    days: list[Day]

    @property
    def summary(self) -> str:
        """The week in hours a day, for who does not see the drawing."""
        hours = (f"{day.name} {sum(span.length for span in day.spans) / 2:g} h" for day in self.days)
        return "On: " + ", ".join(hours)


def plan(text: str, now: datetime, zone: tzinfo | None = None) -> Plan:
    """What the text means at this moment; `zone`: the site's, where none is given."""
    try:
        schedule = parse_schedule(text)
    except ScheduleError as error:
        return Plan(problem=str(error), days=[])
    days = [Day(name=name, top=n * 7, spans=_spans(schedule, n)) for n, name in enumerate(_DAYS)]
    return Plan(
        is_on=schedule.is_on(now, zone),
        is_always=not schedule.windows,
        next_change=schedule.next_change(now, zone),
        days=days,
    )


def _spans(schedule: Schedule, weekday: int) -> list[Span]:
    spans: list[Span] = []
    begun: int | None = None
    for half in range(_HALVES + 1):
        is_on = half < _HALVES and _is_on(schedule, weekday, half)
        if is_on and begun is None:
            begun = half
        elif not is_on and begun is not None:
            spans.append(Span(start=begun, length=half - begun))
            begun = None
    return spans


def _is_on(schedule: Schedule, weekday: int, half: int) -> bool:
    """Whether any of this half hour is on, so that a short window is seen too."""
    start = _MONDAY + timedelta(days=weekday, minutes=30 * half)
    return any(schedule.is_on(start + timedelta(minutes=minute), UTC) for minute in range(0, 30, 5))
