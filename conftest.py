"""Every test runs on a real PostgreSQL and a real Redis: the embedded ones, started and stopped with the run.

They lie in the DATA_DIR of config.tests.settings; a `manage.py up` on the usual one is not disturbed.
"""

from __future__ import annotations

from typing import Any

import psutil
import psycopg
import pytest
from django.conf import settings
from psycopg import sql

from config.embedded import EmbeddedError, Services

_services = pytest.StashKey[Services]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    services = Services(settings.DATA_DIR, postgres=True, redis=True, log=lambda text: None)
    try:
        services.start()
    except EmbeddedError as error:
        pytest.exit(str(error), returncode=1)
    session.config.stash[_services] = services
    _without_manager()
    _drop_databases_of_killed_runs()


def pytest_unconfigure(config: pytest.Config) -> None:
    services = config.stash.get(_services, None)
    if services is not None:
        services.stop()


@pytest.fixture(autouse=True)
def _rules_of_this_test() -> None:
    """A test's changes are rolled back, their revision with them: the next one's rules may have the same one."""
    from alerts.rules.book import forget  # not before Django is set up

    forget()


def _without_manager() -> None:
    """No thread unloads models and tells Redis of them beside a test; tests that are about it start it themselves."""
    from recognition import packs  # not before Django is set up

    packs.on_first_use.clear()


def _drop_databases_of_killed_runs() -> None:
    default: dict[str, Any] = settings.DATABASES["default"]
    with psycopg.connect(
        host=default["HOST"], port=default["PORT"], user=default["USER"], dbname="postgres", autocommit=True
    ) as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'test_lynceus_%'").fetchall()
        for (name,) in rows:
            pid = name.split("_")[2]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))
