"""When a rule applies: weekdays and times in a time zone, holidays, and the span in which it is valid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays
from django.utils import timezone

from alerts.models import OnHolidays, Rule
from cameras.schedule import Schedule, ScheduleError, parse_schedule

_SUNDAY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The times of a rule. Two rules with the same times have equal ones."""

    schedule: Schedule
    zone: tzinfo
    holidays: str = ""
    on_holidays: OnHolidays = OnHolidays.AS_ALWAYS
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether the rule applies at this moment (aware)."""
        if self.valid_from is not None and at < self.valid_from:
            return False
        if self.valid_until is not None and at >= self.valid_until:
            return False
        if not self.holidays or self.on_holidays == OnHolidays.AS_ALWAYS:
            return self.schedule.is_on(at, self.zone)
        local = at.astimezone(self.zone)
        if not is_holiday(self.holidays, local):
            return self.on_holidays != OnHolidays.ONLY and self.schedule.is_on(at, self.zone)
        if self.on_holidays == OnHolidays.OFF:
            return False
        if self.on_holidays == OnHolidays.ONLY:
            return self.schedule.is_on(at, self.zone)
        # The clock of today on a day of last week's kind: windows that began the day before count as a Saturday's.
        as_sunday = local + timedelta(days=_SUNDAY - local.weekday())
        return self.schedule.is_on(as_sunday.replace(tzinfo=UTC), UTC)


def when_of(rule: Rule) -> When | None:
    """The times of the rule, or None where they can not be read: such a rule never applies."""
    try:
        schedule, zone = parse_schedule(rule.schedule), zone_of(rule.time_zone)
    except (ScheduleError, ZoneInfoNotFoundError, ValueError):
        return None
    return When(
        schedule=schedule,
        zone=zone,
        holidays=rule.holidays,
        on_holidays=OnHolidays(rule.on_holidays),
        valid_from=rule.valid_from,
        valid_until=rule.valid_until,
    )


def zone_of(name: str) -> tzinfo:
    """The time zone of this name, or the site's; raises ZoneInfoNotFoundError or ValueError."""
    return ZoneInfo(name) if name else timezone.get_default_timezone()


@lru_cache(maxsize=64)
def calendar(code: str) -> holidays.HolidayBase:
    """The holidays of a country (CH) or of a part of it (CH-ZH); raises NotImplementedError for what is not known."""
    country, _, part = code.partition("-")
    return holidays.country_holidays(country.upper(), subdiv=part.upper() or None)


def is_holiday(code: str, local: datetime) -> bool:
    """Whether the local day is a holiday there. A calendar that is not known (any more) has none."""
    try:
        return local.date() in calendar(code)
    except NotImplementedError:
        return False
