"""Whether a rule can be used as it is set: every mistake is a sentence, and says whose value it is."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from django.contrib.auth.models import Group
from django.db.models import Model

from accounts.models import User
from alerts.models import Endpoint, OnHolidays, Rota, Trigger, Who
from alerts.rule_values import LISTS, PLACES, RuleError, RuleValues, StepValues
from alerts.rules.when import calendar
from cameras.models import Camera, CameraGroup, EventKind, Shape, Zone
from cameras.schedule import Schedule, ScheduleError, parse_schedule
from recognition.models import Person, Watchlist

LONGEST_SCHEDULE: Final = 300
DAY: Final = 24 * 60 * 60
LONGEST: Final = 7 * DAY  # how far back a rule may look
LONGEST_COOLDOWN: Final = 30 * DAY
MOST_STEPS: Final = 10
MOST_CHOSEN: Final = 1000  # rows of one list
LATEST_STEP: Final = 7 * 24 * 60  # minutes
_WEEK = 7 * 24 * 60
_MODELS: Final[dict[str, type[Model]]] = {
    "watchlists": Watchlist,
    "people": Person,
    "never_people": Person,
    "cameras": Camera,
    "groups": CameraGroup,
    "zones": Zone,
    "before_cameras": Camera,
    "before_groups": CameraGroup,
}
_STEP_MODELS: Final[dict[str, type[Model]]] = {"users": User, "groups": Group, "rotas": Rota}
_CALLED: Final = {
    "watchlists": "watchlists",
    "people": "people",
    "never_people": "people",
    "cameras": "cameras",
    "groups": "groups of cameras",
    "zones": "zones",
    "before_cameras": "cameras",
    "before_groups": "groups of cameras",
    "users": "users",
    "roles": "roles",
    "rotas": "rotas",
    "endpoints": "places that messages are sent to",
}


def check(values: RuleValues) -> None:
    """Raises RuleError for the first thing that can not be used. Asks the database which rows there are."""
    _check_rows(values)
    _check_who(values)
    _check_where(values)
    _check_when(values)
    _check_what(values)
    _check_how(values)
    _check_steps(values.steps)


@cache
def time_zones() -> frozenset[str]:
    """The names that a rule's time zone may have."""
    return frozenset(available_timezones())


def schedule_of(field: str, text: str) -> Schedule:
    """The schedule that was typed; raises RuleError where it can not be read or says nothing."""
    if len(text) > LONGEST_SCHEDULE:
        raise RuleError(field, f"This has {len(text)} characters; at most {LONGEST_SCHEDULE} are kept. Shorten it.")
    try:
        schedule = parse_schedule(text)
    except ScheduleError as error:
        raise RuleError(field, str(error)) from None
    if text.strip() and not schedule.windows:
        raise RuleError(field, f"“{text}” names no time, so that it would never be. Leave it empty, or type a time.")
    return schedule


def is_whole_week(schedule: Schedule) -> bool:
    """Whether the windows leave no minute of a week out."""
    return all(
        any(window.holds(minute // (24 * 60), minute % (24 * 60)) for window in schedule.windows)
        for minute in range(_WEEK)
    )


def check_time_zone(field: str, name: str) -> None:
    """Raises RuleError for a name that the time zone database does not have."""
    if name and name not in time_zones():
        raise RuleError(field, f"There is no time zone “{name}”. Zones are called as in Europe/Berlin or UTC.")


def _check_rows(values: RuleValues) -> None:
    for name in LISTS:
        _check_exist(name, name, _MODELS[name], getattr(values, name))


def _check_exist(field: str, called: str, model: type[Model], ids: Collection[object]) -> None:
    if len(ids) > MOST_CHOSEN:
        raise RuleError(field, f"{len(ids)} are chosen; a rule takes at most {MOST_CHOSEN}. Choose a group, or fewer.")
    if ids and model._default_manager.filter(pk__in=ids).count() != len(set(ids)):
        raise RuleError(field, f"Some of these {_CALLED[called]} are gone: somebody removed them. Choose again.")


def _check_who(values: RuleValues) -> None:
    named = bool(values.watchlists or values.people)
    if values.who in (Who.LISTED, Who.NOT_LISTED) and not named and values.trigger != Trigger.CAMERA:
        raise RuleError("watchlists", "It names nobody, so that it would never fire. Choose a watchlist or people.")
    if values.who in (Who.UNKNOWN, Who.ANYBODY) and named:
        raise RuleError("watchlists", "It is not about named people, so that none can be chosen. Take them off.")
    both = set(values.people) & set(values.never_people)
    if both and values.who == Who.LISTED:
        raise RuleError("never_people", "Somebody is both looked for and never told of. Take them off one of the two.")
    if values.trigger == Trigger.ABSENT and values.who != Who.LISTED:
        raise RuleError("who", "Only people who are named can be missed. Choose watchlists or people.")
    if values.trigger in (Trigger.RETURNS, Trigger.FOLLOWS) and values.who == Who.UNKNOWN:
        raise RuleError("who", "An unknown face can not be known again. Choose whom this is about.")


def _check_where(values: RuleValues) -> None:
    if values.placed and not any(getattr(values, name) for name in PLACES):
        raise RuleError(
            "cameras", "No place is chosen. Choose a camera, a group or a zone, or say that it is everywhere."
        )
    zones = list(Zone.objects.filter(pk__in=values.zones))
    for zone in zones:
        if zone.is_orphaned:
            raise RuleError(
                "zones",
                f"“{zone.name}” was drawn on a camera or plan that was removed, so that nobody is ever in it."
                " Take it off, or draw it anew.",
            )
    lines = [zone for zone in zones if zone.shape == Shape.LINE]
    if values.trigger == Trigger.CROSSES:
        if not lines:
            raise RuleError("zones", "Nobody can cross a line when none is chosen. Choose a line that was drawn.")
        if len(lines) < len(zones):
            area = next(zone for zone in zones if zone.shape != Shape.LINE)
            raise RuleError("zones", f"“{area.name}” is an area, which can not be crossed. Choose lines only.")
    elif lines:
        raise RuleError("zones", f"“{lines[0].name}” is a line, which nobody can be in. Choose areas.")
    if values.trigger in (Trigger.ENTERS, Trigger.LEAVES) and not zones:
        raise RuleError("zones", "Which zone? Choose at least one area that was drawn.")


def _check_when(values: RuleValues) -> None:
    schedule_of("schedule", values.schedule)
    quiet = schedule_of("quiet_hours", values.quiet_hours)
    if quiet.windows and is_whole_week(quiet):
        raise RuleError("quiet_hours", "These quiet hours never end: no message would be sent. Leave some time.")
    check_time_zone("time_zone", values.time_zone)
    _check_holidays(values)
    if values.valid_from and values.valid_until and values.valid_from >= values.valid_until:
        raise RuleError("valid_until", "It would be over before it begins. Choose a later end.")


def _check_holidays(values: RuleValues) -> None:
    if not values.holidays:
        if values.on_holidays != OnHolidays.AS_ALWAYS:
            raise RuleError("holidays", "Whose holidays? Type a country such as DE, or a part of it such as DE-BY.")
        return
    try:
        calendar(values.holidays)
    except (NotImplementedError, KeyError):
        raise RuleError(
            "holidays",
            f"No holidays are known for “{values.holidays}”. Type a country such as CH, or a part of it such as CH-ZH.",
        ) from None


def _check_what(values: RuleValues) -> None:
    trigger = values.trigger
    if trigger in (Trigger.STAYS, Trigger.RETURNS, Trigger.FOLLOWS):
        _check_whole("seconds", values.seconds, "How many seconds?", 1, LONGEST)
    if trigger == Trigger.RETURNS:
        _check_whole("away_seconds", values.away_seconds, "How long must they have been away?", 1, LONGEST)
        if (values.away_seconds or 0) >= (values.seconds or 0):
            raise RuleError(
                "away_seconds", "Who must be away for longer than it counts can not be back in time. Shorten it."
            )
    if trigger == Trigger.FOLLOWS and not (values.before_cameras or values.before_groups):
        raise RuleError("before_cameras", "Where must they have been seen before? Choose cameras or groups.")
    if trigger == Trigger.ABSENT:
        if values.by_time is None:
            raise RuleError("by_time", "By when should they have been seen? Type a time of the day.")
        if values.since_time == values.by_time:
            raise RuleError("since_time", "It begins when it is over. Choose another time, or leave it empty.")
    if trigger == Trigger.CROWD:
        _check_whole("count", values.count, "How many people are too many?", 2, 10_000)
        if not values.placed:
            raise RuleError("cameras", "Too many people where? Choose a camera, a group or a zone.")
    unknown = sorted(set(values.event_kinds) - set(EventKind.values))
    if unknown:
        raise RuleError(
            "event_kinds", f"“{unknown[0]}” is nothing that can be wrong with a camera. Of these: {_kinds()}."
        )


def _kinds() -> str:
    return ", ".join(EventKind.values)


def _check_how(values: RuleValues) -> None:
    if values.min_similarity is not None:
        if values.who != Who.LISTED:
            raise RuleError(
                "min_similarity", "Only people who are looked for by name have a similarity. Leave this empty."
            )
        _check_share("min_similarity", values.min_similarity, -1.0)
    if values.min_quality is not None:
        _check_share("min_quality", values.min_quality, 0.0)
    if values.min_frames is not None:
        _check_whole("min_frames", values.min_frames, "How many frames?", 1, 10_000)
    _check_whole("cooldown_seconds", values.cooldown_seconds, "For how many seconds?", 0, LONGEST_COOLDOWN)


def _check_share(field: str, given: float, low: float) -> None:
    if not (math.isfinite(given) and low <= given <= 1.0):
        raise RuleError(field, f"This is a number from {low:g} to 1. Choose such a number, or leave it empty.")


def _check_whole(field: str, given: int | None, asked: str, low: int, high: int) -> None:
    if given is None or not low <= given <= high:
        raise RuleError(field, f"{asked} It is a whole number from {low} to {high}.")


def _check_steps(steps: Iterable[StepValues]) -> None:
    steps = tuple(steps)
    if len(steps) > MOST_STEPS:
        raise RuleError("steps", f"There are {len(steps)} steps; a rule takes at most {MOST_STEPS}.")
    minutes = [step.after_minutes for step in steps]
    if len(set(minutes)) < len(minutes):
        twice = next(one for one in minutes if minutes.count(one) > 1)
        raise RuleError("steps", f"Two steps come {twice} min after the alert. Make one of them, or change a time.")
    for step in steps:
        _check_whole("steps", step.after_minutes, "How many minutes after the alert?", 0, LATEST_STEP)
        if step.tells_nobody:
            raise RuleError(
                "steps", f"The step after {step.after_minutes} min tells nobody. Choose somebody, or remove the step."
            )
        for name, model in _STEP_MODELS.items():
            _check_exist("steps", "roles" if name == "groups" else name, model, getattr(step, name))
        _check_exist("steps", "endpoints", Endpoint, step.endpoints)
        if Endpoint.objects.filter(pk__in=step.endpoints).exclude(user=None).exists():
            raise RuleError("steps", "A step tells places of the site. To tell somebody at theirs, choose the person.")
    if minutes and min(minutes) != 0:
        raise RuleError("steps", "Nobody is told at once. Let the first step come after 0 minutes.")
