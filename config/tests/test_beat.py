"""Beat goes on sending when the clock is set."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.beat import PersistentScheduler

from config.beat import SteadyScheduler
from config.celery import app

HOUR = 3600.0


class World:
    """Two clocks: one that is set, and one that never jumps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, own: Celery) -> None:
        self.wall, self.steady = 1_800_000_000.0, 500.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.steady)
        monkeypatch.setattr(own, "now", lambda: datetime.fromtimestamp(self.wall, UTC))

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


Make = Callable[[type[PersistentScheduler]], tuple[PersistentScheduler, list[str], World]]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(kind: type[PersistentScheduler]) -> tuple[PersistentScheduler, list[str], World]:
        own = Celery("beat-test", broker="memory://")
        own.conf.update(timezone="UTC")
        own.conf.beat_schedule = {
            "often": {"task": "often", "schedule": 2},
            "seldom": {"task": "seldom", "schedule": 10},
        }
        world, sent = World(monkeypatch, own), []
        scheduler = kind(app=own, schedule_filename=str(tmp_path / "beat"))

        def send(entry: Any, **options: Any) -> None:
            sent.append(entry.name)

        monkeypatch.setattr(scheduler, "apply_async", send)
        return scheduler, sent, world

    return made


def run(scheduler: PersistentScheduler, world: World, seconds: int) -> None:
    for _ in range(seconds * 2):
        world.passes(0.5)
        while scheduler.tick() == 0:
            pass


@pytest.mark.parametrize("jump", [-HOUR, HOUR, -24 * HOUR, 0.0])
def test_intervals_are_kept_when_the_clock_is_set(make: Make, jump: float) -> None:
    scheduler, sent, world = make(SteadyScheduler)
    run(scheduler, world, 20)
    sent.clear()
    world.wall += jump
    run(scheduler, world, 40)
    assert 18 <= sent.count("often") <= 21
    assert 3 <= sent.count("seldom") <= 5


def test_celerys_own_sends_nothing_for_an_hour(make: Make) -> None:
    """What this is for; when it fails, Celery has learnt it and config/beat.py can go."""
    scheduler, sent, world = make(PersistentScheduler)
    run(scheduler, world, 20)
    sent.clear()
    world.wall -= HOUR
    run(scheduler, world, 40)
    assert sent == []


def test_what_an_earlier_run_wrote_in_the_future_does_not_hold_it_up(make: Make) -> None:
    scheduler, sent, world = make(SteadyScheduler)
    for entry in scheduler.schedule.values():
        entry.last_run_at = entry.default_now() + timedelta(hours=1)
    run(scheduler, world, 20)
    assert sent.count("often") >= 8


def test_beat_uses_it() -> None:
    assert app.conf.beat_scheduler == "config.beat:SteadyScheduler"
