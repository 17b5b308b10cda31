"""Asks a worker to look through stored pictures. Without Redis beat asks again: nobody works on it then."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.celery import app

_log = logging.getLogger(__name__)
TASK = "cameras.search_tasks.look_through"


def send_pictures(part: int, *, expires: float | None = None) -> None:
    """By its name: the task's module itself uses what calls this."""
    try:
        app.send_task(TASK, args=[part], expires=expires, retry=False)
    except (OperationalError, RedisError) as error:
        _log.warning("A search waits until Redis answers: %s", error)
