"""Whoever changes whose sightings are whose goes one after the other: the linker, corrections, merging and erasure."""

from __future__ import annotations

from typing import Final

from django.db import connection

_IDENTITIES: Final = 0x4C594E49  # any constant


def one_after_the_other() -> None:
    """Waits for whoever changes identities now, and keeps others waiting until this transaction is over.

    To be called first of all in it: who locks a row before and waits here may be waited for by who is here.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_IDENTITIES])
