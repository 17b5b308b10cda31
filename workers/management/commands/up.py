"""`manage.py up`: all of Lynceus in one terminal."""

from __future__ import annotations

import argparse
import importlib
import os
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from config.embedded import EmbeddedError, Services
from config.schema import migrate_if_behind
from workers import up


class Command(BaseCommand):
    help = (
        "Start everything in one terminal: PostgreSQL and Redis (unless DATABASE_URL and REDIS_URL name "
        "yours), the web server, the camera worker, the worker for jobs and deliveries, and the clock "
        "(beat). What dies is started again. Ctrl-C stops all of it and leaves nothing behind."
    )
    requires_system_checks: list[str] = []  # the processes themselves check; a broken page is no reason to stop here

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--demo", action="store_true", help="make demo cameras, people and an account at the first start"
        )
        parser.add_argument("--host", default="127.0.0.1", help="address to serve the pages on (default: %(default)s)")
        parser.add_argument("--port", type=_port, default=8000, help="port of the pages (default: %(default)s)")

    def handle(self, *, demo: bool, host: str, port: int, **_options: Any) -> None:
        terminal = up.Terminal()
        address = up.Address(host=host, port=port)
        up.stop_on_signals()
        try:
            up.check_disk(settings.DATA_DIR)
            with up.only_one(settings.DATA_DIR, terminal.say):
                up.check_port(address)
                code = self._run(terminal, address, demo=demo)
        except KeyboardInterrupt:
            code = 0
        except (up.UpError, EmbeddedError) as error:
            raise CommandError(str(error)) from error
        terminal.say("Stopped.")
        if code:
            raise CommandError("A process could not be kept running; its lines above say why.", returncode=code)

    def _run(self, terminal: up.Terminal, address: up.Address, *, demo: bool) -> int:
        postgres, redis = settings.EMBEDDED_POSTGRES, settings.EMBEDDED_REDIS
        services = Services(settings.DATA_DIR, postgres=postgres, redis=redis, log=terminal.say)
        try:
            services.start()
            if migrate_if_behind():
                terminal.say("The database was brought up to date.")
            if demo:
                importlib.import_module("workers.demo").prepare(terminal.say)
            hints = self._hints()
            connections.close_all()  # the processes are forked from this one: no connection is theirs
            listed = up.commands(address=address, data_dir=settings.DATA_DIR, postgres=postgres, redis=redis)
            up.announce_when_ready(terminal, address, hints)
            if not settings.SITE_URL_IS_SET:
                os.environ["SITE_URL"] = address.reachable.url
            return up.run(terminal, listed, folder=settings.BASE_DIR)
        finally:
            up.ignore_signals()
            connections.close_all()
            services.stop()

    def _hints(self) -> list[str]:
        if get_user_model().objects.exists():
            return []
        return [
            "There is no account yet. In another terminal: .venv/bin/python manage.py createsuperuser",
            "Then sign in, enrol people under People, and add a camera under Cameras.",
        ]


def _port(text: str) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port: a whole number from 1 to 65535")
