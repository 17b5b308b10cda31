"""The process's own event loop: from any thread, with an end, and with what it raises."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from config import own_loop


async def loop_and_thread() -> tuple[int, int]:
    return id(asyncio.get_running_loop()), threading.get_ident()


def test_all_threads_share_one_loop_that_is_none_of_theirs() -> None:
    found = [own_loop.run(loop_and_thread(), seconds=5)]
    other = threading.Thread(target=lambda: found.append(own_loop.run(loop_and_thread(), seconds=5)))
    other.start()
    other.join()

    assert found[0] == found[1]
    assert found[0][1] != threading.get_ident()


def test_it_raises_what_the_work_raises() -> None:
    async def fail() -> None:
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        own_loop.run(fail(), seconds=5)


def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        own_loop.run(asyncio.Event().wait(), seconds=0.01)


def test_a_process_that_was_forked_has_a_loop_of_its_own() -> None:
    own_loop.run(loop_and_thread(), seconds=5)
    child = os.fork()
    if child == 0:
        try:
            own_loop.run(asyncio.sleep(0), seconds=5)
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
