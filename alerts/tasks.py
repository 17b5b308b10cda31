"""Celery tasks of the alerts room."""

from __future__ import annotations

from celery import shared_task

from alerts import escalation, outbox, sending


@shared_task(ignore_result=True)
def deliver_pending() -> None:
    outbox.deliver_pending()


@shared_task(ignore_result=True)
def send_due() -> None:
    sending.send_due()


@shared_task(ignore_result=True)
def escalate_due() -> None:
    escalation.escalate_due()


@shared_task(ignore_result=True)
def prune_deliveries() -> None:
    outbox.prune()
