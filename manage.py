#!/usr/bin/env python
"""The command line of Lynceus.

A command that needs the database or Redis finds them running: where no DATABASE_URL or REDIS_URL is set and
no `up` runs beside it, the embedded servers are started for the command and stopped after it. A database that
is older than the code is brought up to date first. What is said about that goes to stderr; stdout belongs to
the command.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

# These ask nothing of the database, or look after the servers themselves (`up`).
WITHOUT_SERVICES = frozenset(
    {
        "up",
        "evaluate",
        "help",
        "models bench",
        "models install",  # asks for them itself where somebody accepts a licence
        "models list",
        "models verify",
        "check",
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "findstatic",
        "makemessages",
        "spectacular",
        "startapp",
        "startproject",
        "version",
    }
)
# These look after the schema themselves, or must see it as it is.
WITHOUT_MIGRATION = frozenset(
    {
        "dbshell",
        "flush",
        "inspectdb",
        "makemigrations",
        "migrate",
        "optimizemigration",
        "showmigrations",
        "sqlflush",
        "sqlmigrate",
        "sqlsequencereset",
        "squashmigrations",
        "test",
    }
)


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from config.embedded import EmbeddedError

    try:
        load_settings()
        with services_for(sys.argv):
            execute_from_command_line(sys.argv)
    except (EmbeddedError, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def load_settings() -> None:
    """Read the settings first, so that a wrong one stops any command with one sentence."""
    from django.conf import settings

    try:
        _ = settings.DATA_DIR
    except OSError as error:
        sys.exit(
            f"Lynceus cannot keep its data in {error.filename}: {error.strerror}. "
            "Give this account write permission there, or choose another folder with DATA_DIR=..."
        )


@contextlib.contextmanager
def services_for(argv: list[str]) -> Iterator[None]:
    """The embedded servers for as long as the command runs, where it needs them and nobody else has them."""
    command = argv[1] if len(argv) > 1 else "help"
    asks_for_help = command.startswith("-") or "--help" in argv[2:] or "-h" in argv[2:]
    if asks_for_help or {command, " ".join(argv[1:3])} & WITHOUT_SERVICES:
        yield
        return
    from config.on_demand import running_services

    # Without this a SIGTERM would leave the servers running; a command with its own handler replaces it.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    with running_services(migrate=command not in WITHOUT_MIGRATION):
        yield


if __name__ == "__main__":
    main()
