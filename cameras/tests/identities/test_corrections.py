"""What people put right about identities: merging, splitting, "not them", and taking it back, in any order."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.identities import corrections, undoing
from cameras.identities.errors import CorrectionError
from cameras.models import (
    CorrectedSighting,
    Correction,
    Identity,
    Link,
    MergeProposal,
    NotSameIdentity,
    Sighting,
    SightingConflict,
    Verdict,
)
from cameras.services import save_sighting
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.identities.people import WHY, known, seen, state, unknown
from cameras.tests.records import held
from cameras.tests.records import known as recognised
from recognition import merging
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada() -> User:
    user: User = UserFactory.create(username="ada", role=Role.OPERATOR)
    return user


def counts(*identities: Identity) -> list[int]:
    return [Sighting.objects.filter(identity=one).count() for one in identities]


def test_an_unknown_one_goes_into_another(ada: User) -> None:
    kept, gone = unknown(2), unknown(3)
    links = set(Sighting.objects.values_list("pk", "link"))
    done = corrections.merge(actor=ada, kept=kept, gone=gone, reason=WHY)

    assert counts(kept, gone) == [5, 0]
    gone.refresh_from_db()
    assert gone.merged_into == kept
    assert set(Sighting.objects.values_list("pk", "link")) == links
    assert (done.identity, done.other, done.reason, done.actor_name) == (kept, gone, WHY, "ada")
    event = AuditEvent.objects.get(verb="merged")
    assert event.detail["sightings"] == 3
    assert WHY not in str(event.detail)


def test_an_unknown_one_turns_out_to_be_somebody_known(ada: User) -> None:
    person = PersonFactory.create()
    gone, kept = unknown(2), known(person)
    corrections.merge(actor=ada, kept=gone, gone=kept, reason=WHY)  # whichever way round it is asked

    moved = Sighting.objects.filter(link=Link.HAND)
    assert moved.count() == 2
    assert set(moved.values_list("person", "verdict", "identity")) == {(person.pk, Verdict.UNKNOWN, kept.pk)}


def test_merging_is_refused(ada: User) -> None:
    one, other, third = unknown(), unknown(), unknown()
    ada_known, bob_known = known(PersonFactory.create(name="Ada")), known(PersonFactory.create(name="Bob"))

    def refused(kept: Identity, gone: Identity, reason: str = WHY) -> str:
        before = state()
        with pytest.raises(CorrectionError) as error:
            corrections.merge(actor=ada, kept=kept, gone=gone, reason=reason)
        assert state() == before
        return str(error.value)

    assert "themselves" in refused(one, one)
    assert "people's page" in refused(ada_known, bob_known)
    assert "Say why" in refused(one, other, "  a  ")
    corrections.told_apart(actor=ada, one=one, other=other)
    assert "ada said on" in refused(one, other)
    corrections.together_again(actor=ada, one=other, other=one)
    corrections.merge(actor=ada, kept=one, gone=other, reason=WHY)
    said = refused(other, third)
    assert f"part of {one}" in said
    assert "by ada" in said
    gone = Identity.objects.create()
    Identity.objects.filter(pk=gone.pk).delete()
    assert "removed" in refused(one, gone)


def test_proposals_are_answered_by_merging(ada: User) -> None:
    one, other, third = unknown(), unknown(), unknown()
    both = MergeProposal.objects.create(first=one, second=other, similarity=0.9)
    about_gone = MergeProposal.objects.create(first=other, second=third, similarity=0.9)
    corrections.merge(actor=ada, kept=one, gone=other, reason=WHY)

    both.refresh_from_db()
    about_gone.refresh_from_db()
    assert (both.state, both.decided_by) == (MergeProposal.State.ACCEPTED, ada)
    assert (about_gone.state, about_gone.decided_by) == (MergeProposal.State.GONE, None)


def test_a_split_makes_somebody_new(ada: User) -> None:
    person = PersonFactory.create()
    theirs = known(person, 3)
    chosen = list(Sighting.objects.values_list("pk", flat=True)[:2])
    done = corrections.split(actor=ada, identity=theirs, sightings=chosen, reason=WHY)

    assert done.other is not None
    rows = Sighting.objects.filter(pk__in=chosen)
    left: set[Any] = set(rows.values_list("identity", "person", "verdict", "link"))
    assert left == {(done.other_id, None, Verdict.UNKNOWN, Link.HAND)}
    assert NotSameIdentity.objects.filter(first=theirs, second=done.other, said_by=ada).exists()


def test_splitting_is_refused(ada: User) -> None:
    theirs, other = unknown(2), unknown(1)
    ids = list(Sighting.objects.filter(identity=theirs).values_list("pk", flat=True))
    foreign = Sighting.objects.get(identity=other).pk
    for chosen, why in [
        (ids, "all sightings"),
        ([], "at least one"),
        ([foreign], "not of"),
        ([uuid.uuid4()], "not of"),
    ]:
        with pytest.raises(CorrectionError, match=why):
            corrections.split(actor=ada, identity=theirs, sightings=chosen, reason=WHY)
    assert not Correction.objects.exists()


def test_not_them_frees_one_sighting(ada: User) -> None:
    theirs = known(PersonFactory.create(), 1)
    sighting = Sighting.objects.get()
    done = corrections.not_them(actor=ada, sighting=sighting, reason=WHY)

    sighting.refresh_from_db()
    assert (sighting.person, sighting.identity, sighting.link) == (None, done.other, Link.HAND)
    undone = undoing.undo(actor=ada, correction=done)
    assert (undone.restored, undone.left) == (1, 0)
    sighting.refresh_from_db()
    assert (sighting.person, sighting.identity, sighting.link) == (theirs.person, theirs, Link.RECOGNISED)
    assert not NotSameIdentity.objects.exists()


def test_not_them_of_somebody_whom_the_linker_has_not_come_to(ada: User) -> None:
    person = PersonFactory.create()
    row = seen(Identity(person=person), identity=None, link="")
    done = corrections.not_them(actor=ada, sighting=row, reason=WHY)
    assert done.identity is not None
    assert done.identity.person == person
    with pytest.raises(CorrectionError, match="nobody's yet"):
        corrections.not_them(actor=ada, sighting=seen(Identity(), identity=None), reason=WHY)


def test_a_camera_that_still_follows_the_track_does_not_take_it_back(ada: User) -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    record = recognised(camera, held(camera), person.pk)
    row = save_sighting(record).row
    corrections.not_them(actor=ada, sighting=row, reason=WHY)
    save_sighting(record)
    row.refresh_from_db()
    assert (row.person, row.verdict, row.link) == (None, Verdict.UNKNOWN, Link.HAND)


def test_undoing_twice_is_refused_with_who_and_when(ada: User) -> None:
    done = corrections.merge(actor=ada, kept=unknown(), gone=unknown(), reason=WHY)
    undoing.undo(actor=ada, correction=done)
    with pytest.raises(CorrectionError, match=f"ada has undone this already, {timezone.localtime():%d %b %Y}"):
        undoing.undo(actor=ada, correction=done)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_chain_of_merges_is_undone_in_any_order(ada: User, order: tuple[int, ...]) -> None:
    one, two, three, four = unknown(1), unknown(2), unknown(1), unknown(1)
    before = state()
    done = [
        corrections.merge(actor=ada, kept=two, gone=one, reason=WHY),
        corrections.merge(actor=ada, kept=three, gone=two, reason=WHY),
        corrections.merge(actor=ada, kept=four, gone=three, reason=WHY),
    ]
    assert counts(one, two, three, four) == [0, 0, 0, 5]
    for at in order:
        undoing.undo(actor=ada, correction=done[at])
    assert state() == before


def test_what_was_corrected_again_since_stays_and_is_counted(ada: User) -> None:
    kept, gone = unknown(1), unknown(2)
    moved = list(Sighting.objects.filter(identity=gone).values_list("pk", flat=True))
    merged = corrections.merge(actor=ada, kept=kept, gone=gone, reason=WHY)
    split = corrections.split(actor=ada, identity=kept, sightings=moved[:1], reason=WHY)

    undone = undoing.undo(actor=ada, correction=merged)
    assert (undone.restored, undone.left) == (1, 1)
    assert counts(kept, gone) == [1, 1]
    assert Sighting.objects.get(pk=moved[0]).identity == split.other
    undoing.undo(actor=ada, correction=split)
    assert counts(kept, gone) == [1, 2]


def test_what_a_camera_has_said_since_stays(ada: User) -> None:
    kept, gone, person = unknown(1), unknown(1), PersonFactory.create()
    row = Sighting.objects.get(identity=gone)
    done = corrections.merge(actor=ada, kept=kept, gone=gone, reason=WHY)
    Sighting.objects.filter(pk=row.pk).update(person=person, verdict=Verdict.KNOWN, identity=None, link="")
    undone = undoing.undo(actor=ada, correction=done)

    assert (undone.restored, undone.left) == (0, 1)
    row.refresh_from_db()
    assert (row.person, row.identity) == (person, None)


def test_conflicts_are_found_anew(ada: User) -> None:
    kept, gone = unknown(1, first_seen=NOON), unknown(1, first_seen=NOON)
    done = corrections.merge(actor=ada, kept=kept, gone=gone, reason=WHY)
    assert SightingConflict.objects.filter(identity=kept).count() == 1
    undoing.undo(actor=ada, correction=done)
    assert not SightingConflict.objects.exists()
    assert not Sighting.objects.filter(is_doubted=True).exists()


def test_identities_follow_when_two_people_are_merged(ada: User) -> None:
    kept, gone, third = PersonFactory.create(), PersonFactory.create(), unknown()
    own, theirs = known(kept), known(gone, 3)
    corrections.told_apart(actor=ada, one=theirs, other=third)
    chosen = Sighting.objects.filter(identity=theirs).values_list("pk", flat=True)[:1]
    split = corrections.split(actor=ada, identity=theirs, sightings=list(chosen), reason=WHY)
    merging.merge(actor=ada, kept=kept, gone=gone)

    assert counts(own, theirs) == [4, 0]
    theirs.refresh_from_db()
    assert (theirs.person, theirs.merged_into) == (None, own)
    pairs = set(NotSameIdentity.objects.values_list("first", "second"))
    assert pairs == {tuple(sorted((own.pk, third.pk))), tuple(sorted((own.pk, split.other_id or 0)))}
    assert Correction.objects.get().identity == theirs
    undone = undoing.undo(actor=ada, correction=split)
    assert undone.restored == 1
    assert counts(own) == [5]


def test_who_has_no_identity_yet_gets_that_of_the_one_who_goes() -> None:
    kept, gone = PersonFactory.create(), PersonFactory.create()
    theirs = known(gone)
    merging.merge(actor=None, kept=kept, gone=gone)
    theirs.refresh_from_db()
    assert theirs.person == kept
    assert set(Sighting.objects.values_list("person", "identity")) == {(kept.pk, theirs.pk)}


def at_once(*deeds: Callable[[], object]) -> list[object]:
    gate = threading.Barrier(len(deeds))
    results: list[Any] = [None] * len(deeds)

    def run(number: int, deed: Callable[[], object]) -> None:
        try:
            gate.wait(20)
            results[number] = deed()
        except CorrectionError as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(deeds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    return results


@pytest.mark.django_db(transaction=True)
def test_of_two_who_merge_at_once_one_is_told() -> None:
    ada, bob = UserFactory.create(username="ada"), UserFactory.create(username="bob")
    one, two, three = unknown(1), unknown(1), unknown(1)
    results = at_once(
        lambda: corrections.merge(actor=ada, kept=one, gone=two, reason=WHY),
        lambda: corrections.merge(actor=bob, kept=three, gone=two, reason=WHY),
    )
    refused = [one for one in results if isinstance(one, CorrectionError)]
    assert len(refused) == 1
    assert "was made part of" in str(refused[0])
    assert counts(two) == [0]
    assert sorted(counts(one, three)) == [1, 2]
    assert Correction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_merge_both_ways_at_once_one_is_told() -> None:
    one, two = unknown(1), unknown(1)
    results = at_once(
        lambda: corrections.merge(actor=None, kept=one, gone=two, reason=WHY),
        lambda: corrections.merge(actor=None, kept=two, gone=one, reason=WHY),
    )
    assert sum(isinstance(one, CorrectionError) for one in results) == 1
    assert sorted(counts(one, two)) == [0, 2]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_undo_at_once_one_is_told() -> None:
    one, two = unknown(1), unknown(1)
    done = corrections.merge(actor=None, kept=one, gone=two, reason=WHY)
    results = at_once(*[lambda: undoing.undo(actor=None, correction=done)] * 2)
    assert sum(isinstance(one, CorrectionError) for one in results) == 1
    assert counts(one, two) == [1, 1]
    assert CorrectedSighting.objects.count() == 1
