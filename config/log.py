"""What the logs show: no credentials, and a traceback only where it tells of a mistake in Lynceus.

Whatever looks like `scheme://user:password@` loses its user part.
"""

from __future__ import annotations

import logging
import re

from django.db import InterfaceError, OperationalError
from redis.exceptions import RedisError

# Up to the last @ before the path: a password may hold one that nobody has encoded.
_CREDENTIALS = re.compile(r"(?<=://)[^/\s'\"]+@")
_OUTAGES = (OperationalError, InterfaceError, RedisError, ConnectionError)
_SERVER_ERROR = 500


def redact(text: str) -> str:
    """The text with the credentials of every URL in it replaced by `***@`."""
    return _CREDENTIALS.sub("***@", text)


class WithoutTraceback(logging.Filter):
    """For loggers that repeat a traceback every second while Redis is away: one line says it."""

    def filter(self, record: logging.LogRecord) -> bool:
        _shorten(record)
        return True


class WithoutNeedlessTraceback(logging.Filter):
    """One line where nobody made a mistake: a request that was refused, a database or a Redis that is away."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if isinstance(error, _OUTAGES):
            _shorten(record)
            reason = (str(error).splitlines() or [""])[0]
            if reason not in str(record.msg):
                record.msg = f"{record.msg}: {reason}"
        elif error is not None and getattr(record, "status_code", _SERVER_ERROR) < _SERVER_ERROR:
            _shorten(record)
        return True


def _shorten(record: logging.LogRecord) -> None:
    """Leaves the first line of the record's message."""
    lines = record.getMessage().splitlines() or [""]
    record.exc_info = record.exc_text = record.stack_info = None
    record.msg, record.args = lines[0], None


class RedactingFormatter(logging.Formatter):
    """Formats as usual, tracebacks included, then redacts."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
