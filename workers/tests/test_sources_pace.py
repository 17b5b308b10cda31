"""The pace of files, and how much a reader that fell behind decodes."""

from __future__ import annotations

import numpy as np

from cameras.video import Decode
from workers.sources.pace import REST_DOZE, Doze, Effort, Pace


def dues(stamps: list[float | None], fps: float = 10.0) -> list[float]:
    pace = Pace()
    pace.start(fps)
    return [pace.picture(pts, 50.0) for pts in stamps]


def test_pictures_are_due_by_their_time_stamps() -> None:
    np.testing.assert_allclose(dues([3.0, 3.1, 3.5, 3.52]), [50.0, 50.1, 50.5, 50.52])


def test_where_time_stamps_are_wild_or_missing_the_nominal_rate_holds() -> None:
    np.testing.assert_allclose(dues([0.0, None, -40.0, 9e6, 9e6 + 0.2]), [50.0, 50.1, 50.2, 50.3, 50.5])


def test_a_file_that_starts_again_goes_on_without_a_gap() -> None:
    pace = Pace()
    pace.start(10.0)
    first = [pace.picture(n / 10, 50.0) for n in range(3)]
    pace.start(10.0)
    again = [pace.picture(n / 10, 99.0) for n in range(3)]
    np.testing.assert_allclose(first + again, 50.0 + np.arange(6) / 10)


def test_pictures_that_do_not_come_out_have_their_time_too() -> None:
    pace = Pace()
    pace.start(10.0)
    pace.picture(0.0, 50.0)
    np.testing.assert_allclose([pace.skipped(0.0), pace.skipped(0.0)], [50.1, 50.2])
    np.testing.assert_allclose(pace.picture(0.3, 0.0), 50.3)
    pace.skipped(0.0)
    pace.back()
    np.testing.assert_allclose(pace.picture(0.4, 0.0), 50.4)


def test_the_further_behind_the_less_is_decoded_until_it_has_caught_up() -> None:
    effort = Effort()
    decoded = []
    for behind in (0.2, 0.35, 0.2, 0.35, 1.2, 0.8, 0.2, 0.05, 0.2):
        effort.judge(behind, 0.0)
        decoded.append(effort.decode)
    some, keys, everything = Decode.REFERENCES, Decode.KEYFRAMES, Decode.ALL
    assert decoded == [everything, some, some, some, keys, keys, keys, everything, everything]


def test_after_one_hitch_what_was_skipped_is_decoded_but_not_where_there_is_too_much_to_do() -> None:
    effort = Effort()
    effort.judge(1.5, 100.0)
    for _ in range(40):
        effort.skipped()
    assert effort.is_real(0.04)
    assert effort.may_wake(2.0)
    assert not effort.may_wake(20.0)  # that is much work
    effort.relax()
    effort.judge(1.5, 110.0)
    effort.skipped()
    assert not effort.may_wake(2.0)


def test_where_nothing_was_to_be_caught_up_the_reader_was_not_behind() -> None:
    effort = Effort()
    effort.judge(1.5, 100.0)
    for _ in range(3):
        effort.skipped()
    assert not effort.is_real(0.04)


def naps(doze: Doze, waits: list[bool], *, resting: bool = False) -> list[float]:
    return [doze.after(25.0, waited=waited, resting=resting) for waited in waits]


def test_packets_are_taken_together_and_none_is_waited_for() -> None:
    """In 0.12 s three packets come: after the first, which was waited for, it sleeps, and takes three at once."""
    assert naps(Doze(0.12), [True, False, False, False]) == [0.12, 0, 0, 0.12]


def test_where_more_come_than_should_the_next_sleep_is_not_before_they_are_taken() -> None:
    doze = Doze(0.4)
    taken, slept = 0, 0
    for _ in range(1000):
        taken += 1
        slept += doze.after(25.0, waited=False, resting=False) > 0
    assert taken / slept > 0.4 * 25


def test_at_rest_it_sleeps_longer_and_without_leave_never() -> None:
    assert Doze(0.1).length(resting=True) == REST_DOZE
    assert naps(Doze(0.0), [True, True], resting=True) == [0, 0]
    assert naps(Doze(0.05), [True, True]) == [0, 0]  # that is hardly longer than a picture
