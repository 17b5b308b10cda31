"""What a camera costs and how fast an alert is there: cameras of clips, a real worker, a real open page.

Latency is measured from a frame's capture (the moment the decoder hands it over) to the arrival of the alert's HTML at
the WebSocket client. The CPU time is the camera worker's alone, by the operating system's books.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import clip
from benchmarks.page import OpenPage
from benchmarks.site import HOST, Site, enrol, sign_in

SETTLE_SECONDS = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What one way of running cost. Latencies in seconds, one an alert; rates a camera."""

    cameras: int
    cpu_per_camera_minute: float
    memory_mb: float
    fps_in: float
    fps_processed: float
    sightings: int = 0
    known: int = 0
    from_deciding_frame: tuple[float, ...] = ()
    from_first_frame: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The phases of one run."""

    still: Phase
    one: Phase
    four: Phase
    breaks: tuple[str, ...]  # why the page's connection broke, each time it did


def measure(data_dir: Path, clips: dict[str, Path], *, seconds: float) -> Measured:
    """Starts everything, runs the three phases, and stops everything."""
    with Site(data_dir) as site:
        page = OpenPage(host=HOST, port=site.port, cookie=sign_in())
        page.start()
        try:
            enrol({person: clip.enrolment_photo(person) for person in clip.PEOPLE})
            still = _phase(site, page, [_add("still 1", clips["still"])], seconds=seconds / 2)
            _switch_off()
            first = [_add("busy 1", clips["busy"])]
            one = _phase(site, page, first, seconds=seconds)
            more = [_add(f"busy {number}", clips["busy"]) for number in (2, 3, 4)]
            four = _phase(site, page, first + more, seconds=seconds)
            breaks = tuple(page.breaks)
        finally:
            page.stop()
        return Measured(still=still, one=one, four=four, breaks=breaks)


def _add(name: str, path: Path) -> int:
    from cameras.services import add_camera

    return add_camera(actor=None, name=name, source=str(path), loop=True).pk


def _switch_off() -> None:
    from cameras.models import Camera
    from cameras.services import set_enabled

    for camera in Camera.objects.filter(enabled=True):
        set_enabled(actor=None, camera=camera, enabled=False)


def _phase(site: Site, page: OpenPage, ids: list[int], *, seconds: float) -> Phase:
    from cameras import live
    from cameras.live import State
    from cameras.models import Camera

    cameras = list(Camera.objects.filter(pk__in=ids))

    def online() -> bool:
        return all(status.state is State.ONLINE for status in live.statuses(cameras).values())

    site.wait_for(online, f"{len(ids)} cameras to be online")
    time.sleep(SETTLE_SECONDS)
    began, spent = datetime.now(UTC), _cpu(site)
    time.sleep(seconds)
    span, spent = (datetime.now(UTC) - began).total_seconds(), _cpu(site) - spent
    statuses = list(live.statuses(cameras).values())
    time.sleep(1)  # what was captured last is still on its way
    known, total, deciding, first = _alerts(site, page, ids, began, span)
    return Phase(
        cameras=len(ids),
        cpu_per_camera_minute=spent / span * 60 / len(ids),
        memory_mb=site.worker.memory_full_info().uss / 2**20,
        fps_in=sum(status.fps_in for status in statuses) / len(ids),
        fps_processed=sum(status.fps_processed for status in statuses) / len(ids),
        sightings=total,
        known=known,
        from_deciding_frame=deciding,
        from_first_frame=first,
    )


def _cpu(site: Site) -> float:
    times = site.worker.cpu_times()
    return float(times.user + times.system)


def _alerts(
    site: Site, page: OpenPage, ids: list[int], began: datetime, span: float
) -> tuple[int, int, tuple[float, ...], tuple[float, ...]]:
    """Of the phase: known sightings, all sightings, and each alert's latencies. Its last two seconds do not count."""
    from alerts.models import Alert
    from cameras.models import Sighting

    until = datetime.fromtimestamp(began.timestamp() + span - 2, UTC)
    seen = Sighting.objects.filter(camera__in=ids, first_seen__range=(began, until))
    alerts = list(Alert.objects.filter(sighting__in=seen).select_related("sighting"))
    missing = [alert.pk for alert in alerts if alert.pk not in page.told]
    if missing:
        raise SystemExit(
            f"{len(missing)} of {len(alerts)} alerts never reached the page. {' '.join(page.breaks)}\n{site.said()}"
        )
    deciding = tuple(page.told[alert.pk] - alert.captured_at.timestamp() for alert in alerts)
    starts = dict(seen.values_list("id", "first_seen"))
    first = tuple(page.told[alert.pk] - starts[alert.sighting_id].timestamp() for alert in alerts if alert.sighting_id)
    return seen.exclude(person=None).count(), seen.count(), deciding, first
