"""What happened to a camera lately, as its page shows it: the last day hour by hour, and what was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from cameras.models import Camera, CameraEvent, CameraHour

HOURS = 24
EVENTS = 20
_BAR = 40.0  # the height of a full bar in the drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One hour. `share`: how much of the wanted time it was online, in [0, 1]; None where it was not wanted."""

    start: datetime
    left: int
    share: float | None
    row: CameraHour | None

    @property
    def height(self) -> float:
        return round(max(1.5, (self.share or 0.0) * _BAR), 1)

    @property
    def top(self) -> float:
        return _BAR - self.height

    @property
    def percent(self) -> str:
        """Rounded down: what was not always there is never 100 %."""
        return "off" if self.share is None else f"{int(self.share * 1000) / 10:g} %"

    @property
    def tone(self) -> str:
        """How it is drawn: off, whole, part or little."""
        if self.share is None:
            return "off"
        return "whole" if self.share >= 0.995 else "part" if self.share >= 0.5 else "little"


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    bars: list[Bar]
    share: float | None

    @property
    def summary(self) -> str:
        if self.share is None:
            return "Not watched in the last 24 hours."
        return f"Online {int(self.share * 1000) / 10:g} % of the time it was wanted in the last 24 hours."


def availability(camera: Camera, now: datetime) -> Availability:
    """The last 24 hours, this one included; one query."""
    first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS - 1)
    rows = {row.start: row for row in CameraHour.objects.filter(camera=camera, start__gte=first)}
    moments = [first + timedelta(hours=n) for n in range(HOURS)]
    bars = [
        Bar(start=moment, left=n * 10, share=_share(rows.get(moment)), row=rows.get(moment))
        for n, moment in enumerate(moments)
    ]
    wanted = sum(row.seconds_wanted for row in rows.values())
    online = sum(min(row.seconds_online, row.seconds_wanted) for row in rows.values())
    return Availability(bars=bars, share=online / wanted if wanted else None)


def events(camera: Camera) -> list[CameraEvent]:
    """What was wrong, newest first."""
    return list(CameraEvent.objects.filter(camera=camera)[:EVENTS])


def _share(row: CameraHour | None) -> float | None:
    if row is None or not row.seconds_wanted:
        return None
    return min(1.0, row.seconds_online / row.seconds_wanted)
