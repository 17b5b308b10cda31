"""The cameras room: what did the cameras see?"""

from __future__ import annotations

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "cameras"
    verbose_name = "Cameras"

    def ready(self) -> None:
        from cameras import (
            metrics,
            receivers,  # noqa: F401  (connects: sightings follow when people are merged)
        )
        from cameras.allowed import camera_network
        from cameras.movement import receivers as _sums  # noqa: F401  (connects: sums follow corrections)
        from recognition.metrics import on_scrape

        camera_network()  # a wrong setting stops the start

        on_scrape.append(metrics.families)
