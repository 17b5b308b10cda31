"""Large galleries: codes, rounded storage and changes in the background answer what a plain loop over all would."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import Candidate, Embedding, Gallery, ShapeError, Templates, similarity
from recognition.engine.codes import Codes
from recognition.engine.match import Layout, Storage
from recognition.engine.parts import Merge, Part, segments
from recognition.engine.segment import Ids
from recognition.engine.storage import similarity_error, stored
from recognition.engine.types import Floats

DIMENSION = 4
# As a large gallery is laid out, at a size that a test can search by hand: every way of the code is taken.
TINY = Layout(coded=4, segment=6, recent=3, shortlist=2, few=1)
ALL = [Storage.FLOAT32, Storage.FLOAT16, Storage.INT8]

vectors = st.lists(st.integers(-3, 3).map(lambda one: one / 2), min_size=DIMENSION, max_size=DIMENSION)
rows = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9), vectors), max_size=30, unique_by=lambda row: row[0])
people = st.none() | st.frozensets(st.integers(0, 10))
Rows = dict[int, tuple[int, list[float]]]  # template: person, embedding


def by_hand(
    rows: Rows, probe: Embedding, top: int, allow: frozenset[int] | None = None, exclude: frozenset[int] | None = None
) -> list[Candidate]:
    best: dict[int, Candidate] = {}
    for template, (person, vector) in sorted(rows.items()):
        if (allow is not None and person not in allow) or (exclude is not None and person in exclude):
            continue
        score = similarity(np.array(vector, np.float32), probe)
        if person not in best or score > best[person].similarity:
            best[person] = Candidate(person=person, template=template, similarity=score)
    return sorted(best.values(), key=lambda one: (-one.similarity, one.person))[:top]


def templates(rows: Rows) -> Templates:
    return Templates(list(rows), [person for person, _ in rows.values()], [vector for _, vector in rows.values()])


def gallery(rows: Rows, storage: Storage = Storage.FLOAT32, layout: Layout = TINY) -> Gallery:
    ids, persons, embeddings = templates(rows)
    return Gallery.build(
        dimension=DIMENSION, templates=ids, persons=persons, embeddings=embeddings, storage=storage, layout=layout
    )


def as_rows(listed: list[tuple[int, int, list[float]]]) -> Rows:
    return {template: (person, vector) for template, person, vector in listed}


# With a shortlist of everything codes must change nothing; with a short one the similarities must still be right.
COVERING = replace(TINY, shortlist=1000)


@settings(deadline=None, max_examples=60)
@given(st.lists(rows, min_size=1, max_size=4), st.lists(st.sets(st.integers(0, 60))), vectors, people, people)
def test_after_any_changes_a_search_finds_what_a_loop_finds(
    added: list[list[tuple[int, int, list[float]]]],
    removed: list[set[int]],
    probe: list[float],
    allow: frozenset[int] | None,
    exclude: frozenset[int] | None,
) -> None:
    one, expected = gallery({}, layout=COVERING), Rows()
    for at in range(max(len(added), len(removed))):
        more = as_rows(added[at]) if at < len(added) else Rows()
        less = removed[at] if at < len(removed) else set()
        one = one.changed(add=templates(more), remove=less)
        expected = {key: value for key, value in expected.items() if key not in less} | more
    wanted = by_hand(expected, np.array(probe, np.float32), 4, allow, exclude)
    for version in (one, one.settled()):
        assert version.templates == set(expected)
        assert version.people == {person for person, _ in expected.values()}
        assert len(version) == len(expected)
        assert version.search(np.array(probe, np.float32), top=4, allow=allow, exclude=exclude) == wanted


@settings(deadline=None, max_examples=60)
@given(rows, vectors, people, people, st.sampled_from(ALL))
def test_what_is_said_of_a_template_is_true_within_the_error(
    listed: list[tuple[int, int, list[float]]],
    probe: list[float],
    allow: frozenset[int] | None,
    exclude: frozenset[int] | None,
    storage: Storage,
) -> None:
    """Also with a shortlist that is far too short."""
    given_rows, at = as_rows(listed), np.array(probe, np.float32)
    found = gallery(given_rows, storage).search(at, top=3, allow=allow, exclude=exclude)
    wanted = by_hand(given_rows, at, 99, allow, exclude)
    assert len(found) == min(3, len(wanted))
    assert found == sorted(found, key=lambda one: (-one.similarity, one.person))
    for one in found:
        person, vector = given_rows[one.template]
        assert (person, one.person in {each.person for each in wanted}) == (one.person, True)
        true = similarity(np.array(vector, np.float32), at)
        assert abs(one.similarity - true) <= one.error + 1e-12
        assert one.error == 0 or storage is not Storage.FLOAT32


def faces(count: int, dimension: int, seed: int, length: float = 1.0) -> Floats:
    """Embeddings like those of a face network: of one length, with a spectrum that falls slowly."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((count, dimension)) * np.arange(1, dimension + 1) ** -0.22
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True) * length, np.float32)


@pytest.mark.parametrize(
    ("dimension", "length", "storage"), [(512, 1, "float32"), (512, 1, "int8"), (128, 1.46, "auto")]
)
def test_codes_find_the_best_template_of_many(dimension: int, length: float, storage: str) -> None:
    """Two stages answer what one would: for the people who are there, and for strangers."""
    enrolled = faces(20_000, dimension, 1, length)
    one = Gallery.build(
        dimension=dimension,
        templates=np.arange(20_000),
        persons=np.arange(20_000) // 2,
        embeddings=enrolled,
        storage=Storage(storage),
    )
    strangers = faces(64, dimension, 2, length)
    mates = 0.6 * enrolled[::313] + 0.8 * faces(64, dimension, 3, length)
    probes = np.vstack([mates, strangers]).astype(np.float32)
    squares = np.einsum("ij,ij->i", enrolled, enrolled)
    best = np.argmax(2 * probes @ enrolled.T - squares, axis=1)
    found = one.search_many(probes, top=3)
    right = [answer[0].template == at for answer, at in zip(found, best, strict=True)]
    rounded = storage == "int8"  # two strangers may be closer to each other than int8 can tell
    assert all(right[: len(mates)])
    assert sum(right) >= len(probes) - (2 if rounded else 0)
    for probe, answer in zip(probes, found, strict=True):
        assert one.search(probe, top=3) == answer
        for each in answer:
            assert abs(each.similarity - similarity(enrolled[each.template], probe)) <= each.error


def test_codes_do_not_mind_a_few_dimensions_that_hold_everything() -> None:
    rng = np.random.default_rng(5)
    enrolled = (rng.standard_normal((20_000, 64)) * np.arange(1, 65) ** -1.2).astype(np.float32)
    probes = (rng.standard_normal((50, 64)) * np.arange(1, 65) ** -1.2).astype(np.float32)
    squares = np.einsum("ij,ij->i", enrolled, enrolled)
    best = np.argmax(2 * probes @ enrolled.T - squares, axis=1)
    _, positions = Codes(stored(enrolled, Storage.FLOAT32), 64).nearest(probes, 256)
    assert all(at in row for at, row in zip(best, positions, strict=True))


def test_equal_templates_have_equal_codes_and_are_found_in_order() -> None:
    same = Gallery.build(
        dimension=8, templates=np.arange(200), persons=np.arange(200)[::-1], embeddings=np.ones((200, 8)), layout=TINY
    )
    assert [one.person for one in same.search(np.ones(8, np.float32), top=200)] == list(range(200))


def test_a_person_with_most_templates_does_not_hide_the_others() -> None:
    """Their templates fill any shortlist; it is taken again until enough people are in it."""
    enrolled = faces(3000, 32, 7)
    enrolled[:2900] = enrolled[0] + 0.01 * enrolled[:2900]
    persons = np.where(np.arange(3000) < 2900, 1, np.arange(3000))
    layout = Layout(coded=1000, segment=1500, recent=10, shortlist=16, few=16)
    one = Gallery.build(dimension=32, templates=np.arange(3000), persons=persons, embeddings=enrolled, layout=layout)
    plain = Gallery.build(dimension=32, templates=np.arange(3000), persons=persons, embeddings=enrolled)
    assert one.search(enrolled[0], top=5) == plain.search(enrolled[0], top=5)
    few = frozenset(range(2950, 2960))
    assert one.search(enrolled[0], top=5, allow=few) == plain.search(enrolled[0], top=5, allow=few)
    assert one.search(enrolled[0], top=5, exclude={1}) == plain.search(enrolled[0], top=5, exclude={1})


def test_rounded_templates_are_compared_again_as_they_were_enrolled() -> None:
    enrolled = faces(500, 32, 8)
    asked: list[int] = []

    def read(ids: Sequence[int]) -> Mapping[int, Embedding]:
        asked.extend(ids)
        return {template: enrolled[template] for template in ids if template != 3}

    kept: dict[str, Any] = {"dimension": 32, "templates": np.arange(500), "persons": np.arange(500)}
    rounded = Gallery.build(**kept, embeddings=enrolled, storage=Storage.INT8, exact=read, layout=Layout(recent=9))
    plain = Gallery.build(**kept, embeddings=enrolled)
    for probe in faces(20, 32, 9):
        assert rounded.search(probe, top=3) == plain.search(probe, top=3)
    assert 0 < len(asked) < 20 * 40
    unread = rounded.search(enrolled[3], top=1)[0]  # this one can not be read again
    assert unread.template == 3
    assert unread.error > 0


@pytest.mark.parametrize("storage", ALL)
def test_how_much_storing_can_change_is_known(storage: Storage) -> None:
    enrolled = faces(300, 512, 4)
    kept = stored(enrolled, storage)
    lost = np.linalg.norm(kept.part(0, 300).astype(np.float64) - enrolled, axis=1)
    assert lost.max() <= kept.error <= lost.max() * 1.0001
    assert kept.error <= {Storage.FLOAT32: 0, Storage.FLOAT16: 3e-4, Storage.INT8: 0.02}[storage]
    assert kept.nbytes == 300 * 512 * {"float32": 4, "float16": 2, "int8": 1}[storage] + (
        300 * 4 if storage is Storage.INT8 else 0
    )
    for probe in faces(20, 512, 5):
        for row in range(0, 300, 37):
            told = similarity(kept.part(row, row + 1)[0], probe)
            assert abs(told - similarity(enrolled[row], probe)) <= similarity_error(told, kept.error)


def test_numbers_too_large_for_float16_stay_as_they_are() -> None:
    kept = stored(np.full((2, 3), 70_000, np.float32), Storage.FLOAT16)
    assert kept.values.dtype == np.float32
    assert kept.error == 0


def test_storage_is_chosen_by_size() -> None:
    chosen = [Storage.AUTO.chosen(templates=n, dimension=512).value for n in (1000, 500_000, 1_000_000, 5_000_000)]
    assert chosen == ["float32", "float32", "float16", "int8"]
    assert Storage.INT8.chosen(templates=1, dimension=512) is Storage.INT8


def test_a_change_during_a_merge_is_not_lost() -> None:
    """What was removed while the thread wrote stays removed; what was removed before and came back is there once."""
    layout = Layout(coded=40, segment=100, recent=10, shortlist=1000, few=1)
    vectors = {at: (at, faces(1, DIMENSION, at)[0].tolist()) for at in range(60)}
    made = [
        Part(segment=segments(*arrays(vectors, start), storage=Storage.FLOAT32, layout=layout)[0])
        for start in (0, 20, 40)
    ]
    before = [made[0].without(np.array([1, 2])), *made[1:]]
    merge = Merge(before, storage=Storage.FLOAT32, layout=layout)
    since = [before[0].without(np.array([3])), before[1].without(np.arange(20, 40)), before[2]]
    merge.wait()
    after = merge.taken([since[0], since[2]])  # the second one lost all of its templates and is not there any more
    assert len(after) == 1
    assert set(after[0].ids.tolist()) == set(range(60)) - {1, 2, 3} - set(range(20, 40))


def arrays(rows: Rows, start: int) -> tuple[Ids, Ids, Floats]:
    ids = np.arange(start, start + 20)
    return ids, ids, np.array([rows[at][1] for at in range(start, start + 20)], np.float32)


def test_searches_see_one_gallery_while_it_changes_many_times() -> None:
    """Small additions become segments that are merged by a thread; searches beside it never miss who stays."""
    layout = Layout(coded=64, segment=256, recent=16, shortlist=32, few=8)
    enrolled = faces(600, 32, 12)
    current = Gallery.build(dimension=32, templates=[0], persons=[0], embeddings=enrolled[:1], layout=layout)
    wrong: list[list[Candidate]] = []
    over = threading.Event()

    def search() -> None:
        while not over.is_set():
            found = current.search(enrolled[0], top=1)
            if [one.template for one in found] != [0]:
                wrong.append(found)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for at in range(1, 600, 7):
        ids = np.arange(at, min(at + 7, 600))
        current = current.changed(add=Templates(ids, ids, enrolled[ids]), remove=[at - 3] if at > 3 else [])
    over.set()
    for thread in threads:
        thread.join(30)
    assert wrong == []
    settled = current.settled()
    assert settled.templates == set(range(600)) - set(range(5, 595, 7))
    for at in (1, 100, 599):
        assert settled.search(enrolled[at], top=1)[0].template == at


def test_removing_most_of_a_segment_gives_its_memory_back() -> None:
    layout = Layout(coded=64, segment=1000, recent=16)
    before = Gallery.build(
        dimension=32, templates=np.arange(900), persons=np.arange(900), embeddings=faces(900, 32, 2), layout=layout
    )
    after = before.changed(remove=range(800)).settled()
    assert len(after) == 100
    assert after.nbytes < before.nbytes / 5
    assert before.search(faces(900, 32, 2)[5], top=1)[0].template == 5


def test_arrays_given_to_a_small_gallery_can_be_used_again() -> None:
    enrolled = faces(10, 8, 1)
    one = Gallery.build(dimension=8, templates=np.arange(10), persons=np.arange(10), embeddings=enrolled)
    first = enrolled[0].copy()
    enrolled[:] = 0
    assert one.search(first, top=1)[0].similarity == 1


def test_huge_numbers_are_refused() -> None:
    with pytest.raises(ShapeError):
        Gallery.build(dimension=2, templates=[1], persons=[1], embeddings=[[1e30, 0]])


@pytest.mark.parametrize("probes", [np.zeros(4), np.zeros((2, 3)), np.full((2, 4), np.nan)])
def test_wrong_probes_are_refused(probes: Floats) -> None:
    with pytest.raises(ShapeError):
        gallery({1: (1, [0.0] * 4)}).search_many(probes)


def test_no_probes_find_nothing() -> None:
    assert gallery({1: (1, [0.0] * 4)}).search_many(np.zeros((0, 4), np.float32)) == []
