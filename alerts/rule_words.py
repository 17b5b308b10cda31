"""A rule as one sentence: who, where, when, what, how sure, how loud, how often, to whom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from django.utils import timezone

from alerts.models import CooldownScope, Direction, OnHolidays, Rule, RuleStep, Severity, Trigger, Who
from alerts.rules.words import lasted
from cameras.models import EventKind, Zone

_MOST_NAMES: Final = 3
_HIDDEN: Final = {
    "watchlists": ("watchlist", "watchlists"),
    "people": ("person", "people"),
    "never_people": ("person", "people"),
    "cameras": ("camera", "cameras"),
    "before_cameras": ("camera", "cameras"),
    "groups": ("group of cameras", "groups of cameras"),
    "before_groups": ("group of cameras", "groups of cameras"),
    "zones": ("zone", "zones"),
}
_PER: Final = {
    CooldownScope.PERSON_CAMERA: "per person and camera",
    CooldownScope.PERSON: "per person",
    CooldownScope.CAMERA: "per camera",
    CooldownScope.RULE: "at all",
}


def describe(rule: Rule, *, hidden: frozenset[str] = frozenset()) -> str:
    """The sentence. Of the lists in `hidden` it says how many, not which. Asks nothing that was fetched ahead."""
    words = _Words(rule, hidden)
    how_often = f"at most one {_PER[CooldownScope(rule.cooldown_scope)]} in {_seconds(rule.cooldown_seconds)}"
    if not rule.cooldown_seconds:
        how_often = "each time"
    parts = [words.what(), *words.when(), *words.how_sure()]
    severity = Severity(rule.severity).label.lower()
    return f"When {', '.join(parts)}: {severity}, {how_often}; {_told(rule)}."


class _Words:
    """The parts of the sentence about one rule."""

    def __init__(self, rule: Rule, hidden: frozenset[str]) -> None:
        self._rule, self._hidden = rule, hidden

    def what(self) -> str:
        rule, who, where = self._rule, self._who(), self._where()
        trigger = Trigger(rule.trigger)
        if trigger == Trigger.CAMERA:
            return self._trouble()
        if trigger == Trigger.CROWD:
            return f"{rule.count or 0} or more {self._many()} are {where} at once"
        if trigger in (Trigger.ENTERS, Trigger.LEAVES, Trigger.CROSSES):
            verb = {Trigger.ENTERS: "enters", Trigger.LEAVES: "leaves", Trigger.CROSSES: "crosses"}[trigger]
            way = "" if rule.direction == Direction.EITHER else f" {Direction(rule.direction).label.lower()}"
            return f"{who} {verb} {self._zones() or 'a zone (they are all gone, so that it never fires)'}{way}"
        if trigger == Trigger.STAYS:
            return f"{who} stays {where} for {_seconds(rule.seconds or 0)}"
        if trigger == Trigger.RETURNS:
            away, within = _seconds(rule.away_seconds or 0), _seconds(rule.seconds or 0)
            return f"{who} is back {where} within {within} after {away} away"
        if trigger == Trigger.FOLLOWS:
            there = self._rows("before_cameras") + self._rows("before_groups")
            return f"{who} is seen {where} within {_seconds(rule.seconds or 0)} after {_some(there) or 'nowhere'}"
        if trigger == Trigger.ABSENT:
            by = f"{rule.by_time:%H:%M}" if rule.by_time else "never"
            since = f" from {rule.since_time:%H:%M} on" if rule.since_time else ""
            return f"{who} was not seen {where}{since} by {by}"
        return f"{who} is seen {where}"

    def when(self) -> list[str]:
        rule, parts = self._rule, []
        if rule.schedule:
            parts.append(f"{rule.schedule}{f' ({rule.time_zone})' if rule.time_zone else ''}")
        if rule.holidays and rule.on_holidays != OnHolidays.AS_ALWAYS:
            said = OnHolidays(rule.on_holidays).label.lower()
            only = rule.on_holidays == OnHolidays.ONLY
            parts.append(f"{said} of {rule.holidays}" if only else f"{said} on holidays of {rule.holidays}")
        if rule.valid_from is not None:
            parts.append(f"from {timezone.localtime(rule.valid_from):%d %b %Y, %H:%M} on")
        if rule.valid_until is not None:
            parts.append(f"until {timezone.localtime(rule.valid_until):%d %b %Y, %H:%M}")
        return parts

    def how_sure(self) -> list[str]:
        rule, parts = self._rule, []
        if rule.min_similarity is not None:
            parts.append(f"similarity at least {rule.min_similarity:g}")
        if rule.min_quality is not None:
            parts.append(f"quality at least {rule.min_quality:g}")
        if rule.min_frames is not None:
            parts.append(f"in at least {rule.min_frames} frames")
        return parts

    def _who(self) -> str:
        rule = self._rule
        never = self._rows("never_people")
        but = f" (never {_some(never)})" if never else ""
        if rule.who == Who.UNKNOWN:
            return f"an unknown face{but}"
        if rule.who == Who.ANYBODY:
            return f"anybody{but}"
        lists, people = self._lists(), self._rows("people")
        if rule.who == Who.NOT_LISTED:
            return f"anybody but {_some([*lists, *people], 'and') or 'nobody'}{but}"
        named = [f"anybody {_some(lists)}"] if lists else []
        return f"{_some([*named, *people]) or 'nobody (they are all gone, so that it never fires)'}{but}"

    def _many(self) -> str:
        """Whom a crowd is made of."""
        if self._rule.who == Who.UNKNOWN:
            return "unknown faces"
        named = _some([*self._lists(), *self._rows("people")], "and")
        if self._rule.who == Who.LISTED:
            return f"of those {named}"
        return f"people, not counting {named}," if self._rule.who == Who.NOT_LISTED else "people"

    def _lists(self) -> list[str]:
        if "watchlists" in self._hidden:
            return [f"on {one}" for one in self._rows("watchlists")]
        return [f"on “{row.name}”" for row in self._rule.watchlists.all()]

    def _where(self) -> str:
        if not self._rule.placed:
            return "on any camera"
        on = self._rows("cameras") + self._rows("groups")
        places = [f"on {_some(on)}"] if on else []
        zones = self._zones()
        if zones:
            places.append(f"in {zones}")
        return " or ".join(places) or "at places that are all gone, so that it never fires"

    def _zones(self) -> str:
        if "zones" in self._hidden:
            return _some(self._rows("zones"))
        return _some([_zone(row) for row in self._rule.zones.all()])

    def _trouble(self) -> str:
        kinds = [EventKind(kind).label.lower() for kind in self._rule.event_kinds if kind in EventKind.values]
        said = f" ({_some(kinds)})" if kinds else ""
        if not self._rule.placed:
            return f"something is wrong with any camera{said}"
        zones = self._zones()
        which = self._rows("cameras") + self._rows("groups") + ([f"a camera in {zones}"] if zones else [])
        return f"something is wrong with {_some(which) or 'cameras that are all gone, so that it never fires'}{said}"

    def _rows(self, name: str) -> list[str]:
        rows = list(getattr(self._rule, name).all())
        if name not in self._hidden:
            return [str(row) for row in rows]
        one, many = _HIDDEN[name]
        return [f"{len(rows)} {one if len(rows) == 1 else many}"] if rows else []


def _zone(row: Zone) -> str:
    if row.is_orphaned:
        return f"{row.name} (gone)"
    return f"{row.name} on {row.camera.name}" if row.camera is not None else row.name


def _told(rule: Rule) -> str:
    steps = [_step(step) for step in rule.steps.all()]
    said = f"tells {', '.join(steps)}" if steps else "shown on the pages, told to nobody else"
    return f"{said}; messages wait {rule.quiet_hours}" if rule.quiet_hours and steps else said


def _step(step: RuleStep) -> str:
    whom = [row.name for row in step.groups.all()] + [row.get_username() for row in step.users.all()]
    whom += [f"who is on call in {row.name}" for row in step.rotas.all()]
    whom += [row.name for row in step.endpoints.all()]
    at = "at once" if step.after_minutes == 0 else f"after {lasted(timedelta(minutes=step.after_minutes))}"
    return f"{_some(whom, 'and') or 'nobody'} {at}"


def _seconds(seconds: int) -> str:
    return lasted(timedelta(seconds=seconds))


def _some(names: Sequence[str], last: str = "or") -> str:
    """ "Gate", "Gate or Yard", "Gate, Yard or 3 others"."""
    if len(names) > _MOST_NAMES:
        names = [*names[: _MOST_NAMES - 1], f"{len(names) - _MOST_NAMES + 1} others"]
    return f" {last} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
