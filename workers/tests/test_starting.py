"""Short works of starting cameras: what is urgent goes first, what is raised is raised where it was asked for."""

from __future__ import annotations

import threading
from functools import partial

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

    starter.ask(hold)
    assert begun.wait(5)
    asked = {name: starter.ask(partial(order.append, name)) for name in ("first", "second")}
    asked |= {name: starter.ask(partial(order.append, name), urgent=True) for name in ("A", "B")}
    free.set()
    for work in asked.values():
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
