"""Drawing zones and placing cameras in a real browser, with the mouse and with the keyboard."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from accounts.models import User
from cameras.models import Camera, CameraPlace, SitePlan, Zone
from cameras.places import add_plan
from cameras.tests.factories import CameraFactory
from workers.tests.test_browser import operator, page, port, sign_in, web
from workers.tests.test_browser_live import cameras, drag, running

__all__ = ["cameras", "operator", "page", "port"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def plan() -> SitePlan:
    """Three rooms."""
    drawing = np.full((600, 1000, 3), 255, np.uint8)
    cv2.rectangle(drawing, (60, 60), (940, 540), (90, 90, 90), 8)
    cv2.line(drawing, (400, 60), (400, 540), (90, 90, 90), 8)
    cv2.line(drawing, (400, 300), (940, 300), (90, 90, 90), 8)
    return add_plan(actor=None, name="Ground floor", image=cv2.imencode(".png", drawing)[1].tobytes())


def points(page: Page) -> list[list[float]]:
    """The zone as the form would send it."""
    drawn: list[list[float]] = json.loads(page.locator("#id_points").input_value() or "[]")
    return drawn


def test_zones_are_drawn_in_a_picture_and_on_a_plan(
    page: Page, port: int, tmp_path: Path, operator: User, cameras: list[Camera], plan: SitePlan
) -> None:
    operator.is_superuser = True
    operator.save()
    with web(port, tmp_path / "web.log"), running(cameras[:1]):
        sign_in(page)
        page.goto(f"{reverse('zone_add')}?camera={cameras[0].pk}")
        expect(page.locator(".masks__stage img")).to_have_js_property("naturalWidth", 160)
        page.get_by_label("Name").fill("Back door")
        page.get_by_role("button", name="Draw it").click()
        assert points(page) == [[0.3, 0.3], [0.6, 0.3], [0.6, 0.6], [0.3, 0.6]]
        page.get_by_label("What it is").select_option("line")
        assert points(page) == [[0.5, 0.25], [0.5, 0.75]]
        expect(page.locator(".mask__side")).to_have_text(["left", "right"])
        drag(page, page.locator(".mask__corner").first, -80, 0)
        assert points(page)[0][0] < 0.48
        page.locator(".mask__between").first.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowRight")
        assert len(points(page)) == 3
        page.get_by_role("button", name="Add the zone").click()
        expect(page.get_by_text("The zone Back door was saved.")).to_be_visible()
        assert Zone.objects.get().shape == "line"

        page.goto(f"{reverse('zone_add')}?plan={plan.pk}")
        expect(page.locator(".masks__stage img")).to_have_js_property("naturalWidth", 1000)
        page.get_by_label("Name").fill("Hall")
        page.get_by_role("button", name="Draw it").click()
        page.get_by_role("button", name="Add the zone").click()
        expect(page.get_by_text("The zone Hall was saved.")).to_be_visible()
        assert Zone.objects.get(name="Hall").plan == plan


def test_cameras_are_placed_on_a_plan_with_mouse_and_keyboard(
    page: Page, port: int, tmp_path: Path, operator: User, plan: SitePlan
) -> None:
    operator.is_superuser = True
    operator.save()
    camera = CameraFactory.create(name="North gate")
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.goto(reverse("plan", args=[plan.pk]))
        page.get_by_label("Put a camera on it").select_option("North gate")
        page.get_by_role("button", name="Save").click()
        mark = page.locator("[data-camera] circle")
        expect(mark).to_have_count(1)
        drag(page, mark, -120, 40)
        left, top = (float(page.locator(f"#id_{axis}-{camera.pk}").input_value()) for axis in ("x", "y"))
        assert left < 45
        assert top > 52
        page.locator("[data-camera]").focus()
        page.keyboard.press("Shift+ArrowUp")
        assert float(page.locator(f"#id_y-{camera.pk}").input_value()) == pytest.approx(top - 5, abs=0.01)
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_text("was saved.")).to_be_visible()
        assert CameraPlace.objects.get().x == pytest.approx(left / 100, abs=1e-3)
