"""The whole way in a real browser: enrol somebody by upload, and see their alert arrive on an open dashboard.

The web server and the camera loop are processes of their own, on the database of this test run. Skipped where no
Chromium is installed; LYNCEUS_REQUIRE_BROWSER=1 makes that a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings
from django.urls import reverse
from playwright.sync_api import ConsoleMessage, FilePayload, Page, expect, sync_playwright

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.models import Alert
from alerts.tests.factories import AlertFactory
from cameras.models import Camera, Identity, Sighting
from cameras.services import add_camera
from cameras.tests.factories import SightingFactory
from config import embedded
from recognition.engine import Image, encode_jpeg
from recognition.models import GalleryRevision, Person, Watchlist
from recognition.tests.factories import WatchlistFactory

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 60_000  # a loaded machine converts the models first
ROOT = Path(settings.BASE_DIR)


def environment() -> dict[str, str]:
    """What makes another process use this run's database, Redis, keys and models."""
    name = connection.settings_dict["NAME"]
    url = embedded.postgres_url(settings.DATA_DIR).rpartition("/")[0]
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(settings.DATA_DIR),
        "DATABASE_URL": f"{url}/{name}",
        "LOG_LEVEL": "WARNING",
    }


@contextmanager
def process(*arguments: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A child that is stopped in any case; what it says goes to the log."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


@contextmanager
def web(port: int, log: Path) -> Iterator[None]:
    """The web server, once it answers."""
    arguments = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "config.asgi:application"]
    with process(*arguments, log=log) as child:
        for _ in range(300):
            with closing(socket.socket()) as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert child.poll() is None, log.read_text()
            time.sleep(0.1)
        yield


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def page(port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if binary is None:
        if os.environ.get("LYNCEUS_REQUIRE_BROWSER") == "1":
            pytest.fail("LYNCEUS_REQUIRE_BROWSER is set, but there is no Chromium on PATH.")
        pytest.skip("no Chromium on PATH")
    # Playwright's synchronous API runs an event loop in this thread, which Django would take for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=ARGS)
        context = browser.new_context(base_url=f"http://127.0.0.1:{port}", viewport={"width": 1440, "height": 900})
        context.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield context.new_page()
        connections.close_all()
        browser.close()


@pytest.fixture
def portrait() -> Image:
    """A photo of one person that an installed package carries."""
    data = pytest.importorskip("skimage.data")
    return np.ascontiguousarray(data.astronaut()[:, :, ::-1])


@pytest.fixture
def operator() -> User:
    GalleryRevision.objects.get_or_create(pk=1)  # emptied by the tests before this one
    # The web server is a process of its own and does not know the quick hash that tests use.
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):
        return UserFactory.create(username="operator", role=Role.OPERATOR)


@pytest.fixture
def camera(tmp_path: Path, portrait: Image) -> Camera:
    """A virtual camera that pans over the photo, as a video file that starts again when it ends."""
    clip = tmp_path / "gate.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"mp4v"), 12.0, (640, 360))
    for n in range(96):
        left, top = 16 + int(14 * np.sin(n / 12)), 30 + int(10 * np.cos(n / 9))
        writer.write(cv2.resize(portrait[top : top + 270, left : left + 480], (640, 360)))
    writer.release()
    return add_camera(actor=None, name="Gate", source=str(clip), latitude=52.52, longitude=13.405, loop=True)


def sign_in(page: Page) -> None:
    page.goto(reverse("login"))
    page.get_by_label("Username").fill("operator")
    page.get_by_label("Password").fill("a-long-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()


def enrol(page: Page, name: str, photo: bytes, watchlist: Watchlist) -> None:
    page.goto(reverse("enrol"))
    page.get_by_label("Name").fill(name)
    page.get_by_label("Watchlist").select_option(label=watchlist.name)
    files: list[FilePayload] = [
        {"name": "portrait.jpg", "mimeType": "image/jpeg", "buffer": photo},
        {"name": "notes.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo"},
    ]
    page.get_by_label("Photos").set_input_files(files)
    expect(page.locator(".thumbs figure")).to_have_count(2)
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text("1 photo was enrolled")).to_be_visible()
    expect(page.get_by_text("notes.jpg was not used.")).to_be_visible()


def test_an_alert_arrives_on_an_open_dashboard(
    page: Page, port: int, tmp_path: Path, operator: User, camera: Camera, portrait: Image
) -> None:
    problems: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            problems.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: problems.append(str(error)))
    web_log, camera_log = tmp_path / "web.log", tmp_path / "camera.log"
    alerts = page.locator("#alert-list > li")
    live = page.locator("#live")
    with web(port, web_log):
        sign_in(page)
        enrol(page, "Eileen Collins", encode_jpeg(portrait), WatchlistFactory.create(name="Wanted"))
        page.goto(reverse("dashboard"))
        expect(live).to_have_text("Live")
        expect(alerts).to_have_count(0)
        page.evaluate("window.neverReloaded = true")
        with process("manage.py", "run_camera", "Gate", log=camera_log):
            expect(alerts, camera_log.read_text()).to_have_count(1)
            expect(alerts.first).to_contain_text("Eileen Collins")
            expect(alerts.first).to_contain_text("Gate")
            expect(page.locator("#alert-count")).to_have_text("1")
            expect(page).to_have_title("(1) Dashboard · Lynceus")
            expect(page.locator("#announcer")).to_contain_text("New alert: Eileen Collins at Gate")
            expect(page.locator(f"#camera-{camera.pk}-state")).to_contain_text("Online")
            page.wait_for_function("document.querySelector('img[data-live]').src.startsWith('blob:')")
        alerts.first.get_by_role("button", name="Acknowledge").click()
        expect(alerts.first).to_contain_text(operator.username)
        expect(page.locator("#alert-count")).to_have_text("")
        assert problems == []
    assert Alert.objects.get().acknowledged_by == operator

    expect(live).to_have_attribute("data-state", "lost")
    seen = SightingFactory.create(camera=camera, person=Person.objects.get())
    missed = AlertFactory.create(sighting=seen, person_name="Missed meanwhile")
    with web(port, web_log):
        expect(page.locator(f"#alert-list > #alert-{missed.pk}")).to_contain_text("Missed meanwhile")
        expect(live).to_have_text("Live")
        fresh = AlertFactory.create(sighting=seen, person_name="After that")  # no doorbell: the beat finds it
        expect(page.locator(f"#alert-list > #alert-{fresh.pk}")).to_be_visible()
        ids = page.eval_on_selector_all("#alert-list > li", "items => items.map(item => Number(item.dataset.id))")
        assert ids == [fresh.pk, missed.pk, Alert.objects.order_by("id")[0].pk]
        assert page.evaluate("window.neverReloaded")


@pytest.mark.parametrize("width", [390, 1440])
def test_no_page_is_wider_than_the_screen(page: Page, port: int, tmp_path: Path, operator: User, width: int) -> None:
    alert = AlertFactory.create(person__name="W" * 200, sighting__camera__name="M" * 200)
    operator.is_superuser = True
    operator.save()
    page.set_viewport_size({"width": width, "height": 844})
    known = Identity.objects.create(person=alert.person)
    unknown = Identity.objects.create(label="L" * 200)
    assert alert.sighting is not None
    Sighting.objects.filter(pk=alert.sighting.pk).update(identity=known, person=alert.person)
    SightingFactory.create(camera=alert.camera, camera_name="M" * 200, person=None, identity=unknown)
    names = ["dashboard", "alerts", "people", "enrol", "watchlists", "watchlist_add", "cameras", "wall", "camera_add"]
    names += ["account", "history", "movement", "movement_compare", "photo_searches", "merge_proposals", "follows"]
    addresses = [reverse(name) for name in (*names, "routes", "route_add")]
    parts = ("identity", "movement_identity", "follow", "identity_corrections", "identity_merge", "identity_split")
    addresses += [reverse(name, args=[one.pk]) for name in parts for one in (known, unknown)]
    addresses += [reverse("identity_name", args=[unknown.pk]), reverse("movement_camera", args=[alert.camera_id])]
    addresses += [reverse("alert", args=[alert.pk]), reverse("person", args=[alert.person_id])]
    addresses += [reverse(name, args=[alert.camera_id]) for name in ("camera", "camera_edit", "camera_remove")]
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        for address in addresses:
            page.goto(address)
            extra = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert page.evaluate(extra) <= 0, address
