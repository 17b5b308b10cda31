"""How one is told oneself: one's own places, which nobody else sees, and this browser as one of them."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts import endpoints
from alerts.models import DeliveryState, Endpoint
from alerts.tests.fake_sender import FakeSender
from alerts.tests.places_told import TYPED, delivery, place, text

pytestmark = pytest.mark.django_db


def test_everybody_who_sees_alerts_may_be_told_of_them(client: Client, chat: FakeSender) -> None:
    user = sign_in(client, Role.VIEWER)
    assert client.post(reverse("my_notification_add", args=["chat"]), TYPED).status_code == 302
    row = Endpoint.objects.get()
    assert row.user == user
    page = text(client.get(reverse("my_notifications")))
    assert "guard@example.org" in page
    assert "from medium severity on" in page
    assert client.post(reverse("my_notification_edit", args=[row.pk]), TYPED | {"name": "New"}).status_code == 302
    assert client.post(reverse("my_notification_test", args=[row.pk])).status_code == 302
    assert len(chat.sent) == 1
    assert client.post(reverse("my_notification_remove", args=[row.pk])).status_code == 302
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("kind", ["webhook", "mqtt", "syslog", "log", "live", "push"])
def test_what_is_the_sites_is_nobodys_own(client: Client, chat: FakeSender, kind: str) -> None:
    sign_in(client, Role.VIEWER)
    assert client.get(reverse("my_notification_add", args=[kind])).status_code == 404


@pytest.mark.parametrize("page", ["my_notification_edit", "my_notification_remove", "my_notification_test"])
def test_anothers_place_is_not_there(client: Client, administrator: User, chat: FakeSender, page: str) -> None:
    for row in (place(UserFactory.create()).pk, place().pk):
        assert client.get(reverse(page, args=[row])).status_code in (404, 405)
        assert client.post(reverse(page, args=[row]), TYPED).status_code == 404
    assert Endpoint.objects.count() == 2
    assert not chat.sent


def test_the_administrators_do_not_see_where_others_are_told(client: Client, administrator: User) -> None:
    other = UserFactory.create(username="grace")
    row = place(other, address="grace@home.example")
    delivery(row, state=DeliveryState.DEAD, error="grace@home.example is not known (+43 660 1234567, https://a.b/c).")
    for name in ("channels", "my_notifications", "deliveries"):
        page = text(client.get(reverse(name)))
        assert "home.example" not in page
        assert "1234567" not in page
        assert "a.b/c" not in page
    assert "of grace" in page
    assert "… is not known" in page


def test_the_account_leads_to_the_notifications(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    assert reverse("my_notifications") in text(client.get(reverse("account")))
    sign_in(client, None)
    assert reverse("my_notifications") not in text(client.get(reverse("account")))


def point() -> str:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return base64.urlsafe_b64encode(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()


def subscription(endpoint: str = "https://push.example.org/send/abc", **changed: Any) -> dict[str, Any]:
    keys = {"p256dh": point(), "auth": base64.urlsafe_b64encode(os.urandom(16)).decode()}
    return {"endpoint": endpoint, "expirationTime": None, "keys": keys} | changed


def subscribe(client: Client, body: object) -> Any:
    written = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return client.post(reverse("push_subscribe"), written, content_type="application/json")


def test_a_browser_becomes_a_place(client: Client, chat: FakeSender) -> None:
    user = sign_in(client, Role.VIEWER)
    answer = subscribe(client, {"subscription": subscription(), "name": "Firefox on Linux"})
    assert answer.status_code == 201
    row = Endpoint.objects.get()
    assert (row.user, row.channel, row.name) == (user, "push", "Firefox on Linux")
    assert endpoints.config_of(row)["endpoint"] == "https://push.example.org/send/abc"
    page = text(client.get(reverse("my_notifications")))
    assert "Firefox on Linux" in page
    assert "/send/abc" not in page


def test_a_browser_that_subscribes_again_is_one_place(client: Client, chat: FakeSender) -> None:
    sign_in(client, Role.VIEWER)
    subscribe(client, {"subscription": subscription(), "name": "One"})
    Endpoint.objects.update(min_severity="high", enabled=False)
    fresh = subscription()
    assert subscribe(client, {"subscription": fresh, "name": "Two"}).status_code == 201
    row = Endpoint.objects.get()
    assert (row.name, row.min_severity, row.enabled) == ("One", "high", True)
    assert endpoints.config_of(row)["auth"] == fresh["keys"]["auth"]


def test_a_browser_tells_only_who_subscribed_it_last(client: Client, chat: FakeSender) -> None:
    sign_in(client, Role.VIEWER)
    subscribe(client, {"subscription": subscription()})
    subscribe(client, {"subscription": subscription("https://push.example.org/send/other")})
    second = sign_in(client, Role.VIEWER)
    subscribe(client, {"subscription": subscription()})
    told = {endpoints.config_of(row)["endpoint"]: row.user for row in Endpoint.objects.all()}
    assert told["https://push.example.org/send/abc"] == second
    assert len(told) == Endpoint.objects.count() == 2


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        "7",
        b"\xff\xfe",
        "[" * 3000,
        {"subscription": None},
        {"subscription": {}},
        {"subscription": subscription(keys=None)},
        {"subscription": subscription(keys={"p256dh": 1, "auth": 2})},
        {"subscription": subscription(keys={"p256dh": "AAAA", "auth": "AAAA"})},
        {"subscription": subscription("http://push.example.org/send/abc")},
        {"subscription": subscription("https://user:word@push.example.org/")},
        {"subscription": subscription("javascript:alert(1)")},
        {"subscription": subscription("https://push.example.org/" + "x" * 3000)},
        {"subscription": subscription("https://push.example.org/" + "x" * 9000)},
        {"subscription": subscription(), "name": 5},
    ],
)
def test_what_is_no_subscription_is_refused_with_a_sentence(client: Client, chat: FakeSender, body: object) -> None:
    sign_in(client, Role.VIEWER)
    answer = subscribe(client, body)
    assert answer.status_code == 400
    assert answer.json()["problem"].endswith(".")
    assert not Endpoint.objects.exists()


def test_a_subscription_needs_the_pages_token(chat: FakeSender) -> None:
    client = Client(enforce_csrf_checks=True)
    sign_in(client, Role.VIEWER)
    assert subscribe(client, {"subscription": subscription()}).status_code == 403


def test_a_browsers_place_is_changed_without_its_address(client: Client, chat: FakeSender) -> None:
    sign_in(client, Role.VIEWER)
    subscribe(client, {"subscription": subscription()})
    row = Endpoint.objects.get()
    before = endpoints.config_of(row)
    url = reverse("my_notification_edit", args=[row.pk])
    page = text(client.get(url))
    assert "at_endpoint" not in page
    typed = {"name": "Desk", "enabled": "on", "min_severity": "high", "digest_minutes": "0"}
    assert client.post(url, typed).status_code == 302
    row = Endpoint.objects.get()
    assert (row.name, row.min_severity) == ("Desk", "high")
    assert endpoints.config_of(row) == before


def test_the_worker_comes_from_the_root_and_is_for_every_page(client: Client) -> None:
    answer = client.get("/push-worker.js")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Service-Worker-Allowed"] == "/"
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert "showNotification" in text(answer)
    assert client.post("/push-worker.js").status_code == 405
