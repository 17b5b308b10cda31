"""Celery's beat, for machines whose clock is set while it runs.

Beat remembers by the wall clock when each task is due. Where the clock is set back by an hour, nothing would be sent
for an hour: no camera would be given to a worker. This scheduler notices that the clock was set and starts over.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.beat import PersistentScheduler

_log = logging.getLogger(__name__)

JUMP_SECONDS = 1.0


class SteadyScheduler(PersistentScheduler):
    """Sends tasks at their intervals, whatever the wall clock does."""

    _offset: float | None = None  # of the wall clock from the one that never jumps

    def tick(self, *args: Any, **options: Any) -> float:
        offset = time.time() - time.monotonic()
        jumped = self._offset is not None and abs(offset - self._offset) > JUMP_SECONDS
        if jumped or self._offset is None:
            self._start_over(every=jumped)
        if jumped:
            _log.warning("The clock was set by %+.0f s; all intervals begin anew.", offset - (self._offset or 0.0))
        self._offset = offset
        return super().tick(*args, **options)

    def _start_over(self, *, every: bool) -> None:
        """Lets intervals begin now: all, or those that by an earlier run's clock would begin in the future."""
        for entry in self.schedule.values():
            now = entry.default_now()
            if every or (entry.last_run_at is not None and now is not None and entry.last_run_at > now):
                entry.last_run_at = now
        self._heap = None
