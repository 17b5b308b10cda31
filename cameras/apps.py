"""The cameras room: what did the cameras see?"""

from __future__ import annotations

from django.apps import AppConfig


class CamerasConfig(AppConfig):
    name = "cameras"
    verbose_name = "Cameras"
