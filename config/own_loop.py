"""One event loop for the whole process, for code that is not asynchronous and speaks to something that is.

`async_to_sync` makes a loop each time, and with it a new connection to Redis, which takes longer than what is said over
it. Here the loop, and what is connected in it, stays.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loops: dict[int, asyncio.AbstractEventLoop] = {}  # by process: a fork has no thread of its parent's


def run(work: Coroutine[Any, Any, T], *, seconds: float) -> T:
    """Runs it to its end, and raises what it raises; TimeoutError after so many seconds. From any thread."""
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), _loop()).result(seconds + 1.0)


def _loop() -> asyncio.AbstractEventLoop:
    with _lock:
        found = _loops.get(os.getpid())
        if found is None:
            found = _loops[os.getpid()] = asyncio.new_event_loop()
            threading.Thread(target=found.run_forever, name="own-loop", daemon=True).start()
        return found
