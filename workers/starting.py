"""Does for cameras that start what needs the database, in two threads, so that fifty starts are not fifty connections.

A thread lets go of its connection when nothing waits any more. What is raised is raised where it was asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from django.db import DatabaseError, connection

THREADS = 2
T = TypeVar("T")


class Starter:
    """A queue of short works; safe to use from any thread."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="starter")
        self._lock = threading.Lock()
        self._waiting = 0

    def do(self, work: Callable[[], T]) -> T:
        """Waits for its turn, and for the work."""
        with self._lock:
            self._waiting += 1
        return self._pool.submit(self._work, work).result()

    def _work(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except DatabaseError:
            connection.close()  # a broken one would stay broken for this thread
            raise
        finally:
            with self._lock:
                self._waiting -= 1
                rest = self._waiting
            if rest < THREADS:
                connection.close()


@cache
def starter() -> Starter:
    """The process's own."""
    return Starter()
