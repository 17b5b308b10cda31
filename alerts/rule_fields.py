"""Fields that the forms of rules and rotas share: spans of time as people write them, and lists to choose from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from django import forms

_UNITS: Final[Mapping[str, int]] = {
    "": 1,
    "s": 1,
    "sec": 1,
    "second": 1,
    "seconds": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "minutes": 60,
    "h": 3600,
    "hour": 3600,
    "hours": 3600,
    "d": 86400,
    "day": 86400,
    "days": 86400,
}
_NICE: Final = ((86400, "d"), (3600, "h"), (60, "min"))
_PART: Final = re.compile(r"(\d{1,9})\s*([a-z]*)\s*", re.ASCII)
PLAIN: Final = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}


class SpanField(forms.CharField):
    """How long: `90`, `90 s`, `5 min`, `1 h 30 min`, `2 d`. Its value is seconds."""

    def __init__(self, **options: object) -> None:
        options.setdefault("widget", forms.TextInput(attrs=PLAIN | {"placeholder": "5 min"}))
        super().__init__(**options, max_length=40)  # type: ignore[arg-type]

    def prepare_value(self, value: object) -> object:
        return written(value) if isinstance(value, int) and not isinstance(value, bool) else value

    def clean(self, value: object) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        seconds = read(text)
        if seconds is None:
            raise forms.ValidationError(
                "This is no span of time. Type a number and s, min, h or d, such as 90 s or 5 min."
            )
        return seconds


def read(text: str) -> int | None:
    """The seconds that the text means; None where it means none."""
    rest, seconds = text.strip().lower(), 0
    while rest:
        part = _PART.match(rest)
        if part is None or part[2] not in _UNITS:
            return None
        seconds += int(part[1]) * _UNITS[part[2]]
        rest = rest[part.end() :]
    return seconds if seconds <= 2**31 - 1 else None


def written(seconds: int) -> str:
    """The shortest text that means these seconds."""
    unit, name = next(((unit, name) for unit, name in _NICE if seconds and seconds % unit == 0), (1, "s"))
    return f"{seconds // unit} {name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """One thing that may be chosen, in a list of boxes to tick. `kind` lets a script show those that fit."""

    value: str
    label: str
    chosen: bool
    kind: str = ""


def chosen_texts(value: object) -> frozenset[str]:
    """What a field of several choices holds, as it stands in a form."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return frozenset()
    return frozenset(str(getattr(one, "pk", one)) for one in value)
