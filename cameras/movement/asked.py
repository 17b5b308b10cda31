"""Which span of time a page of movement is about, as its address says it.

`days`: so many, up to now or, where `to` names a day of the site's clock, to the end of that day. What can not be read
is said in a sentence, and the usual span is shown instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from django.utils import timezone

from cameras.movement.place import LONGEST_DAYS, Period

DAYS: Final = (1, 2, 7, 30, 90, 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A span: `last` is its last day as the form shows it, empty for up to now; `problem` says why it is not what was
    asked for."""

    period: Period
    days: int
    last: str = ""
    problem: str = ""

    @property
    def query(self) -> str:
        """The span as it stands in an address."""
        return f"days={self.days}&to={self.last}" if self.last else f"days={self.days}"

    @property
    def spelled(self) -> str:
        if self.last:
            return f"the {_days(self.days)} to {self.last}"
        return "the last 24 hours" if self.days == 1 else f"the last {_days(self.days)}"


def asked(query: Mapping[str, str], *, usual: int) -> Asked:
    """What an address asks for; `usual`: the days where it asks for nothing."""
    days, problem = usual, ""
    text = query.get("days", "").strip()
    if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= LONGEST_DAYS:
        days = int(text)
    elif text:
        problem = f"A span has 1 to {LONGEST_DAYS} days."
    last = _day(query.get("to", ""))
    if last is None and query.get("to", "").strip():
        problem = "The last day of a span is a date, as in 2026-03-14."
    if problem:
        problem = f"{problem} What is shown is {_days(days)}."
    return Asked(
        period=_period(days, last), days=days, last=last.isoformat() if last is not None else "", problem=problem
    )


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return day if 1972 <= day.year < 9999 else None


def _period(days: int, last: date | None) -> Period:
    """Days are those of the clock, also where that was changed meanwhile."""
    if last is not None:
        end = datetime.combine(last + timedelta(days=1), time())
        until = timezone.make_aware(end)
    else:
        until = timezone.now()
        end = timezone.localtime(until).replace(tzinfo=None)
    since = timezone.make_aware(end - timedelta(days=days))
    # In UTC: what lies between two moments of one zone would be read off the wall's clock.
    return Period(since=since.astimezone(UTC), until=until.astimezone(UTC), zone=timezone.get_default_timezone())


def _days(days: int) -> str:
    return f"{days} day{'' if days == 1 else 's'}"
