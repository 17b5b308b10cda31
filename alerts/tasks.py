"""Celery tasks of the alerts room."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from alerts import escalation, outbox, sending, services
from alerts.rules import absence


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


@shared_task(ignore_result=True)
def report_absences() -> None:
    absence.report_absences(timezone.now())


@shared_task(ignore_result=True)
def prune_removals() -> None:
    services.prune_removals(now=timezone.now())
