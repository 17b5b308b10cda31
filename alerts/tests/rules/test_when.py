"""When a rule applies: over midnight, over a change of the clock, on holidays, and in its span."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from alerts.models import OnHolidays, Rule
from alerts.rules.when import When, is_holiday, when_of
from cameras.schedule import parse_schedule

ZURICH = ZoneInfo("Europe/Zurich")


def times(schedule: str, zone: Any = ZURICH, **values: Any) -> When:
    return When(schedule=parse_schedule(schedule), zone=zone, **values)


def local(text: str, zone: Any = ZURICH) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-03-13 21:59", False),  # a Friday
        ("2026-03-13 22:00", True),
        ("2026-03-14 05:59", True),  # the night from Friday to Saturday
        ("2026-03-14 06:00", False),
        ("2026-03-14 22:00", False),  # Saturday's own night is not meant
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(moment: str, holds: bool) -> None:
    assert times("Fri 22:00-06:00").holds(local(moment)) is holds


@pytest.mark.parametrize(
    ("utc", "holds"),
    [
        # 2026-03-29: at 01:00 UTC clocks go from 02:00 to 03:00; the hour that the window names does not exist.
        ("2026-03-29 00:59", False),
        ("2026-03-29 01:00", False),
        ("2026-03-29 01:30", False),
        # 2026-10-25: at 01:00 UTC clocks go from 03:00 back to 02:00; the window is there twice.
        ("2026-10-25 00:15", True),
        ("2026-10-25 01:15", True),
        ("2026-10-25 02:15", False),
    ],
)
def test_a_window_in_the_hour_that_is_missing_or_there_twice(utc: str, holds: bool) -> None:
    assert times("02:00-03:00").holds(local(utc, UTC)) is holds


def test_a_night_over_a_change_of_the_clock_has_no_hole() -> None:
    night = times("Sat 22:00-06:00")
    hours = [datetime(2026, 3, 28, 21, tzinfo=UTC), datetime(2026, 3, 29, 3, 59, tzinfo=UTC)]

    assert all(night.holds(moment) for moment in (*hours, datetime(2026, 3, 29, 1, tzinfo=UTC)))
    assert not night.holds(datetime(2026, 3, 29, 4, tzinfo=UTC))  # 06:00 by then


def test_the_zone_is_the_rules_own() -> None:
    morning = "09:00-10:00"

    assert times(morning, ZoneInfo("Asia/Tokyo")).holds(datetime(2026, 3, 14, 0, 30, tzinfo=UTC))
    assert not times(morning).holds(datetime(2026, 3, 14, 0, 30, tzinfo=UTC))


CHRISTMAS = "2026-12-25 10:00"  # a Friday


@pytest.mark.parametrize(
    ("on_holidays", "schedule", "moment", "holds"),
    [
        (OnHolidays.AS_ALWAYS, "Fri 09:00-17:00", CHRISTMAS, True),
        (OnHolidays.OFF, "Fri 09:00-17:00", CHRISTMAS, False),
        (OnHolidays.OFF, "Fri 09:00-17:00", "2026-12-18 10:00", True),
        (OnHolidays.ONLY, "09:00-17:00", CHRISTMAS, True),
        (OnHolidays.ONLY, "09:00-17:00", "2026-12-18 10:00", False),
        (OnHolidays.ONLY, "11:00-17:00", CHRISTMAS, False),
        (OnHolidays.AS_SUNDAY, "Fri 09:00-17:00", CHRISTMAS, False),
        (OnHolidays.AS_SUNDAY, "Sun 09:00-17:00", CHRISTMAS, True),
        (OnHolidays.AS_SUNDAY, "Sun 09:00-17:00", "2026-12-18 10:00", False),
    ],
)
def test_holidays(on_holidays: OnHolidays, schedule: str, moment: str, holds: bool) -> None:
    assert times(schedule, holidays="CH", on_holidays=on_holidays).holds(local(moment)) is holds


def test_holidays_of_a_part_of_a_country() -> None:
    corpus_christi = local("2026-06-04 12:00")

    assert is_holiday("CH-LU", corpus_christi)
    assert not is_holiday("CH-ZH", corpus_christi)
    assert not is_holiday("XX", corpus_christi)


def test_the_span_in_which_it_is_valid() -> None:
    span = times("", valid_from=local("2026-03-14 12:00"), valid_until=local("2026-03-15 12:00"))

    assert not span.holds(local("2026-03-14 11:59"))
    assert span.holds(local("2026-03-14 12:00"))
    assert not span.holds(local("2026-03-15 12:00"))


def test_a_rule_whose_times_can_not_be_read_never_applies() -> None:
    assert when_of(Rule(schedule="Someday")) is None
    assert when_of(Rule(time_zone="Middle/Earth")) is None
    assert when_of(Rule()) is not None
