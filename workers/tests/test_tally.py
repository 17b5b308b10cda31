"""What a reader counts: the rate at which pictures come."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import cast

from cameras.video import Capture
from workers.sources.tally import Tally

CAPTURE = cast(Capture, SimpleNamespace(skipped=Counter(), decode_ms=1.0))


def test_a_burst_at_the_beginning_is_no_rate() -> None:
    tally = Tally()
    for number in range(5):
        tally.account(CAPTURE, 1, now=number / 1000, resting=False)
    assert tally.rate(0.005) == 0.0


def test_the_rate_is_that_of_the_last_seconds() -> None:
    tally = Tally()
    for number in range(250):
        tally.account(CAPTURE, 1, now=number / 25, resting=False)
    assert round(tally.rate(10.0), 1) == 25.0


def test_a_slow_source_has_a_rate_too() -> None:
    tally = Tally()
    for number in range(3):
        tally.account(CAPTURE, 1, now=float(number * 8), resting=False)
    assert tally.rate(17.0) == 1 / 8
