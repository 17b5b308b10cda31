"""Somebody unknown in a real browser: while the third camera sees them their page shows one identity with its path; a
name turns the past into theirs, and undoing that takes it back.

The cameras' loops and the linker run in a thread of the test; the web server is a process of its own.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from cameras.identities.linker import Linker
from cameras.leases import Lease, renew_leases
from cameras.models import Camera, CameraLease, Identity, Sighting
from cameras.services import add_camera
from workers.tests.scenes import BEN
from workers.tests.test_browser import operator, page, port, sign_in, web
from workers.tests.test_identities import STOPS, walk

__all__ = ["operator", "page", "port"]  # fixtures
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("at_once", "pack"),
]


class Walk:
    """Somebody unknown passes three cameras, and stays before the last one until `go_on`."""

    def __init__(self) -> None:
        self.cameras = [add_camera(actor=None, name=name, source="rtsp://camera.example/1") for name in STOPS]
        self.linker = Linker(owner="test")
        self._there, self._go = threading.Event(), threading.Event()

    def run(self) -> None:
        try:
            walk(self.cameras, self.linker, BEN, timezone.now() - timedelta(minutes=2), self._stay)
            self.linker.step()
            self.linker.resign()
        finally:
            self._there.set()
            connections.close_all()

    def wait(self) -> None:
        """Until they are before the last camera."""
        assert self._there.wait(240)

    def go_on(self) -> None:
        self._go.set()

    def _stay(self) -> None:
        self.linker.step()
        self._there.set()
        while not self._go.wait(1.0):
            renew_leases([_lease(self.cameras[-1])])


def _lease(camera: Camera) -> Lease:
    row = CameraLease.objects.get(camera=camera)
    return Lease(camera_id=camera.pk, owner=row.owner, epoch=row.epoch)


def test_an_unknown_person_gets_a_name_and_loses_it_again(
    page: Page, port: int, tmp_path: Path, operator: User
) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    walking = Walk()
    with web(port, tmp_path / "web.log"), ThreadPoolExecutor(1) as pool:
        running = pool.submit(walking.run)
        try:
            walking.wait()
            identity = Identity.objects.exclude(sightings=None).get()
            sign_in(page)
            page.goto(reverse("history"))
            page.get_by_role("link", name=f"Unknown {identity.pk}").first.click()
            expect(page.get_by_role("heading", level=1)).to_have_text(f"Unknown {identity.pk}")
            check_shown(page, present=True)
        finally:
            walking.go_on()
            running.result()
        page.get_by_role("link", name="Name them").click()
        page.locator("main input[name=name]").fill("Ben")
        page.get_by_role("button", name="Enrol and name").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Ben")
        expect(page.get_by_text("all sightings so far are theirs")).to_be_visible()
        check_shown(page, present=False)
        assert {row.person and row.person.name for row in Sighting.objects.all()} == {"Ben"}

        page.get_by_role("link", name="Undo").click()
        page.get_by_label("Delete Ben as well").check()
        page.get_by_role("button", name="Undo it").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(f"Unknown {identity.pk}")
        check_shown(page, present=False)
        page.goto(reverse("people"))
        expect(page.get_by_role("link", name="Ben")).to_have_count(0)
    assert {(row.person, row.identity) for row in Sighting.objects.all()} == {(None, identity)}
    assert problems == []


def check_shown(page: Page, *, present: bool) -> None:
    """Three sightings, and a path over three cameras with its times."""
    expect(page.locator(".sight")).to_have_count(len(STOPS))
    stops = page.get_by_role("table", name="Stops of")
    for name in STOPS:
        expect(stops.get_by_role("link", name=name)).to_have_count(1)
    expect(page.locator(".sight", has_text="still there")).to_have_count(1 if present else 0)
