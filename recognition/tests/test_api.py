"""The API of people, watchlists and the search with a photo."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoAssertNumQueries, Settings
from redis.exceptions import ConnectionError as RedisConnectionError
from rest_framework.test import APIClient

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.clients import key_client, problem
from recognition import api, gallery, services
from recognition.engine import ModelError
from recognition.models import Person, Photo, Template, Watchlist, WatchlistEntry
from recognition.tests.factories import (
    PersonFactory,
    PhotoFactory,
    TemplateFactory,
    WatchlistEntryFactory,
    WatchlistFactory,
    embedding,
)
from recognition.tests.photos import astronaut, changed, crowd, nobody

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    cache.clear()  # the counters of the throttle


@pytest.fixture
def operator() -> APIClient:
    return key_client(Role.OPERATOR)


@pytest.fixture
def administrator() -> APIClient:
    return key_client(Role.ADMINISTRATOR)


def file(data: bytes, name: str = "photo.jpg") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


# People


def test_people_are_listed_searched_and_filtered(
    operator: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    ada, grace = PersonFactory.create(name="Ada Lovelace"), PersonFactory.create(name="Grace 😀")
    TemplateFactory.create_batch(2, person=ada)
    entry = WatchlistEntryFactory.create(person=ada)
    PersonFactory.create_batch(10)
    with django_assert_max_num_queries(9):
        everybody = operator.get("/api/v1/people").json()["results"]
    assert len(everybody) == 12

    (found,) = operator.get("/api/v1/people", {"search": "love"}).json()["results"]
    assert found == {
        "id": ada.pk,
        "name": "Ada Lovelace",
        "notes": "",
        "created_at": found["created_at"],
        "photos": 2,
        "templates": 2,
        "watchlists": [{"id": entry.watchlist_id, "name": entry.watchlist.name}],
        "portrait": f"/api/v1/people/{ada.pk}/portrait",
    }
    (found,) = operator.get("/api/v1/people", {"watchlist": entry.watchlist_id}).json()["results"]
    assert found["id"] == ada.pk
    assert operator.get(f"/api/v1/people/{grace.pk}").json()["name"] == "Grace 😀"


@pytest.mark.parametrize("query", ["watchlist=abc", "watchlist=99999999999999999999", "search=%00", "watchlist=0"])
def test_filters_that_can_not_be_used_get_a_sentence(operator: APIClient, query: str) -> None:
    assert problem(operator.get(f"/api/v1/people?{query}"), 400)["errors"]


def test_a_person_is_enrolled_with_photos(operator: APIClient) -> None:
    watchlist = WatchlistFactory.create()
    response = operator.post(
        "/api/v1/people",
        {
            "name": "Eileen",
            "watchlist": watchlist.pk,
            "photos": [file(astronaut(), "good.jpg"), file(nobody(), "wall.jpg"), file(b"", "empty.jpg")],
        },
    )

    assert response.status_code == 201, response.content
    person = Person.objects.get()
    body = response.json()
    assert response["Location"] == f"/api/v1/people/{person.pk}"
    assert (body["person"], body["name"], body["templates"]) == (person.pk, "Eileen", 1)
    assert [each["photo"] for each in body["rejected"]] == ["wall.jpg", "empty.jpg"]
    assert all(each["why"].endswith(".") for each in body["rejected"])
    assert WatchlistEntry.objects.get().watchlist == watchlist
    assert AuditEvent.objects.filter(verb="enrolled").get().actor is not None


def test_when_no_photo_is_usable_nobody_is_enrolled(operator: APIClient) -> None:
    response = operator.post("/api/v1/people", {"name": "x", "photos": [file(b"words", "notes.jpg")]})

    document = problem(response, 422)
    assert document["rejected"] == [
        {"photo": "notes.jpg", "why": "The file is not a photo, whatever its name says. Use a JPEG, PNG or WebP photo."}
    ]
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "", "photos": True}, "name"),
        ({"name": "x" * 500, "photos": True}, "name"),
        ({"name": "a\x00b", "photos": True}, "name"),
        ({"name": "x"}, "photos"),
        ({"name": "x", "photos": True, "watchlist": 99999}, "watchlist"),
        ({"name": "x", "photos": True, "face": 0}, "face"),
    ],
)
def test_an_enrolment_that_is_not_complete(operator: APIClient, values: dict[str, Any], field: str) -> None:
    if values.get("photos"):
        values = values | {"photos": [file(astronaut())]}

    assert field in problem(operator.post("/api/v1/people", values), 400)["errors"]
    assert not Person.objects.exists()


def test_one_of_several_faces(operator: APIClient) -> None:
    response = operator.post("/api/v1/people", {"name": "x", "photos": [file(crowd())], "face": 2})

    assert response.status_code == 201


def test_photos_are_added_to_a_person(operator: APIClient) -> None:
    person = PersonFactory.create(name="Eileen")
    response = operator.post(f"/api/v1/people/{person.pk}/photos", {"photos": [file(astronaut())]})

    nothing: dict[str, list[str]] = {"rejected": [], "there": [], "duplicates": [], "doubts": []}
    assert response.json() == {"person": person.pk, "name": "Eileen", "templates": 1, **nothing}
    assert response.status_code == 201
    response = operator.post(f"/api/v1/people/{person.pk}/photos", {"photos": [file(nobody())]})
    assert "No face" in problem(response, 422)["rejected"][0]["why"]


def test_a_person_is_changed_in_what_is_named(operator: APIClient) -> None:
    entry = WatchlistEntryFactory.create(person=PersonFactory.create(name="Ada", notes="old"))
    other = WatchlistFactory.create()
    url = f"/api/v1/people/{entry.person_id}"
    body = operator.patch(url, {"notes": "new"}, format="json").json()
    assert (body["name"], body["notes"], len(body["watchlists"])) == ("Ada", "new", 1)

    body = operator.patch(url, {"name": " Grace  H. ", "watchlists": [other.pk]}, format="json").json()
    assert (body["name"], body["notes"]) == ("Grace H.", "new")
    assert body["watchlists"] == [{"id": other.pk, "name": other.name}]
    assert operator.patch(url, {"watchlists": []}, format="json").json()["watchlists"] == []
    problem(operator.patch(url, {"name": " "}, format="json"), 400)
    problem(operator.patch(url, {"notes": "a form"}), 415)
    problem(operator.patch(url, {"watchlists": [99999]}, format="json"), 400)


def test_a_person_is_deleted(operator: APIClient) -> None:
    person = TemplateFactory.create().person

    assert operator.delete(f"/api/v1/people/{person.pk}").status_code == 204
    assert not Person.objects.exists()
    assert not Template.objects.exists()
    problem(operator.get(f"/api/v1/people/{person.pk}"), 404)


def test_a_portrait_is_a_picture_for_this_user_only(operator: APIClient) -> None:
    person = PhotoFactory.create().person
    response = operator.get(f"/api/v1/people/{person.pk}/portrait", headers={"Accept": "image/jpeg"})

    assert response.status_code == 200
    assert response["Content-Type"] == "image/jpeg"
    assert response["Cache-Control"].startswith("private")
    assert response.content.startswith(b"\xff\xd8")
    nothing = PersonFactory.create()
    response = operator.get(f"/api/v1/people/{nothing.pk}/portrait", headers={"Accept": "image/jpeg"})
    problem(response, 404)


def test_a_portrait_that_does_not_open_is_said(operator: APIClient) -> None:
    photo = PhotoFactory.create()
    Photo.objects.update(sealed_portrait=photo.sealed)

    assert (
        "ask an administrator"
        in problem(operator.get(f"/api/v1/people/{photo.person_id}/portrait"), 500)["detail"].lower()
    )


def test_no_embedding_leaves(administrator: APIClient) -> None:
    vector = embedding(5)
    template = TemplateFactory.create(vector=vector)
    bodies = b"".join(
        administrator.get(path).content
        for path in (
            "/api/v1/people",
            f"/api/v1/people/{template.person_id}",
            "/api/face/list",
            "/api/v1/watchlists",
        )
    )
    found = administrator.post("/api/v1/identify", {"photo": file(astronaut())})

    assert found.status_code == 200
    text = (bodies + found.content).decode()
    for forbidden in ("embedding", "sealed", "vector", base64.b64encode(vector.tobytes()).decode()[:24]):
        assert forbidden not in text
    assert not any(f"{value:.4f}" in text for value in vector[:8])


# Watchlists


def test_watchlists_are_made_changed_and_deleted(administrator: APIClient) -> None:
    made = administrator.post(
        "/api/v1/watchlists",
        {"name": "Missing", "category": "missing", "purpose": "To find them", "threshold": 0.9},
        format="json",
    )
    assert made.status_code == 201, made.content
    pk = made.json()["id"]
    assert made["Location"] == f"/api/v1/watchlists/{pk}"
    assert (made.json()["threshold"], made.json()["is_active"], made.json()["people"]) == (0.9, True, 0)

    body = administrator.patch(f"/api/v1/watchlists/{pk}", {"is_active": False}, format="json").json()
    assert (body["name"], body["is_active"], body["purpose"]) == ("Missing", False, "To find them")
    assert administrator.delete(f"/api/v1/watchlists/{pk}").status_code == 204
    assert not Watchlist.objects.exists()
    verbs = list(AuditEvent.objects.filter(target=f"watchlist {pk}").values_list("verb", flat=True))
    assert sorted(verbs) == ["changed", "created", "deleted"]


def test_watchlists_that_can_not_be_made(administrator: APIClient) -> None:
    WatchlistFactory.create(name="Wanted")
    for values, field in [
        ({"name": "Wanted"}, "name"),
        ({"name": " Wanted  "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "category": "enemies"}, "category"),
        ({"name": "x", "threshold": 1.5}, "threshold"),
    ]:
        assert field in problem(administrator.post("/api/v1/watchlists", values, format="json"), 400)["errors"]


def test_people_go_on_and_off_a_watchlist(operator: APIClient) -> None:
    watchlist, person = WatchlistFactory.create(), PersonFactory.create()
    url = f"/api/v1/watchlists/{watchlist.pk}/entries"
    response = operator.post(
        url, {"person": person.pk, "reason": "seen", "expires_at": "2100-01-01T00:00:00Z"}, format="json"
    )
    assert response.status_code == 201, response.content
    again = operator.post(url, {"person": person.pk, "reason": "seen again"}, format="json")
    assert again.json()["id"] == response.json()["id"]

    (entry,) = operator.get(url).json()["results"]
    assert (entry["person"], entry["person_name"], entry["reason"]) == (person.pk, person.name, "seen again")
    assert operator.delete(f"{url}/{person.pk}").status_code == 204
    problem(operator.delete(f"{url}/{person.pk}"), 404)
    problem(operator.get("/api/v1/watchlists/99999/entries"), 404)
    problem(operator.post(url, {"person": 99999}, format="json"), 400)
    backwards = {"person": person.pk, "starts_at": "2100-01-02T00:00:00Z", "expires_at": "2100-01-01T00:00:00Z"}
    problem_of = problem(operator.post(url, backwards, format="json"), 400)
    assert problem_of["errors"] == {"expires_at": ["The entry would be over before it begins. Choose a later end."]}


# The search


def test_a_photo_is_identified(operator: APIClient) -> None:
    done = operator.post("/api/v1/people", {"name": "Eileen", "photos": [file(astronaut())]}).json()
    (face,) = operator.post("/api/v1/identify", {"photo": file(changed(astronaut()))}).json()["faces"]

    assert face["match"]["person"] == done["person"]
    assert face["match"]["name"] == "Eileen"
    assert face["match"]["similarity"] > 0.9
    assert face["candidates"] == [face["match"]]
    assert len(face["box"]) == 4
    assert 0 < face["quality"] <= 1
    faces = operator.post("/api/v1/identify", {"photo": file(crowd()), "top": 1}).json()["faces"]
    assert [each["match"] for each in faces] == [None] * 6
    assert operator.post("/api/v1/identify", {"photo": file(nobody())}).json() == {"faces": []}


def test_a_search_with_what_is_no_photo(operator: APIClient) -> None:
    response = operator.post("/api/v1/identify", {"photo": file(b"words")})

    assert problem(response, 422)["code"] == "not_a_photo"
    problem(operator.post("/api/v1/identify", {"photo": file(nobody()), "top": 0}), 400)
    problem(operator.post("/api/v1/identify", {"photo": "words"}), 400)


def test_without_a_model_it_says_so(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModelError("The models can not be read. Install them again.")

    monkeypatch.setattr(services, "gallery", fail)
    response = operator.post("/api/v1/identify", {"photo": file(nobody())})
    assert problem(response, 503)["detail"] == "The models can not be read. Install them again."


def test_too_many_photos_in_a_minute_have_to_wait(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.PhotoThrottle, "rate", "2/min")
    for _ in range(2):
        assert operator.post("/api/v1/identify", {"photo": file(nobody())}).status_code == 200
    response = operator.post("/api/v1/identify", {"photo": file(nobody())})

    assert problem(response, 429)["type"] == "urn:lynceus:problem:throttled"
    assert int(response["Retry-After"]) > 0
    assert operator.get("/api/v1/people").status_code == 200
    other = key_client(Role.OPERATOR)
    assert other.post("/api/v1/identify", {"photo": file(nobody())}).status_code == 200


def test_without_redis_photos_are_still_taken(operator: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise RedisConnectionError("no answer")

    monkeypatch.setattr(RedisCache, "get", away)
    assert operator.post("/api/v1/identify", {"photo": file(nobody())}).status_code == 200


# The other names


@pytest.mark.parametrize("field", ["file", "files", "photo", "photos"])
@pytest.mark.parametrize("named", ["target_name", "name"])
def test_faces_are_uploaded_by_the_other_route(operator: APIClient, field: str, named: str) -> None:
    response = operator.post("/api/face/upload", {named: "Eileen", field: file(astronaut())})

    assert response.status_code == 201, response.content
    assert response.json()["name"] == "Eileen"
    assert Person.objects.get().pk == response.json()["person"]


def test_the_other_route_adds_to_the_only_person_of_the_name(operator: APIClient) -> None:
    first = operator.post("/api/face/upload", {"target_name": "Eileen", "file": file(astronaut())}).json()
    second = operator.post(
        "/api/face/upload", {"target_name": " Eileen ", "files": [file(changed(astronaut())), file(nobody(), "no.jpg")]}
    ).json()

    assert second["person"] == first["person"]
    assert (second["templates"], [each["photo"] for each in second["rejected"]]) == (1, ["no.jpg"])
    assert Template.objects.count() == 2


def test_the_other_route_says_what_is_missing(operator: APIClient) -> None:
    assert set(problem(operator.post("/api/face/upload", {}), 400)["errors"]) == {"target_name", "file"}
    problem(operator.post("/api/face/upload", {"name": "x" * 300, "file": file(astronaut())}), 400)
    problem(operator.post("/api/face/upload", {"name": "x", "file": file(b"words")}), 422)


def test_everybody_is_listed_by_the_other_route(operator: APIClient) -> None:
    person = TemplateFactory.create().person
    (listed,) = operator.get("/api/face/list").json()["results"]

    assert (listed["id"], listed["name"], listed["templates"]) == (person.pk, person.name, 1)


def test_numbers_are_plain_json(operator: APIClient) -> None:
    """No NaN, which JSON does not have, and no numpy type leaks out."""
    TemplateFactory.create(vector=np.zeros(128, np.float32))
    body = operator.post("/api/v1/identify", {"photo": file(astronaut())}).content

    json.loads(body, parse_constant=lambda name: pytest.fail(name))
