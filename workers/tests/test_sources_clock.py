"""Clocks that jump: UTC of frames follows the machine's clock, and spans between frames stay what they were."""

from __future__ import annotations

import random
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from workers.sources.clock import Arrivals, Timeline
from workers.tests.captures import FakeClock


def test_utc_is_that_of_the_machine() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    clock.pass_by(5)
    assert timeline.utc(clock.now) == clock.wall
    assert timeline.utc(clock.now - 2) == clock.wall - timedelta(seconds=2)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_set_is_followed_at_once(hours: int) -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    clock.pass_by(10)
    clock.wall += timedelta(hours=hours)
    assert timeline.utc(clock.now) == clock.wall
    clock.pass_by(0.04)
    assert timeline.utc(clock.now) == clock.wall


def test_a_clock_that_is_a_little_off_is_followed_without_a_step_back() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    clock.wall -= timedelta(seconds=0.5)
    times = []
    for _ in range(3000):
        clock.pass_by(0.04)
        times.append(timeline.utc(clock.now))
    assert all(b > a for a, b in pairwise(times))
    assert abs((times[-1] - clock.wall).total_seconds()) < 0.01


def test_pictures_that_come_in_bursts_are_placed_as_they_were_captured() -> None:
    arrivals, rng = Arrivals(), random.Random(4)
    moments = []
    for number in range(500):
        pts = number * 0.04
        moments.append(arrivals.place(pts + 7e4, 100.0 + pts + rng.choice([0.0, 0.01, 0.15])))
    steps = np.diff(moments[25:])
    np.testing.assert_allclose(steps, 0.04, atol=0.002)
    assert np.all(np.diff(moments) > 0)


def test_being_behind_is_measured_against_the_least_delayed_picture() -> None:
    arrivals = Arrivals()
    for number in range(50):
        arrivals.place(number * 0.04, 100.0 + number * 0.04)
    assert arrivals.behind == pytest.approx(0, abs=1e-3)
    arrivals.place(2.0, 102.8)
    assert arrivals.behind == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, -0.5])
def test_time_stamps_that_jump_move_nothing(jump: float) -> None:
    arrivals = Arrivals()
    stamps = [number * 0.04 + (jump if number >= 50 else 0.0) for number in range(100)]
    moments = [arrivals.place(pts, 100.0 + number * 0.04) for number, pts in enumerate(stamps)]
    np.testing.assert_allclose(np.diff(moments), 0.04, atol=0.002)
    assert arrivals.behind == pytest.approx(0, abs=1e-3)


def test_time_stamps_that_are_wild_or_missing_are_ignored() -> None:
    arrivals, rng = Arrivals(), random.Random(5)
    moments = []
    for number in range(200):
        pts = rng.choice([None, rng.uniform(-1e6, 1e6), 0.0, number * 0.04])
        moments.append(arrivals.place(pts, 100.0 + number * 0.04))
        assert arrivals.behind < 0.3
    np.testing.assert_allclose(np.diff(moments[20:]), 0.04, atol=0.005)


def test_a_camera_whose_clock_runs_slowly_is_not_behind_forever() -> None:
    arrivals = Arrivals()
    alarms = 0
    for number in range(20_000):
        arrivals.place(number * 0.04 * 0.98, 100.0 + number * 0.04)
        if arrivals.behind > 0.3:
            alarms += 1
            arrivals.forgive()
    assert 0 < alarms < 10


def test_another_stream_has_time_stamps_of_its_own() -> None:
    arrivals = Arrivals()
    arrivals.place(5000.0, 100.0)
    arrivals.restart()
    assert arrivals.place(0.0, 103.0) == pytest.approx(103.0)
    assert arrivals.behind == 0
