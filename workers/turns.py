"""Who may compute next: cameras take turns for what is heavy, so that a busy one never starves the rest.

One `Turns` a process lets as many turns run at once as there are cores. Of those that wait, the camera that was served
least goes first: served is the time it computed, divided by its weight (start-time fair queueing, Goyal et al. 1996).
A camera that comes back after a pause starts level with the others and has no arrears to claim. So each gets what it
asks for as long as that is less than its fair share, however much the others want.

`share` says what part of the rates that cameras ask for the machine can give, in (0, 1]: it falls while more than a few
turns are waited for long enough that looks would be missed, and rises again slowly. Times in seconds. Safe to use from
any number of threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

from workers.threads import cores

LEAST_SHARE = 0.3  # with less, somebody who passes within seconds is not seen often enough to be followed
_WEIGH_SECONDS = 1.0  # how often the load is looked at
_LATE = 0.1  # a longer wait is half of the time between two looks
_LATE_MOST = 0.05  # of the turns: so many may be late
_FALL, _RISE = 0.85, 0.04


@dataclass(slots=True, eq=False)
class _Waiting:
    since: float
    called: threading.Event = field(default_factory=threading.Event)


class Turns:
    """A fair queue for computing."""

    def __init__(self, slots: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.slots = slots  # how many turns run at once
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, _Waiting] = {}
        self._served: dict[Hashable, float] = {}
        self._running: dict[Hashable, float] = {}  # who computes, and since when
        self._level = 0.0  # what the least served of those who want to compute had been served
        self._busy = 0.0
        self._count = self._late = 0  # turns that came, or were given up, since then, and those that came late
        self._weighed_at = clock()
        self._utilisation = 0.0
        self._share = 1.0

    @property
    def utilisation(self) -> float:
        """What part of the time all slots together were in use lately, in [0, 1]."""
        with self._lock:
            self._weigh()
            return self._utilisation

    @property
    def share(self) -> float:
        """What part of the rates that are asked for the machine can give by now, in [LEAST_SHARE, 1]."""
        with self._lock:
            self._weigh()
            return self._share

    @contextmanager
    def turn(self, who: Hashable, *, weight: float = 1.0, timeout: float = 10.0) -> Iterator[bool]:
        """Waits until it is the caller's turn, which lasts as long as the block; False when it did not come in time.

        One owner has one turn at a time.
        """
        called = self.ask(who)
        came = called.wait(timeout) or not self._give_up(who)
        try:
            yield came
        finally:
            if came:
                self.end(who, weight)

    def leave(self, who: Hashable) -> None:
        """Forgets somebody who will not come back."""
        with self._lock:
            self._served.pop(who, None)

    def ask(self, who: Hashable) -> threading.Event:
        """Asks for a turn; it has begun when the event is set, and lasts until `end`."""
        with self._lock:
            # Whoever paused does not get what it left to others; whoever is ahead stays so.
            active = [self._served[one] for one in (*self._waiting, *self._running)]
            self._level = max(self._level, min(active, default=self._level))
            self._served[who] = max(self._served.get(who, 0.0), self._level)
            waiting = self._waiting[who] = _Waiting(self._clock())
            self._call_next()
            return waiting.called

    def end(self, who: Hashable, weight: float = 1.0) -> None:
        """Ends a turn, and begins that of the next."""
        with self._lock:
            took = self._clock() - self._running.pop(who)
            self._served[who] = self._served.get(who, self._level) + took / weight
            self._busy += took
            self._weigh()
            self._call_next()

    def _give_up(self, who: Hashable) -> bool:
        """Takes back the question; False when the turn began at this very moment."""
        with self._lock:
            waiting = self._waiting.pop(who, None)
            if waiting is not None:
                self._note_wait(waiting)
            return waiting is not None

    def _call_next(self) -> None:
        """Fills the free slots; the lock is held."""
        while self._waiting and len(self._running) < self.slots:
            # By who was served least; of equals, who waits longest.
            who = min(self._waiting, key=lambda one: (self._served[one], self._waiting[one].since))
            waiting = self._waiting.pop(who)
            self._running[who] = self._clock()
            self._note_wait(waiting)
            waiting.called.set()

    def _note_wait(self, waiting: _Waiting) -> None:
        self._late += self._is_late(waiting)
        self._count += 1

    def _is_late(self, waiting: _Waiting) -> bool:
        return self._clock() - waiting.since > _LATE

    def _weigh(self) -> None:
        """Looks at the load, now and then; the lock is held."""
        now = self._clock()
        span = now - self._weighed_at
        if span < _WEIGH_SECONDS:
            return
        late = self._late + sum(self._is_late(one) for one in self._waiting.values())
        is_short = late > _LATE_MOST * (self._count + len(self._waiting))
        self._utilisation = min(1.0, self._busy / (span * self.slots))
        self._share = max(LEAST_SHARE, self._share * _FALL) if is_short else min(1.0, self._share + _RISE)
        self._busy = 0.0
        self._count, self._late, self._weighed_at = 0, 0, now


@cache
def turns() -> Turns:
    """The process's turns: as many at once as there are cores."""
    return Turns(cores())
