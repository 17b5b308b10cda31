"""The linker: every sighting gets its identity, once, and the right one as far as faces, places and times tell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from cameras.identities import linker as linking
from cameras.identities import ways
from cameras.identities.linker import Linker, NotLeading
from cameras.identities.linking import Limits
from cameras.models import (
    ConflictKind,
    DirtySlot,
    Identity,
    Link,
    LinkerState,
    MergeProposal,
    NotSameIdentity,
    Route,
    Sighting,
    SightingConflict,
    UnknownTemplate,
)
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.identities.faces import face, like, seen, template_of
from recognition.packs import current_pack
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db

T0 = timezone.now().replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture(autouse=True)
def _fresh_ways() -> Iterator[None]:
    ways.forget()
    yield
    ways.forget()


@pytest.fixture
def linker() -> Linker:
    return Linker(owner="this")


@pytest.fixture
def limits() -> Limits:
    return Limits.of(current_pack().threshold)


def after(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def of(row: Sighting) -> Sighting:
    return Sighting.objects.get(pk=row.pk)


def test_sightings_of_an_enrolled_person_are_theirs(linker: Linker) -> None:
    person = PersonFactory.create()
    rows = [SightingFactory.create(person=person) for _ in range(3)]
    other = SightingFactory.create()
    assert linker.step() == 4
    assert {of(row).identity for row in rows} == {Identity.objects.get(person=person)}
    assert {of(row).link for row in rows} == {Link.RECOGNISED}
    assert of(other).identity != of(rows[0]).identity
    assert linker.step() == 0


def test_the_same_unknown_face_is_one_identity(linker: Linker) -> None:
    ann, bob = face(1), face(2)
    first = seen(ann, at=after(0))
    second = seen(like(ann, 0.95), at=after(60))
    stranger = seen(bob, at=after(90))
    assert linker.step() == 3
    first, second, stranger = of(first), of(second), of(stranger)
    assert first.identity == second.identity != stranger.identity
    assert (first.link, second.link) == (Link.NEW, Link.LINKED)
    assert second.link_similarity == pytest.approx(0.95, abs=0.01)
    assert first.link_similarity is None
    assert str(first.identity) == f"Unknown {first.identity_id}"


def test_what_was_linked_before_a_restart_is_known_after(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    linker.step()
    second = seen(like(face(1), 0.95), at=after(60))
    linker.resign()
    assert Linker(owner="another").step() == 1
    assert of(second).identity == of(first).identity


def test_nobody_is_at_two_places_at_once(linker: Linker, limits: Limits) -> None:
    here, there = CameraFactory.create(), CameraFactory.create()
    Route.objects.create(start=here, end=there, fastest=30)
    first = seen(face(1), at=after(0), camera=here)
    second = seen(like(face(1), 0.97), at=after(10), camera=there)
    third = seen(like(face(1), 0.96, seed=1), at=after(60), camera=there)
    linker.step()
    assert of(second).identity != of(first).identity
    assert of(third).identity == of(second).identity or of(third).identity == of(first).identity


def test_two_faces_in_one_picture_are_two_people(linker: Linker) -> None:
    camera = CameraFactory.create()
    first = seen(face(1), at=after(0), camera=camera)
    twin = seen(like(face(1), 0.99), at=after(2), camera=camera)
    linker.step()
    assert of(twin).identity != of(first).identity


def test_where_it_would_be_unusual_faces_must_be_more_alike(linker: Linker, limits: Limits) -> None:
    here, there = CameraFactory.create(), CameraFactory.create()
    first = seen(face(1), at=after(0), camera=here)
    at_once = seen(like(face(1), (limits.link + limits.unlikely) / 2), at=after(2), camera=there)
    linker.step()
    assert of(at_once).identity != of(first).identity
    surely = seen(like(face(1), limits.unlikely + 0.02, seed=2), at=after(3), camera=CameraFactory.create())
    linker.step()
    assert of(surely).identity == of(first).identity


def test_at_two_cameras_at_once_is_shown_and_counts_against_the_weaker(linker: Linker) -> None:
    person, here, there = PersonFactory.create(), CameraFactory.create(), CameraFactory.create()
    strong = SightingFactory.create(
        person=person, camera=here, first_seen=after(0), last_seen=after(9), similarity=0.96
    )
    weak = SightingFactory.create(
        person=person, camera=there, first_seen=after(3), last_seen=after(12), similarity=0.865
    )
    linker.step()
    conflict = SightingConflict.objects.get()
    assert (conflict.stronger, conflict.weaker) == (strong, weak)
    assert conflict.kind == ConflictKind.AT_ONCE
    assert conflict.seconds == pytest.approx(-6)
    assert of(weak).is_doubted
    assert not of(strong).is_doubted
    assert of(weak).identity == of(strong).identity


def test_who_was_taken_for_somebody_else_is_in_conflict_no_more(linker: Linker) -> None:
    ada, ben = PersonFactory.create_batch(2)
    here, there = CameraFactory.create(), CameraFactory.create()
    strong = SightingFactory.create(person=ada, camera=here, first_seen=after(0), last_seen=after(9), similarity=0.96)
    weak = SightingFactory.create(person=ada, camera=there, first_seen=after(3), last_seen=after(12), similarity=0.865)
    linker.step()
    assert of(weak).is_doubted
    # Its camera takes it for somebody else by now, and writes that so.
    Sighting.objects.filter(pk=strong.pk).update(person=ben, identity=None, link="")
    linker.step()
    assert not of(weak).is_doubted
    assert not SightingConflict.objects.exists()


def test_views_that_overlap_see_one_person_at_once(linker: Linker) -> None:
    person, here, there = PersonFactory.create(), CameraFactory.create(), CameraFactory.create()
    Route.objects.create(start=here, end=there, overlaps=True)
    SightingFactory.create(person=person, camera=here, first_seen=after(0), last_seen=after(9))
    SightingFactory.create(person=person, camera=there, first_seen=after(3), last_seen=after(12), similarity=0.87)
    linker.step()
    assert not SightingConflict.objects.exists()


def test_a_track_that_stays_longer_than_was_known_is_compared_again(
    linker: Linker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_WATCH_SECONDS", 0)
    person, here, there = PersonFactory.create(), CameraFactory.create(), CameraFactory.create()
    Route.objects.create(start=here, end=there, fastest=5)
    row = SightingFactory.create(
        person=person, camera=here, first_seen=after(0), last_seen=after(1), is_open=True, similarity=0.99
    )
    SightingFactory.create(person=person, camera=there, first_seen=after(10), last_seen=after(12), similarity=0.87)
    linker.step()
    assert not SightingConflict.objects.exists()
    Sighting.objects.filter(pk=row.pk).update(last_seen=after(11), is_open=False)
    linker.step()
    assert SightingConflict.objects.get().stronger == row


def test_a_better_look_may_link_what_was_new(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    second = seen(like(face(1), 0.6), at=after(60))
    linker.step()
    before = of(second).identity
    assert before != of(first).identity
    template_of(second, like(face(1), 0.97))
    linker.step()
    assert of(second).identity == of(first).identity
    assert before is not None
    before.refresh_from_db()
    assert before.merged_into == of(first).identity


def test_a_better_look_at_somebody_with_more_sightings_is_a_proposal(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    second = seen(like(face(1), 0.6), at=after(60))
    linker.step()
    third = seen(like(like(face(1), 0.6), 0.99, seed=3), at=after(120))
    linker.step()
    assert of(third).identity == of(second).identity
    template_of(second, like(face(1), 0.97))
    linker.step()
    assert of(second).identity == of(third).identity
    proposal = MergeProposal.objects.get()
    assert {proposal.first, proposal.second} == {of(first).identity, of(second).identity}


def test_what_a_person_said_stays(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    linker.step()
    own = Identity.objects.create()
    row = seen(like(face(1), 0.97), at=after(60))
    Sighting.objects.filter(pk=row.pk).update(identity=own, link=Link.HAND)
    linker.step()
    assert of(row).identity == own
    assert of(row).link == Link.HAND
    assert not UnknownTemplate.objects.filter(linked_at=None).exists()
    assert of(first).identity != own


def test_templates_of_somebody_named_are_not_linked_to(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    linker.step()
    Identity.objects.filter(pk=of(first).identity_id or 0).update(person=PersonFactory.create())
    second = seen(like(face(1), 0.97), at=after(60))
    linker.step()
    assert of(second).identity != of(first).identity


def test_a_template_that_was_deleted_links_nothing(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    linker.step()
    UnknownTemplate.objects.filter(sighting=first).delete()
    second = seen(like(face(1), 0.97), at=after(60))
    linker.step()
    assert of(second).identity != of(first).identity
    assert len(linker.unknowns) == 1


def test_packs_are_not_compared(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    second = seen(face(1), at=after(60), pack="another-1")
    linker.step()
    assert of(second).identity != of(first).identity


def test_one_leads_and_the_other_stands_by(linker: Linker) -> None:
    linker.step()
    other = Linker(owner="other")
    with pytest.raises(NotLeading):
        other.step()
    LinkerState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    seen(face(1), at=after(0))
    assert other.step() == 1
    seen(face(2), at=after(0))
    with pytest.raises(NotLeading):
        linker.step()
    assert UnknownTemplate.objects.filter(linked_at=None).count() == 1


def test_a_clock_that_was_set_back_stops_nobody(linker: Linker) -> None:
    linker.step()
    LinkerState.objects.update(heartbeat_at=timezone.now() + timedelta(hours=1), owner="of the future")
    assert Linker(owner="other").step() == 0


def test_a_long_backlog_is_linked_at_once(linker: Linker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "_BACKLOG", 3)
    monkeypatch.setattr(linking, "_BATCH", 1)
    people = PersonFactory.create_batch(2)
    rows = [SightingFactory.create(person=people[at % 2], first_seen=after(at - 7200)) for at in range(8)]
    linker.step()
    assert DirtySlot.objects.exists()  # what was summed up without them is summed up anew
    assert Identity.objects.count() == 2
    assert all(of(row).identity == Identity.objects.get(person=row.person) for row in rows)
    assert {of(row).link for row in rows} == {Link.RECOGNISED}


def test_a_template_that_does_not_open_leaves_the_rest_alone(linker: Linker) -> None:
    broken = seen(face(1), at=after(0))
    UnknownTemplate.objects.filter(sighting=broken).update(sealed=b"nonsense")
    row = seen(face(2), at=after(10))
    linker.step()
    assert of(row).identity is not None
    assert not UnknownTemplate.objects.filter(linked_at=None).exists()


def test_who_was_said_to_be_two_people_is_neither_linked_nor_proposed_again(linker: Linker) -> None:
    first = seen(face(1), at=after(0))
    second = seen(like(face(1), 0.6), at=after(60))
    linker.step()
    one, other = sorted(identity.pk for row in (first, second) if (identity := of(row).identity) is not None)
    NotSameIdentity.objects.create(first_id=one, second_id=other)
    template_of(second, like(face(1), 0.97))
    linker.step()
    assert of(second).identity_id != of(first).identity_id
    assert not MergeProposal.objects.exists()


def test_an_erased_sighting_is_nobodys(linker: Linker) -> None:
    row = seen(face(1), at=after(0))
    Sighting.objects.filter(pk=row.pk).update(link=Link.ERASED)
    linker.step()
    assert of(row).identity is None
    assert len(linker.unknowns) == 0
