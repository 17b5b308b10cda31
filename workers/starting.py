"""Does for cameras that start what needs the database, in two threads, so that fifty starts are not fifty connections.

What is urgent (taking a camera's lease, by which others learn that it is run) goes before what is not (reading what its
loop begins with), so that a worker has all its cameras before it is busy with the first. A thread lets go of its
connection when nothing waits any more. What is raised is raised where it was asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from queue import PriorityQueue
from typing import Any, TypeVar

from django.db import connection

THREADS = 2
T = TypeVar("T")


class Starter:
    """A queue of short works; safe to use from any thread."""

    def __init__(self, threads: int = THREADS) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="starter")
        self._waiting: PriorityQueue[tuple[bool, int, Callable[[], Any], Future[Any]]] = PriorityQueue()
        self._numbers = itertools.count()

    def do(self, work: Callable[[], T], *, urgent: bool = False) -> T:
        """Waits for its turn, and for the work."""
        return self.ask(work, urgent=urgent).result()

    def ask(self, work: Callable[[], T], *, urgent: bool = False) -> Future[T]:
        """The work will be done, behind what is as urgent and was asked for before."""
        done: Future[T] = Future()
        self._waiting.put((not urgent, next(self._numbers), work, done))
        self._pool.submit(self._next)
        return done

    def _next(self) -> None:
        """Does what is most urgent by now."""
        _, _, work, done = self._waiting.get()
        try:
            result = work()
            if self._waiting.empty():
                connection.close()
        except BaseException as error:
            done.set_exception(error)
            connection.close()  # a broken one would stay broken for this thread
        else:
            done.set_result(result)


@cache
def starter() -> Starter:
    """The process's own."""
    return Starter()
