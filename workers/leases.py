"""Keeps the leases of all cameras of a process: one thread, one statement a second, whatever the number of cameras.

A loop holds a `Holding` and asks it at every step whether it still may go on; that costs no more than a look into
memory, and is the sign of life by which the keeper knows that the loop does not hang. The keeper ends a holding when
the lease is lost, or when the database says that the camera was changed, switched off, removed, is off by its schedule
or is to be handed over. It renews only leases whose loops live: a camera whose loop hangs goes to another worker.

While the database does not answer, holdings are kept: loops go on and remember what they see. Whether the lease was
still theirs is found out afterwards, and whoever has lost it can not write under it any more (fencing by epoch). Spans
are measured with a clock that never jumps; whether a lease is over is for the database to say.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from functools import cache

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from cameras.leases import ClockGauge, Lease, Standing, release_leases, renew_leases
from cameras.models import Camera
from cameras.schedule import is_scheduled

_log = logging.getLogger(__name__)

HANG_SECONDS = 30.0  # a loop that shows no life for so long hangs,
START_SECONDS = 600.0  # before its first step: one that does not start; a large gallery is loaded for minutes
RELEASE_SECONDS = 5.0  # so long a lease that is given back is waited for
_LEAST_PAUSE = 0.02

OnHang = Callable[["Holding"], None]  # told by the keeper's thread that the loop hangs and the lease is given back


def _tell_nobody(holding: Holding) -> None:
    """Whose loop hangs is seen by the lease."""


class Ending(StrEnum):
    """Why a camera is not run here any more."""

    LOST = "another worker took it over"
    CHANGED = "it was changed"
    DISABLED = "it was switched off"
    REMOVED = "it was removed"
    SLEEPING = "it is off by its schedule"
    HANDED_OVER = "it was handed over to another worker"
    STOPPING = "the worker stops"
    HANGING = "its loop hung"


class Holding:
    """One camera's lease as its loop sees it. Any thread may ask; `is_held` and `beat` are the loop's own."""

    def __init__(
        self,
        *,
        lease: Lease,
        camera: Camera,
        by_hand: bool,
        on_hang: OnHang = _tell_nobody,
        clock: Callable[[], float],
    ) -> None:
        self.lease, self.on_hang = lease, on_hang
        self._revision, self._must_be_enabled, self._by_hand = camera.revision, camera.enabled, by_hand
        self._clock = clock
        self._beat_at = clock()
        self._patience = START_SECONDS
        self._ending: Ending | None = None
        self.given_back = threading.Event()

    def is_held(self) -> bool:
        """Whether the loop may go on. To be asked at every step: it is the loop's sign of life as well."""
        self._patience = HANG_SECONDS
        self.beat()
        return self._ending is None

    def beat(self) -> None:
        """Says that the loop lives, while something takes long."""
        self._beat_at = self._clock()

    @property
    def ending(self) -> Ending | None:
        return self._ending

    @property
    def why(self) -> str:
        """Why the loop must end, in words; empty while it need not."""
        return str(self._ending) if self._ending is not None else ""

    @property
    def hangs(self) -> bool:
        """Whether the loop has shown no life for too long."""
        return self._ending is None and self._clock() - self._beat_at > self._patience

    def end(self, ending: Ending) -> None:
        """Ends the holding, once: the first reason stands."""
        self._ending = self._ending or ending

    def learn(self, standing: Standing | None) -> None:
        """Takes in what the database says."""
        if standing is None or not standing.is_there:
            self.end(Ending.REMOVED)
        elif not standing.is_ours:
            self.end(Ending.LOST)
        else:
            ending = self._wanted(standing)
            if ending is not None:
                self.end(ending)

    def _wanted(self, standing: Standing) -> Ending | None:
        if standing.enabled != self._must_be_enabled:
            return Ending.DISABLED if self._must_be_enabled else Ending.CHANGED
        if standing.revision != self._revision:
            return Ending.CHANGED
        if self._by_hand:  # somebody wants to see it now, here
            return None
        if not is_scheduled(standing.schedule):
            return Ending.SLEEPING
        return Ending.HANDED_OVER if standing.handover else None


class LeaseKeeper:
    """Renews and gives back the leases of the process, in a thread of its own, which the first one starts."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self._clock, self._gauge = clock, ClockGauge(wall)
        self._changed = threading.Condition()
        self._held: dict[int, Holding] = {}
        self._to_give_back: list[Holding] = []
        self._hanging: list[Holding] = []
        self._thread: threading.Thread | None = None
        self._away = False
        self._woke_at = clock()

    def hold(self, lease: Lease, camera: Camera, *, by_hand: bool = False, on_hang: OnHang = _tell_nobody) -> Holding:
        """Keeps the lease from now on. With `by_hand` neither schedule nor handover end it."""
        holding = Holding(lease=lease, camera=camera, by_hand=by_hand, on_hang=on_hang, clock=self._clock)
        with self._changed:
            self._held[lease.camera_id] = holding
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)
                self._thread.start()
            self._changed.notify()
        return holding

    def give_back(self, holding: Holding) -> bool:
        """The loop is over: the lease is free for others; False when the database does not answer in time."""
        with self._changed:
            if self._held.get(holding.lease.camera_id) is holding:
                del self._held[holding.lease.camera_id]
            self._hanging = [one for one in self._hanging if one is not holding]
            self._to_give_back.append(holding)
            self._changed.notify()
        if holding.given_back.wait(RELEASE_SECONDS):
            return True
        with self._changed:  # then it runs out by itself
            self._to_give_back = [one for one in self._to_give_back if one is not holding]
        return False

    @property
    def holdings(self) -> list[Holding]:
        with self._changed:
            return list(self._held.values())

    @property
    def hanging(self) -> int:
        """How many loops hang: their cameras are others' by now, their threads are still here."""
        with self._changed:
            return len(self._hanging)

    def end_all(self, ending: Ending) -> None:
        """Ends every holding, as before the process ends."""
        for holding in self.holdings:
            holding.end(ending)

    def round(self) -> None:
        """Gives back, renews and learns, once. For the thread, and for tests."""
        self._forgive_pause()
        self._end_hanging()
        with self._changed:
            leaving, self._to_give_back = self._to_give_back, []
        living = self.holdings
        try:
            release_leases([one.lease for one in leaving])
            standings = renew_leases([one.lease for one in living], self._gauge)
        except (DatabaseError, InterfaceError) as error:
            self._miss(leaving, error)
            return
        for one in leaving:
            one.given_back.set()
        for one in living:
            one.learn(standings.get(one.lease.camera_id))
        if self._away:
            self._away = False
            _log.warning("The database answers again; %d leases are held.", sum(not one.why for one in living))

    def _miss(self, leaving: list[Holding], error: Exception) -> None:
        connection.close()
        with self._changed:
            self._to_give_back = [*leaving, *self._to_give_back]
        if not self._away:
            _log.warning("%d cameras go on while the database is away: %s", len(self._held), error)
        self._away = True

    def _forgive_pause(self) -> None:
        """After the whole process stood still (stopped, or the machine slept) no loop is to blame for its silence."""
        now, before = self._clock(), self._woke_at
        self._woke_at = now
        if now - before > HANG_SECONDS / 2:
            for holding in self.holdings:
                holding.beat()

    def _end_hanging(self) -> None:
        with self._changed:
            hung = [holding for holding in self._held.values() if holding.hangs]
            for holding in hung:
                holding.end(Ending.HANGING)
                del self._held[holding.lease.camera_id]
            self._hanging += hung
            self._to_give_back += hung
        for holding in hung:
            holding.on_hang(holding)

    def _run(self) -> None:
        while True:
            try:
                self.round()
            except Exception:
                # Without this thread every camera of the process would be lost.
                _log.exception("A round of the lease keeper failed.")
                connection.close()
            with self._changed:
                if not self._held and not self._to_give_back:
                    connection.close()
                pause = max(_LEAST_PAUSE, settings.HEARTBEAT_SECONDS) if self._held else None
                if self._away:
                    pause = settings.HEARTBEAT_SECONDS + _LEAST_PAUSE
                if not self._to_give_back or self._away:
                    self._changed.wait(pause)
                if pause is None:
                    self._woke_at = self._clock()


@cache
def keeper() -> LeaseKeeper:
    """The process's keeper."""
    return LeaseKeeper()
