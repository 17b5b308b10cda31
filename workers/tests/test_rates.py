"""How often frames are looked at: the mean rate is the one asked for, and what was missed is counted honestly."""

from __future__ import annotations

import pytest

from workers.rates import Attention, Pace, weighted


def looks(pace: Pace, times: list[float]) -> list[float]:
    """The times at which a loop that sees frames at these times looks at one."""
    done, before = [], 0
    for number, t in enumerate(times, start=1):
        if pace.is_due(t):
            pace.look(t, came=number - before)
            before = number
            done.append(t)
    return done


@pytest.mark.parametrize("source", [7, 10, 12.5, 15, 25, 30, 60])
@pytest.mark.parametrize("wanted", [1, 2, 5])
def test_the_mean_rate_is_the_one_asked_for_whatever_the_sources(source: float, wanted: float) -> None:
    pace = Pace(wanted)
    done = looks(pace, [n / source for n in range(round(source * 60))])
    assert len(done) / 60 == pytest.approx(wanted, rel=0.03)
    assert pace.missed == 0
    assert pace.wanted == len(done)


def test_jitter_costs_no_looks() -> None:
    pace = Pace(5)
    times = [n / 25 + (0.015 if n % 3 else 0.0) for n in range(25 * 60)]
    assert len(looks(pace, times)) == pytest.approx(300, abs=6)
    assert pace.missed == 0


def test_a_source_slower_than_the_rate_misses_nothing() -> None:
    pace = Pace(5)
    assert len(looks(pace, [n / 2 for n in range(100)])) == 100
    assert (pace.wanted, pace.missed) == (100, 0)


def test_looks_that_come_too_late_are_missed_when_there_were_frames() -> None:
    pace = Pace(5)
    pace.look(0.0, came=1)
    assert pace.look(0.21, came=5) == 0  # late by less than one interval
    assert pace.look(1.0, came=20) == 3  # at 0.4, 0.6 and 0.8; the one at 1.0 takes place
    assert (pace.wanted, pace.missed) == (6, 3)


def test_a_source_that_paused_is_no_miss() -> None:
    pace = Pace(5)
    pace.look(0.0, came=1)
    assert pace.look(10.0, came=1) == 0
    assert pace.look(10.2, came=5) == 0


def test_a_look_that_was_given_up_is_missed() -> None:
    pace = Pace(5)
    pace.look(0.0, came=1)
    pace.miss()
    assert (pace.wanted, pace.missed) == (1, 1)


def test_calm_is_half_as_often_but_not_so_seldom_that_faces_are_lost() -> None:
    pace = Pace(5)
    pace.tune(Attention.CALM, 1.0, 0.0)
    assert pace.fps == 2.5
    slow = Pace(3)
    slow.tune(Attention.CALM, 1.0, 0.0)
    assert slow.fps == 2.0
    slowest = Pace(1)
    slowest.tune(Attention.CALM, 1.0, 0.0)
    assert slowest.fps == 1.0


def test_who_becomes_keen_does_not_wait_for_the_calm_rates_time() -> None:
    pace = Pace(5)
    pace.tune(Attention.CALM, 1.0, 0.0)
    pace.look(0.0, came=1)
    assert not pace.is_due(0.2)
    pace.tune(Attention.KEEN, 1.0, 0.0)
    assert pace.is_due(0.2)


def test_when_the_machine_is_short_of_time_all_fall_together_by_priority() -> None:
    paces = {priority: Pace(5, priority=priority) for priority in (1, 2, 3)}
    for pace in paces.values():
        pace.tune(Attention.KEEN, 0.5, 0.0)
    assert paces[1].fps < paces[2].fps < paces[3].fps < 5
    assert paces[2].fps == pytest.approx(2.5)
    assert weighted(1.0, 1) == weighted(1.0, 3) == 1.0
    for pace in paces.values():
        pace.tune(Attention.KEEN, 0.0001, 0.0)
        assert pace.fps >= 0.2
