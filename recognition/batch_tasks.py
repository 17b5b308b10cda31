"""Celery tasks of batch enrolment and of photos that wait for a decision."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from recognition import batches, pending
from recognition.models import Batch

_log = logging.getLogger(__name__)


@shared_task(ignore_result=True)
def run_batch(batch_id: int) -> None:
    if Batch.objects.filter(pk=batch_id).exists() and not batches.work(batch_id, seconds=batches.SLICE_SECONDS):
        send(batch_id)


@shared_task(ignore_result=True)
def look_after_uploads() -> None:
    pending.drop_old()
    for batch_id in batches.stale():
        send(batch_id)


def begin(batch_id: int) -> None:
    """Has a worker begin with a batch as soon as it is committed."""
    transaction.on_commit(lambda: send(batch_id))


def send(batch_id: int) -> None:
    """Asks a worker. Without Redis beat asks again: nobody works on the batch then."""
    try:
        run_batch.delay(batch_id)
    except (OperationalError, RedisError) as error:
        _log.warning("Batch %s waits until Redis answers: %s", batch_id, error)
