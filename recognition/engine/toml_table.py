"""Read a TOML table strictly: every key must be asked for, have its type and lie in its range.

Errors: ModelError with the file, the table and the key.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from recognition.engine.errors import ModelError

_REQUIRED: Final = object()

Option = bool | int | float | str | tuple["Option", ...]


class Table:
    """A table whose keys are taken one by one; `done` refuses what nobody took."""

    def __init__(self, content: Mapping[str, object], source: str, path: str = "") -> None:
        self._left = dict(content)
        self._source = source
        self._path = path

    def wrong(self, key: str, why: str) -> ModelError:
        """The error to raise about this key."""
        where = f"[{self._path}] " if self._path else ""
        return ModelError(f"The pack manifest {self._source} is not valid: {where}`{key}` {why}. Correct it.")

    def names(self) -> list[str]:
        return list(self._left)

    def done(self) -> None:
        if self._left:
            raise self.wrong(next(iter(self._left)), "is not a key that is known here")

    def rest(self) -> dict[str, object]:
        """Everything that is left, for somebody else to check."""
        rest, self._left = self._left, {}
        return rest

    def text(self, key: str, *, default: str | None = None, pattern: re.Pattern[str] | None = None) -> str:
        value = self._take(key, _REQUIRED if default is None else default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.wrong(key, "must be a text")
        if pattern and value != default and not pattern.fullmatch(value):
            raise self.wrong(key, f"may not be {value!r}: it must look like {pattern.pattern}")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        value = self.text(key)
        if value not in choices:
            raise self.wrong(key, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def flag(self, key: str) -> bool:
        value = self._take(key, _REQUIRED)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def integer(self, key: str, *, low: int, high: int, default: int | None = None) -> int:
        value = self._take(key, _REQUIRED if default is None else default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"must be a whole number from {low} to {high}")
        return value

    def number(self, key: str, *, low: float, high: float) -> float:
        value = self._take(key, _REQUIRED)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"must be a number from {low} to {high}")
        return float(value)

    def numbers(self, key: str) -> tuple[float, ...]:
        values = self._take(key, _REQUIRED)
        if not isinstance(values, list):
            raise self.wrong(key, "must be a list of numbers")
        for one in values:
            if not isinstance(one, int | float) or isinstance(one, bool) or not math.isfinite(one):
                raise self.wrong(key, "must be a list of finite numbers")
        return tuple(float(one) for one in values)

    def texts(self, key: str, *, pattern: re.Pattern[str] | None = None) -> tuple[str, ...]:
        """A list of texts, or a single one; nothing where the key is missing."""
        values = self._take(key, [])
        listed = [values] if isinstance(values, str) else values
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise self.wrong(key, "must be a text or a list of texts")
        for one in listed:
            if pattern and not pattern.fullmatch(one):
                raise self.wrong(key, f"may not hold {one!r}: it must look like {pattern.pattern}")
        return tuple(listed)

    def option(self, key: str) -> Option:
        """A number, text, flag, or a list of such."""
        return self._frozen(key, self._take(key, _REQUIRED))

    def table(self, key: str) -> "Table":
        found = self.optional(key)
        if found is None:
            raise self.wrong(key, "is missing")
        return found

    def optional(self, key: str) -> "Table | None":
        value = self._take(key, None)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return Table(value, self._source, f"{self._path}.{key}" if self._path else key)

    def tables(self, key: str) -> list["Table"]:
        values = self._take(key, [])
        if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
            raise self.wrong(key, "must be a list of tables")
        return [Table(one, self._source, f"{key}[{at}]") for at, one in enumerate(values)]

    def _take(self, key: str, default: object) -> object:
        if key not in self._left and default is _REQUIRED:
            raise self.wrong(key, "is missing")
        return self._left.pop(key, default)

    def _frozen(self, key: str, value: object) -> Option:
        if isinstance(value, list):
            return tuple(self._frozen(key, one) for one in value)
        if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise self.wrong(key, "must be a number, a text, true or false, or a list of such")
