"""The pages that enrol: what is asked before photos are stored, duplicates, merging, imports."""

from __future__ import annotations

import uuid
from typing import Any

import cv2
import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import DataKey
from accounts.roles import Role
from accounts.tests.factories import sign_in
from recognition import batch_tasks, batches, duplicate_views, gallery, pending, services
from recognition.engine import encode_jpeg
from recognition.models import Batch, NotSamePerson, PendingEnrolment, PendingPhoto, Person, Photo, Template
from recognition.tests.archives import archive
from recognition.tests.factories import PersonFactory, TemplateFactory, WatchlistFactory
from recognition.tests.fakes import fake_eyes, seen, shot  # noqa: F401  (a fixture)
from recognition.tests.photos import astronaut, nobody, upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    monkeypatch.setattr(batch_tasks.run_batch, "delay", lambda batch_id: None)


@pytest.fixture
def known(fake_eyes: None) -> Person:  # noqa: F811
    """Ada, enrolled with one photo."""
    person = services.enrol(actor=None, name="Ada", photos=[upload(shot(1))]).person
    assert person is not None
    return person


def photo(data: bytes, name: str = "new.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "image/jpeg")


def small_astronaut() -> bytes:
    """The astronaut from so far that her face is too small to be enrolled."""
    image = cv2.imdecode(np.frombuffer(astronaut(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return encode_jpeg(np.asarray(cv2.resize(image, None, fx=0.36, fy=0.36, interpolation=cv2.INTER_AREA), np.uint8))


def pages() -> dict[str, tuple[str, list[Role | None], list[str]]]:
    """Address, roles that may not, methods that are refused."""
    one, two = PersonFactory.create_batch(2)
    batch = Batch.objects.create(source="people.zip", state=Batch.State.RUNNING)
    looked: list[Role | None] = [None, Role.VIEWER]
    return {
        "duplicates": (reverse("duplicates"), looked, ["post", "delete"]),
        "apart": (reverse("duplicates_apart"), looked, ["get", "delete"]),
        "merge": (reverse("person_merge", args=[one.pk]) + f"?with={two.pk}", looked, ["delete"]),
        "imports": (reverse("imports"), looked, ["delete"]),
        "import": (reverse("import", args=[batch.pk]), looked, ["post", "delete"]),
        "report": (reverse("import_report", args=[batch.pk]), looked, ["post", "delete"]),
        "cancel": (reverse("import_cancel", args=[batch.pk]), looked, ["get", "delete"]),
        "decide": (reverse("enrol_decide", args=[uuid.uuid4()]), [None], ["delete"]),
    }


@pytest.mark.parametrize("name", ["duplicates", "apart", "merge", "imports", "import", "report", "cancel", "decide"])
def test_who_may_and_how(client: Client, name: str) -> None:
    address, refused, methods = pages()[name]
    method = "post" if name in ("apart", "cancel") else "get"
    assert getattr(client, method)(address)["Location"].startswith("/accounts/login/")
    for role in refused:
        sign_in(client, role)
        assert getattr(client, method)(address).status_code == 403
    sign_in(client, Role.OPERATOR)
    for wrong in methods:
        assert getattr(client, wrong)(address).status_code == 405
    assert getattr(client, method)(address).status_code in (200, 302, 404)
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, Role.OPERATOR)
    if "post" not in methods:
        assert strict.post(address).status_code == 403


# Somebody who is enrolled already


def ask(client: Client, data: bytes = b"", name: str = "Eve") -> str:
    answer = client.post(reverse("enrol"), {"name": name, "photos": [photo(data or shot(1, 1))]})
    assert answer.status_code == 302, answer.content
    return str(answer["Location"])


def test_somebody_who_is_there_is_asked_about_and_nothing_is_stored(client: Client, known: Person) -> None:
    sign_in(client, Role.OPERATOR)
    page = client.get(ask(client)).content.decode()

    assert "This looks like Ada" in page
    assert "data:image/jpeg;base64," in page
    assert reverse("portrait", args=[known.pk]) in page
    assert f'value="join:{known.pk}"' in page
    assert "Enrol Eve as a new person anyway" in page
    assert Person.objects.count() == 1


def test_waiting_photos_are_sealed_and_belong_to_who_sent_them(client: Client, known: Person) -> None:
    sign_in(client, Role.OPERATOR)
    place = ask(client)
    row = PendingPhoto.objects.get()
    assert shot(1, 1)[:200] not in bytes(row.sealed)
    other = Client()
    sign_in(other, Role.OPERATOR)
    assert other.get(place)["Location"] == reverse("enrol")
    assert other.post(place, {"choice": "go"})["Location"] == reverse("enrol")
    assert PendingEnrolment.objects.exists()


@pytest.mark.parametrize("choice", ["join", "go", "cancel"])
def test_every_choice_is_done_and_the_photos_are_dropped(client: Client, known: Person, choice: str) -> None:
    sign_in(client, Role.OPERATOR)
    place = ask(client)
    scope = PendingEnrolment.objects.get().scope
    answer = client.post(place, {"choice": f"join:{known.pk}" if choice == "join" else choice})

    people = {"join": 1, "go": 2, "cancel": 1}
    assert Person.objects.count() == people[choice]
    assert known.templates.count() == (2 if choice == "join" else 1)
    eve = Person.objects.filter(name="Eve").first()
    whose = {"join": reverse("person", args=[known.pk]), "cancel": reverse("enrol")}
    assert answer["Location"] == (whose.get(choice) or reverse("person", args=[eve.pk if eve else 0]))
    assert not PendingEnrolment.objects.exists()
    assert not DataKey.objects.filter(scope=scope).exists()
    assert "not waiting any more" in client.get(place, follow=True).content.decode()


@pytest.mark.parametrize("choice", ["", "join:999999", "join:x", "nonsense"])
def test_a_choice_that_makes_no_sense_changes_nothing(client: Client, known: Person, choice: str) -> None:
    sign_in(client, Role.OPERATOR)
    assert client.post(ask(client), {"choice": choice}).status_code in (200, 404)
    assert Person.objects.count() == 1
    assert PendingEnrolment.objects.exists()


def test_old_photos_are_dropped(client: Client, known: Person) -> None:
    sign_in(client, Role.OPERATOR)
    place = ask(client)
    assert pending.drop_old() == 0
    scope = PendingEnrolment.objects.get().scope
    PendingEnrolment.objects.update(created_at=timezone.now() - pending.KEEP_FOR)
    assert "not waiting any more" in client.get(place, follow=True).content.decode()
    batch_tasks.look_after_uploads()
    assert not PendingEnrolment.objects.exists()
    assert not DataKey.objects.filter(scope=scope).exists()


def test_adding_a_strangers_photo_is_asked_about(client: Client, known: Person) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("person_photos", args=[known.pk]), {"photos": [photo(shot(2), "odd.jpg")]})
    page = client.get(answer["Location"]).content.decode()
    assert "odd.jpg does not look like the other photos of Ada" in page
    client.post(answer["Location"], {"choice": "go"})
    assert known.templates.count() == 2


def test_the_same_photo_again_is_told(client: Client, known: Person) -> None:
    sign_in(client, Role.OPERATOR)
    page = reverse("person_photos", args=[known.pk])
    client.post(page, {"photos": [photo(shot(1), "same.jpg")]})
    assert "same.jpg is enrolled for this person already" in client.get(reverse("people")).content.decode()
    assert known.photos.count() == 1


# Enhanced photos


@pytest.mark.parametrize("used", ["", "picture", "matching"])
def test_a_poor_photo_is_shown_enhanced_and_used_only_as_chosen(client: Client, used: str) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(reverse("enrol"), {"name": "Eileen", "photos": [photo(small_astronaut(), "far.jpg")]})
    row = PendingEnrolment.objects.get()
    place = reverse("enrol_decide", args=[row.pk])
    assert f'<a href="{place}">Look at an enhanced version</a>' in answer.content.decode()
    page = client.get(place).content.decode()
    assert "Enhanced" in page
    assert "enlarged" in page
    assert page.count("data:image/jpeg;base64,") == 2

    client.post(place, {"choice": "go", f"photo-{row.photos.get().pk}": used})
    if not used:
        assert not Person.objects.exists()
        assert PendingEnrolment.objects.exists()
        return
    kept = Photo.objects.get()
    assert "enlarged" in kept.enhanced
    assert kept.for_matching == (used == "matching")
    assert Template.objects.count() == (used == "matching")


def test_an_enhanced_face_that_is_enrolled_already_is_asked_about(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    known = services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())]).person
    assert known is not None
    answer = client.post(reverse("enrol"), {"name": "Eve", "photos": [photo(small_astronaut(), "far.jpg")]})
    assert answer.status_code == 200
    row = PendingEnrolment.objects.get()
    place = reverse("enrol_decide", args=[row.pk])

    page = client.get(place).content.decode()
    assert "This looks like Eileen" in page
    assert "Enrol Eve as a new person anyway" in page

    chosen = {"choice": f"join:{known.pk}", f"photo-{row.photos.get().pk}": "matching"}
    assert client.post(place, chosen)["Location"] == reverse("person", args=[known.pk])
    assert Person.objects.count() == 1
    assert known.templates.count() == 2


def test_a_poor_photo_beside_a_good_one_is_offered_afterwards(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    files = [photo(astronaut(), "good.jpg"), photo(small_astronaut(), "far.jpg"), photo(nobody(), "wall.jpg")]
    client.post(reverse("enrol"), {"name": "Eileen", "photos": files})
    person = Person.objects.get()
    row = PendingEnrolment.objects.get()
    assert (row.person, [one.name for one in row.photos.all()]) == (person, ["far.jpg"])
    assert reverse("enrol_decide", args=[row.pk]) in client.get(reverse("people")).content.decode()


# Duplicates and merging


def test_pairs_are_shown_told_apart_and_merged(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    sign_in(client, Role.OPERATOR)
    pairs = [(TemplateFactory.create(vector=seen(n)), TemplateFactory.create(vector=seen(n, 1))) for n in range(1, 9)]
    client.get(reverse("duplicates"))
    with django_assert_max_num_queries(14):
        page = client.get(reverse("duplicates")).content.decode()
    assert page.count("Not the same person") == 8
    one, other = (template.person for template in pairs[0])
    client.post(reverse("duplicates_apart"), {"one": one.pk, "other": other.pk})
    assert NotSamePerson.objects.count() == 1
    assert client.get(reverse("duplicates")).content.decode().count("Not the same person") == 7

    kept, gone = (template.person for template in pairs[1])
    place = reverse("person_merge", args=[kept.pk])
    asked = client.get(place, {"with": gone.pk}).content.decode()
    assert "1 photo and 1 template of" in asked
    assert "This can not be undone." in asked
    assert Person.objects.filter(pk=gone.pk).exists()
    assert client.post(place, {"with": gone.pk})["Location"] == reverse("person", args=[kept.pk])
    assert not Person.objects.filter(pk=gone.pk).exists()
    assert kept.templates.count() == 2


def test_merging_with_oneself_or_nobody(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    person = PersonFactory.create()
    place = reverse("person_merge", args=[person.pk])
    assert "one person already" in client.get(place, {"with": person.pk}).content.decode()
    client.post(place, {"with": person.pk})
    assert Person.objects.count() == 1
    for other in ("", "0", "x", "9" * 30):
        assert client.get(place, {"with": other}).status_code == 404


def test_a_large_gallery_is_left_to_the_command(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, Role.OPERATOR)
    TemplateFactory.create_batch(2)
    monkeypatch.setattr(duplicate_views, "MAX_TEMPLATES", 1)
    assert "manage.py duplicates" in client.get(reverse("duplicates")).content.decode()


def test_the_pages_are_reached_from_people(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    page = client.get(reverse("people")).content.decode()
    assert f'href="{reverse("imports")}"' in page
    assert f'href="{reverse("duplicates")}"' in page
    sign_in(client, Role.VIEWER)
    page = client.get(reverse("people")).content.decode()
    assert f'href="{reverse("imports")}"' not in page
    assert f'href="{reverse("duplicates")}"' not in page


# Imports


@pytest.mark.usefixtures("fake_eyes")
def test_an_import_from_upload_to_report(
    client: Client,
    django_capture_on_commit_callbacks: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(batch_tasks.run_batch, "delay", sent.append)
    sign_in(client, Role.OPERATOR)
    data = archive({f"P{n}/1.jpg": shot(n) for n in range(1, 9)} | {"P1/wall.jpg": nobody()})
    watchlist = WatchlistFactory.create()
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(
            reverse("imports"),
            {
                "archive": SimpleUploadedFile("people.zip", data),
                "watchlist": watchlist.pk,
                "on_duplicate": "refuse",
            },
        )
    batch = Batch.objects.get()
    assert sent == [batch.pk]
    place = reverse("import", args=[batch.pk])
    assert answer["Location"] == place
    page = client.get(place).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "0 of 9 photos" in page
    part = client.get(place, headers={"HX-Request": "true"}).content.decode()
    assert part.startswith('<div class="stack" id="import"')
    assert "<html" not in part

    batches.work(batch.pk)
    with django_assert_max_num_queries(12):
        page = client.get(place).content.decode()
    assert "hx-trigger" not in page
    assert "9 of 9 photos" in page
    assert "No face was found" in page
    assert "No face was found" not in client.get(place, {"state": "enrolled"}).content.decode()
    assert [outcome in page for outcome in ("state=enrolled", "state=refused", "state=cancelled")] == [
        True,
        True,
        False,
    ]
    assert "No photo with this outcome." in client.get(place, {"state": "cancelled"}).content.decode()
    assert client.get(place, {"state": "nonsense", "page": "zzz"}).status_code == 200
    report = client.get(reverse("import_report", args=[batch.pk]))
    assert report["Content-Type"].startswith("text/csv")
    assert b"P1/wall.jpg,P1,refused" in report.getvalue()
    assert watchlist.people.count() == 8
    assert "people.zip" in client.get(reverse("imports")).content.decode()


@pytest.mark.parametrize("data", [b"words", b"", archive({"notes/x.doc": b""})[:30]])
def test_what_can_not_be_imported_gets_a_sentence(client: Client, data: bytes) -> None:
    sign_in(client, Role.OPERATOR)
    answer = client.post(
        reverse("imports"), {"archive": SimpleUploadedFile("people.zip", data), "on_duplicate": "refuse"}
    )
    assert answer.status_code == 200
    assert 'class="errors"' in answer.content.decode()
    assert not Batch.objects.exists()


@pytest.mark.usefixtures("fake_eyes")
def test_an_import_is_stopped(client: Client) -> None:
    sign_in(client, Role.OPERATOR)
    data = archive({"Ada/1.jpg": shot(1)})
    client.post(reverse("imports"), {"archive": SimpleUploadedFile("people.zip", data), "on_duplicate": "refuse"})
    batch = Batch.objects.get()
    place = reverse("import_cancel", args=[batch.pk])
    assert "was stopped" in client.post(place, follow=True).content.decode()
    assert "over already" in client.post(place, follow=True).content.decode()
    assert batch.photos.get().sealed is None


def test_the_list_of_imports_asks_few_questions(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    sign_in(client, Role.OPERATOR)
    for n in range(12):
        batch = Batch.objects.create(source=f"{n}.zip", state=Batch.State.DONE)
        batch.photos.create(path="1.jpg", name="Ada", state="enrolled")
    with django_assert_max_num_queries(12):
        assert client.get(reverse("imports")).status_code == 200
