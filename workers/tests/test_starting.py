"""Short works of starting cameras: what is urgent goes first, what is raised is raised where it was asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError

from workers.starting import Starter


def test_leases_go_before_what_loops_begin_with() -> None:
    starter = Starter(threads=1)
    begun, free = threading.Event(), threading.Event()
    order: list[str] = []

    def hold() -> None:
        begun.set()
        free.wait(5)

    def ask(name: str, *, urgent: bool) -> None:
        starter.do(lambda: order.append(name), urgent=urgent)

    with ThreadPoolExecutor(8) as cameras:
        works = [cameras.submit(starter.do, hold)]
        assert begun.wait(5)
        for number, name in enumerate(["first", "second", "A", "B"], start=1):
            works.append(cameras.submit(ask, name, urgent=name.isupper()))
            _until_waiting(starter, number)
        free.set()
        for work in works:
            work.result(5)
    assert order == ["A", "B", "first", "second"]


@pytest.mark.parametrize("error", [DatabaseError("gone"), ValueError("wrong")])
def test_what_is_raised_is_raised_where_it_was_asked_for(error: Exception) -> None:
    starter = Starter()

    def fail() -> None:
        raise error

    with pytest.raises(type(error), match=str(error)):
        starter.do(fail)
    assert starter.do(lambda: 5) == 5


def _until_waiting(starter: Starter, wanted: int) -> None:
    until = time.monotonic() + 5
    while starter.waiting < wanted and time.monotonic() < until:
        time.sleep(0.005)
