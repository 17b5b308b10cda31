"""What cameras did in each hour, summed up from the counts that their workers give.

The counts of a loop only rise, and begin again with every new loop, which `began` tells: what is added is the
difference to the last look, or all of it where the loop is a new one.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from cameras.live import State, Status
from cameras.models import CameraHour, CameraWatch

COUNTS: Final = ("frames_in", "frames_wanted", "frames_missed", "frames_processed", "restarts")


class Hours:
    """The rows of the hour that `now` is in; what lies between two looks counts to the hour of the later one."""

    def __init__(self, now: datetime) -> None:
        self._start = now.replace(minute=0, second=0, microsecond=0)
        self._rows = {row.camera_id: row for row in CameraHour.objects.filter(start=self._start)}
        self._changed: dict[int, CameraHour] = {}

    def add(self, watch: CameraWatch, status: Status, seconds: float) -> None:
        """Adds what happened in the `seconds` since the last look, of which `watch` tells."""
        row = self._rows.get(watch.camera_id) or CameraHour(camera_id=watch.camera_id, start=self._start)
        self._changed[watch.camera_id] = row
        row.seconds_wanted += seconds
        if status.state is State.ONLINE:
            before = row.seconds_online
            row.seconds_online += seconds
            if row.seconds_online > 0:
                row.decode_ms = (row.decode_ms * before + status.decode_ms * seconds) / row.seconds_online
            row.lag_ms_most = max(row.lag_ms_most, status.lag_ms)
        if not status.began:  # nobody speaks for it
            return
        same = status.began == watch.began
        for count in COUNTS:
            known = getattr(watch, count) if same else 0
            setattr(row, count, getattr(row, count) + max(0, getattr(status, count) - known))
        drops = Counter(status.drops)
        if same:
            drops.subtract(watch.drops)
        row.drops = dict(Counter(row.drops) + +drops)

    def save(self) -> None:
        """Writes the rows that have changed, in one statement."""
        CameraHour.objects.bulk_create(
            self._changed.values(),
            update_conflicts=True,
            unique_fields=["camera", "start"],
            update_fields=["seconds_online", "seconds_wanted", *COUNTS, "drops", "lag_ms_most", "decode_ms"],
        )


def remember(watch: CameraWatch, status: Status) -> None:
    """Keeps the counts, for the difference that the next look adds."""
    if status.began:
        for count in ("began", "drops", *COUNTS):
            setattr(watch, count, getattr(status, count))
