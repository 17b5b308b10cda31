"""Keeps credentials out of the logs: whatever looks like `scheme://user:password@` loses its user part."""

from __future__ import annotations

import logging
import re

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s'\"]+@")


def redact(text: str) -> str:
    """The text with the credentials of every URL in it replaced by `***@`."""
    return _CREDENTIALS.sub("***@", text)


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then redacts."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
