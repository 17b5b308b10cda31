"""Writes the sightings of all cameras of the process, and keeps the gallery new, so that no loop waits for a database.

One thread writes: one connection a process, however many cameras it runs. What is urgent (a face that was identified,
a sighting that closed) goes first. While the database is away or hangs, loops go on; what they saw waits in their
`SightingWriter` and is written when the database answers. Which zones are drawn in the cameras' pictures is read
between two writes. A second thread looks for a new gallery, because reading a large one must not hold up an alert.
"""

from __future__ import annotations

import logging
import threading
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection

from recognition.engine import EngineError
from recognition.gallery import gallery, read_for_all
from workers.sightings import RETRY_SECONDS, SightingWriter
from workers.zones import zone_book

_log = logging.getLogger(__name__)

EVERY_SECONDS = 0.25


class Scribe:
    """Flushes the writers that are added, in a thread of its own, which the first one starts."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._writers: list[SightingWriter] = []
        self._rung = False
        self._thread: threading.Thread | None = None

    def add(self, writer: SightingWriter) -> None:
        with self._changed:
            self._writers.append(writer)
            self._rung = True  # without writers the thread waits for a ring
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="scribe", daemon=True)
                self._thread.start()

    def remove(self, writer: SightingWriter) -> None:
        with self._changed:
            self._writers = [one for one in self._writers if one is not writer]
        self.ring()

    def note(self, writer: SightingWriter) -> None:
        """Something may have changed in the writer: what is urgent is written at once."""
        if writer.has_urgent:
            self.ring()

    def ring(self) -> None:
        """Says that something urgent waits."""
        with self._changed:
            self._rung = True
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._rung, EVERY_SECONDS if self._writers else None)
                self._rung = False
                writers = list(self._writers)
            if not writers:
                connection.close()
            elif self._write(writers):
                zone_book().look()
            else:
                threading.Event().wait(RETRY_SECONDS)

    def _write(self, writers: list[SightingWriter]) -> bool:
        """One round; False when the database does not answer."""
        for writer in sorted(writers, key=lambda one: not one.has_urgent):
            try:
                if writer.error is None and not writer.flush():
                    return False
            except Exception as error:
                # One camera's sighting must not silence the alerts of all others; its loop raises the error.
                writer.error = error
                connection.close()
        return True


@cache
def scribe() -> Scribe:
    """The process's scribe."""
    return Scribe()


@cache
def follow_gallery() -> threading.Thread:
    """Looks for changes of the gallery all the time, so that loops find a new one in memory. Started once a process."""
    thread = threading.Thread(target=_follow, name="gallery", daemon=True)
    thread.start()
    return thread


def _follow() -> None:
    pause = threading.Event()
    read_for_all()
    while True:
        try:
            connection.ensure_connection()  # one that stays open: it is asked for all the time
            gallery()
        except (DatabaseError, EngineError) as error:  # there is none yet; loops say why they can not begin
            _log.debug("No gallery yet: %s", error)
        pause.wait(settings.GALLERY_POLL_SECONDS * 0.8)
