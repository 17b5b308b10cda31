"""The nightly look proposes who may be one person, and never merges by itself."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_django import Settings

from cameras.identities import clustering, corrections, proposals
from cameras.models import Identity, MergeProposal, Route, Sighting
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.identities.people import WHY, known, template, unknown
from recognition import gallery
from recognition.engine.types import Floats
from recognition.tests.factories import PersonFactory, TemplateFactory, embedding


def faces(people: int, each: int, noise: float, dimension: int = 64, seed: int = 1) -> tuple[clustering.Ids, Floats]:
    """Templates of so many people as they are spread over three identities each: identity = 3 * person + number."""
    random = np.random.default_rng(seed)
    middles = random.standard_normal((people, dimension))
    identities, rows = [], []
    for person in range(people):
        for number in range(3):
            for _ in range(each):
                row = middles[person] + noise * random.standard_normal(dimension)
                identities.append(3 * person + number)
                rows.append(row / np.linalg.norm(row))
    return np.array(identities, np.int64), np.array(rows, np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_identities_of_one_person_are_found_and_no_others(seed: int) -> None:
    identities, rows = faces(40, 2, 0.3, seed=seed)
    found = clustering.cluster(identities, rows, floor=0.7)
    assert {first // 3 == second // 3 for first, second in found.alike} == {True}
    assert len(found.alike) == 3 * 40
    assert set(found.alike) <= set(found.near)
    assert all(first < second for first, second in found.alike)


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_matter_in_which_order_templates_come(seed: int) -> None:
    identities, rows = faces(20, 3, 0.6, seed=seed)
    order = np.random.default_rng(seed).permutation(len(identities))
    one = clustering.cluster(identities, rows, floor=0.65)
    other = clustering.cluster(identities[order], rows[order], floor=0.65)
    assert set(one.alike) == set(other.alike)


@pytest.mark.parametrize("seed", range(5))
def test_pairs_that_are_two_people_are_never_proposed(seed: int) -> None:
    identities, rows = faces(20, 2, 0.3, seed=seed)
    never = {(3 * person, 3 * person + 1) for person in range(20)}
    found = clustering.cluster(identities, rows, floor=0.7, never=never)
    assert not never & set(found.alike)
    # Of the third one nobody knows with which of the two it is: with one of them at most.
    assert len(found.alike) == 20


def test_a_chain_of_look_alikes_is_not_one_person() -> None:
    angles = np.linspace(0, np.pi, 30)  # each is near to the next one, the ends are opposite
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    rows = np.concatenate([rows, np.zeros((30, 14), np.float32)], axis=1)
    found = clustering.cluster(np.arange(30), rows, floor=0.8)
    assert found.alike
    assert all(rows[first] @ rows[second] >= 0.6 for first, second in found.alike)


def test_a_part_that_is_too_large_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clustering, "MOST_TOGETHER", 20)
    identities, rows = faces(30, 1, 0.2, dimension=4)
    largest = []
    groups = clustering._groups

    def watched(part: list[int], *rest: object) -> object:
        largest.append(len(part))
        return groups(part, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(clustering, "_groups", watched)
    assert clustering.cluster(identities, rows, floor=0.3).alike
    assert max(largest) <= 20


def test_nothing_and_one_are_no_pairs() -> None:
    empty = clustering.cluster(np.zeros(0, np.int64), np.zeros((0, 8), np.float32), floor=0.5)
    assert not empty.alike
    same = clustering.cluster(np.zeros(4, np.int64), np.eye(4, 8, dtype=np.float32), floor=0.5)
    assert not same.alike


@pytest.fixture
def pack(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


def somebody(seed: int, aside: float = 0.0, **values: object) -> Identity:
    identity = unknown(1, **values)
    face = embedding(seed) + aside * embedding(seed + 500)
    template(Sighting.objects.get(identity=identity), np.asarray(face, np.float32))
    return identity


@pytest.mark.django_db
@pytest.mark.usefixtures("pack")
class TestStored:
    def pairs(self) -> set[tuple[int, int]]:
        opened = MergeProposal.objects.filter(state=MergeProposal.State.OPEN)
        return set(opened.values_list("first", "second"))

    def test_it_proposes_and_does_not_merge(self) -> None:
        one, other, _stranger = somebody(1), somebody(1, 0.1), somebody(2)
        done = proposals.propose()
        assert (done.new, done.still, done.closed) == (1, 0, 0)
        assert self.pairs() == {(one.pk, other.pk)}
        assert not Identity.objects.exclude(merged_into=None).exists()
        again = proposals.propose()
        assert (again.new, again.still, again.closed) == (0, 1, 0)

    def test_who_is_enrolled_is_proposed_a_little_below_the_threshold(self) -> None:
        row = TemplateFactory.create(vector=embedding(3))
        one = somebody(3, 0.2)
        proposals.propose()
        theirs = Identity.objects.get(person=row.person)
        assert self.pairs() == {(one.pk, theirs.pk)}

    def test_what_was_answered_is_not_asked_again(self) -> None:
        one, other = somebody(1), somebody(1, 0.1)
        proposals.propose()
        corrections.told_apart(actor=None, one=one, other=other)
        assert MergeProposal.objects.get().state == MergeProposal.State.REFUSED
        proposals.propose()
        assert self.pairs() == set()

    def test_who_was_at_two_places_at_once_is_not_proposed(self) -> None:
        first, second = CameraFactory.create(), CameraFactory.create()
        Route.objects.create(start=first, end=second, fastest=60)
        from cameras.identities import ways

        ways.forget()
        somebody(1, camera=first, first_seen=NOON)
        somebody(1, 0.1, camera=second, first_seen=NOON)
        proposals.propose()
        ways.forget()
        assert self.pairs() == set()

    def test_proposals_that_are_gone_are_closed(self) -> None:
        one, other, third = somebody(1), somebody(1, 0.1), somebody(2)
        unlike = MergeProposal.objects.create(first=one, second=third, similarity=0.9)
        proposals.propose()
        unlike.refresh_from_db()
        assert unlike.state == MergeProposal.State.GONE
        Sighting.objects.filter(identity=other).update(identity=None)
        assert proposals.propose().closed == 1
        assert self.pairs() == set()

    def test_what_was_merged_and_undone_may_be_asked_again(self) -> None:
        from cameras.identities.undoing import undo

        one, other = somebody(1), somebody(1, 0.1)
        proposals.propose()
        undo(actor=None, correction=corrections.merge(actor=None, kept=one, gone=other, reason=WHY))
        assert proposals.propose().new == 1
        assert self.pairs() == {(one.pk, other.pk)}

    def test_two_who_are_enrolled_are_left_to_the_peoples_page(self) -> None:
        known(PersonFactory.create())
        known(PersonFactory.create())
        assert proposals.propose().new == 0
