"""Several who press at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections

from alerts.errors import AlertError


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """What each gives, or the sentence that refuses it, when all begin at the same moment in threads of their own."""
    gate = threading.Barrier(len(deeds))
    results: list[object] = [None] * len(deeds)

    def run(number: int, deed: Callable[[], object]) -> None:
        try:
            gate.wait(20)
            results[number] = deed()
        except (AlertError, threading.BrokenBarrierError) as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results
