"""What tests of the loop need to see everything at once.

A lease that is asked for at every step, a scribe that writes in the loop's own thread, turns and a reporter of the
test's own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from cameras.leases import renew_leases, take_lease
from cameras.models import Camera
from cameras.zones import ZoneShape
from workers.camera_loop import CameraLoop, Shared
from workers.leases import Holding
from workers.reporter import Reporter
from workers.scribe import Scribe
from workers.sightings import SightingWriter, Tell
from workers.sources import Reader
from workers.turns import Turns
from workers.zones import ZoneBook


class AskedHolding(Holding):
    """Asks the database at every step, as the keeper's thread does every second."""

    def is_held(self) -> bool:
        self.learn(renew_leases([self.lease]).get(self.lease.camera_id))
        return super().is_held()


class ScribeAtOnce(Scribe):
    """Writes in the thread of the loop."""

    def add(self, writer: SightingWriter) -> None:
        """It is given each writer when there is something to write."""

    def note(self, writer: SightingWriter) -> None:
        writer.flush()


class ReporterAtOnce(Reporter):
    """Tells Redis when it is asked to, and has no thread."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock)
        self._thread = threading.current_thread()


class BookAtOnce(ZoneBook):
    """Asks the database whenever it is asked, as the scribe's thread does every second."""

    def of(self, camera: int) -> tuple[ZoneShape, ...]:
        self.read()
        return super().of(camera)


def shared(*, reporter: Reporter | None = None, turns: Turns | None = None, zones: ZoneBook | None = None) -> Shared:
    return Shared(
        turns=turns or Turns(1),
        reporter=reporter or ReporterAtOnce(),
        scribe=ScribeAtOnce(),
        zones=zones or ZoneBook(),
    )


def hold(camera: Camera) -> Holding:
    lease = take_lease(camera_id=camera.pk, owner="test", worker="test")
    assert lease is not None
    return AskedHolding(lease=lease, camera=camera, by_hand=False, clock=time.monotonic)


def loop_of(
    camera: Camera,
    reader: Reader,
    *,
    holding: Holding | None = None,
    stop: threading.Event | None = None,
    tell: Tell | None = None,
    gating: bool = True,
    together: Shared | None = None,
) -> CameraLoop:
    """A loop that does everything at once."""
    return CameraLoop(
        camera=camera,
        holding=holding or hold(camera),
        reader=reader,
        stop=stop or threading.Event(),
        tell=tell,
        gating=gating,
        shared=together or shared(),
    )
