"""Celery tasks of the workers room. `run_camera` and `answer_call` come over a camera worker's own queue."""

from __future__ import annotations

from celery import shared_task

from cameras import services
from workers import dispatch, supervisor
from workers.presence import presence


@shared_task(ignore_result=True)
def dispatch_cameras() -> None:
    dispatch.dispatch()


@shared_task(ignore_result=True)
def run_camera(camera_id: int) -> None:
    presence().taken()
    supervisor.attend(camera_id)


@shared_task(ignore_result=True)
def answer_call() -> None:
    presence().taken()


@shared_task(ignore_result=True)
def close_stale_sightings() -> None:
    services.close_stale_sightings()
