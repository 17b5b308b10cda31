"""What the commands for people and programs share: `--json`, photos from files, numbers within limits.

With --json a command prints one JSON object a line on stdout and nothing else there; what a person should
know beside it goes to stderr. Without it stdout has sentences and tables.
"""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from recognition.photos import Upload, read_file


class JsonCommand(BaseCommand):
    """A command with --json."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object a line, nothing else")

    def print_json(self, facts: Mapping[str, object]) -> None:
        self.stdout.write(json.dumps(facts))

    def note(self, text: str) -> None:
        """Tells a person something that is not the result."""
        self.stderr.write(text)


def read_upload(path: str, *, face: int | None = None) -> Upload:
    """The photo in a file; raises UnreadableError."""
    return Upload(name=shown_path(path), data=read_file(Path(path)), face=face)


def shown_path(path: str) -> str:
    """The path as it can be printed: file names are bytes, and need not be text."""
    return os.fsencode(path).decode(errors="replace")


def whole(low: int, high: int) -> Callable[[str], int]:
    """An argument that is a whole number within limits."""

    def parse(text: str) -> int:
        return int(_number(text, int, low, high, "a whole number"))

    return parse


def decimal(low: float, high: float) -> Callable[[str], float]:
    """An argument that is a number within limits."""

    def parse(text: str) -> float:
        return float(_number(text, float, low, high, "a number"))

    return parse


def _number(text: str, kind: type[Any], low: float, high: float, what: str) -> float:
    try:
        value: float = kind(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ArgumentTypeError(f"{text!r} is not {what} from {low} to {high}")
    return value
