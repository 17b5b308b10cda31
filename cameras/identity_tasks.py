"""Celery tasks about identities."""

from __future__ import annotations

from celery import shared_task

from cameras.identities import retention


@shared_task(ignore_result=True)
def prune_unknowns() -> None:
    retention.prune_unknowns()


@shared_task(ignore_result=True)
def learn_travel_times() -> None: ...


@shared_task(ignore_result=True)
def propose_merges() -> None: ...
