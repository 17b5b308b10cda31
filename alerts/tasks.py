"""Celery tasks of the alerts room."""

from __future__ import annotations

from celery import shared_task

from alerts import services


@shared_task(ignore_result=True)
def deliver_pending() -> None:
    services.deliver_pending()
