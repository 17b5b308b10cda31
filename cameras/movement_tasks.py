"""Celery tasks that sum up movement."""

from __future__ import annotations

from celery import shared_task

from cameras.movement import summing


@shared_task(ignore_result=True)
def sum_up() -> None:
    summing.sum_up()
