"""The zones of cameras' pictures, as the loops of a process know them, and what the faces of a loop pass of them.

One `ZoneBook` a process holds all of them in memory. The scribe's thread looks once a second whether anything changed
(one row), and reads them anew when so; loops look into the book with every frame that shows faces and never wait for
the database. A camera without zones costs its loop one look into a dictionary.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from functools import cache

from django.db import InterfaceError, OperationalError, connection

from cameras.models import PassageKind, ZoneRevision
from cameras.passing import ZoneWatch
from cameras.selectors import picture_zones
from cameras.services import PassageRecord
from cameras.zones import ZoneShape
from recognition.engine.types import Floats
from workers.sightings import Watched
from workers.sources import Frame

_log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
_NONE: tuple[ZoneShape, ...] = ()


class ZoneBook:
    """All zones that are drawn in pictures, by camera. Any thread may ask; what it gives is never changed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading = threading.Lock()
        self._revision: int | None = None
        self._looked_at = float("-inf")
        self._zones: dict[int, tuple[ZoneShape, ...]] = {}

    def of(self, camera: int) -> tuple[ZoneShape, ...]:
        """The camera's zones as of the last look; the same object until they change."""
        return self._zones.get(camera, _NONE)

    def look(self) -> None:
        """Sees to it that no change is older than LOOK_SECONDS; while the database is away all stays as it is."""
        if self._clock() - self._looked_at < LOOK_SECONDS:
            return
        try:
            self.read()
        except (OperationalError, InterfaceError) as error:
            connection.close()
            self._looked_at = self._clock()
            _log.debug("Zones stay as they are: %s", error)

    def read(self) -> None:
        """Reads the zones where they have changed since the last time. Raises what the database raises."""
        with self._reading:
            # Before the zones: a change between the two reads is read once more.
            revision = ZoneRevision.objects.values_list("revision", flat=True).first()
            if revision is None or revision != self._revision:
                found = picture_zones()
                # What is the same stays the same object: no loop looks into it again.
                self._zones = {
                    camera: before if (before := self._zones.get(camera)) == zones else zones
                    for camera, zones in found.items()
                }
                self._revision = revision
            self._looked_at = self._clock()


class Passing:
    """What the tracks of one loop pass of the zones in its picture. Belongs to the loop's thread."""

    def __init__(self, book: ZoneBook, camera: int) -> None:
        self._book, self._camera = book, camera
        self._zones = _NONE
        self._watch = ZoneWatch()

    def begin(self, *, cut: bool) -> bool:
        """Before the faces of a frame: whether there are zones at all."""
        zones = self._book.of(self._camera)
        if zones is not self._zones:
            self._zones = zones
            self._watch.change(zones)
        if cut and zones:
            self._watch.cut()
        return bool(zones)

    def see(self, watched: Watched, box: Floats, frame: Frame) -> None:
        """Adds to the sighting what its face passed by this look."""
        x1, y1, x2, y2 = (float(value) for value in box)
        number = watched.track.number
        passed = self._watch.see(number, (x1, y1, x2, y2), width=frame.width, height=frame.height, t=frame.t)
        for one in passed:
            record = PassageRecord(
                zone_id=one.zone_id,
                kind=PassageKind(one.way.value),
                number=len(watched.passages),
                at=watched.moment(one.t),
            )
            watched.passages = (*watched.passages, record)

    def keep(self, tracks: Collection[int]) -> None:
        """Forgets tracks that are over."""
        self._watch.keep(tracks)


@cache
def zone_book() -> ZoneBook:
    """The process's book."""
    return ZoneBook()
