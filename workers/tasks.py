"""Celery tasks of the workers room."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from cameras import services
from workers import supervisor


@shared_task(ignore_result=True)
def dispatch_cameras() -> None:
    for camera_id in supervisor.dispatch():
        run_camera.apply_async((camera_id,), expires=settings.DISPATCH_SECONDS * 2)


@shared_task(ignore_result=True)
def run_camera(camera_id: int) -> None:
    supervisor.attend(camera_id)


@shared_task(ignore_result=True)
def close_stale_sightings() -> None:
    services.close_stale_sightings()
