"""The form of a rule, with its steps. It checks what was typed; `rule_services` decides and writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.http import QueryDict

from accounts.ids import parse_id
from accounts.models import User
from alerts.models import CooldownScope, Direction, OnHolidays, Rule, Severity, Trigger, Who
from alerts.rule_checks import MOST_CHOSEN
from alerts.rule_defaults import DEFAULTS
from alerts.rule_fields import PLAIN, Pick, SpanField, chosen_texts
from alerts.rule_selectors import choosable_zones
from alerts.rule_steps import StepForm, step_forms
from alerts.rule_values import COLUMNS, LISTS, PLACES, RuleError, RuleValues, hidden_from, marker, tidied, values_of
from cameras.models import Camera, CameraGroup, EventKind, Shape, Zone
from recognition.models import NAME_LENGTH, Category, Person, Watchlist

_FOUND: Final = 20  # people that a search shows
_TIME: Final = {"type": "time"}
_MOMENT: Final = {"type": "datetime-local"}
EVERYWHERE, PLACED = "everywhere", "places"
_FINDERS: Final = {"people": "find_people", "never_people": "find_never"}


def _several(queryset: QuerySet[Any], label: str, help_text: str = "") -> Any:
    return forms.ModelMultipleChoiceField(queryset, required=False, label=label, help_text=help_text)


def _number(label: str, **options: Any) -> forms.IntegerField:
    return forms.IntegerField(required=False, label=label, **options)


def _share(label: str, help_text: str) -> forms.FloatField:
    widget = forms.NumberInput(attrs={"step": "any"})
    return forms.FloatField(required=False, label=label, help_text=help_text, widget=widget)


class RuleForm(forms.Form):
    """A rule. Lists whose rows the user may not see are not among the fields, and stay as they are."""

    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="What alerts say they come from, such as “Wanted at the gates at night”.",
    )
    who = forms.ChoiceField(choices=Who.choices, initial=Who.LISTED, label="Whom it is about")
    watchlists = _several(Watchlist.objects.all(), "Watchlists")
    people = _several(Person.objects.all(), "People", "Each by name, beside those on the watchlists.")
    never_people = _several(Person.objects.all(), "Never about", "Whatever list they are on.")
    where = forms.ChoiceField(
        choices=[(EVERYWHERE, "Everywhere"), (PLACED, "Only at the places chosen here")],
        initial=EVERYWHERE,
        widget=forms.RadioSelect,
        label="Where",
    )
    cameras = _several(Camera.objects.all(), "Cameras")
    groups = _several(CameraGroup.objects.all(), "Groups of cameras")
    zones = _several(Zone.objects.all(), "Zones and lines")
    before_cameras = _several(Camera.objects.all(), "Seen before by these cameras")
    before_groups = _several(CameraGroup.objects.all(), "Seen before by these groups of cameras")
    direction = forms.ChoiceField(
        choices=Direction.choices, initial=Direction.EITHER, help_text="As who goes along the line sees it."
    )
    schedule = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.TextInput(attrs=PLAIN | {"placeholder": "always"}),
        help_text="Such as <code>20:00-06:00</code> or <code>Mon-Fri 20:00-06:00; Sat,Sun</code>. Empty: always.",
    )
    time_zone = forms.CharField(
        required=False,
        max_length=64,
        label="Time zone",
        widget=forms.TextInput(attrs=PLAIN | {"list": "time-zones", "placeholder": settings.TIME_ZONE}),
        help_text=f"Empty: the site's, {settings.TIME_ZONE}.",
    )
    on_holidays = forms.ChoiceField(choices=OnHolidays.choices, initial=OnHolidays.AS_ALWAYS, label="On holidays")
    holidays = forms.CharField(
        required=False,
        max_length=20,
        label="Whose holidays",
        widget=forms.TextInput(attrs=PLAIN | {"placeholder": "CH-ZH"}),
        help_text="A country, or a country and its part: CH, CH-ZH, DE-BY, US-CA.",
    )
    valid_from = forms.DateTimeField(
        required=False, label="Not before", widget=forms.DateTimeInput(attrs=_MOMENT, format="%Y-%m-%dT%H:%M")
    )
    valid_until = forms.DateTimeField(
        required=False, label="Not after", widget=forms.DateTimeInput(attrs=_MOMENT, format="%Y-%m-%dT%H:%M")
    )
    trigger = forms.ChoiceField(choices=Trigger.choices, initial=Trigger.APPEARS, label="What happens")
    seconds = SpanField(required=False, label="How long", help_text="Such as 90 s, 5 min, 2 h.")
    away_seconds = SpanField(
        required=False, label="Away for at least", help_text="Less does not count as having been away. Empty: 1 min."
    )
    count = _number("How many people are too many", min_value=2)
    by_time = forms.TimeField(
        required=False, label="Seen by", widget=forms.TimeInput(attrs=_TIME, format="%H:%M"), help_text="On each day."
    )
    since_time = forms.TimeField(
        required=False,
        label="Counting from",
        widget=forms.TimeInput(attrs=_TIME, format="%H:%M"),
        help_text="Empty: midnight. Later than the other time: of the day before.",
    )
    event_kinds = forms.MultipleChoiceField(
        choices=EventKind.choices, required=False, label="What is wrong", help_text="None chosen: any of these."
    )
    min_similarity = _share("Similarity at least", "From -1 to 1, beside what the watchlist asks for.")
    min_quality = _share("Quality at least", "From 0 to 1, of the best shot.")
    min_frames = _number("Frames at least", min_value=1, help_text="In which the face was found.")
    severity = forms.ChoiceField(choices=Severity.choices, initial=Severity.HIGH)
    cooldown_seconds = SpanField(
        label="Then quiet for", initial=60, help_text="After an alert. 0: each time is an alert of its own."
    )
    cooldown_scope = forms.ChoiceField(
        choices=CooldownScope.choices, initial=CooldownScope.PERSON_CAMERA, label="Quiet about"
    )
    bundle = forms.BooleanField(
        required=False, initial=True, label="Count repeats in the alert that is there, rather than leave them out"
    )
    quiet_hours = forms.CharField(
        required=False,
        max_length=1000,
        label="Quiet hours",
        widget=forms.TextInput(attrs=PLAIN | {"placeholder": "none"}),
        help_text="Such as <code>22:00-06:00</code>. Open pages show alerts, messages wait until it is over; critical"
        " ones are sent all the same.",
    )

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        user: User,
        rule: Rule | None = None,
        initial: dict[str, Any] | None = None,
        escalate_minutes: int | None = None,
    ) -> None:
        self._stored = values_of(rule) if rule is not None else None
        super().__init__(data, initial=initial if self._stored is None else _initial(self._stored))
        self.hidden = hidden_from(user)
        for name in self.hidden:
            del self.fields[name]
        steps = self._stored.steps if self._stored is not None else ()
        self.steps: list[StepForm] = step_forms(data, steps, escalate_minutes)
        self.step_problems: list[str] = []

    def is_valid(self) -> bool:
        return all([super().is_valid(), *(step.is_valid() for step in self.steps)])

    @property
    def is_wrong(self) -> bool:
        """Whether anything of what was sent can not be used."""
        return self.is_bound and bool(self.errors or any(step.errors for step in self.steps))

    @property
    def values(self) -> RuleValues:
        """What was typed, without what the trigger and the choice of people do not use. For a form that is valid."""
        typed = self.cleaned_data
        columns = {name: typed[name] for name in COLUMNS if name in typed}
        lists: dict[str, Any] = {name: self._ids(name) for name in LISTS}
        if typed["who"] in (Who.UNKNOWN, Who.ANYBODY):
            lists |= {"watchlists": (), "people": ()}
        if typed["where"] == EVERYWHERE:
            lists |= dict.fromkeys(PLACES, ())
        columns |= {
            "trigger": Trigger(typed["trigger"]),
            "who": Who(typed["who"]),
            "direction": Direction(typed["direction"]),
            "on_holidays": OnHolidays(typed["on_holidays"]),
            "severity": Severity(typed["severity"]),
            "cooldown_scope": CooldownScope(typed["cooldown_scope"]),
            "event_kinds": tuple(typed["event_kinds"]),
        }
        steps = tuple(step.values for step in self.steps if not step.is_empty)
        return tidied(RuleValues(**columns, **lists, placed=typed["where"] == PLACED, steps=steps))

    def values_with(self, *, enabled: bool) -> RuleValues:
        return replace(self.values, enabled=enabled)

    @property
    def marker_seen(self) -> str:
        """The marker of the rule as the page showed it first."""
        return str(self.cleaned_data["seen"])

    def add_problem(self, error: Exception) -> None:
        """Shows what the services said at the field it is about."""
        field = error.field if isinstance(error, RuleError) else None
        if field == "steps":
            self.step_problems.append(str(error))
            self.add_error(None, "Look at whom it tells: something is not right there.")
        else:
            self.add_error(field if field in self.fields else None, str(error))

    def forget_problems(self) -> None:
        """Nobody has asked to save it yet."""
        for form in (self, *self.steps):
            form.errors.clear()

    def problems(self) -> list[str]:
        """Everything that is wrong, as sentences."""
        found = [f"{self._called(name)}{text}" for name, texts in self.errors.items() for text in texts]
        found += [str(text) for step in self.steps for texts in step.errors.values() for text in texts]
        return found + self.step_problems

    def hidden_notes(self) -> list[str]:
        """What is chosen that the user may not see, as sentences."""
        counts = ((name, len(getattr(self._stored, name, ()))) for name in sorted(self.hidden))
        return [
            f"{self.base_fields[name].label}: {count} chosen, which your role may not see. This stays as it is."
            for name, count in counts
            if count
        ]

    @cached_property
    def picks(self) -> Mapping[str, list[Pick]]:
        """What may be chosen from, by field."""
        found: dict[str, list[Pick]] = {name: list(self._picks(name)) for name in LISTS if name in self.fields}
        chosen = chosen_texts(self["event_kinds"].value())
        found["event_kinds"] = [
            Pick(value=kind.value, label=kind.label, chosen=kind.value in chosen) for kind in EventKind
        ]
        return found

    @cached_property
    def found(self) -> Mapping[str, list[Pick]]:
        """People that were searched for without a script, by field."""
        return {
            field: people_named(self.data.get(finder, ""), chosen_texts(self[field].value()))
            for field, finder in _FINDERS.items()
            if field in self.fields and self.is_bound
        }

    def _picks(self, name: str) -> Iterator[Pick]:
        chosen = chosen_texts(self[name].value())
        for row in self._offered(name, chosen):
            kind = ""
            label = str(row)
            if isinstance(row, Zone):
                kind = "line" if row.shape == Shape.LINE else "area"
                on = row.camera or row.plan
                label = f"{row.name} — {kind}" + (f" on {on}" if on else " (gone)" if row.is_orphaned else "")
            yield Pick(value=str(row.pk), label=label, chosen=str(row.pk) in chosen, kind=kind)

    def _offered(self, name: str, chosen: frozenset[str]) -> QuerySet[Any]:
        """All rows; of people, who may be many, those that are chosen."""
        ids = [pk for pk in map(parse_id, chosen) if pk is not None][:MOST_CHOSEN]
        if name in _FINDERS:
            return Person.objects.filter(pk__in=ids)
        if name == "zones":
            return choosable_zones()
        return self.fields[name].queryset.all()  # type: ignore[attr-defined, no-any-return]

    def _ids(self, name: str) -> tuple[int, ...]:
        if name in self.hidden:
            return tuple(getattr(self._stored, name, ()))
        return tuple(sorted(row.pk for row in self.cleaned_data[name]))

    def _called(self, name: str) -> str:
        return f"{self[name].label}: " if name in self.fields else ""


def people_named(text: str, without: frozenset[str]) -> list[Pick]:
    """People whose names have this text, but those."""
    text = text.replace("\x00", "").strip()[:NAME_LENGTH]
    if not text:
        return []
    ids = [pk for pk in map(parse_id, without) if pk is not None]
    rows = Person.objects.filter(name__icontains=text).exclude(pk__in=ids)[:_FOUND]
    return [Pick(value=str(row.pk), label=row.name, chosen=False) for row in rows]


def initial_of(category: str, watchlist: Watchlist | None) -> tuple[dict[str, Any], int | None]:
    """What a new rule begins with that is about a category of people, and after how long to escalate."""
    if watchlist is not None:
        category = watchlist.category
    if category not in Category.values:
        return {}, None
    usual = DEFAULTS[Category(category)]
    found: dict[str, Any] = {
        "severity": usual.severity,
        "cooldown_seconds": usual.cooldown_seconds,
        "cooldown_scope": usual.cooldown_scope,
        "bundle": usual.bundle,
    }
    lists = [watchlist] if watchlist is not None else list(Watchlist.objects.filter(category=category))
    return found | {"watchlists": [row.pk for row in lists]}, usual.escalate_minutes


def _initial(stored: RuleValues) -> dict[str, Any]:
    names = (*COLUMNS, *LISTS)
    where = PLACED if stored.placed else EVERYWHERE
    return {name: getattr(stored, name) for name in names} | {"where": where, "seen": marker(stored)}
