"""Celery tasks about identities."""

from __future__ import annotations

from celery import shared_task

from cameras.follow import services as following
from cameras.identities import proposals, rechecks, retention
from cameras.topology import learning
from cameras.topology import services as topology


@shared_task(ignore_result=True)
def prune_unknowns() -> None:
    retention.prune_unknowns()


@shared_task(ignore_result=True)
def learn_travel_times() -> None:
    learning.learn_travel_times()


@shared_task(ignore_result=True)
def end_follows() -> None:
    following.end_over()


@shared_task(ignore_result=True)
def look_again(start: int, end: int) -> None:
    topology.look_again(start, end)


@shared_task(ignore_result=True)
def propose_merges() -> None:
    proposals.propose()


@shared_task(ignore_result=True)
def recheck(correction_id: int) -> None:
    rechecks.recheck(correction_id)
