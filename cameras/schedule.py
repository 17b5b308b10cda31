"""When a camera is watched: `Mon-Fri 20:00-06:00; Sat,Sun 00:00-24:00`, in the time zone of the site.

Between semicolons stand days, times or both. Days are names (`Mon`, `Monday`), ranges (`Fri-Mon`) or `daily`, with
commas between; without days every day is meant, without times the whole day. A time that ends before it begins goes
over midnight and belongs to the day on which it begins. An empty text means always.

What counts is the clock on the wall: where it is set forward, what should have begun in the hour that is missing begins
after it; where it is set back, both of the two hours with the same name count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

from django.utils import timezone

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EXAMPLE = "It looks like “Mon-Fri 20:00-06:00; Sat,Sun 00:00-24:00”."
_DAY_MINUTES = 24 * 60
_SPAN = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_AHEAD = 8  # days in which every weekly schedule has had all its changes


class ScheduleError(ValueError):
    """The text is no schedule; the message says where and why, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time of these weekdays (Monday is 0), in minutes after midnight; `end` below `start`: on the day after."""

    days: frozenset[int]
    start: int
    end: int

    def holds(self, weekday: int, minute: int) -> bool:
        if self.start < self.end:
            return weekday in self.days and self.start <= minute < self.end
        yesterday = (weekday - 1) % 7
        return (weekday in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a camera is watched; without windows always."""

    windows: tuple[Window, ...] = ()

    def is_on(self, now: datetime, zone: tzinfo | None = None) -> bool:
        """Whether the camera is watched at this moment (aware); `zone`: the site's, where none is given."""
        if not self.windows:
            return True
        local = now.astimezone(zone or timezone.get_default_timezone())
        return any(window.holds(local.weekday(), local.hour * 60 + local.minute) for window in self.windows)

    def next_change(self, now: datetime, zone: tzinfo | None = None) -> datetime | None:
        """When it is switched on or off next (UTC); None when it never is."""
        zone = zone or timezone.get_default_timezone()
        now, is_on = now.astimezone(UTC), self.is_on(now, zone)
        today = now.astimezone(zone).date()
        days = [today + timedelta(days=number) for number in range(-1, _AHEAD + 1)]
        moments = sorted({moment for day in days for moment in self._moments(day, zone)})
        return next((at for at in moments if at > now and self.is_on(at, zone) != is_on), None)

    def _moments(self, day: date, zone: tzinfo) -> Iterator[datetime]:
        """The moments of a day at which something may change."""
        minutes = {minute % _DAY_MINUTES for window in self.windows for minute in (window.start, window.end)}
        midnight = datetime.combine(day, time(), zone)
        begin, end = midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
        if midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset():
            # The clock is set on this day, which happens at a quarter of an hour.
            yield from (begin + timedelta(minutes=15 * step) for step in range(int((end - begin).seconds / 900) + 97))
        for minute in minutes | {0}:
            at = datetime.combine(day, time(minute // 60, minute % 60), zone)
            yield at.astimezone(UTC)
            yield at.replace(fold=1).astimezone(UTC)


@lru_cache(maxsize=512)
def parse_schedule(text: str) -> Schedule:
    """The schedule that the text describes; raises ScheduleError."""
    parts = [part.strip() for part in text.replace("\N{EN DASH}", "-").split(";")]
    return Schedule(windows=tuple(window for part in parts if part for window in _clause(part)))


def is_scheduled(text: str, now: datetime | None = None) -> bool:
    """Whether a camera with this schedule is watched now. One that can not be read never keeps a camera off."""
    try:
        return parse_schedule(text).is_on(now or timezone.now())
    except ScheduleError:
        return True


def _clause(part: str) -> Iterator[Window]:
    first_digit = re.search(r"\d", part)
    at = first_digit.start() if first_digit else len(part)
    days = _days(part[:at].strip().rstrip(","), part)
    times = part[at:].strip()
    for span in [one.strip() for one in times.split(",")] if times else ["00:00-24:00"]:
        start, end = _span(span, part)
        yield Window(days=days, start=start, end=end)


def _days(text: str, part: str) -> frozenset[int]:
    if not text or text.lower() in {"daily", "every day"}:
        return frozenset(range(7))
    found: set[int] = set()
    for one in re.split(r"\s*,\s*", text):
        first, dash, last = (piece.strip() for piece in one.partition("-"))
        begin = _day(first, part)
        end = _day(last, part) if dash else begin
        found |= {(begin + number) % 7 for number in range((end - begin) % 7 + 1)}
    return frozenset(found)


def _day(text: str, part: str) -> int:
    for number, name in enumerate(_DAYS):
        if len(text) >= 2 and name.startswith(text.lower()):
            return number
    what = f"{text!r} is no day of the week" if text else "A day is missing"
    raise ScheduleError(f"{what} in “{part}”. Days are Mon, Tue, Wed, Thu, Fri, Sat, Sun. {_EXAMPLE}")


def _span(text: str, part: str) -> tuple[int, int]:
    form = _SPAN.fullmatch(text)
    if form is None:
        what = f"{text!r} is no time" if text else "A time is missing"
        raise ScheduleError(f"{what} in “{part}”. Times are from-to with hours and minutes. {_EXAMPLE}")
    start_hour, start_minute, end_hour, end_minute = (int(group) for group in form.groups())
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start_minute > 59 or end_minute > 59 or start >= _DAY_MINUTES or end > _DAY_MINUTES:
        raise ScheduleError(f"{text!r} in “{part}” is no time of a day. They go from 00:00 to 24:00. {_EXAMPLE}")
    if start == end:
        raise ScheduleError(f"{text!r} in “{part}” has no length. The whole day is 00:00-24:00. {_EXAMPLE}")
    return start, end
