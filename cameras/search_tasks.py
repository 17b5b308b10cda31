"""Celery tasks of searches by photo."""

from __future__ import annotations

from celery import shared_task

from cameras.models import SearchSource
from cameras.photo_search import asking, parts, pictures, sending

TAKE_UP_SECONDS = 15


@shared_task(ignore_result=True)
def look_through(part_id: int) -> None:
    if not pictures.work(part_id):
        sending.send_pictures(part_id)


@shared_task(ignore_result=True)
def take_up() -> None:
    for part in parts.waiting(SearchSource.PICTURES)[:20]:
        sending.send_pictures(part.pk, expires=TAKE_UP_SECONDS)


@shared_task(ignore_result=True)
def prune() -> None:
    asking.prune()
