"""`manage.py camera_worker`: a Celery worker that runs camera loops, one thread each, sharing one set of models."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from config.celery import app
from workers import roster, supervisor
from workers.leases import Ending, keeper
from workers.presence import presence
from workers.scribe import follow_gallery
from workers.threads import one_thread_each

_log = logging.getLogger(__name__)

SPARE_THREADS = 4  # for messages that are answered at once, and for loops that hang
DRAIN_SECONDS = 60.0  # so long a worker that was asked to end is waited for
LAST_SECONDS = 30.0  # after that a process that is ending ends, whatever hangs in it


class Command(BaseCommand):
    help = (
        "Runs camera loops: a Celery worker with a queue of its own. Start as many as you like, on as many machines as "
        "share the database and Redis; every camera is run by one of them, and goes to the one that has the most room. "
        "SIGTERM closes all sightings, gives the cameras to other workers and ends; a second one ends at once. "
        "With --drain nothing is started: running workers, on whatever machine, are asked to do the same."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--slots",
            type=int,
            default=settings.CAMERA_SLOTS,
            help=f"how many cameras this worker runs at most (CAMERA_SLOTS, now {settings.CAMERA_SLOTS})",
        )
        parser.add_argument(
            "--drain",
            nargs="?",
            const="",
            metavar="NAME",
            help="ask a running worker (its name, its machine, or `all`) to hand its cameras over and end, and wait. "
            "Whatever keeps it running (`manage.py up`, systemd) may start a new one after. Without a NAME: the only "
            "one there is",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["drain"] is not None:
            self._drain(options["drain"])
        elif options["slots"] < 1:
            raise CommandError("--slots must be at least 1.")
        else:
            _work(options["slots"])

    def _drain(self, name: str) -> None:
        """Asks, and shows how far they are until they are gone."""
        try:
            names = _chosen(name)
            roster.ask_to_drain(names)
            until = time.monotonic() + DRAIN_SECONDS
            said = ""
            while left := [worker for worker in roster.workers() if worker.name in names]:
                progress = ", ".join(f"{worker.name}: {worker.running} cameras left" for worker in left)
                if progress != said:
                    said = progress
                    self.stdout.write(progress)
                if time.monotonic() > until:
                    raise CommandError(f"Not ended after {DRAIN_SECONDS:.0f} s: {progress}. The worker's log says why.")
                time.sleep(0.5)
        except RedisError as error:
            raise CommandError(f"Redis does not answer, and only there workers can be asked: {error}") from error
        self.stdout.write(f"{len(names)} of {len(names)} ended: {', '.join(names)}.")


def _chosen(name: str) -> list[str]:
    """The names of the workers that are meant."""
    there = roster.workers()
    if not there:
        raise CommandError("No camera worker runs.")
    known = ", ".join(worker.name for worker in there)
    if not name:
        if len(there) > 1:
            raise CommandError(f"Several camera workers run: {known}. Say which one with --drain NAME, or `all`.")
        return [there[0].name]
    chosen = [worker.name for worker in there if name in {"all", worker.name, worker.host}]
    if not chosen:
        raise CommandError(f"There is no camera worker {name!r}. Those that run: {known}.")
    return chosen


def _work(slots: int) -> None:
    """Becomes the worker; ends the process."""
    one_thread_each()
    here = presence()
    worker_shutting_down.connect(_stop, weak=False)
    worker_ready.connect(lambda **_: _be_ready(slots), weak=False)
    try:
        app.worker_main(_arguments(slots, here.name))
    finally:
        here.close()
        if here.is_deaf:
            sys.exit(1)


def _arguments(slots: int, name: str) -> list[str]:
    return [
        "--quiet",
        "worker",
        f"--queues={roster.queue_of(name)}",
        "--pool=threads",
        f"--concurrency={slots + SPARE_THREADS}",
        f"--hostname=cameras@{name}",
        f"--loglevel={settings.LOG_LEVEL}",
        "--without-gossip",
        "--without-mingle",
    ]


def _be_ready(slots: int) -> None:
    gc.collect()
    gc.freeze()  # going through all that was loaded by now takes 0.2 s, in which every loop stands still
    presence().open(slots)
    follow_gallery()
    for number in (signal.SIGTERM, signal.SIGINT):
        _end_at_once_the_second_time(number)


def _end_at_once_the_second_time(number: int) -> None:
    """Celery's own handler waits for the loops however often it is called."""
    first = signal.getsignal(number)

    def handle(received: int, frame: Any) -> None:
        if supervisor.stopping.is_set() or not callable(first):
            os.write(2, b"Ended at once; the cameras are free for others when their leases run out.\n")
            os._exit(1)
        first(received, frame)

    signal.signal(number, handle)


def _stop(**kwargs: Any) -> None:
    """Every loop closes its sightings and gives its lease back; others take over at once."""
    if supervisor.stopping.is_set():
        return
    presence().drain()
    supervisor.stopping.set()
    keeper().end_all(Ending.STOPPING)
    threading.Thread(target=_see_to_the_end, name="last", daemon=True).start()


def _see_to_the_end() -> None:
    """A thread that hangs must not keep the process, whose name still stands for it."""
    time.sleep(LAST_SECONDS)
    _log.error("%d loops have not ended after %.0f s; the process ends without them.", presence().running, LAST_SECONDS)
    presence().close()
    os._exit(1)
