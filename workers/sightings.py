"""Follows each track as the sighting it becomes, and writes it, with its alerts, as it changes.

A write that fails because the database is away is repeated with what is known by then; sightings are named by ids made
here, so that a repeated write changes nothing. What could not be written waits in memory, within a bound.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.db import IntegrityError, InterfaceError, OperationalError, connection

from alerts.services import report_sighting
from cameras.models import Verdict
from cameras.services import Lease, SightingRecord
from workers.decision import Decision, Evidence
from workers.tracking import Track

_log = logging.getLogger(__name__)

SAVE_SECONDS = 2.0
RETRY_SECONDS = 1.0
MOST_WAITING = 1000
DRAIN_SECONDS = 5.0


class EventKind(StrEnum):
    OPENED = "opened"
    IDENTIFIED = "identified"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraFacts:
    """What a sighting says of its camera."""

    id: int
    name: str
    latitude: float | None
    longitude: float | None


@dataclass(slots=True, eq=False)
class Watched:
    """A track and the sighting it becomes."""

    track: Track
    first_at: datetime
    last_at: datetime
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    frames: int = 0
    evidence: Evidence = field(default_factory=Evidence)
    decision: Decision = field(default_factory=Decision)
    decided_at: datetime | None = None
    decided_revision: int = -1
    weighed: int = -1  # evidence.count at the last decision
    embedded_t: float = float("-inf")
    doubts: int = 0  # looks in a row that did not resemble the track
    best_quality: float = 0.0
    shot: bytes | None = None  # waits to be written
    closed: bool = False
    opened_told: bool = False
    person_told: int | None = None
    saved_at: float = float("-inf")
    urgent: bool = False


Tell = Callable[[EventKind, Watched], None]


class SightingWriter:
    """Writes the sightings of one camera under one lease."""

    def __init__(self, *, camera: CameraFacts, lease: Lease, tell: Tell, drops: Counter[str]) -> None:
        self._camera, self._lease = camera, lease
        self._tell = tell
        self._drops = drops
        self._waiting: dict[uuid.UUID, Watched] = {}
        self._retry_at = float("-inf")

    def changed(self, watched: Watched, *, urgent: bool = False) -> None:
        """Says that the sighting should be written, at once or when its turn comes."""
        watched.urgent = watched.urgent or urgent
        self._waiting[watched.id] = watched
        if len(self._waiting) > MOST_WAITING:
            oldest = next((w for w in self._waiting.values() if w.closed), watched)
            del self._waiting[oldest.id]
            self._drops["sighting not written"] += 1

    def flush(self, *, everything: bool = False) -> None:
        """Writes what is due; raises LeaseLost. While the database is away it keeps everything for later."""
        now = time.monotonic()
        if now < self._retry_at and not everything:
            return
        for watched in list(self._waiting.values()):
            if not (everything or watched.urgent or watched.closed or now - watched.saved_at >= SAVE_SECONDS):
                continue
            try:
                self._write(watched)
            except (OperationalError, InterfaceError) as error:
                connection.close()
                self._retry_at = now + RETRY_SECONDS
                _log.warning(
                    "Sightings of %s wait for the database (%d): %s", self._camera.name, len(self._waiting), error
                )
                return
            except IntegrityError as error:  # a rule or a person was deleted this moment; the next try knows that
                self._retry_at = now + RETRY_SECONDS
                _log.warning("A sighting of %s is written again: %s", self._camera.name, error)
                continue
            watched.saved_at, watched.urgent = now, False
            del self._waiting[watched.id]

    def drain(self) -> None:
        """Writes all that waits, for DRAIN_SECONDS at most; what is left then is lost, and said."""
        until = time.monotonic() + DRAIN_SECONDS
        self.flush(everything=True)
        while self._waiting and time.monotonic() < until:
            time.sleep(0.2)
            self.flush(everything=True)
        if self._waiting:
            _log.error("%d sightings of %s could not be written.", len(self._waiting), self._camera.name)

    def _write(self, watched: Watched) -> None:
        shot, decision = watched.shot, watched.decision
        report = report_sighting(
            sighting=SightingRecord(
                id=watched.id,
                lease=self._lease,
                camera_name=self._camera.name,
                latitude=self._camera.latitude,
                longitude=self._camera.longitude,
                track=watched.track.number,
                first_seen=watched.first_at,
                last_seen=watched.last_at,
                frames=watched.frames,
                is_open=not watched.closed,
                verdict=decision.verdict,
                person_id=decision.person,
                similarity=decision.similarity,
                threshold=decision.threshold,
                pack=decision.pack,
                template=decision.template,
                quality=watched.best_quality,
                shot=shot,
            ),
            captured_at=watched.decided_at or watched.last_at,
        )
        if watched.shot is shot:
            watched.shot = None
        self._announce(watched, report.sighting.person_id)

    def _announce(self, watched: Watched, person: int | None) -> None:
        if not watched.opened_told:
            watched.opened_told = True
            self._tell(EventKind.OPENED, watched)
        if watched.decision.verdict is Verdict.KNOWN and person is not None and watched.person_told != person:
            watched.person_told = person
            self._tell(EventKind.IDENTIFIED, watched)
        if watched.closed:
            self._tell(EventKind.CLOSED, watched)
