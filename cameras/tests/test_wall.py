"""The camera wall: what it shows, what it remembers, and what it makes of addresses."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import sign_in
from cameras.tests.factories import CameraFactory
from cameras.wall import Choice

pytestmark = pytest.mark.django_db


def names(client: Client, **query: str | int | list[int]) -> list[str]:
    return [tile.camera.name for tile in client.get(reverse("wall"), query).context["tiles"]]


def test_without_a_choice_it_shows_all_that_are_on_page_by_page(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    for n in range(6):
        CameraFactory.create(name=f"C{n}", enabled=n != 0)
    assert names(client) == ["C1", "C2", "C3", "C4"]
    page = client.get(reverse("wall"), {"page": 2})
    assert [tile.camera.name for tile in page.context["tiles"]] == ["C5"]
    assert (page.context["next"], page.context["before"]) == ("/wall/?page=1", "/wall/?page=1")
    assert names(client, page=9) == ["C5"]
    assert names(client, size=9) == ["C1", "C2", "C3", "C4", "C5"]


def test_a_choice_is_remembered_and_changed_in_parts(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    rows = [CameraFactory.create(name=f"C{n}") for n in range(3)]
    assert names(client, camera=[rows[0].pk, rows[2].pk]) == ["C0", "C2"]
    client.get(reverse("wall"), {"size": 1, "turn": 30})
    choice = client.get(reverse("wall")).context["choice"]
    assert choice == Choice(size=1, turn=30, cameras=(rows[0].pk, rows[2].pk))
    client.get(reverse("wall"), {"turn": 0})
    assert client.get(reverse("wall")).context["choice"].turn == 0
    assert names(client, chosen=1, size=4) == ["C0", "C1", "C2"]
    other = Client()
    sign_in(other, Role.VIEWER)
    assert other.get(reverse("wall")).context["choice"] == Choice()


def test_a_camera_that_is_gone_leaves_the_wall(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    gone, kept = CameraFactory.create(name="Gone"), CameraFactory.create(name="Kept")
    names(client, camera=[gone.pk, kept.pk])
    gone.delete()
    assert names(client) == ["Kept"]


@pytest.mark.parametrize("query", ["size=5", "size=x&turn=7", "camera=x,,-1", "page=0", "page=99999999999999999999"])
def test_any_address_shows_a_wall(client: Client, query: str) -> None:
    sign_in(client, Role.VIEWER)
    CameraFactory.create()
    assert client.get(reverse("wall") + "?" + query).status_code == 200


@pytest.mark.parametrize(
    "raw", [None, "x", {"size": 5, "cameras": "1"}, {"size": [1], "turn": {}, "cameras": ["1", 2]}]
)
def test_any_memory_is_a_choice(raw: object) -> None:
    choice = Choice.kept(raw)
    assert (choice.size, choice.turn) == (4, 0)
    assert choice.cameras in ((), (2,))


def test_the_same_camera_is_shown_once() -> None:
    assert Choice().asked(QueryDict("camera=3,1&camera=3")).cameras == (3, 1)


def test_an_empty_site_says_what_to_do(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    assert "Add a camera" in client.get(reverse("wall")).content.decode()
    CameraFactory.create(enabled=False)
    assert "No camera is switched on" in client.get(reverse("wall")).content.decode()


def test_pages_turn_without_scripts_too(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    CameraFactory.create_batch(2)
    page = client.get(reverse("wall"), {"size": 1, "turn": 10}).content.decode()
    assert '<noscript><meta http-equiv="refresh" content="10;url=/wall/?page=2"></noscript>' in page
    part = client.get(reverse("wall"), {"page": 2}, headers={"HX-Request": "true"}).content.decode()
    assert part.strip().startswith('<div id="wall" data-turn="10" data-next="/wall/?page=1">')
