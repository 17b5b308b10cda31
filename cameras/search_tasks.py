"""Celery tasks of searches by photo."""

from __future__ import annotations

from celery import shared_task


@shared_task(ignore_result=True)
def prune() -> None: ...
