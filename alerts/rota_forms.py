"""The form of an on-call rota: members as rows in their order, and rows of who stands in."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.conf import settings
from django.db.models import Q
from django.http import QueryDict

from accounts.ids import parse_id
from accounts.models import User
from alerts.models import Rota
from alerts.rota_services import MOST_CHANGES, MOST_DAYS, MOST_MEMBERS, ChangeValues, RotaValues, marker, values_of
from alerts.rule_fields import PLAIN
from alerts.rule_values import RuleError
from recognition.models import NAME_LENGTH

_MOMENT: Final = "%Y-%m-%dT%H:%M"
_SPARE: Final = 3
Choices = list[tuple[str, str]]


class RotaForm(forms.Form):
    """A rota. Rows that name nobody count as none."""

    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    name = forms.CharField(
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Such as “Nights at the gate”. Rules tell whoever is on call in it.",
    )
    first_day = forms.DateField(
        label="First day",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The first member begins then.",
    )
    handover = forms.TimeField(
        label="Handed over at", initial="08:00", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    days_each = forms.IntegerField(min_value=1, max_value=MOST_DAYS, initial=7, label="Days each")
    time_zone = forms.CharField(
        required=False,
        max_length=64,
        label="Time zone",
        widget=forms.TextInput(attrs=PLAIN | {"list": "time-zones", "placeholder": settings.TIME_ZONE}),
        help_text=f"Empty: the site's, {settings.TIME_ZONE}.",
    )

    def __init__(self, data: QueryDict | None = None, *, rota: Rota | None = None, **options: Any) -> None:
        stored = values_of(rota) if rota is not None else None
        if stored is not None:
            names = ("name", "first_day", "handover", "days_each", "time_zone")
            options["initial"] = {name: getattr(stored, name) for name in names} | {"seen": marker(stored)}
        super().__init__(data, **options)
        self._choices = _users(stored)
        self.members = self._member_rows(data, stored)
        self.changes = self._change_rows(data, stored)
        self.row_problems: dict[str, list[str]] = {"members": [], "changes": []}

    def is_valid(self) -> bool:
        return all([super().is_valid(), *(row.is_valid() for row in (*self.members, *self.changes))])

    @property
    def values(self) -> RotaValues:
        """What was typed. For a form that is valid."""
        typed = self.cleaned_data
        return RotaValues(
            name=typed["name"],
            time_zone=typed["time_zone"],
            first_day=typed["first_day"],
            days_each=typed["days_each"],
            handover=typed["handover"],
            members=tuple(int(row.cleaned_data["user"]) for row in self.members if row.cleaned_data["user"]),
            changes=tuple(row.values for row in self.changes if row.cleaned_data["user"]),
        )

    def add_problem(self, error: Exception) -> None:
        """Shows what the services said at the field it is about."""
        field = error.field if isinstance(error, RuleError) else None
        if field in self.row_problems:
            self.row_problems[field].append(str(error))
            self.add_error(None, str(error))
        else:
            self.add_error(field if field in self.fields else None, str(error))

    def _member_rows(self, data: QueryDict | None, stored: RotaValues | None) -> list[MemberForm]:
        known = stored.members if stored is not None else ()
        rows = _rows(data, "member_rows", len(known), MOST_MEMBERS)
        return [
            MemberForm(
                data,
                choices=self._choices,
                prefix=f"member{number}",
                initial={"user": known[number]} if number < len(known) else {},
            )
            for number in range(rows)
        ]

    def _change_rows(self, data: QueryDict | None, stored: RotaValues | None) -> list[ChangeForm]:
        known = stored.changes if stored is not None else ()
        rows = _rows(data, "change_rows", len(known), MOST_CHANGES)
        return [
            ChangeForm(
                data,
                choices=self._choices,
                prefix=f"change{number}",
                initial=_change(known[number]) if number < len(known) else {},
            )
            for number in range(rows)
        ]


class MemberForm(forms.Form):
    """One who takes turns."""

    user = forms.ChoiceField(required=False, label="Member")

    def __init__(self, data: QueryDict | None, *, choices: Choices, **options: Any) -> None:
        super().__init__(data, **options)
        self.fields["user"].choices = choices  # type: ignore[attr-defined]


class ChangeForm(MemberForm):
    """One who stands in for a while."""

    begins_at = forms.DateTimeField(
        required=False,
        label="From",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT),
    )
    ends_at = forms.DateTimeField(
        required=False,
        label="Until",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format=_MOMENT),
    )

    def __init__(self, data: QueryDict | None, *, choices: Choices, **options: Any) -> None:
        super().__init__(data, choices=choices, **options)
        self.fields["user"].label = "Stands in"

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or {}
        if typed.get("user") and not self.errors and not (typed["begins_at"] and typed["ends_at"]):
            raise forms.ValidationError("From when until when do they stand in? Choose both, or nobody.")
        return typed

    @property
    def values(self) -> ChangeValues:
        typed = self.cleaned_data
        return ChangeValues(user=int(typed["user"]), begins_at=typed["begins_at"], ends_at=typed["ends_at"])


def _users(stored: RotaValues | None) -> Choices:
    """Who may take turns: accounts in use, and those that are in the rota already."""
    named = {*stored.members, *(one.user for one in stored.changes)} if stored is not None else set()
    users = User.objects.filter(Q(is_active=True) | Q(pk__in=named)).order_by("username")
    texts = [(str(user.pk), user.username if user.is_active else f"{user.username} (locked)") for user in users]
    return [("", "Nobody"), *texts]


def _rows(data: QueryDict | None, name: str, known: int, most: int) -> int:
    if data is not None:
        return min(parse_id(data.get(name)) or 0, most)
    return min(known + _SPARE, most)


def _change(values: ChangeValues) -> dict[str, Any]:
    return {"user": values.user, "begins_at": values.begins_at, "ends_at": values.ends_at}
