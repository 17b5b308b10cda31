"""Figures that look at single sightings say what a plain reading of their definitions says."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import nbinom

from cameras.movement import summing
from cameras.movement.place import Period, at_camera, everywhere
from cameras.movement.presence import back_and_forth, loitering, occupancy, revisits
from cameras.movement.slots import Ints
from cameras.movement.spans import Spans, read_spans
from cameras.movement.unusual import Oddity, adjusted, probabilities, unusual_hours, unusual_visits
from cameras.tests.movement import reference
from cameras.tests.movement.many import NOW, Seen, cameras, identities, random_sightings, sighting, stored

pytestmark = pytest.mark.django_db
BERLIN = ZoneInfo("Europe/Berlin")
SINCE = NOW - timedelta(days=2)


def some(seed: int, number: int = 250) -> tuple[Spans, list[Seen]]:
    """Sightings of three cameras in two days, as figures read them and as they are stored."""
    of, who = cameras(3), identities(5)
    random_sightings(np.random.default_rng(seed), number=number, since=SINCE, days=2.0, of=of, who=who)
    return read_spans(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN)), stored()


@pytest.mark.parametrize("seed", range(3))
def test_occupancy_is_how_many_are_there_at_each_moment(seed: int) -> None:
    spans, seen = some(seed)
    found = occupancy(spans, steps=48)
    assert len(found.starts) == 48
    moments = sorted({row.first for row in seen})
    counts = {moment: reference.at_once(seen, moment) for moment in moments}
    assert found.peak == max(counts.values())
    assert found.peak_at is not None
    assert found.peak_at.timestamp() == pytest.approx(next(at for at, n in counts.items() if n == found.peak), abs=1e-3)
    for at, start in enumerate(found.starts):
        begin = start.timestamp()
        inside = [counts[moment] for moment in moments if begin < moment < begin + found.step]
        assert found.most[at] == max([reference.at_once(seen, begin), *inside])
        fine = np.linspace(begin, begin + found.step, 200, endpoint=False)
        assert found.mean[at] == pytest.approx(np.mean([reference.at_once(seen, moment) for moment in fine]), abs=0.15)


def test_occupancy_of_nobody() -> None:
    cameras(1)
    found = occupancy(read_spans(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN)), steps=4)
    assert (found.peak, found.peak_at, found.most.tolist(), found.mean.tolist()) == (0, None, [0] * 4, [0.0] * 4)
    with pytest.raises(ValueError, match="at least one step"):
        occupancy(read_spans(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN)), steps=0)


@pytest.mark.parametrize("seed", range(3))
def test_loitering_is_long_visits(seed: int) -> None:
    spans, seen = some(seed)
    found = loitering(spans, limit=600.0, gap=90.0)
    visits = reference.visits(seen, 90.0)
    lengths = [max(row.last for row in visit) - visit[0].first for visit in visits]
    assert found.visits == len(visits)
    assert found.count == sum(length > 600 for length in lengths)
    assert [row.seconds for row in found.longest] == pytest.approx(
        sorted(lengths)[::-1][: min(50, found.count)], abs=1e-2
    )
    assert sum(row.sightings for row in found.longest) <= len(seen)


def test_short_gaps_make_one_visit() -> None:
    (camera,), (one,) = cameras(1), identities(1)
    for second in (0, 100, 250, 500):
        sighting(camera, one, SINCE + timedelta(seconds=second), 60.0)
    sighting(camera, None, SINCE, 60.0)
    spans = read_spans(at_camera(camera.pk), Period(since=SINCE, until=NOW, zone=BERLIN))
    found = loitering(spans, limit=200.0, gap=90.0)
    assert (found.visits, found.count) == (3, 1)
    (long,) = found.longest
    assert (long.identity, long.sightings, long.seconds) == (one.pk, 3, 310.0)
    assert long.name == camera.name


@pytest.mark.parametrize("seed", range(3))
def test_revisits_are_visits_soon_after_others(seed: int) -> None:
    spans, seen = some(seed)
    found = revisits(spans, within=7200.0, gap=60.0)
    by_pair: dict[tuple[int, int], list[list[Seen]]] = defaultdict(list)
    for visit in reference.visits(seen, 60.0):
        if visit[0].identity:
            by_pair[visit[0].identity, visit[0].camera].append(visit)
    wanted = {}
    for pair, visits in by_pair.items():
        ends = [max(row.last for row in visit) for visit in visits]
        again = sum(visits[at + 1][0].first - ends[at] <= 7200 for at in range(len(visits) - 1))
        if again:
            wanted[pair] = (again, len(visits))
    assert {(row.identity, row.camera): (row.returns, row.visits) for row in found.rows} == wanted
    assert found.people == len({row.identity for row in seen if row.identity})
    assert found.returned == len({identity for identity, _ in wanted})


def test_to_and_fro_is_four_visits_in_a_row() -> None:
    first, second, third = cameras(3)
    one, other, last = identities(3)

    def walk(who: object, *of: object, every: int = 3) -> None:
        for at, camera in enumerate(of):
            sighting(camera, who, SINCE + timedelta(minutes=every * at))  # type: ignore[arg-type]

    walk(one, first, second, first, second, first, third)
    walk(other, first, second, third, first, second)
    walk(last, second, first, second, first, every=15)
    spans = read_spans(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN))
    found = back_and_forth(spans, within=1800.0)
    assert [(row.identity, row.times) for row in found.rows] == [(one.pk, 4)]
    assert {found.rows[0].first, found.rows[0].second} == {first.pk, second.pk}
    slower = back_and_forth(spans, within=3600.0)
    assert {(row.identity, row.times) for row in slower.rows} == {(one.pk, 4), (last.pk, 3)}


def test_cameras_that_see_the_same_spot_at_once_are_no_to_and_fro() -> None:
    first, second = cameras(2)
    (one,) = identities(1)
    for at in range(6):
        sighting((first, second)[at % 2], one, SINCE + timedelta(seconds=100 * at), 150.0)
    spans = read_spans(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN))
    assert back_and_forth(spans).rows == ()


def test_only_the_newest_are_looked_at_where_there_are_too_many() -> None:
    (camera,) = cameras(1)
    for hour in range(10):
        sighting(camera, None, SINCE + timedelta(hours=hour))
    period = Period(since=SINCE, until=NOW, zone=BERLIN)
    found = read_spans(everywhere(), period, most=4)
    assert found.is_cut
    assert found.since == SINCE + timedelta(hours=6)
    basis = loitering(found).basis
    assert (basis.sightings, basis.is_cut, basis.since) == (4, True, found.since)
    assert not read_spans(everywhere(), period).is_cut


# --- Hours ------------------------------------------------------------------------------------------------------------


def weeks(rng: np.random.Generator, *, mean: float, number: int = 9) -> Ints:
    """Hours of some weeks at one camera, busier by day."""
    level = mean * (1.2 + np.sin(np.arange(168 * number) % 24 / 24 * 2 * np.pi))
    return rng.poisson(level)[None].astype(np.int64)


def test_p_values_are_those_of_the_negative_binomial() -> None:
    counts = weeks(np.random.default_rng(1), mean=6.0)
    expected, p, number = probabilities(counts, np.ones(counts.shape[1], np.int64), 168 * 8, 8)
    seen = counts[0, : 168 * 8].reshape(8, 168)
    plain, spread = seen.mean(axis=0), seen.var(axis=0, ddof=1)
    phi = max(0.0, float((spread - plain).sum() / (plain**2).sum()))
    mean = (seen.sum(axis=0) + 0.5) / 8
    size = mean**2 / ((mean + phi * mean**2) * 9 / 8 - mean)
    share = size / (size + mean)
    now = counts[0, 168 * 8 :]
    wanted = np.minimum(1, 2 * np.minimum(nbinom.cdf(now, size, share), nbinom.sf(now - 1, size, share)))
    assert expected[0] == pytest.approx(plain)
    assert p[0] == pytest.approx(wanted)
    assert set(number.tolist()) == {8}


@pytest.mark.parametrize("mean", [0.05, 1.0, 20.0])
def test_few_are_listed_where_nothing_is_unusual(mean: float) -> None:
    """At the level 0.05 nothing should be listed in all but about one of twenty."""
    alarms = 0
    for seed in range(40):
        counts = weeks(np.random.default_rng(seed), mean=mean)
        _, p, _ = probabilities(counts, np.ones(counts.shape[1], np.int64), 168 * 8, 8)
        alarms += bool((adjusted(p[~np.isnan(p)]) <= 0.05).any())
    assert alarms <= 5


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30))
def test_benjamini_and_hochberg(values: list[float]) -> None:
    """As the procedure reads: the largest k with p(k) <= k q / n, and all before it."""
    p = np.array(values)
    q = adjusted(p)
    for level in (0.01, 0.05, 0.2, 0.9):
        ranked = np.sort(p)
        hits = [k for k in range(1, len(p) + 1) if ranked[k - 1] <= k * level / len(p) + 1e-12]
        assert int((q <= level + 1e-9).sum()) >= (max(hits) if hits else 0)
        assert (np.diff(q[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_an_hour_that_stands_out_is_listed() -> None:
    quiet, busy = cameras(2)
    monday = (NOW - timedelta(hours=3)).replace(minute=0)
    for week in range(7):
        for number in range(2 + week % 2):
            for camera in (quiet, busy):
                sighting(camera, None, monday - timedelta(weeks=week) + timedelta(minutes=number))
    for number in range(30):
        sighting(busy, None, monday + timedelta(minutes=5, seconds=number))
    while not summing.sum_up(now=NOW).is_done:
        pass
    period = Period(since=NOW - timedelta(days=1), until=NOW.replace(minute=0), zone=ZoneInfo("UTC"))
    found = unusual_hours(everywhere(), period, weeks=6)
    assert [(row.camera, row.start, row.count, row.is_more) for row in found.rows] == [(busy.pk, monday, 32, True)]
    assert found.rows[0].weeks == 6
    assert found.rows[0].q <= 0.05
    assert (found.tested, found.untested) == (48, 0)
    begun = Period(since=period.since, until=NOW, zone=period.zone)
    assert unusual_hours(everywhere(), begun, weeks=6).untested == 2  # the hour that is not over yet
    few = unusual_hours(everywhere(), period, weeks=4)
    assert 0 < few.tested <= found.tested  # there are sums since six weeks


def test_hours_without_enough_weeks_before_are_not_tested() -> None:
    (camera,) = cameras(1)
    sighting(camera, None, NOW - timedelta(weeks=3))
    while not summing.sum_up(now=NOW).is_done:
        pass
    found = unusual_hours(everywhere(), Period(since=NOW - timedelta(days=1), until=NOW, zone=BERLIN))
    assert (found.tested, found.rows) == (0, ())
    assert found.untested > 0
    for bad in ({"weeks": 3}, {"weeks": 27}, {"level": 0.0}, {"level": 1.0}):
        with pytest.raises(ValueError, match="Choose"):
            unusual_hours(everywhere(), Period(since=SINCE, until=NOW, zone=BERLIN), **bad)


# --- Visits -----------------------------------------------------------------------------------------------------------


def test_visits_unlike_their_own_are_listed() -> None:
    hall, vault = cameras(2)
    usual, away, new = identities(3)
    noon = NOW.replace(hour=10, minute=0)
    for day in range(2, 24):
        sighting(hall, usual, noon - timedelta(days=day))
    for day in range(40, 46):
        sighting(hall, away, noon - timedelta(days=day))
    midnight = NOW.replace(hour=0, minute=30)
    sighting(hall, usual, midnight)
    sighting(vault, usual, noon)
    sighting(hall, away, noon + timedelta(minutes=1))
    sighting(vault, new, midnight)
    spans = read_spans(everywhere(), Period(since=NOW - timedelta(days=1), until=NOW, zone=BERLIN))
    found = unusual_visits(spans)
    assert {(row.identity, row.kind, row.camera) for row in found.rows} == {
        (usual.pk, Oddity.FIRST_NIGHT, hall.pk),
        (usual.pk, Oddity.FIRST_HERE, vault.pk),
        (away.pk, Oddity.LONG_AWAY, hall.pk),
    }
    assert (found.people, found.of) == (3, 3)
    assert all(row.kind.label for row in found.rows)
    here = read_spans(at_camera(vault.pk), Period(since=NOW - timedelta(days=1), until=NOW, zone=BERLIN))
    assert {row.kind for row in unusual_visits(here).rows} == {Oddity.FIRST_HERE}
