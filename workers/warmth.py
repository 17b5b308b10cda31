"""Loads the models once for all cameras that start at the same time, while each of them shows that it lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache

from recognition.engine import Pack

FRESH_SECONDS = 30.0  # models that were loaded so long ago are still there


class Warmth:
    """Warms packs up, each in one thread, however many ask for it."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._works: dict[str, Future[None]] = {}
        self._done_at: dict[str, float] = {}

    def warm(self, pack: Pack) -> Future[None]:
        """Done when the pack's models have loaded; fails with EngineError when they can not."""
        with self._lock:
            work = self._works.get(pack.version)
            if work is None or (work.done() and not self._is_fresh(pack, work)):
                work = self._works[pack.version] = Future()
                threading.Thread(target=self._work, args=(pack, work), name="warm-up", daemon=True).start()
            return work

    def _is_fresh(self, pack: Pack, work: Future[None]) -> bool:
        if work.exception() is not None:
            return False  # who asks again wants it to be tried again
        return self._clock() - self._done_at.get(pack.version, float("-inf")) < FRESH_SECONDS

    def _work(self, pack: Pack, work: Future[None]) -> None:
        try:
            pack.warm_up()
        except BaseException as error:
            work.set_exception(error)
            return
        self._done_at[pack.version] = self._clock()
        work.set_result(None)


@cache
def warmth() -> Warmth:
    """The process's own."""
    return Warmth()
