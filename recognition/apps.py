"""The recognition room: who is this face?"""

from __future__ import annotations

from django.apps import AppConfig


class RecognitionConfig(AppConfig):
    name = "recognition"
    verbose_name = "Recognition"

    def ready(self) -> None:
        from recognition import manager, packs

        packs.on_first_use.append(manager.start)
