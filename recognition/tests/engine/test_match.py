"""Search and decision: what a plain loop over all templates would answer, whatever the gallery."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import Candidate, Gallery, ShapeError, Templates, decide, fuse, similarity

DIMENSION = 4
Rows = list[tuple[int, int, list[float]]]  # template, person, embedding

vectors = st.lists(st.integers(-3, 3).map(lambda one: one / 2), min_size=DIMENSION, max_size=DIMENSION)
galleries = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 6), vectors), max_size=20, unique_by=lambda row: row[0]
)
people = st.none() | st.frozensets(st.integers(0, 7))


def built(rows: Rows) -> Gallery:
    return Gallery.build(
        dimension=DIMENSION,
        templates=[row[0] for row in rows],
        persons=[row[1] for row in rows],
        embeddings=[row[2] for row in rows],
    )


def searched_by_hand(
    rows: Rows, probe: list[float], top: int, allow: frozenset[int] | None, exclude: frozenset[int] | None
) -> list[Candidate]:
    best: dict[int, Candidate] = {}
    for template, person, vector in sorted(rows):
        if (allow is not None and person not in allow) or (exclude is not None and person in exclude):
            continue
        score = 1 - sum((a - b) ** 2 for a, b in zip(vector, probe, strict=True)) / 2
        if person not in best or score > best[person].similarity:
            best[person] = Candidate(person=person, template=template, similarity=score)
    return sorted(best.values(), key=lambda one: (-one.similarity, one.person))[:top]


@settings(deadline=None)
@given(galleries, vectors, st.integers(1, 5), people, people)
def test_search_finds_what_a_loop_finds(
    rows: Rows, probe: list[float], top: int, allow: frozenset[int] | None, exclude: frozenset[int] | None
) -> None:
    # The numbers are halves, so the sums are exact and ties are real ones.
    found = built(rows).search(np.array(probe, np.float32), top=top, allow=allow, exclude=exclude)
    assert found == searched_by_hand(rows, probe, top, allow, exclude)


@settings(deadline=None)
@given(galleries, galleries, st.lists(st.integers(0, 40)))
def test_a_changed_gallery_is_one_built_anew(rows: Rows, added: Rows, removed: list[int]) -> None:
    before = built(rows)
    after = before.changed(
        add=Templates([row[0] for row in added], [row[1] for row in added], [row[2] for row in added]),
        remove=removed,
    )
    replaced = {row[0] for row in added} | set(removed)
    expected = [row for row in rows if row[0] not in replaced] + added
    assert after.templates == {row[0] for row in expected}
    assert after.people == {row[1] for row in expected}
    assert len(after) == len(expected)
    probe = np.zeros(DIMENSION, np.float32)
    assert after.search(probe, top=9) == built(expected).search(probe, top=9)
    assert before.templates == {row[0] for row in rows}


def test_large_random_galleries_too() -> None:
    rng = np.random.default_rng(11)
    embeddings = rng.normal(size=(5000, 128)).astype(np.float32) * 0.13
    persons = rng.integers(0, 1500, 5000)
    gallery = Gallery.build(dimension=128, templates=np.arange(5000), persons=persons, embeddings=embeddings)
    for probe in embeddings[:20] + rng.normal(size=(20, 128)).astype(np.float32) * 0.05:
        scores = [similarity(one, probe) for one in embeddings]
        ranked: list[int] = []
        for at in np.argsort(scores)[::-1]:
            if persons[at] not in ranked:
                ranked.append(int(persons[at]))
        found = gallery.search(probe, top=10)
        assert [one.person for one in found] == ranked[:10]
        assert all(one.similarity == similarity(embeddings[one.template], probe) for one in found)


def test_an_empty_gallery_finds_nobody() -> None:
    gallery = Gallery.empty(128)
    assert len(gallery) == 0
    assert gallery.people == gallery.templates == frozenset()
    assert gallery.search(np.zeros(128, np.float32)) == []
    assert gallery.changed(remove=[1, 2]).search(np.zeros(128, np.float32)) == []


def test_equal_similarity_is_ordered_by_person_then_template() -> None:
    vector = [1.0, 0, 0, 0]
    found = built([(9, 2, vector), (4, 7, vector), (3, 7, vector), (5, 1, vector)]).search(np.zeros(4, np.float32))
    assert [(one.person, one.template) for one in found] == [(1, 5), (2, 9), (7, 3)]


@pytest.mark.parametrize(
    ("templates", "persons", "embeddings"),
    [
        ([1], [1], [[0, 0, 0]]),  # too short
        ([1, 2], [1], [[0] * 4, [0] * 4]),
        ([1, 1], [1, 2], [[0] * 4, [0] * 4]),  # the same template twice
        ([1], [1], [[0, 0, 0, float("nan")]]),
        ([1], [1], [[0, 0, 0, float("inf")]]),
        ([1.5], [1], [[0] * 4]),
        ([[1]], [1], [[0] * 4]),
    ],
)
def test_a_wrong_gallery_is_refused(templates: Any, persons: Any, embeddings: Any) -> None:
    with pytest.raises(ShapeError):
        Gallery.build(dimension=4, templates=templates, persons=persons, embeddings=embeddings)


@pytest.mark.parametrize(
    "probe", [np.zeros(3, np.float32), np.full(4, np.nan, np.float32), np.zeros((1, 4), np.float32)]
)
def test_a_wrong_probe_is_refused(probe: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ShapeError):
        built([(1, 1, [0.0] * 4)]).search(probe)


def test_similarity_follows_distance() -> None:
    origin = np.zeros(3, np.float32)
    assert similarity(origin, origin) == 1
    assert similarity(origin, np.array([0.3, 0.4, 0], np.float32)) == pytest.approx(0.875)
    assert similarity(origin, np.array([0, 0.6, 0], np.float32)) == pytest.approx(0.82)


def candidates(*similarities: float) -> list[Candidate]:
    return [Candidate(person=at, template=at, similarity=one) for at, one in enumerate(similarities)]


@pytest.mark.parametrize(
    ("similarities", "threshold", "margin", "person"),
    [
        ((), 0.8, 0, None),
        ((0.79,), 0.8, 0, None),
        ((0.8,), 0.8, 0, 0),  # the threshold itself is enough
        ((0.9, 0.89), 0.8, 0.02, None),  # two who both fit
        ((0.9, 0.87), 0.8, 0.02, 0),
        ((0.9, 0.89), 0.8, 0, 0),
        ((0.9,), lambda person: 0.95, 0, None),  # a watchlist with its own threshold
        ((0.9,), lambda person: 0.85, 0, 0),
    ],
)
def test_decide(similarities: tuple[float, ...], threshold: Any, margin: float, person: int | None) -> None:
    decided = decide(candidates(*similarities), threshold=threshold, margin=margin)
    assert (decided.person if decided else None) == person


def test_fuse_weighs_by_quality() -> None:
    rows = np.array([[0, 4], [2, 0]], np.float32)
    assert fuse(rows, np.array([3, 1], np.float32)).tolist() == [0.5, 3]
    assert fuse(rows, np.array([0, 0], np.float32)).tolist() == [1, 2]
    assert fuse(rows, np.array([1, 0], np.float32)).dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "weights"),
    [
        (np.zeros((0, 4)), np.zeros(0)),
        (np.zeros((2, 4)), np.ones(3)),
        (np.zeros((2, 4)), np.array([1, -1])),
        (np.zeros((2, 4)), np.array([1, np.nan])),
        (np.full((1, 4), np.inf), np.ones(1)),
    ],
)
def test_fuse_refuses_nonsense(rows: npt.NDArray[np.float32], weights: npt.NDArray[np.float32]) -> None:
    with pytest.raises(ShapeError):
        fuse(rows, weights)


def test_which_of_some_templates_it_holds() -> None:
    rows = np.eye(6, dtype=np.float32)
    before = Gallery.build(dimension=6, templates=[9, 3, 5, 7], persons=[1, 2, 2, 1], embeddings=rows[:4])
    after = before.changed(add=Templates([4, 8], [3, 3], rows[4:]), remove=[5])

    assert before.holding([8, 5, 9, 5]).tolist() == [5, 9]
    assert after.holding([8, 5, 9, 5]).tolist() == [8, 9]
    assert after.holding([]).tolist() == []
    assert Gallery.empty(6).holding([1]).tolist() == []
