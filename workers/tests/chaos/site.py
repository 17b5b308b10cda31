"""A whole site in a folder of its own: the processes of `manage.py up`, each to be killed, paused and started again.

The test's own process is pointed at the site's database and Redis (`pointed_at`), and so adds cameras and reads what
was written as any other process of the site would. The servers are kept alive by `python -m config.embedded`, as in
production; `server_gone` keeps them away for as long as it is entered.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import psutil
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings

from cameras import live
from cameras.live import Status
from cameras.models import Camera, CameraEvent, CameraLease, EventKind, Sighting
from cameras.services import add_camera, remove_camera
from config import embedded, redis
from config.embedded_layout import POSTGRES_PORT, Layout, end_leftovers
from config.schema import migrate_if_behind
from recognition import gallery
from workers.up import Address, commands

ROOT = Path(__file__).resolve().parents[3]
HOST = "127.0.0.1"
PATIENCE = 120.0
FROZEN_SECONDS, TIMEOUT_SECONDS, DOWN_SECONDS = 5, 3, 10
_VAULT_KEYS = "1:" + "Q" * 43 + "="


class Site:
    """Everything that runs in one DATA_DIR; stops it all when left. `processes`: by the names they were given."""

    def __init__(
        self, data_dir: Path, *, environment: Mapping[str, str] | None = None, logs: Path | None = None
    ) -> None:
        self.data_dir = data_dir
        self.logs = logs or data_dir
        self.address = Address(host=HOST, port=_free_port())
        self.processes: dict[str, psutil.Popen] = {}
        self._stack = ExitStack()
        self._cameras: list[Camera] = []
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(data_dir),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "SECRET_KEY": settings.SECRET_KEY,
            "VAULT_KEYS": _VAULT_KEYS,
            "LYNCEUS_SERVICES": "external",
            "CAMERA_PORTS": "1-65535",
            "CAMERA_FROZEN_SECONDS": str(FROZEN_SECONDS),
            "CAMERA_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            "CAMERA_DOWN_SECONDS": str(DOWN_SECONDS),
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            **(environment or {}),
        }
        self._commands = commands(address=self.address, data_dir=data_dir, postgres=True, redis=True)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._end_all)
            models = settings.DATA_DIR / "models"  # what earlier runs prepared
            models.mkdir(parents=True, exist_ok=True)
            (self.data_dir / "models").symlink_to(models)
            self.start("services")
            self.until(lambda: "services" in self.processes and self._answer(), "PostgreSQL and Redis answer")
            stack.enter_context(_pointed_at(self.data_dir))
            migrate_if_behind()
            for name in ("web", "worker", "beat"):
                self.start(name)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # --- processes -----------------------------------------------------------------------------------------------

    def start(self, name: str, *, command: list[str] | None = None) -> psutil.Popen:
        """Starts one of the processes of `up`; its output goes to a file of that name."""
        with (self.logs / f"{name}.out").open("ab") as out:
            process = psutil.Popen(
                command or self._commands[name], cwd=ROOT, env=self._environment, stdout=out, stderr=out
            )
        self.processes[name] = process
        return process

    def start_worker(self, name: str, slots: int = 16) -> psutil.Popen:
        return self.start(name, command=[*self._commands["cameras"], "--slots", str(slots)])

    def start_linker(self, name: str) -> psutil.Popen:
        return self.start(name, command=self._commands["linker"])

    def end(self, name: str) -> None:
        """Ends a process at once, however it stands. The servers are ended in order, by their keeper."""
        process = self.processes.pop(name)
        with contextlib.suppress(psutil.NoSuchProcess):
            if name == "services":
                process.resume()
                process.terminate()
            else:
                process.kill()
        process.wait(60)

    def said(self, name: str) -> str:
        """All that the process has written so far."""
        return (self.logs / f"{name}.out").read_text(errors="replace")

    def until(self, happens: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
        """Waits until it happens; how long it took. Fails with what the processes said."""
        began = time.monotonic()
        while not happens():
            if time.monotonic() - began > seconds:
                ends = "\n".join(f"--- {name}:\n{self.said(name)[-2000:]}" for name in self.processes)
                raise AssertionError(f"this did not happen within {seconds:.0f} s: {what}\n{ends}")
            time.sleep(0.2)
        return time.monotonic() - began

    def hold(self, holds: Callable[[], object], seconds: float, what: str) -> None:
        """Fails as soon as it holds no more within that time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert holds(), f"this held no more: {what}"
            time.sleep(0.5)

    def _end_all(self) -> None:
        order = [name for name in self.processes if name != "services"]
        for name in (*order, *(["services"] if "services" in self.processes else [])):
            self.end(name)
        layout = Layout.of(self.data_dir)  # nothing stays behind, whatever was done to the keeper
        end_leftovers(names=("postgres",), cwd=layout.pgdata)
        end_leftovers(names=("redis-server", "valkey-server"), cwd=layout.redis_socket.parent)

    # --- the servers ---------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def server_gone(self, name: str, *, hangs: bool) -> Iterator[None]:
        """Redis or PostgreSQL is away: killed and kept away, or standing still (`hangs`)."""
        keeper, members = self.processes["services"], self.server(name)
        keeper.suspend()  # it would bring the server back at once
        for process in members:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend() if hangs else process.kill()
        try:
            yield
        finally:
            for process in reversed(members) if hangs else []:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
            keeper.resume()
            if not hangs:
                connection.close()

    def server(self, name: str) -> list[psutil.Process]:
        """The processes of a server, its head first."""
        layout = Layout.of(self.data_dir)
        files = {"redis": layout.redis_socket.parent / "redis.pid", "postgres": layout.pgdata / "postmaster.pid"}
        head = psutil.Process(int(files[name].read_text().split()[0]))
        return [head, *head.children(recursive=True)]

    def _answer(self) -> bool:
        return "services" in self.processes and self.said("services").count("started in") >= 2

    # --- what it does --------------------------------------------------------------------------------------------

    def watch(self, name: str, source: str, *, loop: bool = False) -> Camera:
        camera = add_camera(actor=None, name=name, source=source, loop=loop)
        self._cameras.append(camera)
        return camera

    def forget_cameras(self) -> None:
        """Removes what the test watched."""
        for camera in self._cameras:
            remove_camera(actor=None, camera=camera)
        self._cameras = []

    def runs(self, camera: Camera, worker: psutil.Popen) -> bool:
        """Whether this worker's loop is the one that holds the camera."""
        return f"-{worker.pid}-" in lease_of(camera).worker


def status(camera: Camera) -> Status:
    return live.statuses([camera])[camera.pk]


def lease_of(camera: Camera) -> CameraLease:
    return CameraLease.objects.get(camera=camera)


def sightings(camera: Camera) -> list[Sighting]:
    """Of the camera, in the order of their beginnings."""
    return list(Sighting.objects.filter(camera=camera).order_by("first_seen"))


def event(camera: Camera, kind: EventKind, *, over: bool) -> CameraEvent | None:
    return CameraEvent.objects.filter(camera=camera, kind=kind, ended_at__isnull=not over).first()


@contextlib.contextmanager
def _pointed_at(data_dir: Path) -> Iterator[None]:
    """This process uses the database, the Redis and the keys of the site."""
    database = connections.settings["default"]
    before = dict(database)
    connection.close()
    database |= {
        "HOST": str(Layout.of(data_dir).postgres_socket_dir),
        "PORT": str(POSTGRES_PORT),
        "NAME": "lynceus",
    }
    with override_settings(REDIS=embedded.redis_url(data_dir), VAULT_KEYS=_VAULT_KEYS):
        redis.client.cache_clear()
        gallery.forget()
        try:
            yield
        finally:
            connection.close()
            database |= before
            redis.client.cache_clear()
            gallery.forget()


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
