"""The part of a rule's form that says who is told, and when: a few rows, of which empty ones mean nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib.auth.models import Group
from django.db.models import Q
from django.http import QueryDict

from accounts.ids import parse_id
from accounts.models import User
from alerts.models import Rota
from alerts.rule_checks import LATEST_STEP, MOST_STEPS
from alerts.rule_fields import Pick, chosen_texts
from alerts.rule_selectors import choosable_endpoints
from alerts.rule_values import StepValues

_SPARE: Final = 2  # empty rows for more
_KINDS: Final = {
    "groups": "Roles",
    "users": "People",
    "rotas": "Who is on call in",
    "endpoints": "Places of the site",
}
ROWS: Final = "step_rows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """What rows offer, read once for all of them."""

    choices: Mapping[str, Sequence[tuple[str, str]]]

    @classmethod
    def read(cls, steps: Sequence[StepValues]) -> Whom:
        """All that may be told; accounts that are locked where a step names them already."""
        named = {pk for step in steps for pk in step.users}
        users = User.objects.filter(Q(is_active=True) | Q(pk__in=named)).order_by("username")
        return cls(
            choices={
                "groups": [(str(row.pk), row.name) for row in Group.objects.order_by("name")],
                "users": [
                    (str(row.pk), row.username if row.is_active else f"{row.username} (locked)") for row in users
                ],
                "rotas": [(str(row.pk), row.name) for row in Rota.objects.all()],
                "endpoints": [
                    (str(row.pk), f"{row.name} — {row.get_channel_display()}") for row in choosable_endpoints()
                ],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of those who may be told: the name of the inputs, its label, and what is offered."""

    name: str
    label: str
    picks: list[Pick]
    errors: tuple[str, ...]

    @property
    def chosen(self) -> int:
        return sum(pick.chosen for pick in self.picks)


class StepForm(forms.Form):
    """One step. Without minutes it is told at once."""

    after_minutes = forms.IntegerField(
        required=False, min_value=0, max_value=LATEST_STEP, label="Minutes after the alert, if nobody acknowledged it"
    )

    def __init__(self, data: QueryDict | None, *, whom: Whom, suggested: int | None = None, **options: Any) -> None:
        super().__init__(data, **options)
        self._whom = whom
        at_once = "0: at once"
        self.fields["after_minutes"].widget.attrs["placeholder"] = at_once if suggested is None else str(suggested)
        for name, label in _KINDS.items():
            coerce: Callable[[str], object] = UUID if name == "endpoints" else int
            self.fields[name] = forms.TypedMultipleChoiceField(
                choices=whom.choices[name], coerce=coerce, required=False, label=label
            )

    @property
    def is_empty(self) -> bool:
        return self.cleaned_data["after_minutes"] is None and self.values.tells_nobody

    @property
    def values(self) -> StepValues:
        typed = self.cleaned_data
        whom = {name: tuple(typed[name]) for name in _KINDS}
        return StepValues(after_minutes=typed["after_minutes"] or 0, **whom)

    @property
    def is_blank(self) -> bool:
        """Whether nothing is in it yet, so that a script may hide it until it is wanted."""
        return self["after_minutes"].value() in (None, "") and not any(self._chosen(name) for name in _KINDS)

    def kinds(self) -> list[Kind]:
        """What may be told."""
        found = []
        for name, label in _KINDS.items():
            chosen = self._chosen(name)
            picks = [Pick(value=value, label=text, chosen=value in chosen) for value, text in self._whom.choices[name]]
            errors = tuple(str(error) for error in self[name].errors)
            found.append(Kind(name=self.add_prefix(name), label=label, picks=picks, errors=errors))
        return found

    def _chosen(self, name: str) -> frozenset[str]:
        return chosen_texts(self[name].value())


def step_forms(data: QueryDict | None, steps: Sequence[StepValues], escalate_minutes: int | None) -> list[StepForm]:
    """The rows of the form: what was sent, or the steps there are and empty ones for more."""
    whom = Whom.read(steps)
    if data is not None:
        rows = min(parse_id(data.get(ROWS)) or 0, MOST_STEPS)
        return [StepForm(data, whom=whom, prefix=f"step{number}") for number in range(rows)]
    rows = min(MOST_STEPS, max(3, len(steps) + _SPARE))
    found = []
    for number in range(rows):
        initial = _initial(steps[number]) if number < len(steps) else {}
        suggested = escalate_minutes if number == 1 and not steps else None
        found.append(StepForm(None, whom=whom, suggested=suggested, prefix=f"step{number}", initial=initial))
    return found


def _initial(step: StepValues) -> dict[str, Any]:
    return {"after_minutes": step.after_minutes} | {name: list(getattr(step, name)) for name in _KINDS}
