"""Thresholds from what strangers score here: what is proposed, what is only extended, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from recognition.calibration import Support, extended, gallery_impostors, propose
from recognition.engine import similarity
from recognition.engine.impostors import of_search
from recognition.tests.factories import DIMENSION, PACK, PersonFactory, TemplateFactory, embedding


@pytest.mark.django_db
def test_only_templates_of_different_people_and_of_one_pack_are_compared() -> None:
    ada, bob = PersonFactory.create(), PersonFactory.create()
    rows = [embedding(seed) for seed in range(3)]
    TemplateFactory.create(person=ada, vector=rows[0])
    TemplateFactory.create(person=ada, vector=rows[1])
    TemplateFactory.create(person=bob, vector=rows[2])
    TemplateFactory.create(person=bob, vector=rows[0], pack="another-1")
    found = gallery_impostors(PACK, DIMENSION)

    expected = [similarity(rows[0], rows[2]), similarity(rows[1], rows[2])]
    np.testing.assert_allclose(sorted(found.scores), sorted(expected), atol=1e-5)
    assert (found.people, found.templates) == (2, 3)
    (nearest,) = found.nearest
    assert (nearest.first, nearest.second) == (min(ada.pk, bob.pk), max(ada.pk, bob.pk))
    assert nearest.similarity == pytest.approx(max(expected), abs=1e-5)


@pytest.mark.django_db
def test_of_a_large_gallery_whole_people_are_drawn_always_the_same_ones() -> None:
    for _ in range(8):
        person = PersonFactory.create()
        TemplateFactory.create(person=person)
        TemplateFactory.create(person=person)
    found, again = (gallery_impostors(PACK, DIMENSION, most=6) for _ in range(2))

    assert (found.templates, found.people) == (6, 3)
    np.testing.assert_array_equal(found.scores, again.scores)


@pytest.mark.django_db
def test_of_a_very_large_gallery_not_even_all_ids_are_read(django_assert_max_num_queries: Any) -> None:
    for _ in range(30):
        TemplateFactory.create()
    with django_assert_max_num_queries(4):
        found = gallery_impostors(PACK, DIMENSION, most=5)

    assert 2 <= found.people <= 5
    assert len(found.scores) == found.people * (found.people - 1) // 2


@pytest.mark.django_db
@pytest.mark.parametrize("people", [0, 1])
def test_a_gallery_without_two_people_says_nothing(people: int) -> None:
    for _ in range(people):
        TemplateFactory.create()
    found = gallery_impostors(PACK, DIMENSION)
    assert found.curve() is None
    assert propose(found.scores, people=found.people, templates=people, fpir=0.01).support is Support.NONE


def test_enough_scores_measure_the_threshold() -> None:
    scores = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000) / 10
    proposal = propose(scores, people=500, templates=5, fpir=0.01)

    assert proposal.support is Support.MEASURED
    assert proposal.threshold is not None
    rate = float((scores >= proposal.threshold).mean())
    assert of_search(rate, 5) <= 0.01
    assert of_search(rate, 5) >= 0.008
    assert proposal.needs == pytest.approx(3 / 0.002, rel=0.01)


def test_too_few_scores_are_extended_and_said_to_be() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(0, 0.1, 4000)
    proposal = propose(scores, people=90, templates=1000, fpir=0.001)

    assert proposal.support is Support.EXTRAPOLATED
    assert proposal.threshold is not None
    assert proposal.threshold > scores.max()
    assert proposal.needs == pytest.approx(3_000_000, rel=0.01)
    assert proposal.strictest == pytest.approx(of_search(3 / 4000, 1000))
    # The truth for these scores is lower: an exponential tail is longer than a normal one.
    assert proposal.threshold > stats.norm.ppf(1 - 1e-6) * 0.1


def test_an_exponential_tail_is_extended_exactly() -> None:
    scores = -np.log((np.arange(50_000) + 0.5) / 50_000) / 20
    for fmr in (1e-3, 1e-6):
        assert extended(scores, fmr) == pytest.approx(-np.log(fmr) / 20, rel=0.01)


@pytest.mark.parametrize("people", [2, 9])
def test_a_few_people_propose_nothing(people: int) -> None:
    proposal = propose(np.linspace(0, 0.5, 10_000), people=people, templates=20, fpir=0.01)
    assert (proposal.support, proposal.threshold) == (Support.NONE, None)


def test_scores_that_are_all_the_same_are_not_extended() -> None:
    assert extended(np.full(1000, 0.3), 1e-6) is None
    assert extended(np.array([0.1, 0.2]), 1e-6) is None
