"""PostgreSQL and Redis as child processes under DATA_DIR, for whoever has not set up their own.

`postgres_url`, `redis_url` and `celery_url` say where the servers are (or will be) without starting anything;
`Services` starts them, brings them back when they die, and stops them when the last process that uses them
has gone. Both listen on unix sockets in private folders only, never on a network port. Knows nothing of
Django: settings, manage.py, the `up` command and the tests all stand on it.

Locks (flock, so a killed process can never leave one behind): `run/start.lock` is held while servers are
started or stopped; `run/use.lock` is shared by everybody who uses them.

`python -m config.embedded DATA_DIR` keeps them running until SIGTERM. Errors: EmbeddedError, a sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import quote

from config.embedded_layout import POSTGRES_PORT, EmbeddedError, Layout, readable_errors
from config.postgres_server import DATABASE, POSTGRES_USER, PostgresServer
from config.redis_server import RedisServer, redis_address

__all__ = ["EmbeddedError", "Services", "celery_url", "postgres_url", "redis_url"]

MIN_FREE_BYTES = 200 * 2**20
CHECK_SECONDS = 1.0

Log = Callable[[str], None]


def postgres_url(data_dir: Path) -> str:
    """The database as django-environ reads it: the socket folder becomes HOST."""
    folder = quote(str(Layout.of(data_dir).postgres_socket_dir), safe="")
    return f"postgres://{POSTGRES_USER}@:{POSTGRES_PORT}/{folder}/{DATABASE}"


def redis_url(data_dir: Path) -> str:
    """The Redis server as redis-py and channels_redis read it. Makes its password on first use."""
    return f"unix://{redis_address(Layout.of(data_dir))}"


def celery_url(data_dir: Path) -> str:
    """The same server as kombu reads it."""
    return f"redis+socket://{redis_address(Layout.of(data_dir))}"


class Server(Protocol):
    """What Services asks of each of the two servers."""

    name: str

    def is_alive(self) -> bool: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Services:
    """The embedded servers of one DATA_DIR, shared by every process that uses them.

    The first to `start` starts what is not running, the last to `stop` stops it.
    """

    def __init__(self, data_dir: Path, postgres: bool, redis: bool, log: Log) -> None:
        self._layout = Layout.of(data_dir)
        self._log = log
        self._use_lock: int | None = None
        self._servers: list[Server] = []
        if postgres:
            self._servers.append(PostgresServer(self._layout))
        if redis:
            self._servers.append(RedisServer(self._layout))
        # A forked child would keep the lock of its parent alive beyond the parent's death.
        os.register_at_fork(after_in_child=self._forget_lock)

    def start(self) -> None:
        """Start what is not running yet. Safe to call again, and after any kind of crash."""
        if not self._servers:
            return
        with readable_errors(self._layout):
            for folder in (self._layout.root, self._layout.run, self._layout.log):
                folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._check_space()
            with self._starting():
                if self._use_lock is None:
                    self._use_lock = _open_lock(self._layout.run / "use.lock")
                    fcntl.flock(self._use_lock, fcntl.LOCK_SH)
                try:
                    self._start_missing()
                except BaseException:
                    self._release()
                    raise

    def ensure(self) -> list[str]:
        """Start again what has died; the names of what had to be."""
        if all(server.is_alive() for server in self._servers):
            return []
        with readable_errors(self._layout), self._starting():
            return self._start_missing()

    def stop(self) -> None:
        """Let go of the servers; the last user stops them."""
        if self._use_lock is None:
            return
        with readable_errors(self._layout), self._starting():
            self._release()

    def stop_unused(self) -> None:
        """Stop servers that a killed process has left running; does nothing while anybody uses them."""
        if not self._layout.run.is_dir():
            return
        with readable_errors(self._layout), self._starting():
            self._use_lock = _open_lock(self._layout.run / "use.lock")
            self._release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def _start_missing(self) -> list[str]:
        started = []
        for server in self._servers:
            was_alive = server.is_alive()
            began = time.monotonic()
            server.start()
            if not was_alive:
                started.append(server.name)
                self._log(f"{server.name} started in {time.monotonic() - began:.1f} s")
        return started

    def _release(self) -> None:
        """Give the use-lock back, and stop the servers if nobody else holds one. Needs the start lock."""
        lock, self._use_lock = self._use_lock, None
        if lock is None:
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        else:
            for server in self._servers:
                server.stop()
        finally:
            os.close(lock)

    def _check_space(self) -> None:
        free = shutil.disk_usage(self._layout.root).free
        if free < MIN_FREE_BYTES:
            raise EmbeddedError(
                f"Only {free // 2**20} MB are free on the disk of {self._layout.root}; PostgreSQL needs "
                f"{MIN_FREE_BYTES // 2**20} MB. Free some space, or choose another folder with DATA_DIR=..."
            )

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        lock = _open_lock(self._layout.run / "start.lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _forget_lock(self) -> None:
        if self._use_lock is not None:
            os.close(self._use_lock)
            self._use_lock = None


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def main() -> int:
    """Keep the embedded servers running until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded", description=main.__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--no-postgres", action="store_true", help="the database is somewhere else")
    parser.add_argument("--no-redis", action="store_true", help="Redis is somewhere else")
    parser.add_argument("--stop", action="store_true", help="only stop servers that nobody uses any more")
    options = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())

    def log(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    services = Services(options.data_dir, postgres=not options.no_postgres, redis=not options.no_redis, log=log)
    try:
        if options.stop:
            services.stop_unused()
            return 0
        with services:
            while not stopping.wait(CHECK_SECONDS):
                try:
                    services.ensure()
                except EmbeddedError as error:
                    log(f"{error} Trying again.")
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
