"""Celery tasks that wipe what files hold of people who were erased."""

from __future__ import annotations

from celery import shared_task

from alerts import erasing


@shared_task(ignore_result=True)
def wipe_logs() -> None:
    erasing.wipe_logs()
