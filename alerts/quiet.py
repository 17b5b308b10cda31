"""The hours in which a rule asks for no messages: until when they last."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfoNotFoundError

from alerts.models import Rule
from alerts.rules.when import zone_of
from cameras.schedule import ScheduleError, parse_schedule


def quiet_until(rule: Rule | None, at: datetime) -> datetime | None:
    """When the quiet hours end (UTC) in which this moment lies; None where it lies in none.

    Hours that can not be read, and those that never end, keep nothing back: a message too many is better than none.
    """
    if rule is None or not rule.quiet_hours.strip():
        return None
    try:
        schedule, zone = parse_schedule(rule.quiet_hours), zone_of(rule.time_zone)
    except (ScheduleError, ZoneInfoNotFoundError, ValueError):
        return None
    return schedule.next_change(at, zone) if schedule.is_on(at, zone) else None
