"""A clip in a real browser: it comes to the page that waits for it, plays, can be wound, and opens by its link."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from alerts import attachments
from alerts.tests.factories import AlertFactory
from cameras.models import Camera
from workers.film import make
from workers.tests.test_browser import operator, page, port, sign_in, web
from workers.tests.test_film import HERE, SUBJECT, clip

__all__ = ["operator", "page", "port"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Waits for what Playwright itself can only ask with scripts that our pages forbid."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    raise AssertionError("it did not come about within ten seconds")


def test_a_clip_comes_to_the_page_and_plays(page: Page, port: int, tmp_path: Path, operator: User) -> None:
    alert = AlertFactory.create()
    Camera.objects.update(clips=True)
    film = make(clip((0.0, {SUBJECT: HERE}), times=[number / 4 for number in range(41)]))
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.goto(reverse("alert", args=[alert.pk]))
        expect(page.get_by_text("comes within a minute")).to_be_visible()
        made = attachments.attach_clip(alert_id=alert.pk, name="Gate.mp4", data=film.data)
        assert made is not None
        video = page.locator("video")
        expect(video).to_be_visible(timeout=10_000)
        assert video.evaluate("video => video.readyState") == 0  # nothing of it is fetched before somebody wants it
        video.evaluate("video => { video.muted = true; return video.play(); }")
        until(page, lambda: video.evaluate("video => video.currentTime") > 0.3)
        assert video.evaluate("video => video.duration") == pytest.approx(10, abs=0.5)
        video.evaluate("video => { video.currentTime = 8; }")
        until(page, lambda: video.evaluate("video => video.currentTime") > 8.1)
        page.reload()
        page.get_by_role("link", name="Gate.mp4").click()
        until(page, lambda: page.locator("video").evaluate("video => video.readyState") >= 2)
    assert problems == []
