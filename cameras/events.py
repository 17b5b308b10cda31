"""The events of cameras: opened when something goes wrong, closed when it is over.

`events_changed` tells of them in the transaction that writes them; the alerts room listens. Only `cameras.health` uses
the rest, one look at a time.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final

from django.dispatch import Signal

from cameras.models import Camera, CameraEvent, EventKind

AGAIN_SECONDS: Final = 300.0  # what comes again so soon after its end is the same event once more
_LONGEST_DETAIL: Final = 500


class Change(Enum):
    """What became of an event."""

    BEGAN = auto()
    AGAIN = auto()  # it had ended, and is there again
    ENDED = auto()


# Sent with `changes`: pairs of a CameraEvent and its Change. Receivers write in the same transaction.
events_changed = Signal()


class Events:
    """The open events of all cameras, as one look finds and changes them. Make it and use it in one transaction."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._open = {(event.camera_id, event.kind): event for event in CameraEvent.objects.filter(ended_at=None)}
        self._changes: list[tuple[CameraEvent, Change]] = []

    def open(self, camera: Camera, kind: EventKind, *, since: datetime, detail: str = "") -> None:
        """Says that something is wrong; where that is known only what is said of it may be new, which tells nobody."""
        known = self._open.get((camera.pk, kind))
        if known is not None:
            if detail and known.detail != detail[:_LONGEST_DETAIL]:
                known.detail = detail[:_LONGEST_DETAIL]
                known.save(update_fields=["detail"])
            return
        soon = self._now - timedelta(seconds=AGAIN_SECONDS)
        past = CameraEvent.objects.filter(camera=camera, kind=kind, ended_at__gte=soon)
        event = past.order_by("-ended_at").first()
        if event is not None:
            event.ended_at, event.times, event.detail = None, event.times + 1, detail[:_LONGEST_DETAIL]
            event.save(update_fields=["ended_at", "times", "detail"])
        else:
            event = CameraEvent.objects.create(
                camera=camera, camera_name=camera.name, kind=kind, began_at=since, detail=detail[:_LONGEST_DETAIL]
            )
        event.camera = camera
        self._open[camera.pk, kind] = event
        self._changes.append((event, Change.BEGAN if event.times == 1 else Change.AGAIN))

    def close(self, camera_id: int, kinds: Collection[EventKind], *, ended_at: datetime) -> None:
        """Says that these are over, as far as they were there."""
        for kind in kinds:
            event = self._open.pop((camera_id, kind), None)
            if event is not None:
                self._end(event, ended_at)

    def close_orphans(self) -> None:
        """Ends what was wrong with cameras that were removed since."""
        for event in [event for event in self._open.values() if event.camera_id is None]:
            self._end(event, self._now)

    def tell(self) -> None:
        """Tells of all that changed. Last of all: receivers take a lock that others wait for."""
        if self._changes:
            events_changed.send(CameraEvent, changes=tuple(self._changes))

    def _end(self, event: CameraEvent, ended_at: datetime) -> None:
        event.ended_at = max(ended_at, event.began_at)  # a clock may have been set back
        event.save(update_fields=["ended_at"])
        self._changes.append((event, Change.ENDED))
