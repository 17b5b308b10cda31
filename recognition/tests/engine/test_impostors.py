"""What a similarity is worth: the curve, what it does not know, and its sentences."""

import math
import tomllib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import ShapeError
from recognition.engine.impostors import MAX_POINTS, ImpostorCurve, of_comparison, of_search
from recognition.engine.metrics import upper_limit


@pytest.fixture
def curve() -> ImpostorCurve:
    """20,000 similarities, evenly spread over [0, 1)."""
    return ImpostorCurve.from_scores(np.arange(20_000) / 20_000, source="evenly spread")


def test_a_curve_is_small_and_keeps_the_highest_scores(curve: ImpostorCurve) -> None:
    assert len(curve.similarities) <= MAX_POINTS
    assert curve.comparisons == 20_000
    assert curve.similarities[-1] == 19_999 / 20_000
    assert curve.rates[-1] == 1 / 20_000
    assert curve.rates[0] == 1


@pytest.mark.parametrize("similarity", [0.05, 0.3, 0.5, 0.9, 0.99, 0.999])
def test_the_share_of_strangers_is_that_of_the_scores(curve: ImpostorCurve, similarity: float) -> None:
    share = curve.fmr(similarity)
    assert not share.at_most
    assert share.value == pytest.approx(upper_limit(20_000 * (1 - similarity), 20_000), rel=0.02)
    assert share.value >= 0.999 * (1 - similarity)


def test_beyond_the_scores_only_a_limit_is_known(curve: ImpostorCurve) -> None:
    assert curve.fmr(1.0).at_most
    assert curve.fmr(1.0).value == pytest.approx(3 / 20_000, rel=0.01)
    few = curve.fmr(19_997 / 20_000)  # three scores are as high
    assert few.at_most
    assert few.value == pytest.approx(upper_limit(3, 20_000))
    assert curve.fmr(-1.0).value == 1


@given(st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=1, max_size=400))
@settings(max_examples=100, deadline=None)
def test_the_share_never_rises_with_the_similarity_and_never_hides_a_score(scores: list[float]) -> None:
    curve = ImpostorCurve.from_scores(scores)
    places = np.linspace(-1.1, 1.1, 50)
    values = [curve.fmr(float(place)).value for place in places]

    assert all(a >= b - 1e-12 for a, b in pairwise(values))
    for score in sorted(scores)[-5:]:
        assert curve.fmr(score).value >= sum(other >= score for other in scores) / len(scores) - 1e-12


def test_every_template_of_a_list_is_one_more_chance(curve: ImpostorCurve) -> None:
    one = curve.fmr(0.99).value
    assert curve.fpir(0.99, 1).value == pytest.approx(one)
    assert curve.fpir(0.99, 50).value == pytest.approx(1 - (1 - one) ** 50)
    assert of_search(1.0, 5) == 1
    assert of_comparison(of_search(1e-6, 1000), 1000) == pytest.approx(1e-6)


def test_a_threshold_keeps_to_its_rate(curve: ImpostorCurve) -> None:
    threshold = curve.threshold(0.1, 10)
    assert threshold is not None
    assert curve.fpir(threshold, 10).value <= 0.1
    assert curve.fpir(threshold - 1e-3, 10).value > 0.1
    assert curve.threshold(1e-6, 10) is None
    assert curve.threshold(0.1, 0) is None


@pytest.mark.parametrize(
    ("similarity", "templates", "words"),
    [
        (0.99, 1, "About 1 in 89 strangers would score this high against a list of this size (1 photo)."),
        (0.998, 50, "About 1 in 8 strangers would score this high against a list of this size (50 photos)."),
        (1.0, 1, "Fewer than 1 in 6,600 strangers would score this high against a list of this size (1 photo); "),
        (0.9, 1000, "Most strangers would score this high against a list of this size (1,000 photos)"),
        (0.9, 0, "The list is empty"),
    ],
)
def test_a_sentence_says_what_is_known(curve: ImpostorCurve, similarity: float, templates: int, words: str) -> None:
    sentence = curve.sentence(similarity, templates)
    assert sentence.startswith(words)
    assert "%" not in sentence


def test_a_table_comes_back_as_it_was(curve: ImpostorCurve) -> None:
    again = ImpostorCurve.from_table(tomllib.loads(curve.to_toml())["impostors"])

    assert (again.comparisons, again.source) == (20_000, "evenly spread")
    np.testing.assert_allclose(again.similarities, curve.similarities, atol=1e-6)
    assert (again.rates >= curve.rates - 1e-15).all()


def test_a_source_may_hold_quotes() -> None:
    text = ImpostorCurve.from_scores([0.1, 0.2], source='the "Odd\\Pair"').to_toml()
    assert tomllib.loads(text)["impostors"]["source"] == 'the "Odd\\Pair"'


GOOD: dict[str, object] = {"similarities": [0.1, 0.2], "rates": [0.5, 0.1], "comparisons": 10, "source": "x"}


@pytest.mark.parametrize(
    "change",
    [
        {"similarities": [0.2, 0.1]},
        {"similarities": [0.1]},
        {"similarities": []},
        {"similarities": "many"},
        {"rates": [0.1, 0.5]},
        {"rates": [0.5, 0.0]},
        {"rates": [1.5, 0.1]},
        {"rates": [math.nan, 0.1]},
        {"rates": [True, 0.1]},
        {"comparisons": 0},
        {"comparisons": 2.5},
        {"comparisons": True},
        {"source": 3},
        {"people": 3},
    ],
)
def test_a_wrong_table_is_refused(change: dict[str, object]) -> None:
    assert ImpostorCurve.from_table(GOOD).fmr(0.2).value == pytest.approx(upper_limit(1, 10))
    with pytest.raises(ShapeError):
        ImpostorCurve.from_table(GOOD | change)


@pytest.mark.parametrize("scores", [[], [math.nan], [-math.inf]])
def test_a_curve_needs_scores(scores: list[float]) -> None:
    with pytest.raises(ShapeError):
        ImpostorCurve.from_scores(scores)


def test_not_a_number_has_no_meaning(curve: ImpostorCurve) -> None:
    with pytest.raises(ShapeError):
        curve.fmr(math.nan)
