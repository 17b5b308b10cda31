"""The workers room. Every process that loads Django also gets the Celery application, so that tasks find the broker."""

from __future__ import annotations

from django.apps import AppConfig


class WorkersConfig(AppConfig):
    name = "workers"
    verbose_name = "Workers"

    def ready(self) -> None:
        import config.celery  # noqa: F401
