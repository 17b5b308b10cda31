"""What /metrics says of cameras, of sightings, and of the linker that gives them their identities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from django.utils import timezone
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cameras import live
from cameras.models import Camera, CameraEvent, EventKind, LinkerState, Sighting

_NAMES: Final = ("camera", "name")


def families() -> Iterator[Metric]:
    """Cameras by state and view, what each of them does, what is wrong with them, and open sightings."""
    cameras = list(Camera.objects.only("id", "name", "enabled", "note", "schedule"))
    statuses = live.statuses(cameras)
    yield _counted("lynceus_cameras", "Cameras by state.", "state", live.State, (s.state for s in statuses.values()))
    views = (status.view for status in statuses.values() if status.state is live.State.ONLINE)
    yield _counted("lynceus_camera_views", "Online cameras by what they show.", "view", live.View, views)
    yield from _of_each(cameras, statuses)
    kinds = CameraEvent.objects.filter(ended_at=None).values_list("kind", flat=True)
    yield _counted("lynceus_camera_events_open", "What is wrong with cameras now.", "kind", EventKind, kinds)
    seen = Sighting.objects.filter(is_open=True).count()
    yield GaugeMetricFamily("lynceus_sightings_open", "People in view now, known or not.", value=seen)
    yield from _linker()


def _linker() -> Iterator[Metric]:
    """Nothing of a linker that never was."""
    row = LinkerState.objects.filter(pk=1).first()
    if row is None:
        return
    held, waiting = "Templates of unknown people in memory.", "Sightings that wait for their identity."
    yield GaugeMetricFamily("lynceus_linker_templates", held, value=row.templates)
    yield GaugeMetricFamily("lynceus_linker_waiting", waiting, value=row.waiting)
    if row.heartbeat_at is not None:
        silent = max(0.0, (timezone.now() - row.heartbeat_at).total_seconds())
        yield GaugeMetricFamily("lynceus_linker_silent_seconds", "Since the linker was heard of.", value=silent)


def _counted(name: str, said: str, label: str, values: Iterable[str], found: Iterable[str]) -> Metric:
    """How often each of the values was found."""
    family, count = GaugeMetricFamily(name, said, labels=[label]), Counter(map(str, found))
    for value in values:
        family.add_metric([str(value)], count[str(value)])
    return family


def _of_each(cameras: Iterable[Camera], statuses: Mapping[int, live.Status]) -> Iterator[Metric]:
    arriving = GaugeMetricFamily("lynceus_camera_frames_per_second", "Frames that arrive.", labels=_NAMES)
    searched = GaugeMetricFamily("lynceus_camera_searched_per_second", "Frames that are searched.", labels=_NAMES)
    lag = GaugeMetricFamily("lynceus_camera_lag_seconds", "From capture to decision.", labels=_NAMES)
    decoding = GaugeMetricFamily("lynceus_camera_decode_seconds", "Mean time to decode a picture.", labels=_NAMES)
    wanted = CounterMetricFamily("lynceus_camera_wanted", "Frames that were to be searched.", labels=_NAMES)
    missed = CounterMetricFamily("lynceus_camera_missed", "Of those, frames that were not.", labels=_NAMES)
    restarts = CounterMetricFamily("lynceus_camera_restarts", "How often the source was opened again.", labels=_NAMES)
    dropped = CounterMetricFamily("lynceus_camera_dropped", "Frames left out.", labels=[*_NAMES, "why"])
    for camera in cameras:
        status, labels = statuses[camera.pk], [str(camera.pk), camera.name]
        if status.state is live.State.ONLINE:
            arriving.add_metric(labels, status.fps_in)
            searched.add_metric(labels, status.fps_processed)
            lag.add_metric(labels, status.lag_ms / 1000)
            decoding.add_metric(labels, status.decode_ms / 1000)
        if status.began:
            wanted.add_metric(labels, status.frames_wanted)
            missed.add_metric(labels, status.frames_missed)
            restarts.add_metric(labels, status.restarts)
        for why, number in status.drops.items():
            dropped.add_metric([*labels, why], number)
    yield from (arriving, searched, lag, decoding, wanted, missed, restarts, dropped)
