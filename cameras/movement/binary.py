"""Reads long columns as they are stored, without a detour over text: what is a megabyte arrives as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection


def fetched(query: str, params: Mapping[str, object]) -> list[tuple[Any, ...]]:
    """The rows of a query, which may hold `%(name)s`. Raises DatabaseError."""
    connection.ensure_connection()
    # Django's own cursors put values into the text, and then PostgreSQL answers in text.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(query, params, binary=True)
        return list(cursor.fetchall())
