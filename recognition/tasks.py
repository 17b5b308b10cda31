"""Celery tasks of the recognition room."""

from __future__ import annotations

from celery import shared_task

from recognition import gallery_changes, pack_services


@shared_task(ignore_result=True)
def switch_pack(switch_id: int) -> None:
    pack_services.run_switch(switch_id)


@shared_task(ignore_result=True)
def take_up_switches() -> None:
    for switch_id in pack_services.stale_switches():
        switch_pack.delay(switch_id)


@shared_task(ignore_result=True)
def embed_left_out() -> None:
    pack_services.catch_up()


@shared_task(ignore_result=True)
def prune_gallery_changes() -> None:
    gallery_changes.prune()
