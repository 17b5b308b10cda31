"""Which alerts a list shows: the same words in an address, in a page's first message, and in the database.

What makes no sense counts as not given, so that an old bookmark still opens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from accounts.ids import parse_id
from alerts.models import DONE, Alert, AlertState, Severity, Trigger

OPEN = "open"
STATES = [(OPEN, "Open"), *AlertState.choices]
_TEXT_LENGTH = 100
_SEARCHED = ("person_name", "camera_name", "watchlist_name", "zone_name", "rule_name", "detail")
_IDS = ("person", "camera", "watchlist", "rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """All of them must hold. `state` is one of AlertState, OPEN (nothing decided yet), or empty."""

    state: str = ""
    severity: str = ""
    trigger: str = ""
    person: int | None = None
    camera: int | None = None
    watchlist: int | None = None
    rule: int | None = None
    mine: bool = False  # assigned to whoever looks
    leads: bool = False  # waiting for confirmations
    begins: datetime | None = None
    ends: datetime | None = None  # not part of the span
    text: str = ""

    @classmethod
    def parse(cls, given: Mapping[str, object]) -> Filters:
        """From an address or a message: state, severity, trigger, person, camera, watchlist, rule, mine, leads, from,
        to, text."""
        return cls(
            state=_one_of(given.get("state"), [value for value, _ in STATES]),
            severity=_one_of(given.get("severity"), Severity.values),
            trigger=_one_of(given.get("trigger"), Trigger.values),
            mine=given.get("mine") in (True, "1", "on"),
            leads=given.get("leads") in (True, "1", "on"),
            begins=_moment(given.get("from")),
            ends=_moment(given.get("to"), ends=True),
            text=_text(given.get("text")),
            **{name: parse_id(given.get(name)) for name in _IDS},
        )

    def said(self) -> dict[str, str | int | bool]:
        """What `parse` reads, of those that are given."""
        values: dict[str, str | int | bool | None] = {
            "state": self.state,
            "severity": self.severity,
            "trigger": self.trigger,
            "person": self.person,
            "camera": self.camera,
            "watchlist": self.watchlist,
            "rule": self.rule,
            "mine": self.mine,
            "leads": self.leads,
            "from": self.begins.isoformat() if self.begins else "",
            "to": self.ends.isoformat() if self.ends else "",
            "text": self.text,
        }
        return {name: value for name, value in values.items() if value not in ("", None, False)}

    def where(self, user: int) -> Q:
        """The same as `admit`, as the database understands it."""
        wanted = Q()
        if self.state == OPEN:
            wanted &= ~Q(state__in=DONE)
        elif self.state:
            wanted &= Q(state=self.state)
        if self.leads:
            wanted &= Q(reviews_needed__gt=0) & ~Q(state__in=DONE)
        if self.mine:
            wanted &= Q(assigned_to=user)
        if self.text:
            found = [Q(**{f"{name}__icontains": self.text}) for name in _SEARCHED]
            wanted &= Q(*found, _connector=Q.OR)
        given = {
            "severity": self.severity or None,
            "trigger": self.trigger or None,
            "captured_at__gte": self.begins,
            "captured_at__lt": self.ends,
            **{name: getattr(self, name) for name in _IDS},
        }
        return wanted & Q(**{name: value for name, value in given.items() if value is not None})

    def rows(self, found: QuerySet[Alert], user: int) -> QuerySet[Alert]:
        return found.filter(self.where(user))

    def admit(self, alert: Alert, user: int) -> bool:
        """Whether an alert that is in memory already belongs into the list, for this user."""
        return (
            (alert.state not in DONE if self.state == OPEN else self.state in ("", alert.state))
            and self.severity in ("", alert.severity)
            and self.trigger in ("", alert.trigger)
            and all(getattr(self, name) in (None, getattr(alert, f"{name}_id")) for name in _IDS)
            and (not self.mine or alert.assigned_to_id == user)
            and (not self.leads or (alert.reviews_needed > 0 and alert.state not in DONE))
            and (self.begins is None or alert.captured_at >= self.begins)
            and (self.ends is None or alert.captured_at < self.ends)
            and (not self.text or any(self.text.lower() in getattr(alert, name).lower() for name in _SEARCHED))
        )


def _one_of(value: object, allowed: list[str]) -> str:
    return value if isinstance(value, str) and value in allowed else ""


def _text(value: object) -> str:
    # PostgreSQL stores no NUL, so nothing can be found by it.
    return value.replace("\0", "").strip()[:_TEXT_LENGTH] if isinstance(value, str) else ""


def _moment(value: object, *, ends: bool = False) -> datetime | None:
    """A time, in the site's zone where it names none; a day as its beginning, or as its end."""
    if not isinstance(value, str):
        return None
    try:
        moment, day = parse_datetime(value), None if "T" in value or " " in value else parse_date(value)
        if day is not None:
            moment = datetime.combine(day + timedelta(days=int(ends)), time.min)
        if moment is not None and timezone.is_naive(moment):
            moment = timezone.make_aware(moment)
    except (ValueError, OverflowError):
        return None
    return moment
