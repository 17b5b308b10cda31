"""Following somebody in a real browser: what is new appears and is announced by itself, and pictures stay as they are.

Pictures come from the test itself, as workers would publish them, and so do sightings, as the linker would link them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from cameras import live
from cameras.follow.services import start
from cameras.models import Camera, Identity, Sighting
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.tests.factories import PersonFactory
from workers.tests.test_browser import operator, page, port, sign_in, web
from workers.tests.test_browser_live import running

__all__ = ["operator", "page", "port"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LIVE = "img[data-live][src^='blob:']"


@pytest.fixture
def cameras() -> Iterator[list[Camera]]:
    rows = [CameraFactory.create(name=name) for name in ("Gate", "Hall")]
    yield rows
    for row in rows:
        live.clear_status(row.pk)


def sighting(identity: Identity, camera: Camera, *, ago: float) -> Sighting:
    """One that goes on."""
    first = timezone.now() - timedelta(seconds=ago)
    return SightingFactory.create(
        identity=identity, person=identity.person, camera=camera, first_seen=first, last_seen=timezone.now(),
        is_open=True, link="recognised", similarity=0.912,
    )  # fmt: skip


def leave(row: Sighting) -> None:
    Sighting.objects.filter(pk=row.pk).update(is_open=False, last_seen=timezone.now())


def test_the_wall_follows_and_announces(
    page: Page,
    port: int,
    tmp_path: Path,
    operator: User,
    cameras: list[Camera],
) -> None:
    gate, hall = cameras
    identity = Identity.objects.create(person=PersonFactory.create(name="Maria Curie"))
    first = sighting(identity, gate, ago=4)
    with web(port, tmp_path / "web.log"), running(cameras):
        sign_in(page)
        page.evaluate("localStorage.setItem('lynceus-sound', 'on')")
        page.goto(reverse("follow", args=[identity.pk]))
        page.get_by_role("button", name="Follow them").click()
        expect(page.get_by_role("heading", name="Following Maria Curie")).to_be_visible()
        expect(page.locator(".follow__place--here .tile__name")).to_have_text("Gate")
        expect(page.locator(LIVE)).to_have_count(1)
        page.evaluate("window.kept = document.querySelector('img[data-live]'); window.rang = [];")
        page.evaluate("document.addEventListener('alerts:rang', ({ detail }) => window.rang.push(detail.text))")
        leave(first)
        expect(page.locator(".follow__place--last .tile__name")).to_have_text("Gate")
        second = sighting(identity, hall, ago=0)
        expect(page.locator(".follow__place--here .tile__name")).to_have_text("Hall")
        # The page's order: where they are now before where they were; the old picture is the very same element.
        assert page.locator(".follow__place .tile__name").all_inner_texts() == ["Hall", "Gate"]
        assert page.evaluate("window.kept.isConnected && window.kept.src.startsWith('blob:')")
        expect(page.locator(LIVE)).to_have_count(2)
        said = page.locator("[data-says]")
        expect(said).to_contain_text("Maria Curie was seen at Hall")
        expect(said).to_contain_text("similarity 0.912")
        assert said.get_attribute("aria-live") == "polite"
        assert len(page.evaluate("window.rang")) == 1
        assert page.evaluate("document.documentElement.dataset.rang") == "high"
        expect(page.locator(".follow__sight")).to_have_count(2)
        leave(second)
        expect(page.locator(".follow__place--here")).to_have_count(0)
        page.get_by_role("button", name="Stop following").click()
        expect(page.get_by_text("You follow Maria Curie no longer.")).to_be_visible()


def test_an_open_page_ends_with_the_follow_and_with_the_person(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera]
) -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Maria Curie"))
    follow = start(user=operator, identity=identity)
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(reverse("follow", args=[identity.pk]))
        expect(page.get_by_text("Not in view")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        type(follow).objects.update(until=timezone.now())
        expect(page.get_by_role("button", name="Follow them")).to_be_visible()
        page.get_by_role("button", name="Follow them").click()
        expect(page.get_by_text("Not in view")).to_be_visible()
        assert identity.person is not None
        identity.person.delete()
        expect(page.get_by_text("Not in view")).to_have_count(0)
        assert "Following" not in page.title()


def test_it_is_said_when_the_server_does_not_answer(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera]
) -> None:
    identity = Identity.objects.create(person=PersonFactory.create(name="Maria Curie"))
    start(user=operator, identity=identity)
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.goto(reverse("follow", args=[identity.pk]))
        expect(page.locator("#follow-stale")).to_be_hidden()
        page.route("**/follow/**", lambda route: route.abort())
        expect(page.locator("#follow-stale")).to_contain_text("has not answered for")
        page.unroute("**/follow/**")
        expect(page.locator("#follow-stale")).to_be_hidden()
