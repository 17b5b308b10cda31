"""Transactions that others wait for end soon, also when the process that began one stands still.

A process may stop between two statements for as long as it likes: a machine that sleeps, a container that is frozen, a
debugger. What it has locked stays locked, and with it waits every worker that wants to write the same: all alerts of a
site are written one after the other. PostgreSQL therefore ends the session of a transaction in which nothing was asked
for STILL_SECONDS; whoever goes on after that is told so, as if the database had been away.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import InternalError, OperationalError, connection, transaction
from psycopg.errors import IdleInTransactionSessionTimeout

STILL_SECONDS = 5.0  # a lease is over after 12: by then its rows are free


@contextmanager
def brief_transaction() -> Iterator[None]:
    """`transaction.atomic` for what takes moments and locks what others need; works as a decorator as well.

    Inside another transaction it is a part of that one, whose time it does not limit. Raises OperationalError where the
    process stood still for longer than STILL_SECONDS: nothing was written.
    """
    begins = not connection.in_atomic_block
    try:
        with transaction.atomic():
            if begins:
                with connection.cursor() as cursor:
                    milliseconds = round(STILL_SECONDS * 1000)
                    cursor.execute(f"SET LOCAL idle_in_transaction_session_timeout = {milliseconds}")
            yield
    except InternalError as error:
        if isinstance(error.__cause__, IdleInTransactionSessionTimeout):
            raise OperationalError(str(error)) from error
        raise
