"""Comparisons and searches of labelled embeddings against counting them one by one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import ShapeError, similarity
from recognition.engine.protocol import Ids, PersonScore, all_pairs, draws, listed_pairs, searches
from recognition.engine.types import Floats

NO_FACE = np.full(4, np.nan, np.float32)


def faces(persons: list[int], seed: int = 0, spread: float = 0.3) -> tuple[Floats, Ids]:
    """Embeddings (n, 4) that lie around one place for each person."""
    random = np.random.default_rng(seed)
    places = random.standard_normal((max(persons) + 1, 4))
    rows = places[persons] + spread * random.standard_normal((len(persons), 4))
    return rows.astype(np.float32), np.array(persons, np.int64)


def test_all_pairs_are_compared_once() -> None:
    rows, persons = faces([0, 0, 1, 2, 2, 2])
    found = all_pairs(rows, persons)

    assert len(found.similarities) == 15
    assert int(found.genuine.sum()) == 1 + 3
    assert found.drawn_from == 11
    expected = sorted(similarity(rows[i], rows[j]) for i in range(6) for j in range(i))
    np.testing.assert_allclose(sorted(found.similarities), expected, atol=1e-6)
    np.testing.assert_array_equal(found.genuine, found.first == found.second)


def test_a_photo_without_a_face_matches_nothing() -> None:
    rows, persons = faces([0, 0, 1])
    rows[1] = NO_FACE
    found = all_pairs(rows, persons)

    assert np.isneginf(found.similarities).sum() == 2
    assert int(found.compared.sum()) == 1


def test_of_very_many_pairs_some_are_drawn_always_the_same_ones() -> None:
    rows, persons = faces([n // 2 for n in range(200)])
    whole = all_pairs(rows, persons)
    found, again = all_pairs(rows, persons, limit=2000), all_pairs(rows, persons, limit=2000)

    assert whole.drawn_from == found.drawn_from == 200 * 199 // 2 - 100
    assert int(found.genuine.sum()) == 100
    assert 1700 < int((~found.genuine).sum()) < 2300
    np.testing.assert_array_equal(found.similarities, again.similarities)


def test_listed_pairs_tell_who_is_one_person() -> None:
    rows, _ = faces([0, 0, 0, 1, 2])
    pairs = np.array([(0, 1), (1, 2), (0, 3), (3, 4)])
    found, people = listed_pairs(rows, pairs, np.array([True, True, False, False]))

    assert people == 3
    assert found.first[0] == found.second[1]
    assert len({int(found.first[2]), int(found.first[3]), int(found.second[3])}) == 3
    for number, (i, j) in enumerate(pairs):
        assert found.similarities[number] == pytest.approx(similarity(rows[i], rows[j]), abs=1e-6)


def test_pairs_must_fit() -> None:
    rows, persons = faces([0, 0, 1])
    with pytest.raises(ShapeError):
        listed_pairs(rows, np.zeros((2, 2), np.int64), np.array([True]))
    with pytest.raises(ShapeError):
        all_pairs(rows[:2], persons)


@pytest.mark.parametrize("by", list(PersonScore))
@given(
    persons=st.lists(st.integers(0, 3), min_size=1, max_size=10),
    seed=st.integers(0, 100),
    missing=st.sets(st.integers(0, 9), max_size=3),
)
@settings(max_examples=60, deadline=None)
def test_searches_are_what_leaving_one_out_by_hand_gives(
    by: PersonScore, persons: list[int], seed: int, missing: set[int]
) -> None:
    names = sorted(set(persons))
    rows, numbers = faces([names.index(person) for person in persons], seed)
    for at in missing & set(range(len(rows))):
        rows[at] = NO_FACE
    found = searches(rows, numbers, by=by)

    for probe in range(len(rows)):
        scores: dict[int, float] = {}
        for person in set(numbers.tolist()):
            others = [i for i in range(len(rows)) if numbers[i] == person and i != probe and np.isfinite(rows[i]).all()]
            if not others or not np.isfinite(rows[probe]).all():
                scores[person] = -math.inf
            elif by is PersonScore.BEST:
                scores[person] = max(similarity(rows[i], rows[probe]) for i in others)
            else:
                scores[person] = similarity(rows[others].astype(np.float64).mean(axis=0), rows[probe])
        own = int(numbers[probe])
        rivals = sorted((score for person, score in scores.items() if person != own), reverse=True)
        assert found.mate[probe] == pytest.approx(scores[own], abs=1e-5)
        assert found.rival[probe] == pytest.approx(rivals[0] if rivals else -math.inf, abs=1e-5)
        assert found.second[probe] == pytest.approx(rivals[1] if len(rivals) > 1 else -math.inf, abs=1e-5)
        assert found.mated[probe] == (persons.count(persons[probe]) > 1)


def test_a_search_misses_whom_another_outranks_and_alarms_with_a_lead_only() -> None:
    rows = np.array([[0, 0], [0.2, 0], [0.1, 0], [3, 0]], np.float32)  # the third resembles both of the first person
    found = searches(rows, np.array([0, 0, 1, 2]))

    assert found.gallery == 3
    np.testing.assert_array_equal(found.mated, [True, True, False, False])
    np.testing.assert_array_equal(found.missed(0.9), [True, True])
    np.testing.assert_array_equal(np.isneginf(found.mate_found), [True, True])
    np.testing.assert_array_equal(found.alarmed(0.9), [True, True, True, False])
    np.testing.assert_array_equal(found.alarmed(0.9, margin=10), [False] * 4)


def test_a_person_that_is_drawn_twice_counts_twice_and_is_no_stranger_to_itself() -> None:
    rows, persons = faces([0, 0, 1, 1])
    found = all_pairs(rows, persons)
    weights = found.weights(np.array([2.0, 0.0]))

    assert weights[found.genuine].tolist() == [2.0, 0.0]
    assert weights[~found.genuine].tolist() == [0.0] * 4


def test_draws_are_of_as_many_people_and_always_the_same() -> None:
    once, again = list(draws(7, 5)), list(draws(7, 5))
    assert len(once) == 5
    assert all(drawn.sum() == 7 for drawn in once)
    np.testing.assert_array_equal(once, again)
