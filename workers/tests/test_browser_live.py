"""Live pictures and the drawing of masks in a real browser; what workers would publish comes from the test itself."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from django.urls import reverse
from playwright.sync_api import Locator, Page, expect

from accounts.models import User
from cameras import live
from cameras.live import State, Status
from cameras.models import Camera
from cameras.tests.factories import CameraFactory
from recognition.engine import encode_jpeg
from workers.tests.test_browser import operator, page, port, sign_in, web

__all__ = ["operator", "page", "port"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LIVE = "img[data-live][src^='blob:']"
NO_SOCKET = """
window.WebSocket = class {
  static OPEN = 1;
  constructor() { this.readyState = 0; setTimeout(() => { this.readyState = 3; this.onclose?.({ code: 1006 }); }, 5); }
  addEventListener() {} removeEventListener() {} close() {} send() {}
};
"""


@pytest.fixture
def cameras() -> Iterator[list[Camera]]:
    rows = CameraFactory.create_batch(5)
    yield rows
    for row in rows:
        live.clear_status(row.pk)


@contextmanager
def running(cameras: list[Camera]) -> Iterator[None]:
    """Pictures and states as workers publish them, ten a second, each picture another grey."""
    done = threading.Event()

    def publish() -> None:
        for n in itertools.count():
            if done.wait(0.1):
                return
            jpeg = encode_jpeg(np.full((90, 160, 3), n % 200, dtype=np.uint8))
            for row in cameras:
                live.publish_picture(row.pk, jpeg)
            live.publish_statuses({row.pk: Status(state=State.ONLINE, fps_in=10.0) for row in cameras})

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_a_wall_is_live_over_one_socket_and_turns(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera]
) -> None:
    sockets: list[str] = []
    # The dashboard, which follows signing in, has one of its own.
    page.on("websocket", lambda socket: sockets.append(socket.url) if "/wall/" in page.url else None)
    with web(port, tmp_path / "web.log"), running(cameras):
        sign_in(page)
        page.goto(reverse("wall") + "?size=4&turn=10")
        expect(page.locator(LIVE)).to_have_count(4)
        first = page.locator(LIVE).first.get_attribute("src")
        expect(page.locator(LIVE).first).not_to_have_attribute("src", str(first))
        assert len([url for url in sockets if url.endswith("/ws/live/")]) == 1
        expect(page.locator(".wall .state").first).to_contain_text("Online")
        page.get_by_role("button", name="Stop turning").click()
        page.get_by_role("link", name="Next", exact=True).click()
        expect(page.locator(".wall__name")).to_have_text(cameras[4].name)
        expect(page.locator(LIVE)).to_have_count(1)
        expect(page.locator(".wall__name").first).to_have_text(cameras[0].name)  # ten seconds later, by itself
        expect(page.locator(LIVE)).to_have_count(4)


def test_without_a_socket_pictures_are_asked_for_one_by_one(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera]
) -> None:
    page.add_init_script(NO_SOCKET)
    with web(port, tmp_path / "web.log"), running(cameras):
        sign_in(page)
        page.goto(reverse("wall") + "?size=4&turn=0")
        expect(page.locator(LIVE)).to_have_count(4)


def drawn(page: Page) -> list[list[list[float]]]:
    """The masks as the form would send them."""
    masks: list[list[list[float]]] = json.loads(page.locator("#id_masks").input_value() or "[]")
    return masks


def drag(page: Page, what: Locator, right: float, down: float) -> None:
    """Takes it with the mouse and lets go of it so many pixels further."""
    what.scroll_into_view_if_needed()
    box = what.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + right, y + down, steps=4)
    page.mouse.up()


def test_masks_are_drawn_with_mouse_and_keyboard(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera]
) -> None:
    operator.is_superuser = True
    operator.save()
    with web(port, tmp_path / "web.log"), running(cameras[:1]):
        sign_in(page)
        page.goto(reverse("camera_edit", args=[cameras[0].pk]))
        expect(page.locator(".masks__stage")).to_be_visible()
        # All is drawn anew, handles too, when the camera's picture takes the place of the drawing.
        expect(page.locator(".masks__stage img")).to_have_js_property("naturalWidth", 160)
        page.get_by_role("button", name="Add a part").click()
        assert drawn(page) == [[[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]]
        page.keyboard.press("ArrowRight")
        assert drawn(page)[0][0] == [0.31, 0.3]
        drag(page, page.locator(".mask__corner").first, -60, -40)
        assert drawn(page)[0][0][0] < 0.28
        assert drawn(page)[0][0][1] < 0.27
        page.locator(".mask__between").first.focus()
        page.keyboard.press("Enter")
        assert len(drawn(page)[0]) == 5
        page.keyboard.press("Delete")
        assert len(drawn(page)[0]) == 4
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("was saved.")).to_be_visible()
        kept = Camera.objects.get(pk=cameras[0].pk).masks
        assert len(kept) == 1
        page.goto(reverse("camera_edit", args=[cameras[0].pk]))
        page.get_by_role("button", name="Remove it").click()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("was saved.")).to_be_visible()
        assert Camera.objects.get(pk=cameras[0].pk).masks == []
