"""Everything that can be set of a rule, as one value that forms, the API, the services and the preview pass around."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from datetime import datetime, time
from typing import Final
from uuid import UUID

from accounts.models import User
from alerts.models import CooldownScope, Direction, OnHolidays, Rule, RuleStep, Severity, Trigger, Who
from recognition.errors import RecognitionError

Ids = tuple[int, ...]


class RuleError(RecognitionError):
    """A value of a rule can not be used; the message is a sentence for people, `field` names the value."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class RuleChanged(RecognitionError):
    """Somebody else saved the rule since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepValues:
    """Who is told so many minutes after an alert was raised, by their ids."""

    after_minutes: int = 0
    users: Ids = ()
    groups: Ids = ()
    rotas: Ids = ()
    endpoints: tuple[UUID, ...] = ()

    @property
    def tells_nobody(self) -> bool:
        return not (self.users or self.groups or self.rotas or self.endpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleValues:
    """A rule with its lists and steps; rows are named by their ids.

    `placed` says that it is about some places only, so that one without any is a mistake and not about everywhere.
    """

    name: str
    enabled: bool = False
    trigger: Trigger = Trigger.APPEARS
    who: Who = Who.LISTED
    watchlists: Ids = ()
    people: Ids = ()
    never_people: Ids = ()
    placed: bool = False
    cameras: Ids = ()
    groups: Ids = ()
    zones: Ids = ()
    before_cameras: Ids = ()
    before_groups: Ids = ()
    direction: Direction = Direction.EITHER
    schedule: str = ""
    time_zone: str = ""
    holidays: str = ""
    on_holidays: OnHolidays = OnHolidays.AS_ALWAYS
    quiet_hours: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    seconds: int | None = None
    away_seconds: int | None = None
    count: int | None = None
    by_time: time | None = None
    since_time: time | None = None
    event_kinds: tuple[str, ...] = ()
    min_similarity: float | None = None
    min_quality: float | None = None
    min_frames: int | None = None
    severity: Severity = Severity.HIGH
    cooldown_seconds: int = 60
    cooldown_scope: CooldownScope = CooldownScope.PERSON_CAMERA
    bundle: bool = True
    steps: tuple[StepValues, ...] = ()


LISTS: Final = ("watchlists", "people", "never_people", "cameras", "groups", "zones", "before_cameras", "before_groups")
PLACES: Final = ("cameras", "groups", "zones")
WHOM: Final = ("watchlists", "people", "never_people")
COLUMNS: Final = tuple(one.name for one in fields(RuleValues) if one.name not in {*LISTS, "placed", "steps"})

# What a trigger asks for, beside what every rule has. Values of the others are dropped.
USES: Final[dict[Trigger, frozenset[str]]] = {
    Trigger.APPEARS: frozenset(),
    Trigger.ENTERS: frozenset(),
    Trigger.LEAVES: frozenset(),
    Trigger.CROSSES: frozenset({"direction"}),
    Trigger.STAYS: frozenset({"seconds"}),
    Trigger.RETURNS: frozenset({"seconds", "away_seconds"}),
    Trigger.FOLLOWS: frozenset({"seconds", "before_cameras", "before_groups"}),
    Trigger.ABSENT: frozenset({"by_time", "since_time"}),
    Trigger.CROWD: frozenset({"count"}),
    Trigger.CAMERA: frozenset({"event_kinds"}),
}
_SOME: Final = frozenset().union(*USES.values())
_OF_FACES: Final = frozenset({"who", *WHOM, "min_similarity", "min_quality", "min_frames"})
UNUSED: Final[dict[Trigger, frozenset[str]]] = {
    trigger: (_SOME - used)
    | (_OF_FACES if trigger == Trigger.CAMERA else frozenset())
    | (frozenset({"min_similarity", "min_quality", "min_frames"}) if trigger == Trigger.ABSENT else frozenset())
    for trigger, used in USES.items()
}

# Which permission lets somebody see, and so choose, what a list names.
SEEN_WITH: Final[dict[str, str]] = {
    "watchlists": "recognition.view_watchlist",
    "people": "recognition.view_person",
    "never_people": "recognition.view_person",
    "cameras": "cameras.view_camera",
    "before_cameras": "cameras.view_camera",
    "groups": "cameras.view_cameragroup",
    "before_groups": "cameras.view_cameragroup",
    "zones": "cameras.view_zone",
}


def hidden_from(user: User) -> frozenset[str]:
    """The lists of rules whose rows the user may not see: they are counted for them, and stay as they are."""
    return frozenset(name for name, permission in SEEN_WITH.items() if not user.has_perm(permission))


def tidied(values: RuleValues) -> RuleValues:
    """The values without those that their trigger does not use."""
    defaults = {one.name: one.default for one in fields(RuleValues)}
    given = {name: defaults[name] for name in UNUSED[values.trigger]}
    if values.trigger == Trigger.CAMERA:
        given["who"] = Who.ANYBODY
    if values.trigger == Trigger.CROWD and values.cooldown_scope in (CooldownScope.PERSON, CooldownScope.PERSON_CAMERA):
        given["cooldown_scope"] = CooldownScope.CAMERA  # a crowd is nobody in particular
    if values.trigger == Trigger.RETURNS and values.away_seconds is None:
        given["away_seconds"] = 60
    return replace(values, **given)  # type: ignore[arg-type]  # the fields' own defaults


def values_of(rule: Rule) -> RuleValues:
    """What is stored of the rule. Rows that were fetched ahead are not asked for again."""
    columns = {name: getattr(rule, name) for name in COLUMNS}
    lists = {name: tuple(sorted(row.pk for row in getattr(rule, name).all())) for name in LISTS}
    typed = {
        "trigger": Trigger(rule.trigger),
        "who": Who(rule.who),
        "direction": Direction(rule.direction),
        "on_holidays": OnHolidays(rule.on_holidays),
        "severity": Severity(rule.severity),
        "cooldown_scope": CooldownScope(rule.cooldown_scope),
        "event_kinds": tuple(rule.event_kinds),
    }
    steps = tuple(_step_of(step) for step in rule.steps.all())
    return RuleValues(**columns | lists | typed, placed=rule.placed, steps=steps)


def _step_of(step: RuleStep) -> StepValues:
    return StepValues(
        after_minutes=step.after_minutes,
        users=tuple(sorted(row.pk for row in step.users.all())),
        groups=tuple(sorted(row.pk for row in step.groups.all())),
        rotas=tuple(sorted(row.pk for row in step.rotas.all())),
        endpoints=tuple(sorted(row.pk for row in step.endpoints.all())),
    )


def marker(values: RuleValues) -> str:
    """A short text that is another one as soon as anything of the values is."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]


def firing_marker(values: RuleValues) -> str:
    """The same of what decides when the rule fires: who is told, and how loudly, may change without a new preview."""
    return marker(replace(values, name="", enabled=False, severity=Severity.HIGH, steps=(), quiet_hours=""))
