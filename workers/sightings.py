"""Follows each track as the sighting it becomes, and writes it, with its alerts, as it changes.

The loop says what changed and goes on; the process's `Scribe` (`workers/scribe.py`) writes it from a thread of its own,
so that no frame waits for the database. A write that fails because the database is away is repeated with what is known
by then; sightings are named by ids made here, so that a repeated write changes nothing. What could not be written waits
in memory, within a bound; what is left out is counted.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import IntegrityError, InterfaceError, OperationalError, connection
from psycopg.errors import DiskFull

from alerts.reporting import report_sighting
from cameras.courses import CourseKeeper
from cameras.drops import Drop
from cameras.leases import Lease, LeaseLost
from cameras.models import Verdict
from cameras.services import PassageRecord, SightingRecord
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
    first_t: float = 0.0  # on the frames' clock
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
    embedded_quality: float = 0.0  # the best among the looks that were embedded
    shot: bytes | None = None  # the best so far, as JPEG
    passages: tuple[PassageRecord, ...] = ()  # all of them, in order
    course: CourseKeeper = field(default_factory=CourseKeeper)  # where in the picture the face was
    closed: bool = False

    def moment(self, t: float) -> datetime:
        """A time on the frames' clock as UTC. Measured from the first frame: clocks that are set change no span."""
        return self.first_at + timedelta(seconds=t - self.first_t)


Tell = Callable[[EventKind, Watched], None]
Raised = Callable[[Watched, Sequence[int]], None]  # the sighting, as it was written, has caused these new alerts


@dataclass(slots=True, eq=False)
class _Waiting:
    watched: Watched  # a copy, as it was when it changed
    urgent: bool


@dataclass(slots=True, eq=False)
class _Written:
    """What of a sighting is known to be stored and told."""

    saved_at: float = float("-inf")
    shot: bytes | None = None
    opened: bool = False
    person: int | None = None
    passages: int = 0  # so many of them
    unknown: int | None = None  # with so many looks the face was kept as somebody unknown's


class SightingWriter:
    """Writes the sightings of one camera under one lease. `changed` belongs to the loop, the rest to any thread."""

    def __init__(
        self, *, camera: CameraFacts, lease: Lease, tell: Tell, drops: Counter[Drop], raised: Raised | None = None
    ) -> None:
        self._camera, self._lease = camera, lease
        self._tell, self._raised = tell, raised
        self._drops = drops
        self._lock = threading.Lock()  # of what waits
        self._writing = threading.Lock()
        self._waiting: dict[uuid.UUID, _Waiting] = {}
        self._written: dict[uuid.UUID, _Written] = {}
        self._retry_at = float("-inf")
        self.error: Exception | None = None  # why nothing can be written any more
        self.trouble = ""  # why what was seen can not be written now, for people

    @property
    def has_urgent(self) -> bool:
        with self._lock:
            return any(one.urgent for one in self._waiting.values())

    def changed(self, watched: Watched, *, urgent: bool = False) -> None:
        """Says that the sighting should be written, at once (also when it has passed a zone) or when its turn comes."""
        with self._lock:
            before = self._waiting.pop(watched.id, None)
            written = self._written.get(watched.id)
            passed = len(watched.passages) > (written.passages if written is not None else 0)
            urgent = urgent or passed or watched.closed or (before is not None and before.urgent)
            self._waiting[watched.id] = _Waiting(copy.copy(watched), urgent)
            if len(self._waiting) > MOST_WAITING:
                oldest = next((id_ for id_, one in self._waiting.items() if one.watched.closed), watched.id)
                del self._waiting[oldest]
                self._drops[Drop.NOT_WRITTEN] += 1

    def flush(self, *, everything: bool = False) -> bool:
        """Writes what is due; False while the database is away, which keeps everything for later.

        Raises LeaseLost.
        """
        with self._writing:
            now = time.monotonic()
            if now < self._retry_at and not everything:
                return True
            with self._lock:
                waiting = list(self._waiting.items())
            due = [(id_, one) for id_, one in waiting if everything or one.urgent or self._is_time(id_, now)]
            return all(self._try(id_, one, now) for id_, one in due)

    def _is_time(self, sighting: uuid.UUID, now: float) -> bool:
        written = self._written.get(sighting)
        return written is None or now - written.saved_at >= SAVE_SECONDS

    def _try(self, id_: uuid.UUID, one: _Waiting, now: float) -> bool:
        try:
            self._write(one.watched, now)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            self._retry_at = now + RETRY_SECONDS
            self.trouble = _why_not_written(error)
            _log.warning("Sightings of %s wait for the database (%d): %s", self._camera.name, len(self._waiting), error)
            return False
        except IntegrityError as error:  # a rule or a person was deleted this moment; the next try knows that
            self._retry_at = now + RETRY_SECONDS
            _log.warning("A sighting of %s is written again: %s", self._camera.name, error)
            return True
        except LeaseLost as lost:
            self._give_up(lost)
            raise
        self.trouble = ""
        with self._lock:
            if self._waiting.get(id_) is one:  # else it changed while it was written, and is written again
                del self._waiting[id_]
        return True

    def _give_up(self, lost: LeaseLost) -> None:
        """Somebody else runs the camera: what was seen meanwhile is theirs to write."""
        self.error = lost
        with self._lock:
            self._drops[Drop.NOT_WRITTEN] += len(self._waiting)

    def drain(self) -> None:
        """Writes all that waits, for DRAIN_SECONDS at most; what is left then is lost, and said."""
        until = time.monotonic() + DRAIN_SECONDS
        self.flush(everything=True)
        while self._waiting and time.monotonic() < until:
            time.sleep(0.2)
            self.flush(everything=True)
        if self._waiting:
            _log.error("%d sightings of %s could not be written.", len(self._waiting), self._camera.name)

    def _write(self, watched: Watched, now: float) -> None:
        decision, written = watched.decision, self._written.setdefault(watched.id, _Written())
        is_unknown, looks = decision.verdict is Verdict.UNKNOWN, watched.evidence.count
        keeps_probe = is_unknown and (written.unknown is None or (watched.closed and written.unknown != looks))
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
                probe=watched.evidence.mean() if decision.verdict is not Verdict.UNDECIDED else None,
                keeps_probe=keeps_probe,
                course=watched.course.packed(),
                quality=watched.best_quality,
                shot=watched.shot if watched.shot is not written.shot else None,
                passages=watched.passages[written.passages :],
            ),
            captured_at=watched.decided_at or watched.last_at,
        )
        written.saved_at, written.shot, written.passages = now, watched.shot, len(watched.passages)
        written.unknown = (looks if keeps_probe else written.unknown) if is_unknown else None
        if report.alerts and self._raised is not None:
            self._raised(watched, report.alerts)
        self._announce(watched, written, report.sighting.person_id)
        if watched.closed:
            del self._written[watched.id]

    def _announce(self, watched: Watched, written: _Written, person: int | None) -> None:
        if not written.opened:
            written.opened = True
            self._tell(EventKind.OPENED, watched)
        if watched.decision.verdict is Verdict.KNOWN and person is not None and written.person != person:
            written.person = person
            self._tell(EventKind.IDENTIFIED, watched)
        if watched.closed:
            self._tell(EventKind.CLOSED, watched)


def _why_not_written(error: Exception) -> str:
    kept = f"What the camera sees is kept, {MOST_WAITING} sightings at most, and written"
    if isinstance(error.__cause__, DiskFull):
        return f"The disk of the database is full. Free some space there. {kept} when there is room."
    return f"The database does not answer. {kept} when it does."
