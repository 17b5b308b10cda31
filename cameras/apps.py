"""The cameras room: what did the cameras see?"""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "cameras"
    verbose_name = "Cameras"

    def ready(self) -> None:
        from cameras import metrics
        from cameras.allowed import camera_network
        from recognition.metrics import on_scrape

        import_module("cameras.receivers")  # connects: sightings follow when people are merged
        import_module("cameras.movement.receivers")  # connects: sums follow corrections
        camera_network()  # a wrong setting stops the start

        on_scrape.append(metrics.families)
