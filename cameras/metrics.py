"""What /metrics says of cameras and sightings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from cameras import live
from cameras.models import Camera, Sighting


def families() -> Iterator[Metric]:
    """Cameras by state, the rates of those that run, and open sightings."""
    cameras = list(Camera.objects.only("id", "name", "enabled", "note"))
    statuses = live.statuses(cameras)
    by_state = GaugeMetricFamily("lynceus_cameras", "Cameras by state.", labels=["state"])
    count = Counter(status.state for status in statuses.values())
    for state in live.State:
        by_state.add_metric([state.value], count[state])
    yield by_state
    names = ["camera", "name"]
    arriving = GaugeMetricFamily("lynceus_camera_frames_per_second", "Frames that arrive.", labels=names)
    searched = GaugeMetricFamily("lynceus_camera_searched_per_second", "Frames that are searched.", labels=names)
    lag = GaugeMetricFamily("lynceus_camera_lag_seconds", "From capture to decision.", labels=names)
    dropped = CounterMetricFamily("lynceus_camera_dropped", "Frames left out.", labels=[*names, "why"])
    for camera in cameras:
        status, labels = statuses[camera.pk], [str(camera.pk), camera.name]
        if status.state is live.State.ONLINE:
            arriving.add_metric(labels, status.fps_in)
            searched.add_metric(labels, status.fps_processed)
            lag.add_metric(labels, status.lag_ms / 1000)
        for why, number in status.drops.items():
            dropped.add_metric([*labels, why], number)
    yield from (arriving, searched, lag, dropped)
    seen = Sighting.objects.filter(is_open=True).count()
    yield GaugeMetricFamily("lynceus_sightings_open", "People in view now, known or not.", value=seen)
