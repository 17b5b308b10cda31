"""Lynceus as it runs in production, in a folder of its own: services, Daphne, one camera worker, and what beat does.

`prepare` must be called before anything of Django is imported.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from accounts.models import User

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
PATIENCE = 60.0


def prepare(data_dir: Path) -> None:
    """Points the settings of this process, and of those it starts, at the folder."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "LOG_LEVEL": "WARNING",
        "LYNCEUS_SERVICES": "external",
    }


class Database:
    """PostgreSQL and Redis in a folder of their own, migrated, with this process set up to use them."""

    def __init__(self, data_dir: Path) -> None:
        self._stack = ExitStack()
        self._data_dir = data_dir

    def __enter__(self) -> Self:
        import django

        from config.embedded import Services

        self._stack.enter_context(Services(self._data_dir, postgres=True, redis=True, log=lambda text: None))
        django.setup()
        from config.schema import migrate_if_behind

        migrate_if_behind()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


class Site:
    """Everything that runs; stops it all when left."""

    def __init__(self, data_dir: Path, *, workers: int = 1) -> None:
        self._stack = ExitStack()
        self._data_dir = data_dir
        self._count = workers
        self._log = data_dir / "processes.log"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        stack.enter_context(Database(self._data_dir))
        self.port = _free_port()
        where = ["-b", HOST, "-p", str(self.port)]
        web = self._run(stack, [sys.executable, "-m", "daphne", "-v", "0", *where, "config.asgi:application"])
        self.web = psutil.Process(web.pid)
        command = [sys.executable, "manage.py", "camera_worker"]
        self.workers = [psutil.Process(self._run(stack, command).pid) for _ in range(self._count)]
        stack.callback(_start_beat())
        self.wait_for(lambda: _answers(self.port), "Daphne to answer")

    def _run(self, stack: ExitStack, command: list[str]) -> subprocess.Popen[bytes]:
        log = stack.enter_context(self._log.open("ab"))
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        stack.callback(_end, process)
        return process

    @property
    def worker(self) -> psutil.Process:
        """The only camera worker."""
        (worker,) = self.workers
        return worker

    def said(self) -> str:
        """The end of what the processes wrote."""
        return self._log.read_text()[-3000:]

    def wait_for(self, happens: Callable[[], object], what: str) -> None:
        """Waits until it happens; gives up with what the processes said."""
        deadline = time.monotonic() + PATIENCE
        while not happens():
            if time.monotonic() > deadline:
                raise SystemExit(f"Waited {PATIENCE:.0f} s in vain for {what}.\n{self.said()}")
            time.sleep(0.1)


def sign_in() -> str:
    """The cookie of a new administrator's session."""
    from accounts.models import User

    return session_of(User.objects.create_superuser(username="benchmark", password=os.urandom(16).hex()))


def session_of(user: User) -> str:
    """The cookie of a new session of this account."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def enrol(photos: Mapping[str, bytes]) -> None:
    """Enrols people by a photo each, on a watchlist whose rule tells of every sighting."""
    from alerts.models import Severity
    from alerts.services import change_rule, give_rule
    from recognition.services import Upload, enrol
    from recognition.watchlist_services import create_watchlist

    watchlist = create_watchlist(actor=None, name="Benchmark")
    rule = give_rule(watchlist=watchlist)
    change_rule(actor=None, rule=rule, enabled=True, severity=Severity.HIGH, cooldown_seconds=0)
    for name, photo in photos.items():
        result = enrol(actor=None, name=name, photos=[Upload(name=name, data=photo)], watchlist=watchlist)
        if result.person is None:
            raise SystemExit(f"{name} could not be enrolled: {result.rejected[0].why}")


def _start_beat() -> Callable[[], None]:
    """Dispatches cameras as beat does; returns what stops it."""
    from django.conf import settings
    from django.db import connection

    from workers.tasks import dispatch_cameras

    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(settings.DISPATCH_SECONDS):
            dispatch_cameras()
        connection.close()

    thread = threading.Thread(target=tick, name="beat")
    thread.start()

    def end() -> None:
        stop.set()
        thread.join()
        connection.close()

    return end


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
