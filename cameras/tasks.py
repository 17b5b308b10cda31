"""Celery tasks of the cameras room."""

from __future__ import annotations

from celery import shared_task

from cameras import health


@shared_task(ignore_result=True)
def watch_cameras() -> None:
    health.watch_cameras()


@shared_task(ignore_result=True)
def prune_health() -> None:
    health.prune()
