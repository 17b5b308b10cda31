"""Pairs of people who look alike: the same as comparing all with all, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import ShapeError, Templates, pairs, similarity
from recognition.engine.pairs import near_pairs


def brute(templates: Templates, at_least: float) -> dict[tuple[int, int], float]:
    ids, persons, rows = (np.asarray(each) for each in templates)
    best: dict[tuple[int, int], float] = {}
    for one in range(len(ids)):
        for other in range(len(ids)):
            if persons[one] < persons[other]:
                pair = (int(persons[one]), int(persons[other]))
                best[pair] = max(best.get(pair, -9.0), similarity(rows[one], rows[other]))
    return {pair: score for pair, score in best.items() if score >= at_least}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(0, 40),
    people=st.integers(1, 12),
    at_least=st.floats(-0.5, 0.95),
    block=st.integers(1, 17),
)
def test_it_finds_what_comparing_all_with_all_finds(
    seed: int, count: int, people: int, at_least: float, block: int
) -> None:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, 6)).astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3) * np.float32(rng.uniform(0.7, 1.4))
    templates = Templates(rng.permutation(count) + 5, rng.integers(1, people + 1, count), rows.reshape(count, 6))
    expected = brute(templates, at_least)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "BLOCK", block)
        found = near_pairs(templates, at_least=at_least)

    assert {(one.first, one.second): one.similarity for one in found} == pytest.approx(expected, abs=1e-9)
    assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
    rows_of = dict(zip(np.asarray(templates.ids).tolist(), np.asarray(templates.embeddings), strict=True))
    for one in found:
        exact = similarity(rows_of[one.first_template], rows_of[one.second_template])
        assert one.similarity == pytest.approx(exact)


def test_only_the_best_are_kept_and_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "BLOCK", 8)
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((64, 16)).astype(np.float32) * np.float32(0.2)
    templates = Templates(np.arange(64), np.arange(64), rows)
    told: list[tuple[int, int]] = []
    found = near_pairs(templates, at_least=-1.0, most=10, progress=lambda done, of: told.append((done, of)))

    best = sorted(brute(templates, -1.0).values(), reverse=True)[:10]
    assert [one.similarity for one in found] == pytest.approx(best)
    assert told[-1] == (36, 36)
    assert len(told) == 36


@pytest.mark.parametrize("count", [0, 1])
def test_nobody_and_one_person_make_no_pair(count: int) -> None:
    rows = np.ones((count, 4), np.float32)
    assert near_pairs(Templates(np.arange(count), np.arange(count), rows), at_least=0.0) == []


def test_a_gallery_of_doubles_ends() -> None:
    rows = np.ones((400, 4), np.float32)
    found = near_pairs(Templates(np.arange(400), np.arange(400), rows), at_least=0.5, most=5)
    assert len(found) == 5
    assert {one.similarity for one in found} == {1.0}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError):
        near_pairs(Templates([1, 2], [1], np.zeros((2, 4), np.float32)), at_least=0.5)
    with pytest.raises(ShapeError):
        near_pairs(Templates([1, 2], [1, 2], np.full((2, 4), np.nan, np.float32)), at_least=0.5)
