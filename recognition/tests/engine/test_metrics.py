"""Error rates against closed forms, against scipy, and against counting by hand."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from recognition.engine import ShapeError
from recognition.engine import metrics as m

SCORES = st.lists(st.integers(-5, 5).map(lambda n: n / 10), min_size=1, max_size=30)


def test_a_match_is_a_similarity_that_reaches_the_threshold() -> None:
    assert m.false_match_rate([0.1, 0.5, 0.5, 0.9], 0.5) == 0.75
    assert m.false_non_match_rate([0.1, 0.5, 0.5, 0.9], 0.5) == 0.25
    assert m.accuracy([0.5, 0.4], [0.5, 0.4], 0.5) == 0.5


def test_rates_of_nothing_are_not_numbers() -> None:
    curve = m.det([0.5], [])
    assert math.isnan(m.false_match_rate([], 0.5))
    assert math.isnan(m.accuracy([], [], 0.5))
    assert not curve.is_complete
    assert math.isnan(m.equal_error_rate(curve))
    assert math.isnan(m.area_under_roc(curve))
    assert math.isnan(m.fnmr_at(curve, 0.1))
    assert math.isnan(m.threshold_for(curve, 0.1))


def test_normal_distributions_have_the_rates_of_the_textbook() -> None:
    """Genuine N(2, 1) and impostor N(0, 1): EER = Phi(-1), AUC = Phi(2 / sqrt 2)."""
    places = (np.arange(20_000) + 0.5) / 20_000
    genuine, impostor = stats.norm.ppf(places) + 2, stats.norm.ppf(places)
    curve = m.det(genuine, impostor)

    assert m.equal_error_rate(curve) == pytest.approx(stats.norm.cdf(-1), abs=1e-4)
    assert m.area_under_roc(curve) == pytest.approx(stats.norm.cdf(2 / math.sqrt(2)), abs=1e-4)
    threshold = stats.norm.ppf(0.99)
    assert m.threshold_for(curve, 0.01) == pytest.approx(threshold, abs=2e-3)
    assert m.fnmr_at(curve, 0.01) == pytest.approx(stats.norm.cdf(threshold - 2), abs=1e-3)


@given(genuine=SCORES, impostor=SCORES)
@settings(max_examples=200, deadline=None)
def test_auc_is_the_mann_whitney_statistic_with_ties(genuine: list[float], impostor: list[float]) -> None:
    statistic = stats.mannwhitneyu(genuine, impostor, method="asymptotic").statistic
    assert m.area_under_roc(m.det(genuine, impostor)) == pytest.approx(statistic / (len(genuine) * len(impostor)))


@given(genuine=SCORES, impostor=SCORES)
@settings(max_examples=200, deadline=None)
def test_every_point_of_a_det_curve_is_what_counting_gives(genuine: list[float], impostor: list[float]) -> None:
    curve = m.det(genuine, impostor)

    for threshold, fmr, fnmr in zip(curve.thresholds, curve.fmr, curve.fnmr, strict=True):
        assert fmr == pytest.approx(sum(score >= threshold for score in impostor) / len(impostor))
        assert fnmr == pytest.approx(sum(score < threshold for score in genuine) / len(genuine))
    assert (curve.fmr[0], curve.fnmr[0], curve.fmr[-1], curve.fnmr[-1]) == pytest.approx((1, 0, 0, 1))
    assert 0 <= m.equal_error_rate(curve) <= 1


@example(genuine=[0.0], impostor=[0.0] * 19 + [0.1], fmr=0.05)
@given(genuine=SCORES, impostor=SCORES, fmr=st.sampled_from([0.0, 0.05, 0.2, 0.5, 1.0]))
@settings(max_examples=200, deadline=None)
def test_the_threshold_for_a_rate_keeps_to_it_and_no_lower_one_does(
    genuine: list[float], impostor: list[float], fmr: float
) -> None:
    threshold = m.threshold_for(m.det(genuine, impostor), fmr)

    assert m.false_match_rate(impostor, threshold) <= fmr
    lower = [score for score in {*genuine, *impostor} if score < threshold]
    if lower:
        assert m.false_match_rate(impostor, max(lower)) > fmr
    expected = m.false_non_match_rate(genuine, threshold)
    assert m.fnmr_at(m.det(genuine, impostor), fmr) == pytest.approx(expected)


@given(genuine=SCORES, impostor=SCORES, data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_weight_counts_like_repeating_the_comparison(
    genuine: list[float], impostor: list[float], data: st.DataObject
) -> None:
    of_genuine = data.draw(st.lists(st.integers(0, 3), min_size=len(genuine), max_size=len(genuine)))
    of_impostor = data.draw(st.lists(st.integers(0, 3), min_size=len(impostor), max_size=len(impostor)))
    weighted = m.det(genuine, impostor, genuine_weights=of_genuine, impostor_weights=of_impostor)
    repeated = m.det(np.repeat(genuine, of_genuine), np.repeat(impostor, of_impostor))

    assert m.equal_error_rate(weighted) == pytest.approx(m.equal_error_rate(repeated), nan_ok=True)
    assert m.area_under_roc(weighted) == pytest.approx(m.area_under_roc(repeated), nan_ok=True)
    assert m.fnmr_at(weighted, 0.2) == pytest.approx(m.fnmr_at(repeated, 0.2), nan_ok=True)


def test_a_comparison_that_could_not_be_made_never_matches() -> None:
    curve = m.det([0.9, -math.inf], [0.1, -math.inf])

    assert m.false_non_match_rate([0.9, -math.inf], -10) == 0.5
    assert m.fnmr_at(curve, 0.0) == 0.5
    assert m.area_under_roc(curve) == pytest.approx((1 + 1 + 0 + 0.5) / 4)


def test_separated_scores_have_no_error() -> None:
    curve = m.det([0.8, 0.9], [0.1, 0.2])
    assert m.equal_error_rate(curve) == 0
    assert m.area_under_roc(curve) == 1
    assert m.threshold_for(curve, 0.0) == 0.8


@pytest.mark.parametrize(("errors", "trials"), [(1, 20), (7, 20), (19, 20), (3, 5000)])
def test_intervals_are_those_of_scipy(errors: int, trials: int) -> None:
    expected = stats.binomtest(errors, trials).proportion_ci(0.95, method="exact")
    assert m.share_interval(errors, trials) == pytest.approx((expected.low, expected.high), rel=1e-9)


@pytest.mark.parametrize("trials", [30, 1000, 100_000])
def test_no_error_in_n_trials_means_at_most_three_in_n(trials: int) -> None:
    low, high = m.share_interval(0, trials)
    assert low == 0
    assert high == pytest.approx(3 / trials, rel=0.06)
    assert high == pytest.approx(m.upper_limit(0, trials))
    assert m.share_interval(trials, trials) == pytest.approx((1 - high, 1))


def test_an_interval_of_no_trials_is_everything() -> None:
    assert m.share_interval(0, 0) == (0, 1)
    assert m.upper_limit(0, 0) == 1


@given(errors=st.integers(0, 50), more=st.integers(0, 1000))
def test_the_upper_limit_lies_above_what_was_seen(errors: int, more: int) -> None:
    trials = errors + more
    if trials:
        assert errors / trials <= m.upper_limit(errors, trials) <= 1


def test_a_rate_needs_three_times_as_many_trials_as_one_over_it() -> None:
    assert [m.trials_needed(rate) for rate in (0.1, 0.01, 0.001)] == [30, 300, 3000]


@pytest.mark.parametrize("scores", [[math.nan], [math.inf], [[0.1]]])
def test_what_is_no_similarity_is_refused(scores: list[float]) -> None:
    with pytest.raises(ShapeError):
        m.det(scores, [0.1])


def test_weights_must_fit() -> None:
    with pytest.raises(ShapeError):
        m.share_at_least([0.1], 0.5, [1, 2])
    with pytest.raises(ShapeError):
        m.share_at_least([0.1], 0.5, [-1])
    with pytest.raises(ShapeError):
        m.share_interval(3, 2)
