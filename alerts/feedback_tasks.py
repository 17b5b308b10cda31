"""Celery tasks about faces that were taken for somebody else."""

from __future__ import annotations

import logging

from celery import shared_task
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from alerts import feedback

_log = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def remember_mistake(alert_id: int) -> None:
    feedback.remember(alert_id)


@shared_task(ignore_result=True)
def remember_left_out() -> None:
    feedback.remember_left_out()


@shared_task(ignore_result=True)
def prune_mistakes() -> None:
    feedback.prune()


def send(alert_id: int) -> None:
    """Asks a worker to remember the face of a dismissed alert. Without Redis that is done when beat looks."""
    try:
        remember_mistake.delay(alert_id)
    except (OperationalError, RedisError) as error:
        _log.warning("The face of alert %s is remembered as a mistake later: %s", alert_id, error)
