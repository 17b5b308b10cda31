"""Makes films of clips and stores them with their alerts, in a thread of the process's own.

No loop waits for it, and no sighting: a film takes about a second of one core, and storing it the database. While that
is away it is tried again for a while; then the clip is given up, counted and logged. So is one for which there is no
room, and a killed process loses those that wait here: the alerts themselves are stored by then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC
from functools import cache

import av
from django.db import InterfaceError, OperationalError, connection

from accounts.vault import VaultError
from alerts.attachments import attach_clip
from alerts.errors import AlertError
from cameras.drops import Drop
from workers.clips import Clip
from workers.film import Film, NoEncoder, make

_log = logging.getLogger(__name__)

MOST_WAITING = 8
RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 20.0)
DRAIN_SECONDS = 5.0


class Studio:
    """Takes clips from all loops of the process; its thread begins with the first."""

    def __init__(self, *, pause: Callable[[float], object] = time.sleep) -> None:
        self._pause = pause
        self._changed = threading.Condition()
        self._waiting: deque[Clip] = deque()
        self._busy = False
        self._thread: threading.Thread | None = None

    def take(self, clip: Clip) -> None:
        """Makes a film of the clip when its turn comes; of those that wait too many the new one is given up."""
        with self._changed:
            if len(self._waiting) >= MOST_WAITING:
                _give_up(clip, f"{MOST_WAITING} others wait already")
                return
            self._waiting.append(clip)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="studio", daemon=True)
                self._thread.start()

    def drain(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Waits until everything is stored, at most so long: for a process that is about to end."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                clip, self._busy = self._waiting.popleft(), True
            try:
                self.produce(clip)
            except Exception:
                # Whatever it was: the clips of all other cameras must not end with it.
                _log.exception("A clip of %s could not be made.", clip.camera)
                clip.drops[Drop.CLIP_LOST] += 1
            finally:
                connection.close()
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def produce(self, clip: Clip) -> None:
        """Makes the film and stores it with each of the alerts. For the thread, and for tests."""
        try:
            film = make(clip)
        except (NoEncoder, av.FFmpegError) as error:
            _give_up(clip, str(error))
            return
        name = f"{clip.camera} {clip.at.astimezone(UTC):%Y-%m-%d %H.%M.%S} UTC.{film.suffix}"
        for alert in clip.alerts:
            self._store(clip, film, name, alert)

    def _store(self, clip: Clip, film: Film, name: str, alert: int) -> None:
        for pause in (*RETRY_SECONDS, None):
            try:
                attach_clip(alert_id=alert, name=name, data=film.data)
                return
            except (OperationalError, InterfaceError) as error:
                connection.close()  # a broken one would stay broken for this thread
                if pause is None:
                    _give_up(clip, str(error))
                    return
            except (AlertError, VaultError) as error:
                _give_up(clip, str(error))
                return
            self._pause(pause)


def _give_up(clip: Clip, why: str) -> None:
    clip.drops[Drop.CLIP_LOST] += 1
    _log.warning("A clip of %s is not kept with its alert: %s", clip.camera, why)


@cache
def studio() -> Studio:
    """The process's studio."""
    return Studio()
