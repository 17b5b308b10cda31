"""An alert as one flat record for programs: what MQTT, the alert log and syslog send. What a watchlist's policy keeps
inside is not in it, because the facts do not hold it.
"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from alerts.channels.base import Facts, Message

Value = str | int | float | bool | None
# Ends of lines to some readers, though JSON allows them inside of texts.
_ESCAPED: Final = {each: f"\\u{each:04x}" for each in (*range(0x7F, 0xA0), 0x2028, 0x2029)}


def record(message: Message) -> dict[str, Value]:
    """The message's key, and what is known of its alert; a test need not be about one."""
    found: dict[str, Value] = {
        "key": str(message.key),
        "test": message.is_test,
        "occasion": message.occasion.value,
        "severity": message.severity.value,
        "subject": message.subject,
        "link": message.link,
    }
    if message.facts:
        found |= {each.name: _plain(getattr(message.facts[-1], each.name)) for each in fields(Facts)}
    return found


def dumped(found: dict[str, Value]) -> bytes:
    """The record as JSON on one line, whatever names hold."""
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return written.translate(_ESCAPED).encode("utf-8", "backslashreplace")


def moment(when: datetime) -> str:
    """A time as RFC 3339 has it, in UTC with milliseconds."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> Value:
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, str):  # enums of texts among them
        return str(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    raise TypeError(f"a fact is a plain value, not {type(value).__name__}")
