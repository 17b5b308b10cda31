"""Searching faces of unknown people, in the process that holds them."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import close_old_connections, connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import vault
from accounts.models import AuditEvent, DataKey
from cameras.identities.erasure import erase_identity
from cameras.identities.unknowns import Found, Unknowns
from cameras.models import (
    Identity,
    Link,
    PhotoSearch,
    PhotoSearchHit,
    SearchPart,
    SearchSource,
    SearchState,
    Sighting,
    UnknownTemplate,
)
from cameras.photo_search import asking, erasure, parts, running
from cameras.photo_search.running import run_waiting
from cameras.tests.factories import CameraFactory, SightingFactory
from cameras.tests.photo_search.looks import WHY, See, in_memory, near, operator, search, unknown
from recognition import services
from recognition.tests.factories import PersonFactory, TemplateFactory, embedding

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_face(see: See) -> None:
    see(1)


def found(made: PhotoSearch) -> list[PhotoSearchHit]:
    return list(PhotoSearchHit.objects.filter(face__search=made, source=SearchSource.FACES))


def part_of(made: PhotoSearch) -> SearchPart:
    return made.parts.get(source=SearchSource.FACES)


def test_an_unknown_person_is_one_candidate_with_their_best_sighting() -> None:
    them, others = Identity.objects.create(), Identity.objects.create()
    best = unknown(embedding(1), identity=them)
    unknown(near(1), identity=them)
    unknown(embedding(2), identity=others)
    made = search()
    assert run_waiting(in_memory())
    first, second = found(made)
    assert (first.identity, first.sighting, first.rank, first.is_match) == (them, best.sighting, 1, True)
    assert first.camera_name == best.sighting.camera_name
    assert (second.identity, second.is_match) == (others, False)
    part = part_of(made)
    assert (part.state, part.done, part.total) == (SearchState.DONE, 3, 3)
    assert not run_waiting(in_memory())


def test_somebody_who_was_named_since_is_that_person() -> None:
    person = PersonFactory.create()
    unknown(embedding(1), identity=Identity.objects.create(person=person))
    made = search()
    run_waiting(in_memory())
    assert found(made)[0].person == person


def test_the_span_and_the_cameras_count() -> None:
    gate, yard = CameraFactory.create(), CameraFactory.create()
    at_gate = unknown(embedding(1), camera=gate)
    unknown(embedding(1), camera=yard)
    old = unknown(embedding(1), camera=gate, first_seen=timezone.now() - timedelta(hours=9))
    made = search(cameras=[gate], since=timezone.now() - timedelta(hours=1))
    run_waiting(in_memory())
    assert [hit.sighting for hit in found(made)] == [at_gate.sighting]
    earlier = search(until=timezone.now() - timedelta(hours=2))
    run_waiting(in_memory())
    assert [hit.sighting for hit in found(earlier)] == [old.sighting]


def test_who_has_no_template_in_the_span_is_found_by_another_of_their_sightings() -> None:
    them = Identity.objects.create()
    now = timezone.now()
    SightingFactory.create(person=None, identity=them, first_seen=now - timedelta(days=5))  # its template expired
    seen_now = unknown(embedding(1), identity=them)
    unknown(embedding(1))  # somebody as like, who was not there then
    made = search(since=now - timedelta(days=6), until=now - timedelta(days=4))
    run_waiting(in_memory())
    assert [(hit.identity, hit.sighting) for hit in found(made)] == [(them, seen_now.sighting)]


def test_what_was_not_searched_is_said(settings: LazySettings) -> None:
    settings.UNKNOWN_HOURS = 24
    unknown(embedding(1), pack="other-1")
    unknown(embedding(1), linked=False)
    made = search()
    run_waiting(in_memory())
    said = part_of(made).why
    assert "kept for 24 hours" in said
    assert "another model pack" in said
    assert "last seconds" in said
    recent = search(since=timezone.now() - timedelta(hours=1))
    UnknownTemplate.objects.all().delete()
    run_waiting(Unknowns())
    assert part_of(recent).why == ""
    settings.UNKNOWN_HOURS = 0
    off = search()
    run_waiting(Unknowns())
    assert "are not kept here" in part_of(off).why


def test_a_cancelled_search_finds_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown(embedding(1))
    actor = operator()
    made = search(actor)
    held = in_memory()
    searched = held.search

    def stopped_meanwhile(*args: Any, **kwargs: Any) -> list[Found]:
        asking.cancel(actor=actor, search=made)
        return searched(*args, **kwargs)

    monkeypatch.setattr(held, "search", stopped_meanwhile)
    assert run_waiting(held)
    assert found(made) == []
    assert part_of(made).state == SearchState.CANCELLED


def test_a_runner_that_died_is_followed_by_another_one() -> None:
    unknown(embedding(1))
    made = search()
    taken = parts.take(SearchSource.FACES)
    assert taken is not None
    assert not run_waiting(in_memory())  # somebody is at it
    SearchPart.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert run_waiting(in_memory())
    assert len(found(made)) == 1
    with pytest.raises(parts.NotMine):  # who was thought dead wakes up
        parts.hold(taken)
    parts.fail(taken, "Late.")
    assert part_of(made).state == SearchState.DONE


def test_a_search_that_kills_its_runners_is_given_up() -> None:
    made = search()
    for _ in range(parts.MOST_TIMES):
        assert parts.take(SearchSource.FACES) is not None
        SearchPart.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=1))
    assert not run_waiting(in_memory())
    part = part_of(made)
    assert part.state == SearchState.FAILED
    assert "died 3 times" in part.why


def test_a_mistake_or_a_lost_key_fails_the_search_and_not_the_linker(monkeypatch: pytest.MonkeyPatch) -> None:
    lost, wrong = search(), search()
    vault.shred(lost.scope)
    assert run_waiting(in_memory())
    assert "can not be opened any more" in part_of(lost).why

    def fail(*args: object) -> list[str]:
        raise ValueError("a mistake")

    monkeypatch.setattr(running, "not_searched", fail)
    assert run_waiting(in_memory())
    assert part_of(wrong).state == SearchState.FAILED


def test_a_person_deleted_in_the_middle_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    person = PersonFactory.create()
    unknown(embedding(1), identity=Identity.objects.create(person=person))
    held, made = in_memory(), search()
    searched = held.search

    def deleted_meanwhile(*args: Any, **kwargs: Any) -> list[Found]:
        services.delete_person(actor=None, person=person)
        return searched(*args, **kwargs)

    monkeypatch.setattr(held, "search", deleted_meanwhile)
    run_waiting(held)
    assert found(made) == []
    assert part_of(made).state == SearchState.DONE


def test_few_statements_whatever_is_found(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(30):
        unknown(near(1, number))
    search(since=timezone.now() - timedelta(hours=1))
    held = in_memory()
    with django_assert_max_num_queries(26):
        run_waiting(held)


@pytest.mark.django_db(transaction=True)
def test_two_runners_at_once_run_it_once() -> None:
    unknown(embedding(1))
    made = search()
    held, done = in_memory(), []

    def run() -> None:
        try:
            done.append(run_waiting(held))
        finally:
            close_old_connections()
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [False, False, False, True]
    assert len(found(made)) == 1


# When somebody is deleted


def test_a_search_that_shows_a_deleted_person_is_gone_and_others_lose_the_row() -> None:
    ada, bob = (TemplateFactory.create(vector=embedding(n)).person for n in (1, 2))
    shows_her = search()
    assert {hit.person for hit in PhotoSearchHit.objects.all()} == {ada, bob}
    services.delete_person(actor=None, person=bob)
    assert [hit.person for hit in PhotoSearchHit.objects.all()] == [ada]
    services.delete_person(actor=None, person=ada)
    assert not PhotoSearch.objects.exists()
    assert not DataKey.objects.filter(scope=shows_her.scope).exists()
    assert WHY["reason"] not in str(list(AuditEvent.objects.values_list("detail", flat=True)))


def test_the_same_of_somebody_unknown() -> None:
    them, other = Identity.objects.create(), Identity.objects.create()
    unknown(embedding(1), identity=them)
    unknown(embedding(2), identity=other)
    made = search()
    run_waiting(in_memory())
    erase_identity(actor=operator(), identity=other, reason="They asked for it")
    assert [hit.identity for hit in found(made)] == [them]
    erase_identity(actor=operator(), identity=them, reason="They asked for it")
    assert not PhotoSearch.objects.exists()


def test_a_sighting_of_somebody_erased_is_found_no_more() -> None:
    template = unknown(embedding(1))
    made, held = search(), in_memory()
    Sighting.objects.filter(pk=template.sighting_id).update(link=Link.ERASED, identity=None)
    run_waiting(held)
    assert found(made) == []


def test_what_was_found_of_one_of_two_is_the_others() -> None:
    kept, gone = PersonFactory.create(), TemplateFactory.create(vector=embedding(1)).person
    made = search()
    erasure.follow_merge(kept=kept, gone=gone)
    assert PhotoSearchHit.objects.get(face__search=made).person == kept
