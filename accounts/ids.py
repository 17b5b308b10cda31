"""Ids that come from outside: from addresses, forms and messages, where anything may stand."""

from __future__ import annotations

MAX_ID = 2**63 - 1  # PostgreSQL's bigint


def parse_id(value: object) -> int | None:
    """A whole number that may be an id, also from text; None for everything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ID:
        return None
    return value
