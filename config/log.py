"""Keeps credentials out of the logs: whatever looks like `scheme://user:password@` loses its user part."""

from __future__ import annotations

import logging
import re

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s'\"]+@")


def redact(text: str) -> str:
    """The text with the credentials of every URL in it replaced by `***@`."""
    return _CREDENTIALS.sub("***@", text)


class WithoutTraceback(logging.Filter):
    """For loggers that repeat a traceback every second while Redis is away: one line says it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_info = record.exc_text = record.stack_info = None
        lines = record.getMessage().splitlines() or [""]
        record.msg, record.args = lines[0], None
        return True


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then redacts."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
