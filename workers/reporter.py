"""Says for all cameras of the process what they do, once a second and in one go, and hands out their live pictures.

A loop leaves its newest status and its newest live picture here and goes on; one thread talks to Redis, so that no
frame ever waits for it. In the same round the thread learns which cameras somebody watches, and how often a second. Of
pictures that come faster than Redis takes them the older ones are left out. A loop that says nothing more is
published no more, so that a camera that hangs is not called online. While Redis is away nobody is told to be watching.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import cache

from redis.exceptions import RedisError

from cameras import live
from cameras.live import State, Status, View

_log = logging.getLogger(__name__)

EVERY_SECONDS = 1.0
SOON_SECONDS = 0.1  # between two rounds at least
AWAY_SECONDS = 2.0  # so long nothing is tried after Redis did not answer


class Reporter:
    """Publishes statuses and pictures in a thread of its own, which the first status starts."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._statuses: dict[int, Status] = {}  # said since the last round
        self._cameras: dict[int, tuple[State, View]] = {}  # that run in this process, and what was said of them last
        self._pictures: dict[int, bytes] = {}
        self._watched: dict[int, int] = {}
        self._due = self._rounds_at = float("-inf")
        self._away = False

    def say(self, camera_id: int, status: Status) -> None:
        """The camera's status as it is now; published within EVERY_SECONDS, a new state or view sooner."""
        look = (status.state, status.view)
        with self._changed:
            self._statuses[camera_id] = status
            if self._cameras.get(camera_id) != look:
                self._cameras[camera_id] = look
                self._due = min(self._due, self._rounds_at + SOON_SECONDS)
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
                self._thread.start()

    def offer(self, camera_id: int, jpeg: bytes) -> None:
        """A live picture, to be sent at once."""
        with self._changed:
            self._pictures[camera_id] = jpeg
            self._changed.notify()

    def wanted(self, camera_id: int) -> int:
        """How many live pictures a second are wanted of the camera by now; 0 when nobody watches."""
        return self._watched.get(camera_id, 0)

    def leave(self, camera_id: int) -> None:
        """The camera does not run here any more: nothing is said of it once this returns."""
        with self._sending, self._changed:
            self._cameras.pop(camera_id, None)
            self._statuses.pop(camera_id, None)
            self._pictures.pop(camera_id, None)
            self._watched.pop(camera_id, None)

    def round(self) -> None:
        """Publishes what was left here, and asks who is watched. For the thread, and for tests."""
        with self._sending:
            with self._changed:
                pictures, self._pictures = self._pictures, {}
                is_due = self._clock() >= self._due
                statuses, cameras = (self._statuses, set(self._cameras)) if is_due else ({}, set())
                self._statuses = {} if is_due else self._statuses
            try:
                for camera_id, jpeg in pictures.items():
                    live.publish_picture(camera_id, jpeg)
                if is_due:
                    self._rounds_at = self._clock()
                    self._due = self._rounds_at + EVERY_SECONDS
                    self._watched = live.publish_statuses(statuses, ask=cameras)
                self._away = self._away and not (is_due or pictures)
            except RedisError as error:
                self._miss(error)

    def _miss(self, error: RedisError) -> None:
        self._watched = {}
        self._due = self._rounds_at = self._clock() + AWAY_SECONDS
        if not self._away:
            _log.warning("The states of cameras can not be published; they go on, and it is tried again: %s", error)
        self._away = True

    def _run(self) -> None:
        while True:
            with self._changed:
                pause = max(0.0, min(EVERY_SECONDS, self._due - self._clock()))
                if not self._pictures and pause > 0:
                    self._changed.wait(pause)
            try:
                self.round()
            except Exception:
                # Whatever it was: without this thread all cameras of the process would seem to be gone.
                _log.exception("A round of the reporter failed.")
                time.sleep(EVERY_SECONDS)


@cache
def reporter() -> Reporter:
    """The process's reporter."""
    return Reporter()
