"""Alerts dealt with in a real browser: by keyboard, by two people, and over a restart of the server.

The web server is a process of its own, on the database of this test run; alerts are written by the test itself.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import outbox
from alerts.models import Alert, Training
from alerts.tests.factories import AlertFactory
from workers.tests.test_browser import operator, page, port, sign_in, web

__all__ = ["operator", "page", "port"]  # fixtures
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SHOWN = "items => items.map(item => Number(item.dataset.id))"


def ring() -> None:
    """From a thread of its own: in this one an event loop of Playwright's runs."""
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(outbox.ring).result()


def raised(**values: object) -> Alert:
    """An alert of this moment, told to open pages."""
    row: Alert = AlertFactory.create(captured_at=timezone.now(), **values)
    ring()
    return row


def shown(page: Page) -> list[int]:
    found: list[int] = page.eval_on_selector_all("#alert-list > .alert", SHOWN)
    return found


def state(row: Alert) -> str:
    row.refresh_from_db()
    return row.state


def test_alerts_are_dealt_with_by_keyboard(page: Page, port: int, tmp_path: Path, operator: User) -> None:
    names = ["Ada", "Bea", "Cyd", "Dora", "Eve"]
    ada, bea, cyd, dora, eve = (raised(person_name=name) for name in names)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)

    def item(row: Alert) -> str:
        return f"#alert-list > #alert-{row.pk}"  # what came is in another place for a moment

    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.goto(reverse("alerts") + "?state=open")
        expect(page.locator("#live")).to_have_text("Live")
        page.keyboard.press("j")
        expect(page.locator(item(eve))).to_be_focused()
        page.keyboard.press("a")
        expect(page.locator(item(eve))).to_contain_text(operator.username)
        expect(page.locator("#alert-count")).to_have_text("4")
        page.keyboard.press("j")
        expect(page.locator(item(dora))).to_be_focused()
        page.keyboard.press("c")
        expect(page.locator(item(dora))).to_have_count(0)  # it is not open any more
        page.keyboard.press("j")
        page.keyboard.press("k")
        page.locator(item(cyd)).focus()
        page.keyboard.press("d")
        expect(page.locator("#dismiss")).to_be_visible()
        expect(page.locator("#dismiss-about")).to_have_text("Cyd")
        page.keyboard.press("j")  # nothing, while a dialog is open
        page.get_by_label("A test").check()
        page.get_by_role("button", name="Dismiss", exact=True).click()
        expect(page.locator(item(cyd))).to_have_count(0)
        page.locator(item(bea)).focus()
        page.keyboard.press("x")
        page.keyboard.press("j")
        page.keyboard.press("x")
        expect(page.locator("#alert-picked")).to_have_text("2 selected")
        page.keyboard.press("Shift+A")
        expect(page.locator(item(ada))).to_contain_text(operator.username)
        expect(page.locator("#alert-count")).to_have_text("")
        page.keyboard.press("?")
        expect(page.get_by_role("heading", name="Keyboard")).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_label("Text").press("j")
        expect(page.get_by_label("Text")).to_have_value("j")
        page.locator(item(ada)).focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1, name="Ada")).to_be_visible()
    assert [state(row) for row in (eve, dora, cyd, bea, ada)] == [
        "acknowledged",
        "confirmed",
        "dismissed",
        "acknowledged",
        "acknowledged",
    ]
    assert problems == []


def test_a_restart_of_the_server_loses_and_repeats_nothing(
    page: Page, port: int, tmp_path: Path, operator: User
) -> None:
    log, live = tmp_path / "web.log", page.locator("#live")
    page.add_init_script("localStorage.setItem('lynceus-sound', 'on')")
    first = raised()
    with web(port, log):
        sign_in(page)
        page.goto(reverse("alerts"))
        expect(live).to_have_text("Live")
        second = raised(severity="critical")
        expect(page.locator("html")).to_have_attribute("data-rang", "critical")
        expect(page.locator(f"#alert-list > #alert-{second.pk}")).to_be_visible()
        page.evaluate("delete document.documentElement.dataset.rang")
    expect(live).to_contain_text("Disconnected")
    expect(page.locator("#alerts-stale")).to_be_visible()
    missed = [AlertFactory.create(captured_at=timezone.now() - timedelta(minutes=2)) for _ in range(3)]
    Alert.objects.filter(pk__in=[row.pk for row in missed]).update(created_at=timezone.now() - timedelta(minutes=2))
    Alert.objects.filter(pk=first.pk).update(state="acknowledged", acknowledged_by=operator)
    with web(port, log):
        expect(live).to_have_text("Live")
        expect(page.locator("#alerts-stale")).to_be_hidden()
        expect(page.locator(f"#alert-list > #alert-{missed[-1].pk}")).to_contain_text("Came while you were away")
        expect(page.locator(f"#alert-list > #alert-{first.pk}")).to_contain_text(operator.username)
        assert shown(page) == [*(row.pk for row in reversed(missed)), second.pk, first.pk]
        assert page.evaluate("document.documentElement.dataset.rang") is None  # nothing old makes a sound
        last = raised()
        expect(page.locator(f"#alert-list > #alert-{last.pk}")).to_be_visible()
        assert shown(page) == [last.pk, *(row.pk for row in reversed(missed)), second.pk, first.pk]


def test_a_name_that_comes_late_and_a_removal_change_the_list_in_place(
    page: Page, port: int, tmp_path: Path, operator: User
) -> None:
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        unknown, gone = raised(person=None, person_name=""), raised()
        expect(page.locator(f"#alert-list > #alert-{unknown.pk}")).to_contain_text("Unknown face")
        Alert.objects.filter(pk=unknown.pk).update(person_name="Ada", named_at=timezone.now())
        Alert.objects.filter(pk=gone.pk).delete()
        ring()
        expect(page.locator(f"#alert-list > #alert-{unknown.pk}")).to_contain_text("Ada")
        expect(page.locator("#announcer")).to_contain_text("Ada")
        expect(page.locator(f"#alert-list > #alert-{gone.pk}")).to_have_count(0)
        assert shown(page) == [unknown.pk]


def reviewer(name: str) -> User:
    # The web server is a process of its own and does not know the quick hash that tests use.
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.PBKDF2PasswordHasher"]):
        user: User = UserFactory.create(username=name, role=Role.REVIEWER)
    today = timezone.localdate()
    Training.objects.create(
        user=user, course="Comparing faces", trained_on=today, valid_until=today + timedelta(days=30)
    )
    return user


def test_two_people_confirm_a_lead(page: Page, port: int, tmp_path: Path, operator: User) -> None:
    lead = raised(person_name="Ada", reviews_needed=2)
    with web(port, tmp_path / "web.log"):
        sign_in(page)
        page.goto(reverse("alerts"))
        here = page.locator(f"#alert-list > #alert-{lead.pk}")
        expect(here).to_contain_text("Lead: 0 of 2 reviews")
        browser = page.context.browser
        assert browser is not None
        for number, name in enumerate(("first", "second"), 1):
            reviewer(name)
            context = browser.new_context(base_url=f"http://127.0.0.1:{port}")
            other = context.new_page()
            other.goto(reverse("login"))
            other.get_by_label("Username").fill(name)
            other.get_by_label("Password").fill("a-long-password")
            other.get_by_role("button", name="Sign in").click()
            other.goto(reverse("alerts"))
            other.keyboard.press("j")
            other.keyboard.press("c")
            expect(other).to_have_url(f"http://127.0.0.1:{port}{reverse('alert', args=[lead.pk])}#review")
            other.get_by_label("The same person").check()
            other.locator(f'form[action="{reverse("alert_review", args=[lead.pk])}"] button[type="submit"]').click()
            if number == 1:
                expect(here).to_contain_text("Lead: 1 of 2 reviews")
            context.close()
        expect(here).to_contain_text("Confirmed")
        expect(here).not_to_contain_text("Lead:")
    assert state(lead) == "confirmed"
