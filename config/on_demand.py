"""PostgreSQL and Redis for as long as something needs them, for commands that run beside nothing else.

Where no DATABASE_URL or REDIS_URL is set and no `up` runs, the embedded servers are started and stopped again. What
is said about that goes to stderr. Errors: EmbeddedError, a sentence.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

# Set by `up` for the processes it starts: it looks after the servers.
SERVICES_VARIABLE = "LYNCEUS_SERVICES"


@contextlib.contextmanager
def running_services(*, migrate: bool = True) -> Iterator[None]:
    """The embedded servers, where they are used and nobody else has them; the schema brought up to date."""
    if os.environ.get(SERVICES_VARIABLE) == "external":
        yield
        return
    from django.conf import settings

    from config.embedded import Services

    services = Services(
        settings.DATA_DIR,
        postgres=settings.EMBEDDED_POSTGRES,
        redis=settings.EMBEDDED_REDIS,
        log=lambda text: None,
    )
    with services:
        if settings.EMBEDDED_POSTGRES and migrate:
            bring_schema_up_to_date()
        yield


def bring_schema_up_to_date() -> None:
    """Migrate if the code is ahead of the database; says so on stderr."""
    import django

    django.setup()
    from config.schema import migrate_if_behind

    if migrate_if_behind():
        sys.stderr.write("The database was brought up to date.\n")
