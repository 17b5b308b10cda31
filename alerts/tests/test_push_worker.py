"""The service worker and its page in a real browser: a message is shown once, and leads to nowhere but this site.

The push service of the browser's maker is not there: the browser is given a subscription, and messages are delivered
to its worker as that service would. Skipped where no Chromium is installed; LYNCEUS_REQUIRE_BROWSER=1 makes that a
failure.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.db import connections
from django.test import Client
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import endpoints
from alerts.models import Endpoint

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FAKE_SUBSCRIBE = """
([p256dh, auth]) => {
  const made = { endpoint: "https://push.example.org/send/abc", options: {}, unsubscribe: async () => true };
  made.toJSON = () => ({ endpoint: made.endpoint, expirationTime: null, keys: { p256dh, auth } });
  PushManager.prototype.subscribe = async () => made;
  PushManager.prototype.getSubscription = async () => made;
}
"""
SHOWN = "async () => (await self.registration.getNotifications()).map((n) => [n.title, n.body, n.tag, n.data.link])"


@pytest.fixture
def context(live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[BrowserContext]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("LYNCEUS_REQUIRE_BROWSER") == "1":
            pytest.fail("No Chromium is installed.")
        pytest.skip("no Chromium is installed")
    # Playwright's synchronous API runs an event loop in this thread, which Django would take for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        made = browser.new_context()
        made.route_web_socket("**/ws/**", lambda socket: None)  # the test's server has none
        made.grant_permissions(["notifications"], origin=live_server.url)
        yield made
        connections.close_all()
        browser.close()


def sign_in(context: BrowserContext, live_server: LiveServer) -> User:
    user, client = UserFactory.create(role=Role.VIEWER), Client()
    client.force_login(user)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": live_server.url}])
    return user


def keys() -> list[str]:
    point = ec.generate_private_key(ec.SECP256R1()).public_key()
    encoded = point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint), os.urandom(16)
    return [base64.urlsafe_b64encode(one).decode() for one in encoded]


class Service:
    """What the browser maker's push service does: hands a message to the worker of the page's site."""

    def __init__(self, page: Page, origin: str) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._origin = origin
        found: list[str] = []
        self._cdp.on(
            "ServiceWorker.workerRegistrationUpdated",
            lambda event: found.extend(one["registrationId"] for one in event["registrations"]),
        )
        self._cdp.send("ServiceWorker.enable")
        page.wait_for_timeout(200)
        self._registration = found[-1]

    def push(self, message: dict[str, Any] | str) -> None:
        data = message if isinstance(message, str) else json.dumps(message)
        self._cdp.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": self._origin, "registrationId": self._registration, "data": data},
        )


def test_a_browser_is_subscribed_and_shows_each_message_once(context: BrowserContext, live_server: LiveServer) -> None:
    user = sign_in(context, live_server)
    context.add_init_script(f"({FAKE_SUBSCRIBE})({json.dumps(keys())})")
    page = context.new_page()
    page.goto(live_server.url + reverse("my_notifications"))
    page.get_by_role("button", name="Allow on this browser").click()
    expect(page.get_by_text("this browser", exact=True)).to_be_visible()
    row = Endpoint.objects.get()
    assert (row.user, row.channel) == (user, "push")
    assert endpoints.config_of(row)["endpoint"] == "https://push.example.org/send/abc"
    expect(page.locator("#push-said")).to_have_text("This browser is told already: it is among the places above.")

    worker = context.service_workers[0]
    service = Service(page, live_server.url)
    alert = {
        "key": "k1",
        "tag": "alert-7",
        "title": "Ada",
        "body": "North gate",
        "link": live_server.url + "/alerts/7/",
    }
    service.push(alert)
    service.push(alert)
    service.push(alert | {"key": "k2", "tag": "alert-8", "title": "Evil", "link": "https://evil.example/"})
    service.push("no JSON")
    page.wait_for_timeout(500)
    home = live_server.url + "/alerts/"
    assert sorted(worker.evaluate(SHOWN)) == [
        ["Ada", "North gate", "alert-7", live_server.url + "/alerts/7/"],
        ["Evil", "North gate", "alert-8", home],
        ["Lynceus", "", "", home],
    ]
    worker.evaluate("async () => { for (const n of await self.registration.getNotifications()) n.close(); }")
    service.push(alert)
    page.wait_for_timeout(300)
    assert worker.evaluate(SHOWN) == []


def test_a_message_leads_to_this_site_only(context: BrowserContext, live_server: LiveServer) -> None:
    sign_in(context, live_server)
    page = context.new_page()
    page.goto(live_server.url + reverse("account"))
    page.evaluate("navigator.serviceWorker.register('/push-worker.js', {scope: '/'})")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    worker = context.service_workers[0]
    home = live_server.url + "/alerts/"
    for link in (
        "javascript:alert(1)",
        "//evil.example/x",
        "https://evil.example/",
        "data:text/html,x",
        "http://[",
        "",
    ):
        assert worker.evaluate("(link) => target(link)", link) == home, link
    assert worker.evaluate("(link) => target(link)", "/alerts/7/") == home + "7/"
