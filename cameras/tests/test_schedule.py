"""Schedules: what people may write, over midnight, and on the days on which the clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cameras.schedule import ScheduleError, is_scheduled, parse_schedule

VIENNA = ZoneInfo("Europe/Vienna")
# 2026-03-16 is a Monday; the clock is set forward on Sunday 2026-03-29 and back on Sunday 2026-10-25.


def at(day: int, clock: str, *, month: int = 3, fold: int = 0) -> datetime:
    hour, minute = clock.split(":")
    return datetime(2026, month, day, int(hour), int(minute), tzinfo=VIENNA, fold=fold)


def is_on(text: str, moment: datetime) -> bool:
    return parse_schedule(text).is_on(moment, VIENNA)


@pytest.mark.parametrize(
    ("text", "day", "clock", "expected"),
    [
        ("", 16, "03:00", True),
        (" ; ", 16, "03:00", True),
        ("Mon-Fri 20:00-06:00", 16, "19:59", False),
        ("Mon-Fri 20:00-06:00", 16, "20:00", True),
        ("Mon-Fri 20:00-06:00", 17, "05:59", True),
        ("Mon-Fri 20:00-06:00", 17, "06:00", False),
        ("Mon-Fri 20:00-06:00", 16, "05:00", False),  # Sunday's night is not meant
        ("Mon-Fri 20:00-06:00", 21, "05:00", True),  # Friday's night ends on Saturday
        ("Mon-Fri 20:00-06:00", 21, "20:00", False),
        ("Mon-Fri 20:00-06:00; Sat,Sun 00:00-24:00", 22, "23:59", True),
        ("Sat,Sun", 22, "12:00", True),
        ("Sat,Sun", 23, "00:00", False),
        ("Fri-Mon", 16, "12:00", True),
        ("Fri-Mon", 17, "12:00", False),
        ("8:00-12:00, 13:00-17:30", 18, "12:30", False),
        ("8:00-12:00, 13:00-17:30", 18, "17:29", True),
        ("daily 22:00-24:00", 18, "23:59", True),
        ("MONDAY, wednesday 08:00 - 09:00", 18, "08:30", True),
        ("Mon\N{EN DASH}Fri 08:00\N{EN DASH}09:00", 18, "08:30", True),
        ("Sun 22:00-02:00", 16, "01:59", True),  # over the end of the week
    ],
)
def test_what_a_text_means(text: str, day: int, clock: str, expected: bool) -> None:
    assert is_on(text, at(day, clock)) is expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Mo-Fr 20-06", "'20-06' is no time in “Mo-Fr 20-06”"),
        ("Foo 20:00-21:00", "'Foo' is no day of the week in “Foo 20:00-21:00”"),
        ("Mon,,Tue", "A day is missing"),
        ("M 20:00-21:00", "'M' is no day"),
        ("Mon 25:00-26:00", "'25:00-26:00' in “Mon 25:00-26:00” is no time of a day"),
        ("Mon 20:60-21:00", "no time of a day"),
        ("Mon 24:00-06:00", "no time of a day"),
        ("Mon 08:00-08:00", "has no length"),
        ("Mon 08:00-09:00,", "A time is missing"),
        ("Mon 08:00-09:00; Tue 9", "'9' is no time in “Tue 9”"),
        ("always", "'always' is no day"),
    ],
)
def test_what_is_no_schedule_says_where_and_why(text: str, why: str) -> None:
    with pytest.raises(ScheduleError) as raised:
        parse_schedule(text)
    assert why in str(raised.value)
    assert "It looks like" in str(raised.value)
    assert is_scheduled(text)  # what can not be read keeps no camera off


def test_where_the_clock_is_set_forward_a_night_is_an_hour_shorter() -> None:
    text = "22:00-06:00"
    begin, end = at(28, "22:00"), at(29, "06:00")
    assert parse_schedule(text).next_change(begin, VIENNA) == end
    assert end.astimezone(UTC) - begin.astimezone(UTC) == timedelta(hours=7)
    # What should begin in the missing hour begins after it.
    missing = parse_schedule("02:30-05:00")
    assert missing.next_change(at(29, "01:00"), VIENNA) == at(29, "03:00")
    assert missing.is_on(at(29, "03:00"), VIENNA)


def test_where_the_clock_is_set_back_both_hours_count() -> None:
    text = "02:00-03:00"
    first, second = at(25, "02:30", month=10), at(25, "02:30", month=10, fold=1)
    assert is_on(text, first)
    assert is_on(text, second)
    assert parse_schedule(text).next_change(first, VIENNA) == at(25, "03:00", month=10)
    half = parse_schedule("02:30-06:00")
    assert half.next_change(at(25, "01:00", month=10), VIENNA) == first.astimezone(UTC)
    # 02:59 is followed by 02:00 once more, which is before half past two.
    assert half.next_change(first, VIENNA) == at(25, "02:00", month=10, fold=1).astimezone(UTC)


def test_what_never_changes_has_no_next_change() -> None:
    now = at(16, "12:00")
    assert parse_schedule("").next_change(now) is None
    assert parse_schedule("00:00-24:00").next_change(now) is None
    assert parse_schedule("Mon-Sat; Sun 00:00-24:00").next_change(now, VIENNA) is None
    weekly = parse_schedule("Mon 08:00-09:00")
    assert weekly.next_change(at(16, "09:00"), VIENNA) == at(23, "08:00")


def test_the_zone_of_the_site_counts(settings: object) -> None:
    settings.TIME_ZONE = "Europe/Vienna"  # type: ignore[attr-defined]
    assert is_scheduled("08:00-09:00", datetime(2026, 7, 1, 6, 30, tzinfo=UTC))
    assert not is_scheduled("08:00-09:00", datetime(2026, 7, 1, 8, 30, tzinfo=UTC))


_minutes = st.integers(0, 24 * 60 - 1)


@given(
    days=st.lists(st.sampled_from(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]), min_size=1, unique=True),
    start=_minutes,
    end=_minutes,
    hours=st.integers(0, 366 * 24),
)
def test_between_now_and_the_next_change_nothing_changes(days: list[str], start: int, end: int, hours: int) -> None:
    if start == end:
        return
    text = f"{','.join(days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"
    schedule, now = parse_schedule(text), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours)
    change = schedule.next_change(now, VIENNA)
    state = schedule.is_on(now, VIENNA)
    if change is None:
        assert len(days) == 7
        return
    assert schedule.is_on(change, VIENNA) is not state
    for part in range(24):
        assert schedule.is_on(now + (change - now) * part / 24, VIENNA) is state
