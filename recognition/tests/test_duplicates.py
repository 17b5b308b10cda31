"""Enrolling someone who is there already is noticed; so are photos that do not show one person."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts import vault
from accounts.models import AuditEvent
from recognition import duplicates, gallery, merging, services
from recognition.engine import pairs
from recognition.errors import RecognitionError
from recognition.models import NotSamePerson, OnDuplicate, Person, Photo, Template
from recognition.tests.factories import PACK, PersonFactory, TemplateFactory, embedding
from recognition.tests.fakes import fake_eyes, seen, shot  # noqa: F401  (a fixture)
from recognition.tests.photos import astronaut, changed, crowd, upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


def test_a_real_face_that_is_enrolled_already_is_noticed() -> None:
    known = services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())]).person
    assert known is not None
    photos = [upload(changed(astronaut()), "again.jpg")]

    refused = services.enrol(actor=None, name="Somebody", photos=photos, on_duplicate=OnDuplicate.REFUSE)
    (twin,) = refused.duplicates
    assert (twin.person, twin.name, twin.photo, twin.enhanced) == (known.pk, "Eileen", "again.jpg", "")
    assert gallery.gallery().pack_threshold <= twin.similarity <= 1
    assert (refused.person, refused.templates, refused.photos) == (None, 0, 0)
    assert Person.objects.count() == 1

    joined = services.enrol(actor=None, name="Somebody", photos=photos, on_duplicate=OnDuplicate.JOIN)
    assert joined.person == known
    assert joined.duplicates == ()
    assert known.templates.count() == 2

    other = services.enrol(actor=None, name="Somebody", photos=photos, on_duplicate=OnDuplicate.NEW)
    assert other.person != known
    assert [one.person for one in other.duplicates] == [known.pk]
    assert AuditEvent.objects.filter(verb="enrolled").latest("id").detail["like"] == [str(known.pk)]


def test_different_real_people_are_no_duplicates() -> None:
    services.enrol(actor=None, name="First", photos=[upload(crowd(), face=1)])
    done = services.enrol(actor=None, name="Second", photos=[upload(crowd(), face=2)], on_duplicate=OnDuplicate.REFUSE)

    assert done.person is not None
    assert done.duplicates == ()


def test_an_identical_photo_is_not_stored_again() -> None:
    person = services.enrol(actor=None, name="Eileen", photos=[upload(astronaut(), "a.jpg")]).person
    assert person is not None
    again = services.enrol(
        actor=None,
        name="Eileen",
        photos=[
            upload(astronaut(), "b.jpg"),
            upload(changed(astronaut()), "c.jpg"),
            upload(changed(astronaut()), "d.jpg"),
        ],
        person=person,
    )
    assert again.there == ("b.jpg", "d.jpg")
    assert again.templates == 1
    assert Photo.objects.count() == 2


def test_the_digest_of_a_photo_does_not_lie_in_clear() -> None:
    services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())])
    photo = Photo.objects.get()
    image = services.read_photo(upload(astronaut()))
    digest = duplicates.picture_digest(image, None)

    assert photo.sealed_digest is not None
    assert digest not in bytes(photo.sealed_digest)
    assert duplicates.enrolled_digests(photo.person) == {digest}
    vault.shred(photo.person.scope)
    assert duplicates.enrolled_digests(photo.person) == set()


@pytest.mark.usefixtures("fake_eyes")
def test_the_newest_templates_are_seen_before_the_gallery_has_them(settings: Settings) -> None:
    gallery.gallery()
    settings.GALLERY_POLL_SECONDS = 3600
    first = services.enrol(actor=None, name="Ada", photos=[upload(shot(1))], seen_at_once=False).person
    second = services.enrol(actor=None, name="Bob", photos=[upload(shot(1, 1))], on_duplicate=OnDuplicate.REFUSE)
    assert first is not None
    assert len(gallery.gallery().templates) == 0
    assert [one.person for one in second.duplicates] == [first.pk]


@pytest.mark.usefixtures("fake_eyes")
def test_who_enrolled_finds_the_face_at_once(settings: Settings) -> None:
    gallery.gallery()
    settings.GALLERY_POLL_SECONDS = 3600
    services.enrol(actor=None, name="Ada", photos=[upload(shot(1))])
    assert len(gallery.gallery().templates) == 1


@pytest.mark.usefixtures("fake_eyes")
def test_photos_of_two_people_raise_a_doubt() -> None:
    pair = [upload(shot(1), "one.jpg"), upload(shot(2), "two.jpg")]
    careful = services.enrol(actor=None, name="Ada", photos=pair, careful=True)
    assert "one.jpg and two.jpg do not seem to show the same person" in careful.doubts[0]
    assert careful.person is None

    three = [upload(shot(1), "one.jpg"), upload(shot(1, 1), "also.jpg"), upload(shot(2), "two.jpg")]
    (doubt,) = services.enrol(actor=None, name="Ada", photos=three).doubts
    assert doubt.startswith("two.jpg does not seem to show")
    assert services.enrol(actor=None, name="Eve", photos=[upload(shot(3)), upload(shot(3, 1))]).doubts == ()


@pytest.mark.usefixtures("fake_eyes")
def test_a_photo_unlike_the_person_raises_a_doubt() -> None:
    person = services.enrol(actor=None, name="Ada", photos=[upload(shot(1))]).person
    assert person is not None
    same = services.enrol(actor=None, name="Ada", photos=[upload(shot(1, 1), "same.jpg")], person=person)
    other = services.enrol(actor=None, name="Ada", photos=[upload(shot(2), "odd.jpg")], person=person)

    assert same.doubts == ()
    assert "odd.jpg does not look like the other photos of Ada" in other.doubts[0]
    assert other.templates == 1  # it is said, not forbidden


@pytest.mark.usefixtures("fake_eyes")
def test_photos_of_the_person_themselves_are_no_duplicates() -> None:
    ada = services.enrol(actor=None, name="Ada", photos=[upload(shot(1))]).person
    bob = services.enrol(actor=None, name="Bob", photos=[upload(shot(2))]).person
    assert ada is not None
    assert bob is not None
    own = services.enrol(
        actor=None, name="Ada", photos=[upload(shot(1, 1))], person=ada, on_duplicate=OnDuplicate.REFUSE
    )
    foreign = services.enrol(
        actor=None, name="Ada", photos=[upload(shot(2, 1))], person=ada, on_duplicate=OnDuplicate.REFUSE
    )
    assert own.templates == 1
    assert [one.person for one in foreign.duplicates] == [bob.pk]
    assert foreign.person is None


# People who may be one


def test_look_alikes_are_listed_until_somebody_tells_them_apart(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    one = TemplateFactory.create(vector=seen(1)).person
    TemplateFactory.create(person=one, vector=embedding(77))
    two = TemplateFactory.create(vector=seen(1, 1)).person
    three = TemplateFactory.create(vector=seen(2)).person
    four = TemplateFactory.create(vector=seen(2)).person
    TemplateFactory.create(vector=embedding(50))
    TemplateFactory.create(vector=seen(1), pack="another-pack")
    snapshot = gallery.gallery()

    found = duplicates.look_alikes(snapshot)
    assert [(p.first, p.second) for p in found] == [(three.pk, four.pk), (one.pk, two.pk)]
    with django_assert_max_num_queries(4):
        shown = duplicates.shown_pairs(found)
        assert [str(entry) for pair in shown for who in pair.both for entry in who.entries.all()] == []
    assert shown[0].similarity == pytest.approx(1.0)

    merging.not_the_same(actor=None, one=four, other=three)
    merging.not_the_same(actor=None, one=three, other=four)
    assert NotSamePerson.objects.count() == 1
    assert [(p.first, p.second) for p in duplicates.look_alikes(snapshot)] == [(one.pk, two.pk)]
    with pytest.raises(RecognitionError):
        merging.not_the_same(actor=None, one=one, other=one)


def test_the_comparison_is_done_anew_when_the_gallery_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    compare = pairs.near_pairs

    def count(*args: object, **kwargs: object) -> object:
        asked.append(1)
        return compare(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(duplicates, "near_pairs", count)
    one = TemplateFactory.create(vector=seen(1)).person
    assert duplicates.look_alikes(gallery.gallery()) == []
    assert duplicates.look_alikes(gallery.gallery()) == []
    assert len(asked) == 1
    TemplateFactory.create(vector=seen(1, 1))
    (pair,) = duplicates.look_alikes(gallery.gallery())
    assert len(asked) == 2
    one.delete()
    assert duplicates.shown_pairs([pair]) == []


def test_an_empty_gallery_has_no_pairs() -> None:
    assert duplicates.look_alikes(gallery.gallery()) == []
    PersonFactory.create()
    assert duplicates.look_alikes(gallery.gallery()) == []


def test_a_template_that_does_not_open_is_left_out() -> None:
    TemplateFactory.create(vector=seen(1))
    broken = TemplateFactory.create(vector=seen(1))
    Template.objects.filter(pk=broken.pk).update(sealed=b"\x01" + bytes(60))
    TemplateFactory.create(vector=np.full(128, np.nan, np.float32), pack=PACK)

    assert duplicates.look_alikes(gallery.gallery()) == []
