"""Brings the database up to the code's migrations. Safe when several processes, or machines, try at once."""

from __future__ import annotations

import sys

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

MIGRATION_LOCK = 0x4C594E43  # an advisory lock is a number; this one spells LYNC


def migrate_if_behind() -> bool:
    """Apply what is missing; False when nothing was. Writes nothing to stdout."""
    if not _is_behind():
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        if not _is_behind():
            return False
        call_command("migrate", interactive=False, verbosity=0, stdout=sys.stderr)
        return True
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])


def _is_behind() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
