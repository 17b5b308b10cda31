"""The API of duplicates, merging and batch enrolment."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from recognition import api_merging, batch_tasks, batches, gallery, services
from recognition.models import Batch, BatchPhoto, NotSamePerson, Person, Photo
from recognition.tests.archives import archive, encrypted
from recognition.tests.factories import PersonFactory, TemplateFactory, WatchlistFactory
from recognition.tests.fakes import fake_eyes, seen, shot  # noqa: F401  (a fixture)
from recognition.tests.photos import astronaut, changed, nobody, upload

pytestmark = pytest.mark.django_db
PAIRS = "/api/v1/people/duplicates"
BATCHES = "/api/v1/batches"


@pytest.fixture(autouse=True)
def fresh(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    cache.clear()
    monkeypatch.setattr(batch_tasks.run_batch, "delay", lambda batch_id: None)


@pytest.fixture
def operator() -> APIClient:
    return key_client(Role.OPERATOR)


def file(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def known() -> Person:
    person = services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())]).person
    assert person is not None
    return person


# Somebody who is there already


def test_a_face_that_is_there_is_a_conflict_with_candidates(operator: APIClient, known: Person) -> None:
    sent = {"name": "Somebody", "photos": [file(changed(astronaut()), "again.jpg")]}
    document = problem(operator.post("/api/v1/people", sent), 409)

    assert document["type"] == "urn:lynceus:problem:duplicate"
    assert "Eileen" in document["detail"]
    (twin,) = document["duplicates"]
    assert (twin["photo"], twin["person"], twin["name"], twin["enhanced"]) == ("again.jpg", known.pk, "Eileen", "")
    assert 0.8 < twin["similarity"] <= 1
    assert Person.objects.count() == 1


@pytest.mark.parametrize(("policy", "people"), [("join", 1), ("new", 2), ("refuse", 1)])
def test_what_shall_be_done_may_be_said(operator: APIClient, known: Person, policy: str, people: int) -> None:
    sent = {"name": "Somebody", "photos": [file(changed(astronaut()))], "on_duplicate": policy}
    answer = operator.post("/api/v1/people", sent)

    assert answer.status_code == (409 if policy == "refuse" else 201)
    assert Person.objects.count() == people
    if policy == "join":
        assert answer.json()["person"] == known.pk
        assert answer.json()["duplicates"] == []
    if policy == "new":
        assert [twin["person"] for twin in answer.json()["duplicates"]] == [known.pk]


def test_photos_of_somebody_else_are_a_conflict_too(operator: APIClient, known: Person) -> None:
    other = PersonFactory.create()
    place = f"/api/v1/people/{other.pk}/photos"
    problem(operator.post(place, {"photos": [file(changed(astronaut()))]}), 409)
    problem(operator.post(place, {"photos": [file(changed(astronaut()))], "on_duplicate": "join"}), 400)
    answer = operator.post(place, {"photos": [file(changed(astronaut()))], "on_duplicate": "new"})
    assert answer.status_code == 201
    assert other.templates.count() == 1


def test_the_same_photo_again_is_told_and_not_stored(operator: APIClient, known: Person) -> None:
    answer = operator.post(f"/api/v1/people/{known.pk}/photos", {"photos": [file(astronaut(), "same.jpg")]})
    assert answer.status_code == 200
    assert (answer.json()["templates"], answer.json()["there"]) == (0, ["same.jpg"])
    assert Photo.objects.count() == 1


def test_the_short_route_goes_on_as_it_was_unless_asked(operator: APIClient, known: Person) -> None:
    sent = {"target_name": "Other name", "file": file(changed(astronaut()))}
    answer = operator.post("/api/face/upload", sent)
    assert answer.status_code == 201
    assert [twin["person"] for twin in answer.json()["duplicates"]] == [known.pk]
    sent = {"target_name": "Third", "file": file(changed(astronaut(), gain=0.9)), "on_duplicate": "refuse"}
    problem(operator.post("/api/face/upload", sent), 409)
    problem(operator.post("/api/face/upload", sent | {"on_duplicate": "perhaps"}), 400)


def test_enhanced_photos_are_marked_among_candidates(operator: APIClient, known: Person) -> None:
    Photo.objects.update(enhanced="enlarged, contrast")
    (face,) = operator.post("/api/v1/identify", {"photo": file(astronaut())}).json()["faces"]
    assert face["match"]["enhanced"] == "enlarged, contrast"
    assert face["candidates"][0]["enhanced"] == "enlarged, contrast"


# People who may be one


def test_pairs_are_listed_told_apart_and_merged(
    operator: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    people = [TemplateFactory.create(vector=seen(1, n)).person for n in range(3)]
    operator.get(PAIRS)
    with django_assert_max_num_queries(9):
        found = operator.get(PAIRS).json()
    assert len(found["results"]) == 3
    assert found["results"][0]["similarity"] >= found["threshold"]
    assert len(operator.get(PAIRS, {"limit": 1}).json()["results"]) == 1
    problem(operator.get(PAIRS, {"limit": 0}), 400)

    one, two, three = people
    apart = reverse("api-distinct", args=[one.pk])
    assert operator.post(apart, {"person": two.pk}, format="json").status_code == 204
    assert NotSamePerson.objects.count() == 1
    assert len(operator.get(PAIRS).json()["results"]) == 2
    done = operator.post(reverse("api-merge", args=[one.pk]), {"person": three.pk}, format="json")
    assert done.json() == {"person": one.pk, "photos": 1, "templates": 1, "same_photos": 0, "watchlists": []}
    assert not Person.objects.filter(pk=three.pk).exists()


@pytest.mark.parametrize("name", ["api-merge", "api-distinct"])
def test_two_people_are_needed(operator: APIClient, name: str) -> None:
    person = PersonFactory.create()
    place = reverse(name, args=[person.pk])
    problem(operator.post(place, {"person": person.pk}, format="json"), 409)
    problem(operator.post(place, {"person": 987654321}, format="json"), 404)
    problem(operator.post(place, {"person": "x"}, format="json"), 400)
    problem(operator.post(place, {}, format="json"), 400)
    problem(operator.post(reverse(name, args=[987654321]), {"person": person.pk}, format="json"), 404)
    assert Person.objects.count() == 1


def test_a_gallery_too_large_to_wait_for_is_said(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    TemplateFactory.create_batch(2)
    monkeypatch.setattr(api_merging, "MAX_TEMPLATES", 1)
    assert "manage.py duplicates" in problem(operator.get(PAIRS), 409)["detail"]


# Batches


@pytest.mark.usefixtures("fake_eyes")
def test_a_batch_from_upload_to_report(
    operator: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    watchlist = WatchlistFactory.create()
    data = archive({"Ada/1.jpg": shot(1), "Ada/2.jpg": shot(1, 1), "Bob/wall.jpg": nobody()})
    answer = operator.post(BATCHES, {"archive": file(data, "people.zip"), "watchlist": watchlist.pk})
    assert answer.status_code == 202, answer.content
    made = answer.json()
    assert (made["state"], made["source"], made["progress"]["waiting"]) == ("running", "people.zip", 3)
    place = answer["Location"]
    batches.work(made["id"])

    shown = operator.get(place).json()
    assert shown["state"] == "done"
    assert (shown["progress"]["enrolled"], shown["progress"]["refused"], shown["progress"]["done"]) == (2, 1, 3)
    rows = operator.get(f"{place}/photos").json()["results"]
    assert [(row["path"], row["state"]) for row in rows] == [
        ("Ada/1.jpg", "enrolled"),
        ("Ada/2.jpg", "enrolled"),
        ("Bob/wall.jpg", "refused"),
    ]
    report = operator.get(f"{place}/report.csv")
    assert b"Bob/wall.jpg,Bob,refused" in report.getvalue()
    for n in range(5):
        Batch.objects.create(source=f"{n}.zip")
    with django_assert_max_num_queries(9):
        assert len(operator.get(BATCHES).json()["results"]) == 6


@pytest.mark.usefixtures("fake_eyes")
def test_a_batch_with_a_table_and_a_policy(operator: APIClient) -> None:
    sent = {
        "archive": file(archive({"1.jpg": shot(1), "2.jpg": shot(1, 1)}), "p.zip"),
        "table": file(b"name,photo\nAda,1.jpg\nEve,2.jpg\n", "p.csv"),
        "on_duplicate": "new",
    }
    batches.work(operator.post(BATCHES, sent).json()["id"])
    assert set(Person.objects.values_list("name", flat=True)) == {"Ada", "Eve"}


@pytest.mark.usefixtures("fake_eyes")
def test_a_batch_is_cancelled(operator: APIClient) -> None:
    made = operator.post(BATCHES, {"archive": file(archive({"Ada/1.jpg": shot(1)}), "p.zip")}).json()
    place = f"{BATCHES}/{made['id']}/cancel"
    assert operator.post(place).json()["state"] == "cancelled"
    assert operator.post(place).json()["state"] == "cancelled"
    assert BatchPhoto.objects.get().sealed is None


@pytest.mark.parametrize("data", [b"words", encrypted({"Ada/1.jpg": b"x"}), archive({".hidden": b""})])
def test_what_is_no_archive_of_photos_is_refused(operator: APIClient, data: bytes) -> None:
    assert problem(operator.post(BATCHES, {"archive": file(data, "p.zip")}), 422)["detail"].endswith(".")
    assert not Batch.objects.exists()
    problem(operator.post(BATCHES, {}), 400)


@pytest.mark.parametrize("role", [None, Role.VIEWER])
def test_who_may_not(role: Role | None) -> None:
    client = key_client(role)
    person, batch = PersonFactory.create(), Batch.objects.create(source="p.zip")
    for place in (PAIRS, BATCHES, f"{BATCHES}/{batch.pk}", f"{BATCHES}/{batch.pk}/photos"):
        problem(client.get(place), 403)
        problem(APIClient().get(place), 401)
    problem(client.get(f"{BATCHES}/{batch.pk}/report.csv"), 403)
    for place in (reverse("api-merge", args=[person.pk]), reverse("api-distinct", args=[person.pk])):
        problem(client.post(place, {"person": 1}, format="json"), 403)
        problem(APIClient().post(place, {"person": 1}, format="json"), 401)
        problem(key_client(Role.OPERATOR).get(place), 405)
    problem(client.post(BATCHES, {}), 403)
    problem(client.post(f"{BATCHES}/{batch.pk}/cancel"), 403)
    problem(key_client(Role.OPERATOR).delete(PAIRS), 405)
    problem(key_client(Role.OPERATOR).delete(f"{BATCHES}/{batch.pk}"), 405)
