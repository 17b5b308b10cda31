"""Taking turns: who asks for less than its share gets all of it, whatever the others want."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from workers.turns import LEAST_SHARE, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Client:
    """Somebody who wants to compute `cost` seconds every `period`, or all the time when the period is 0."""

    name: str
    cost: float
    period: float = 0.0
    weight: float = 1.0
    next_at: float = 0.0
    waits: list[float] = field(default_factory=list)
    done: int = 0


def simulate(turns: Turns, clock: Clock, clients: list[Client], seconds: float) -> None:
    """Asks and ends turns on a clock of its own, without threads and their chance; all turns are over when it ends."""
    asking: dict[str, tuple[float, threading.Event]] = {}
    computing: dict[str, tuple[float, Client]] = {}
    by_name = {client.name: client for client in clients}
    while clock.now < seconds:
        for client in clients:
            if client.name not in asking and client.name not in computing and client.next_at <= clock.now:
                asking[client.name] = (clock.now, turns.ask(client.name))
        for name in [name for name, (_, called) in asking.items() if called.is_set()]:
            client = by_name[name]
            client.waits.append(clock.now - asking.pop(name)[0])
            computing[name] = (clock.now + client.cost, client)
        events = [end for end, _ in computing.values()]
        events += [c.next_at for c in clients if c.name not in asking and c.name not in computing]
        clock.now = max(clock.now, min(events))
        for name, (end, client) in list(computing.items()):
            if end <= clock.now:
                turns.end(name, client.weight)
                del computing[name]
                client.done += 1
                client.next_at = max(client.next_at + client.period, clock.now if not client.period else 0.0)
    while asking or computing:
        for name in [*computing, *(name for name, (_, called) in asking.items() if called.is_set())]:
            turns.end(name)
            computing.pop(name, None)
            asking.pop(name, None)


@pytest.mark.parametrize("slots", [1, 2])
def test_modest_cameras_get_all_they_ask_for_beside_a_greedy_one(slots: int) -> None:
    clock = Clock()
    turns = Turns(slots, clock=clock)
    greedy = Client("greedy", cost=0.3)
    modest = [Client(f"modest {n}", cost=0.02, period=0.4, next_at=0.05 * n) for n in range(7)]
    simulate(turns, clock, [greedy, *modest], 60)
    for client in modest:
        assert client.done >= 60 / 0.4 - 3
        assert max(client.waits) <= 0.3 + 7 * 0.02 + 1e-6  # what is running already, and the others once
    assert greedy.done * 0.3 > 60 * 0.4  # and the rest of the time is not wasted


def test_all_who_want_too_much_get_the_same() -> None:
    clock = Clock()
    turns = Turns(2, clock=clock)
    clients = [Client(str(n), cost=cost) for n, cost in enumerate((0.01, 0.02, 0.05, 0.05, 0.1, 0.1, 0.2, 0.4))]
    simulate(turns, clock, clients, 120)
    served = [client.done * client.cost for client in clients]
    assert min(served) > 0.8 * sum(served) / len(served)
    assert max(served) < 1.1 * sum(served) / len(served)
    assert sum(served) == pytest.approx(240, rel=0.02)


def test_more_weight_gets_more() -> None:
    clock = Clock()
    turns = Turns(1, clock=clock)
    low = [Client(f"low {n}", cost=0.05, weight=1) for n in range(4)]
    high = [Client(f"high {n}", cost=0.05, weight=3) for n in range(4)]
    simulate(turns, clock, [*low, *high], 60)
    assert sum(c.done for c in high) / sum(c.done for c in low) == pytest.approx(3, rel=0.1)


def test_a_pause_earns_no_arrears() -> None:
    clock = Clock()
    turns = Turns(1, clock=clock)
    steady, late = Client("steady", cost=0.05), Client("late", cost=0.05, next_at=30)
    simulate(turns, clock, [steady, late], 40)
    assert late.done * 0.05 == pytest.approx(5, rel=0.1)  # half of what is left, not all of it


def test_the_share_falls_while_turns_are_waited_for_and_rises_again() -> None:
    clock = Clock()
    turns = Turns(1, clock=clock)
    assert turns.share == 1.0
    simulate(turns, clock, [Client(str(n), cost=0.2) for n in range(8)], 30)
    assert turns.share == LEAST_SHARE
    assert turns.utilisation > 0.95
    simulate(turns, clock, [Client("alone", cost=0.01, period=1.0, next_at=30)], 90)
    assert turns.share == 1.0
    assert turns.utilisation < 0.1


@pytest.mark.parametrize(("cost", "share"), [(0.12, 1.0), (0.25, LEAST_SHARE)])
def test_a_few_late_turns_are_nothing_and_more_of_them_lower_the_share(cost: float, share: float) -> None:
    """Of eight cameras that look five times a second, one or six wait for more than 0.1 s each second."""
    clock = Clock()
    turns = Turns(1, clock=clock)
    quick = [Client(f"quick {n}", cost=0.002, period=0.2, next_at=0.025 * n) for n in range(8)]
    simulate(turns, clock, [Client("greedy", cost=cost, period=1.0, next_at=0.001), *quick], 60)
    assert turns.share == share


def test_a_turn_that_does_not_come_in_time_is_given_up() -> None:
    turns = Turns(1)
    inside, over = threading.Event(), threading.Event()

    def occupy() -> None:
        with turns.turn("first") as came:
            assert came
            inside.set()
            over.wait(30)

    thread = threading.Thread(target=occupy)
    thread.start()
    assert inside.wait(30)
    with turns.turn("second", timeout=0.01) as came:
        assert not came
    over.set()
    thread.join(30)
    with turns.turn("second", timeout=30) as came:  # nothing is left behind of the one that was given up
        assert came


def test_never_more_at_once_than_slots_and_everybody_ends() -> None:
    turns = Turns(2)
    lock, inside, most, done = threading.Lock(), [0], [0], Counter[int]()

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(40):
            with turns.turn(number, timeout=30) as came:
                assert came
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                if chance.random() < 0.2:
                    threading.Event().wait(0.001)
                with lock:
                    inside[0] -= 1
                    done[number] += 1

    in_parallel([lambda n=n: work(n) for n in range(8)])  # type: ignore[misc]
    assert most[0] == 2
    assert set(done.values()) == {40}


def test_an_error_within_a_turn_ends_it() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="broken"), turns.turn("one"):
        raise ValueError("broken")
    with turns.turn("two", timeout=1) as came:
        assert came


def in_parallel(jobs: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
