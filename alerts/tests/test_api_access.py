"""Signing in to the API, what each role may do there, and how it says no."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import ApiKey
from accounts.roles import Role
from accounts.services import create_api_key
from accounts.tests.clients import key_client, problem
from accounts.tests.factories import UserFactory
from accounts.vault import VaultError
from recognition import selectors
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db

ALERT_VERBS = ("acknowledge", "confirm", "dismiss", "close", "reopen", "assign", "comment", "review")
READ = [
    "/api/v1/people",
    "/api/v1/watchlists",
    "/api/v1/cameras",
    "/api/v1/sightings",
    "/api/v1/alerts",
    "/api/face/list",
    "/api/camera/status",
    "/api/alerts/latest",
]


@pytest.mark.parametrize("path", [*READ, "/api/v1/people/1", "/api/v1/identify"])
def test_nobody_gets_in_without_signing_in(path: str) -> None:
    response = APIClient().get(path)

    assert problem(response, 401)["type"] == "urn:lynceus:problem:not_authenticated"
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("role", list(Role))
def test_every_role_may_look(role: Role, path: str) -> None:
    assert key_client(role).get(path).status_code == 200


@pytest.mark.parametrize("path", READ)
def test_a_user_without_a_role_may_not_look(path: str) -> None:
    problem(key_client().get(path), 403)


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        (Role.VIEWER, "post", "/api/v1/people"),
        (Role.VIEWER, "patch", "/api/v1/people/1"),
        (Role.VIEWER, "delete", "/api/v1/people/1"),
        (Role.VIEWER, "post", "/api/v1/people/1/photos"),
        (Role.VIEWER, "post", "/api/v1/identify"),
        *((Role.VIEWER, "post", f"/api/v1/alerts/1/{verb}") for verb in ALERT_VERBS),
        (Role.OPERATOR, "post", "/api/v1/alerts/1/review"),
        (Role.VIEWER, "post", "/api/v1/watchlists/1/entries"),
        (Role.VIEWER, "delete", "/api/v1/watchlists/1/entries/1"),
        (Role.VIEWER, "post", "/api/face/upload"),
        (Role.OPERATOR, "post", "/api/v1/watchlists"),
        (Role.OPERATOR, "patch", "/api/v1/watchlists/1"),
        (Role.OPERATOR, "delete", "/api/v1/watchlists/1"),
        (Role.OPERATOR, "post", "/api/v1/cameras"),
        (Role.OPERATOR, "patch", "/api/v1/cameras/1"),
        (Role.OPERATOR, "delete", "/api/v1/cameras/1"),
    ],
)
def test_the_wrong_role_may_not_change(role: Role, method: str, path: str) -> None:
    problem(getattr(key_client(role), method)(path), 403)


def test_the_other_header_works_too() -> None:
    _, secret = create_api_key(actor=None, user=UserFactory.create(role=Role.VIEWER), name="x")

    assert APIClient().get("/api/v1/people", HTTP_X_API_KEY=secret).status_code == 200
    key = ApiKey.objects.get()
    assert key.last_used_at is not None
    assert timezone.now() - key.last_used_at < timedelta(minutes=1)


@pytest.mark.parametrize("spoil", ["secret", "prefix", "expired", "inactive"])
def test_a_key_that_is_not_good_says_only_that(spoil: str) -> None:
    user = UserFactory.create(role=Role.ADMINISTRATOR)
    key, secret = create_api_key(actor=None, user=user, name="x")
    if spoil == "expired":
        ApiKey.objects.update(expires_at=timezone.now())
    elif spoil == "inactive":
        user.is_active = False
        user.save()
    elif spoil == "secret":
        secret = secret[:-1] + ("a" if secret[-1] != "a" else "b")
    else:
        secret = secret.replace(key.prefix, "0" * 12)
    response = APIClient().get("/api/v1/people", HTTP_AUTHORIZATION=f"Bearer {secret}")

    assert problem(response, 401)["detail"].startswith("This API key is unknown or over.")


@pytest.mark.parametrize("header", ["Bearer lyn_", "Bearer x", "Bearer lyn_\x00_a", "Bearer lyn__", "bearer lyn_a"])
def test_what_is_no_key_is_refused(header: str) -> None:
    problem(APIClient().get("/api/v1/people", HTTP_AUTHORIZATION=header), 401)


def test_a_session_needs_the_token_against_forgery() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(UserFactory.create(role=Role.OPERATOR))
    assert client.get("/api/v1/people").status_code == 200

    response = client.post("/api/v1/identify", {})
    assert "CSRF" in problem(response, 403)["detail"]
    client.cookies["csrftoken"] = "a" * 32
    response = client.post("/api/v1/identify", {}, headers={"X-CSRFToken": "a" * 32})
    problem(response, 400)  # through the door; the photo is missing


def test_a_key_needs_no_token_against_forgery() -> None:
    _, secret = create_api_key(actor=None, user=UserFactory.create(role=Role.OPERATOR), name="x")
    client = Client(enforce_csrf_checks=True)

    problem(client.post("/api/v1/identify", {}, headers={"X-API-Key": secret}), 400)


def test_where_nothing_is() -> None:
    client = key_client(Role.ADMINISTRATOR)
    for path in ("/api/v1/people/99999", "/api/v1/people/abc", "/api/v1/nothing", "/api/v1/sightings/1"):
        problem(client.get(path), 404)
    problem(client.get(f"/api/v1/people/{10**30}"), 404)
    problem(client.get("/api/v1/sightings/00000000-0000-0000-0000-00000000000x"), 404)


def test_a_method_that_is_not_offered() -> None:
    client = key_client(Role.ADMINISTRATOR)
    problem(client.put("/api/v1/people/1", {}), 405)
    response = client.get("/api/v1/identify")

    assert "GET" in problem(response, 405)["detail"]
    assert "POST" in response["Allow"]


def test_a_body_of_the_wrong_kind() -> None:
    client = key_client(Role.ADMINISTRATOR)

    problem(client.post("/api/v1/identify", b"x", content_type="text/plain"), 415)
    problem(client.post("/api/v1/identify", b"{}", content_type="application/json"), 415)
    problem(client.post("/api/v1/cameras", b"{not json", content_type="application/json"), 400)
    problem(client.post("/api/v1/cameras", b"[1, 2]", content_type="application/json"), 400)


def test_more_than_is_accepted_at_once(settings: Settings) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
    client = key_client(Role.OPERATOR)
    big = SimpleUploadedFile("big.jpg", bytes(2 * 2**20))

    assert "2 MB" in problem(client.post("/api/v1/identify", {"photo": big}), 413)["detail"]
    big.seek(0)
    problem(client.post("/api/face/upload", {"name": "x", "file": big}), 413)


def test_a_body_in_chunks_is_not_taken_for_an_empty_one() -> None:
    response = key_client(Role.OPERATOR).post(
        "/api/v1/identify", b"", content_type="multipart/form-data; boundary=x", HTTP_TRANSFER_ENCODING="chunked"
    )

    assert "Content-Length" in problem(response, 411)["detail"]


def test_more_files_than_are_accepted(settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 2
    files = [SimpleUploadedFile(f"{n}.jpg", b"x") for n in range(3)]

    problem(key_client(Role.OPERATOR).post("/api/v1/people", {"name": "x", "photos": files}), 413)


def test_values_that_can_not_be_used_are_named() -> None:
    client = key_client(Role.ADMINISTRATOR)
    response = client.post("/api/v1/cameras", {"name": "x" * 500, "source": "ftp://x", "latitude": 91}, format="json")

    errors = problem(response, 400)["errors"]
    assert set(errors) == {"name", "source", "latitude"}
    assert "not with ftp://" in errors["source"][0]


@pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD0lMDA=", "bz05OTk5OTk5OTk=", "////"])
@pytest.mark.parametrize("path", ["/api/v1/people", "/api/v1/sightings", "/api/v1/alerts"])
def test_a_cursor_that_was_made_up(path: str, cursor: str) -> None:
    PersonFactory.create()
    response = key_client(Role.VIEWER).get(path, {"cursor": cursor})

    assert response.status_code in (200, 404)
    if response.status_code == 404:
        assert "Start again without one" in problem(response, 404)["detail"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OperationalError("the server closed the connection"), 503),
        (VaultError("The key of person:1 was deleted."), 500),
        (RuntimeError("s3cr3t detail"), 500),
    ],
)
def test_what_fails_inside_is_logged_and_not_told(
    error: Exception, status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise error

    person = PersonFactory.create()
    monkeypatch.setattr(selectors, "portrait", fail)
    document = problem(key_client(Role.VIEWER).get(f"/api/v1/people/{person.pk}/portrait"), status)

    assert str(error) not in str(document)
    assert str(error) in caplog.text


def test_all_pages_together_have_everything_once() -> None:
    people = [person.pk for person in PersonFactory.create_batch(7)]
    client = key_client(Role.VIEWER)
    found: list[int] = []
    url = "/api/v1/people?limit=3"
    pages = 0
    while url:
        page = client.get(url).json()
        found += [person["id"] for person in page["results"]]
        url, pages = page["next"], pages + 1

    assert (found, pages) == (people, 3)
