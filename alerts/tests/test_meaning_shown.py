"""Wherever a similarity decides something, what it means stands beside it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts.roles import Role
from accounts.tests.clients import key_client
from accounts.tests.factories import UserFactory
from alerts.tests.factories import AlertFactory
from cameras.tests.factories import SightingFactory
from recognition import gallery, meaning
from recognition.tests.factories import PersonFactory, TemplateFactory
from recognition.tests.photos import astronaut

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh(settings: Settings) -> Iterator[None]:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    meaning.forget()
    yield
    gallery.forget()
    meaning.forget()


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(UserFactory.create(role=Role.OPERATOR))
    return client


def test_an_alert_says_what_its_similarity_means(operator: Client) -> None:
    TemplateFactory.create()
    page = operator.get(
        reverse("alert", args=[AlertFactory.create(sighting=SightingFactory.create(similarity=0.9)).pk])
    )
    assert "strangers would score this high against a list of this size (1 photo)" in page.content.decode()


def test_an_alert_of_another_pack_says_nothing_of_it(operator: Client) -> None:
    TemplateFactory.create()
    page = operator.get(
        reverse("alert", args=[AlertFactory.create(sighting=SightingFactory.create(pack="another-1")).pk])
    )
    assert page.status_code == 200
    assert "strangers would score" not in page.content.decode()


def test_a_persons_page_says_it_of_the_newest_sighting(operator: Client) -> None:
    person = PersonFactory.create()
    SightingFactory.create(similarity=0.912, person=person)
    TemplateFactory.create(person=person)
    page = operator.get(reverse("person", args=[person.pk])).content.decode()
    assert "similarity 0.912: " in page
    assert page.count("strangers would score this high") == 1


def test_a_search_by_photo_says_it_of_every_face(operator: Client) -> None:
    TemplateFactory.create()
    photo = SimpleUploadedFile("a.jpg", astronaut(), content_type="image/jpeg")
    asked = {"photos": photo, "reason": "Seen at the gate", "case_number": "7/26"}
    page = operator.post(reverse("photo_searches"), asked, follow=True)
    assert "strangers would score this high against a list of this size (1 photo)" in page.content.decode()


def test_the_api_says_it_too() -> None:
    client = key_client(Role.OPERATOR)
    empty = client.post("/api/v1/identify", {"photo": io.BytesIO(astronaut())}).json()["faces"]
    assert [face["meaning"] for face in empty] == [""]
    TemplateFactory.create()
    found = client.post("/api/v1/identify", {"photo": io.BytesIO(astronaut())}).json()["faces"]
    assert "strangers would score this high" in found[0]["meaning"]
