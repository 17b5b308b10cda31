"""Enrolment, the search with a photo, people and watchlists: what the services promise."""

from __future__ import annotations

import struct
import threading
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from pytest_django import Settings

from accounts import vault
from accounts.models import AuditEvent, DataKey
from accounts.tests.factories import UserFactory
from recognition import gallery, selectors, services, watchlist_services
from recognition.errors import RecognitionError
from recognition.models import Category, Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.names import clean_name
from recognition.tests.factories import PersonFactory, TemplateFactory, WatchlistEntryFactory, WatchlistFactory
from recognition.tests.photos import astronaut, changed, crowd, nobody, upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_gallery() -> None:
    gallery.forget()


def png(width: int, height: int) -> bytes:
    """A PNG that says it has this size, and has no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


BAD_PHOTOS = {
    "notes.jpg": (b"these are only words", "not a photo"),
    "empty.jpg": (b"", "empty"),
    "cut.jpg": (b"", "damaged"),  # filled in below: reading the photo at import would load packages
    "bomb.png": (png(30000, 30000), "pixels"),
    "huge.jpg": (b"\xff\xd8\xff" + bytes(40 * 2**20), "MB"),
    "wall.jpg": (b"", "No face"),
    "crowd.jpg": (b"", "shows 6 faces"),
}


def bad_photo(name: str) -> bytes:
    made: dict[str, Callable[[], bytes]] = {
        "cut.jpg": lambda: astronaut()[:9000],
        "wall.jpg": nobody,
        "crowd.jpg": crowd,
    }
    return made[name]() if name in made else BAD_PHOTOS[name][0]


@pytest.mark.parametrize("name", BAD_PHOTOS)
def test_a_bad_photo_gets_a_sentence_and_nothing_is_stored(name: str) -> None:
    done = services.enrol(actor=None, name="Ada", photos=[upload(bad_photo(name), name)])

    assert done.person is None
    assert done.templates == 0
    (rejected,) = done.rejected
    assert rejected.photo == name
    assert BAD_PHOTOS[name][1] in rejected.why
    assert rejected.why.endswith(".")
    assert not Person.objects.exists()
    assert not DataKey.objects.filter(scope__startswith="person:").exists()


def test_good_photos_are_enrolled_and_bad_ones_told() -> None:
    actor = UserFactory.create()
    watchlist = WatchlistFactory.create()
    done = services.enrol(
        actor=actor,
        name="  Eileen\t Collins ",
        photos=[upload(astronaut(), "good.jpg"), upload(nobody(), "wall.jpg")],
        watchlist=watchlist,
    )

    assert done.person is not None
    assert (done.person.name, done.person.created_by) == ("Eileen Collins", actor)
    assert [each.photo for each in done.rejected] == ["wall.jpg"]
    template = Template.objects.get(person=done.person)
    assert template.quality > 0.3
    assert len(template.box) == 4
    assert all(0 <= side <= 1 for side in template.box)
    assert WatchlistEntry.objects.get(person=done.person).watchlist == watchlist
    portrait = selectors.portrait(done.person.pk)
    assert portrait is not None
    assert portrait.startswith(b"\xff\xd8")
    assert AuditEvent.objects.filter(verb="enrolled", target=f"person {done.person.pk}", actor=actor).exists()


def test_one_of_several_faces_can_be_asked_for() -> None:
    done = services.enrol(actor=None, name="Second", photos=[upload(crowd(), face=2)])
    beyond = services.enrol(actor=None, name="Seventh", photos=[upload(crowd(), face=7)])

    assert done.templates == 1
    assert beyond.templates == 0
    assert "the photo shows 6" in beyond.rejected[0].why


def test_nothing_half_written_remains_when_the_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(Template.objects, "create", fail)
    with pytest.raises(DatabaseError), transaction.atomic():
        services.enrol(actor=None, name="Ada", photos=[upload(astronaut())])

    for model in (Person, Photo, Template, AuditEvent):
        assert not model._default_manager.exists()
    assert not DataKey.objects.filter(scope__startswith="person:").exists()


def test_photos_are_added_to_a_person_and_keep_their_entry() -> None:
    entry = WatchlistEntryFactory.create(reason="wanted", expires_at=timezone.now() + timedelta(days=1))
    done = services.enrol(
        actor=None,
        name=entry.person.name,
        photos=[upload(astronaut())],
        person=entry.person,
        watchlist=entry.watchlist,
    )

    assert done.person == entry.person
    assert Template.objects.filter(person=entry.person).count() == 1
    kept = WatchlistEntry.objects.get()
    assert (kept.reason, kept.expires_at) == (entry.reason, entry.expires_at)


def test_an_expired_entry_counts_again_when_it_is_asked_for() -> None:
    entry = WatchlistEntryFactory.create(expires_at=timezone.now() - timedelta(days=1))
    services.enrol(actor=None, name="x", photos=[upload(astronaut())], person=entry.person, watchlist=entry.watchlist)

    assert WatchlistEntry.objects.get() in selectors.valid_entries()


def test_somebody_deleted_meanwhile_gets_no_photos() -> None:
    person = PersonFactory.create()
    Person.objects.all().delete()

    with pytest.raises(RecognitionError, match="was deleted meanwhile"):
        services.enrol(actor=None, name=person.name, photos=[upload(astronaut())], person=person)
    assert not Template.objects.exists()


def test_the_enrolled_are_found_and_others_are_not(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    known = services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())]).person
    other = services.enrol(actor=None, name="Second", photos=[upload(crowd(), face=2)]).person
    assert known is not None
    assert other is not None

    (face,) = services.identify(actor=None, upload=upload(changed(astronaut())))
    assert face.match is not None
    assert face.match.person == known.pk
    assert [candidate.person for candidate in face.candidates] == [known.pk, other.pk]
    crowd_faces = services.identify(actor=None, upload=upload(changed(crowd())), top=1)
    assert [found.match.person for found in crowd_faces if found.match] == [other.pk]
    assert all(len(found.candidates) == 1 for found in crowd_faces)


def test_a_search_is_recorded_and_its_photo_is_not() -> None:
    actor = UserFactory.create()
    assert services.identify(actor=actor, upload=upload(nobody())) == []

    event = AuditEvent.objects.get()
    assert (event.verb, event.detail, event.actor) == ("searched", {"faces": 0, "matched": 0}, actor)
    assert not Photo.objects.exists()


def test_in_an_empty_gallery_nobody_is_found() -> None:
    (face,) = services.identify(actor=None, upload=upload(astronaut()))

    assert face.match is None
    assert face.candidates == ()


@pytest.mark.parametrize(
    ("name", "kept"), [("😀", "😀"), (" a \n b ", "a b"), ("a\x00b", "ab"), ("x" * 200, "x" * 200), ("李", "李")]
)
def test_names_are_kept_as_people_write_them(name: str, kept: str) -> None:
    assert clean_name(name) == kept


@pytest.mark.parametrize(
    ("name", "why"), [("", "empty"), (" \x00 ", "empty"), ("x" * 500, "500 characters"), ("a\udcff", "no text")]
)
def test_names_that_can_not_be_kept_get_a_sentence(name: str, why: str) -> None:
    with pytest.raises(RecognitionError, match=why):
        clean_name(name)


def test_deleting_a_person_shreds_what_is_biometric() -> None:
    template = TemplateFactory.create()
    person, sealed = template.person, bytes(template.sealed)
    scope = person.scope
    services.delete_person(actor=None, person=person)

    for model in (Person, Photo, Template):
        assert not model._default_manager.exists()
    assert not DataKey.objects.filter(scope=scope).exists()
    with pytest.raises(vault.VaultError):
        vault.unseal(scope, sealed, bind=gallery.template_bind(1, "compact-1"))


def test_a_watchlists_name_is_taken_once() -> None:
    watchlist_services.create_watchlist(actor=None, name="Wanted")
    other = watchlist_services.create_watchlist(actor=None, name="Missing")

    with pytest.raises(RecognitionError, match="already"):
        watchlist_services.create_watchlist(actor=None, name=" Wanted ")
    with pytest.raises(RecognitionError, match="already"):
        watchlist_services.change_watchlist(
            actor=None,
            watchlist=other,
            name="Wanted",
            category=Category.OTHER,
            purpose="",
            legal_basis="",
            threshold=None,
            is_active=True,
        )
    assert watchlist_services.watchlist_named(actor=None, name="Wanted").name == "Wanted"
    assert Watchlist.objects.count() == 2


def test_a_persons_watchlists_become_exactly_those() -> None:
    kept, gone, new = WatchlistFactory.create_batch(3)
    person = PersonFactory.create()
    for watchlist in (kept, gone):
        watchlist_services.add_to_watchlist(actor=None, watchlist=watchlist, person=person, reason="old")
    watchlist_services.set_watchlists(actor=None, person=person, watchlists=[kept, new])

    assert set(person.watchlists.all()) == {kept, new}
    assert WatchlistEntry.objects.get(watchlist=kept).reason == "old"
    verbs = list(AuditEvent.objects.order_by("id").values_list("verb", flat=True))
    assert verbs == ["listed", "listed", "unlisted", "listed"]


def test_taking_somebody_off_a_watchlist_is_said_once() -> None:
    entry = WatchlistEntryFactory.create()

    assert watchlist_services.remove_from_watchlist(actor=None, watchlist=entry.watchlist, person=entry.person)
    assert not watchlist_services.remove_from_watchlist(actor=None, watchlist=entry.watchlist, person=entry.person)
    assert AuditEvent.objects.filter(verb="unlisted").count() == 1


def test_only_a_name_that_one_person_has_is_that_person() -> None:
    person = PersonFactory.create(name="Ada")
    assert selectors.only_person_named("Ada") == person
    assert selectors.only_person_named("ada") is None
    PersonFactory.create(name="Ada")
    assert selectors.only_person_named("Ada") is None


@pytest.mark.django_db(transaction=True)
def test_deleting_waits_for_photos_that_are_being_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both finish, and nothing of the person remains."""
    person = PersonFactory.create()
    storing, deleting = threading.Event(), threading.Event()
    store = services._store

    def slowly(*args: Any) -> None:
        store(*args)
        storing.set()
        deleting.wait(0.3)

    monkeypatch.setattr(services, "_store", slowly)

    def delete() -> None:
        try:
            storing.wait(30)
            services.delete_person(actor=None, person=person)
        finally:
            deleting.set()
            connection.close()

    thread = threading.Thread(target=delete)
    thread.start()
    services.enrol(actor=None, name=person.name, photos=[upload(astronaut())], person=person)
    thread.join(30)

    for model in (Person, Photo, Template):
        assert not model._default_manager.exists()
    assert not DataKey.objects.filter(scope=f"person:{person.pk}").exists()


def test_a_portrait_is_a_small_square_of_the_face() -> None:
    image = np.zeros((400, 600, 3), np.uint8)
    picture = services.portrait_jpeg(image, np.array([590, 390, 640, 440], np.float32))

    assert picture.startswith(b"\xff\xd8")


def test_a_watchlists_name_that_is_taken_at_the_same_moment_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist_services, "_free_name", lambda name, but=0: name)  # both looked before either wrote
    watchlist_services.create_watchlist(actor=None, name="Missing")

    with pytest.raises(RecognitionError, match="already"):
        watchlist_services.create_watchlist(actor=None, name="Missing")
    assert Watchlist.objects.count() == 1


def test_control_characters_and_turned_letters_are_left_out_of_names() -> None:
    assert clean_name("A\x1b[31md\x07a\u202e Love\x9blace") == "A[31mda Lovelace"
    family = "\U0001f469\u200d\U0001f467 Zo\u00eb"
    assert clean_name(family) == family


@pytest.mark.django_db(transaction=True)
def test_two_enrolments_of_one_name_at_once_make_one_person() -> None:
    together = threading.Barrier(2)
    read = services.check_photo(upload(astronaut()))

    def enrol() -> None:
        try:
            together.wait(30)
            services.enrol(actor=None, name="Ada", photos=[upload(astronaut())], join=True)
        finally:
            connection.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "check_photo", lambda photo: read)
        threads = [threading.Thread(target=enrol) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    (person,) = Person.objects.all()
    assert person.templates.count() == 1  # the second one found the first one's photo
