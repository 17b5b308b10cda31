"""This process among the camera workers: what it runs, how much more it takes, and when it shall end.

A thread announces the process once a second (`workers/roster.py`) and learns whether it is asked to hand over and end,
and whether messages still reach it: Celery's connection to Redis can go deaf for good, and then a new process is the
only cure. Without `open` (a camera run by hand, a test) nothing is announced and nothing is limited.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache

from redis.exceptions import RedisError

from workers import roster
from workers.leases import keeper
from workers.roster import Worker
from workers.turns import turns

_log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0


class Presence:
    """What the process runs; safe to use from any thread."""

    def __init__(self, *, end: Callable[[], None] | None = None) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self._slots: int | None = None
        self._since = time.time()
        self._end = end or _end_this_process
        self._asked = self._away = False
        self._draining = threading.Event()
        self.name = worker_name()
        self.is_deaf = False  # it ends because messages did not reach it any more

    def open(self, slots: int) -> None:
        """Announces this process as a worker with so many slots, from now on."""
        self._slots = slots
        self.tick()
        threading.Thread(target=self._run, name="presence", daemon=True).start()

    def enter(self, camera_id: int) -> bool:
        """Takes a slot for the camera; False when there is none, or the camera runs here already."""
        with self._lock:
            full = self._slots is not None and len(self._running) >= self._slots
            if full or camera_id in self._running or self._draining.is_set():
                return False
            self._running.add(camera_id)
            return True

    def leave(self, camera_id: int) -> None:
        """The camera does not run here any more."""
        with self._lock:
            self._running.discard(camera_id)

    def drain(self) -> None:
        """Takes no more cameras, and says so."""
        self._draining.set()

    @property
    def running(self) -> int:
        with self._lock:
            return len(self._running)

    @property
    def is_draining(self) -> bool:
        return self._draining.is_set()

    def taken(self) -> None:
        """A message came."""
        if self._slots is not None:
            with suppress(RedisError):
                roster.note_taken(self.name)

    def close(self) -> None:
        """The process ends: nobody counts on it any more."""
        if self._slots is not None:
            with suppress(RedisError):
                roster.leave(self.name)

    def worker(self) -> Worker:
        """How the process announces itself."""
        return Worker(
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=self._slots or 0,
            running=self.running,
            hanging=keeper().hanging,
            load=round(turns().utilisation, 3),
            draining=self.is_draining,
            since=self._since,
        )

    def tick(self) -> None:
        """Announces once, and does what the answer asks for."""
        try:
            answer = roster.announce(self.worker())
        except RedisError as error:
            if not self._away:
                _log.warning("No new cameras are taken while Redis is away; those that run go on: %s", error)
            self._away = True
            return
        self._away = False
        if self._asked:
            return
        if answer.drain:
            self._asked = True
            _log.info("Asked to hand over: this worker gives its cameras to others and ends.")
            self._end()
        elif answer.waits > roster.DEAF_SECONDS:
            self._asked = self.is_deaf = True
            _log.error("No message has reached this worker for %.0f s. It ends, to be started again.", answer.waits)
            self._end()

    def _run(self) -> None:
        while True:
            threading.Event().wait(EVERY_SECONDS)
            try:
                self.tick()
            except Exception:
                # Without this thread the worker would get no cameras any more.
                _log.exception("The worker could not announce itself.")


def worker_name() -> str:
    """A name that no other process has: machine, number, and a few letters against numbers that come again."""
    return f"{socket.gethostname()[:60]}-{os.getpid()}-{os.urandom(2).hex()}"


def _end_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


@cache
def presence() -> Presence:
    """The process's own."""
    return Presence()
