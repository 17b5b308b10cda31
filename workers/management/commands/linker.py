"""`manage.py linker`: gives every sighting its identity, and searches by photo among unknown people."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from typing import Any

from django.core.management.base import BaseCommand

from cameras.identities.linker import Linker
from workers.threads import one_thread_each

_log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Links sightings to identities: the same person, enrolled or unknown, over all cameras. One process of a site "
        "does it; start a second one on another machine, and it goes on when the first dies. It holds the templates "
        "of unknown people in memory. SIGTERM ends it; nothing is lost by that."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        one_thread_each()
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        linker = Linker(owner=f"{socket.gethostname()[:60]}:{os.getpid()}")
        linker.run(stop, ready=lambda: _log.info("Sightings are linked to identities here."))
