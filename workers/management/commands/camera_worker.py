"""`manage.py camera_worker`: a Celery worker that runs camera loops, one thread each, sharing one set of models."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

import cv2
from celery.signals import worker_shutting_down
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from config.celery import app
from workers import supervisor


class Command(BaseCommand):
    help = (
        "Runs camera loops: a Celery worker on the queue `cameras`. Start as many as you like, on as many machines as "
        "share the database and Redis; every camera is run by one of them. SIGTERM closes all sightings and ends."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--slots",
            type=int,
            default=settings.CAMERA_SLOTS,
            help=f"how many cameras this worker runs at most (CAMERA_SLOTS, now {settings.CAMERA_SLOTS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["slots"] < 1:
            raise CommandError("--slots must be at least 1.")
        cv2.setNumThreads(1)  # cameras run beside each other; threads inside one frame would only thrash
        worker_shutting_down.connect(_stop, weak=False)
        app.worker_main(
            [
                "--quiet",
                "worker",
                "--queues=cameras",
                "--pool=threads",
                f"--concurrency={options['slots']}",
                f"--hostname=cameras-{os.getpid()}@%h",
                f"--loglevel={settings.LOG_LEVEL}",
                "--without-gossip",
                "--without-mingle",
            ]
        )


def _stop(**kwargs: Any) -> None:
    supervisor.stopping.set()
