"""Reads settings from the environment: a wrong value stops the start with its name and what is allowed.

A thin layer over django-environ. Values come from the process environment and from a `.env` file beside manage.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


class SettingError(ImproperlyConfigured):
    """A setting has a value that Lynceus cannot use; the message names it and says what is allowed."""

    def __init__(self, name: str, value: object, allowed: str) -> None:
        super().__init__(f"The setting {name} is {value!r}, which is not usable. Allowed: {allowed}.")


class Settings:
    """Typed access to the environment, one method for each kind of value."""

    def __init__(self, dotenv: Path) -> None:
        self._env = environ.Env()
        if dotenv.is_file():
            environ.Env.read_env(dotenv)

    def text(self, name: str, default: str = "") -> str:
        return str(self._env.str(name, default=default)).strip()

    def texts(self, name: str, default: Sequence[str] = ()) -> list[str]:
        return [str(item).strip() for item in self._env.list(name, default=list(default)) if str(item).strip()]

    def flag(self, name: str, default: bool) -> bool:
        raw = self.text(name, str(default)).lower()
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        if raw not in words:
            raise SettingError(name, raw, "true or false")
        return words[raw]

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        return self._number(name, default, int, f"a whole number from {low} to {high}", low, high)

    def decimal(self, name: str, default: float, *, low: float, high: float) -> float:
        return self._number(name, default, float, f"a number from {low} to {high}", low, high)

    def choice(self, name: str, default: str, allowed: Sequence[str]) -> str:
        raw = self.text(name, default)
        if raw not in allowed:
            raise SettingError(name, raw, "one of " + ", ".join(allowed))
        return raw

    def url(self, name: str, schemes: Sequence[str]) -> str:
        """A URL with one of the schemes, or "" when the variable is unset."""
        raw = self.text(name)
        if raw and raw.partition("://")[0] not in schemes:
            raise SettingError(
                name, raw.partition("://")[0] + "://…", "a URL starting with " + " or ".join(f"{s}://" for s in schemes)
            )
        return raw

    def database(self, url: str) -> dict[str, object]:
        """Django's connection settings for a postgres:// URL."""
        try:
            config: dict[str, object] = environ.Env.db_url_config(url)
        except (ValueError, ImproperlyConfigured) as error:
            raise SettingError("DATABASE_URL", "(hidden)", "postgres://user:password@host:5432/name") from error
        return config

    def _number(self, name: str, default: T, kind: Callable[[str], T], allowed: str, low: T, high: T) -> T:
        raw = self.text(name, str(default))
        try:
            value = kind(raw)
        except ValueError:
            raise SettingError(name, raw, allowed) from None
        if not low <= value <= high:  # type: ignore[operator]
            raise SettingError(name, raw, allowed)
        return value
