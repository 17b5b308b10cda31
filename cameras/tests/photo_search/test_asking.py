"""Asking for a search: what is needed, what is kept, what is on record, and how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import AuditEvent, DataKey
from cameras.models import PhotoSearch, PhotoSearchHit, SearchFace, SearchPart, SearchSource, SearchState
from cameras.photo_search import asking
from cameras.photo_search.asking import Wanted
from cameras.photo_search.errors import SearchError
from cameras.photo_search.faces import embedding_of, picture_of
from cameras.tests.factories import CameraFactory, CameraGroupFactory
from cameras.tests.photo_search.looks import WHY, See, near, operator, search
from recognition.engine import PhotoError
from recognition.gallery import gallery
from recognition.models import Person
from recognition.photos import Upload
from recognition.tests.factories import TemplateFactory, embedding, picture

pytestmark = pytest.mark.django_db


def test_enrolled_people_are_answered_at_once(see: See) -> None:
    see(1)
    ada = TemplateFactory.create(vector=near(1), person__name="Ada").person
    TemplateFactory.create(vector=embedding(2))
    made = search()
    first, second = PhotoSearchHit.objects.filter(face__search=made)
    assert (first.person, first.rank, first.is_match, first.source) == (ada, 1, True, SearchSource.PEOPLE)
    assert (second.rank, second.is_match) == (2, False)
    assert first.similarity >= first.threshold > second.similarity
    assert made.state == SearchState.WAITING
    assert [part.source for part in made.parts.all()] == [SearchSource.FACES]


def test_it_is_on_record_who_searched_and_why(see: See) -> None:
    see(1)
    made = search(actor := operator())
    event = AuditEvent.objects.get(verb="searched")
    assert (event.actor, event.target) == (actor, f"photo search {made.pk}")
    assert event.detail == {"reason": WHY["reason"], "case": WHY["case_number"], "faces": 1, "matched": 0}


def test_faces_are_sealed_and_the_photo_is_not_kept(see: See) -> None:
    see(1)
    made = search()
    face = SearchFace.objects.defer(None).get()
    assert embedding(1).astype("<f4").tobytes()[:16] not in bytes(face.sealed)
    assert embedding_of(made, face).tobytes() == embedding(1).tobytes()
    assert picture_of(made, face)[:2] == b"\xff\xd8"
    assert DataKey.objects.filter(scope=made.scope).exists()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"reason": "  x  "}, "reason"),
        ({"reason": "\x00\x00\x00\x00\x00\x00"}, "reason"),
        ({"case_number": " \x00 "}, "case_number"),
        ({"least_similarity": 1.5}, "least_similarity"),
        ({"least_similarity": float("nan")}, "least_similarity"),
        ({"since": timezone.now(), "until": timezone.now() - timedelta(hours=1)}, "until"),
        ({"faces": [2]}, "faces"),
    ],
)
def test_what_can_not_be_asked(see: See, wrong: dict[str, Any], field: str) -> None:
    see(1)
    with pytest.raises(SearchError) as raised:
        search(**wrong)
    assert raised.value.field == field
    assert not PhotoSearch.objects.exists()
    assert not AuditEvent.objects.filter(verb="searched").exists()


def test_photos_that_can_not_be_searched(see: See) -> None:
    see()
    with pytest.raises(SearchError, match="No face was found"):
        search()
    see(1, 2, score=0.01)
    with pytest.raises(SearchError, match="too poor to say anything"):
        search()
    with pytest.raises(PhotoError):
        asking.ask(actor=operator(), upload=Upload(name="x", data=b"text"), wanted=Wanted(**WHY))
    assert not PhotoSearch.objects.exists()


def test_groups_are_their_cameras_and_an_empty_one_is_not_everywhere(see: See) -> None:
    see(1)
    group, empty = CameraGroupFactory.create(), CameraGroupFactory.create()
    inside, chosen = CameraFactory.create(), CameraFactory.create()
    group.cameras.add(inside)
    made = search(groups=[group], cameras=[chosen])
    assert made.cameras == sorted([inside.pk, chosen.pk])
    assert inside.name in made.camera_names
    with pytest.raises(SearchError, match="no camera in these groups"):
        search(groups=[empty])


def test_of_several_faces_those_that_are_meant_are_searched(see: See) -> None:
    see(1, 2, 3)
    actor = operator()
    upload = Upload(name="a.jpg", data=picture())
    made = asking.ask(actor=actor, upload=upload, wanted=Wanted(**WHY, stored_pictures=True), choose=True)
    assert made.state == SearchState.CHOOSING
    assert not PhotoSearchHit.objects.exists()
    for faces in ([], [4], [1, 4]):
        with pytest.raises(SearchError):
            asking.start(actor=actor, search=made, faces=faces)
    begun = asking.start(actor=actor, search=made, faces=[2])
    assert [face.number for face in begun.faces.all()] == [2]
    assert {part.source for part in begun.parts.all()} == {SearchSource.FACES, SearchSource.PICTURES}
    with pytest.raises(SearchError, match="has begun already"):
        asking.start(actor=actor, search=made, faces=[2])
    assert [one.number for one in search(faces=[3, 1]).faces.all()] == [1, 3]


def test_two_who_choose_at_once_begin_it_once(see: See) -> None:
    see(1, 2)
    actor = operator()
    made = asking.ask(actor=actor, upload=Upload(name="a", data=picture()), wanted=Wanted(**WHY), choose=True)
    stale = PhotoSearch.objects.get(pk=made.pk)
    asking.start(actor=actor, search=made, faces=[1])
    with pytest.raises(SearchError):
        asking.start(actor=actor, search=stale, faces=[2])
    assert SearchPart.objects.count() == 1


def test_stopping_and_deleting(see: See) -> None:
    see(1)
    made = search(actor := operator())
    assert asking.cancel(actor=actor, search=made)
    assert not asking.cancel(actor=actor, search=made)
    assert PhotoSearch.objects.get().state == SearchState.CANCELLED
    asking.delete(actor=actor, search=made)
    assert not PhotoSearch.objects.exists()
    assert not DataKey.objects.filter(scope=made.scope).exists()
    assert [event.verb for event in AuditEvent.objects.order_by("id")] == ["searched", "cancelled", "deleted"]


def test_old_ones_are_pruned_and_their_keys_shredded(see: See, settings: LazySettings) -> None:
    settings.PHOTO_SEARCH_DAYS = 3
    see(1, 2)
    old, fresh = search(), search()
    actor = operator()
    unsaid = asking.ask(actor=actor, upload=Upload(name="a", data=picture()), wanted=Wanted(**WHY), choose=True)
    now = timezone.now()
    PhotoSearch.objects.filter(pk=old.pk).update(asked_at=now - timedelta(days=3, minutes=1))
    PhotoSearch.objects.filter(pk=unsaid.pk).update(asked_at=now - timedelta(hours=2))
    assert asking.prune() == 2
    assert list(PhotoSearch.objects.all()) == [fresh]
    scopes = set(DataKey.objects.filter(scope__startswith="search:").values_list("scope", flat=True))
    assert scopes == {fresh.scope}


def test_whoever_looks_at_anothers_results_is_on_record_once_a_while(see: See) -> None:
    see(1)
    made, other = search(owner := operator()), operator()
    asking.looked(actor=owner, search=made)
    assert not AuditEvent.objects.filter(verb="looked at").exists()
    asking.looked(actor=other, search=made)
    asking.looked(actor=other, search=made)
    assert AuditEvent.objects.get(verb="looked at").actor == other
    made.looks.update(last_at=timezone.now() - timedelta(hours=1))
    asking.looked(actor=other, search=made)
    assert AuditEvent.objects.filter(verb="looked at").count() == 2


def test_a_person_who_was_deleted_since_the_gallery_was_read_is_not_written(
    see: See, monkeypatch: pytest.MonkeyPatch
) -> None:
    see(1)
    person = TemplateFactory.create(vector=near(1)).person
    snapshot = gallery()
    Person.objects.filter(pk=person.pk).delete()
    monkeypatch.setattr(asking, "gallery", lambda: snapshot)
    made = search()
    assert not PhotoSearchHit.objects.filter(face__search=made).exists()
