"""What the tests of channels' pages share: places of a channel that keeps what it is given, and messages to them."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from accounts.models import User
from alerts import endpoints
from alerts.models import Channel, Delivery, Endpoint
from alerts.tests.factories import AlertFactory
from alerts.tests.fake_sender import SECRET

TYPED = {
    "name": "Guards",
    "enabled": "on",
    "min_severity": "medium",
    "digest_minutes": "5",
    "most_per_hour": "",
    "at_address": "guard@example.org",
    "at_password": SECRET,
    "at_extra": "",
    "at_loud": "yes",
}
HTMX = {"HX-Request": "true"}


def place(user: User | None = None, **given: str) -> Endpoint:
    known = {"address": "guard@example.org", "password": SECRET, "extra": "", "loud": "no"}
    return endpoints.add_endpoint(actor=None, channel=Channel.CHAT, name="Guards", given=known | given, user=user)


def text(response: Any) -> str:
    return str(response.content.decode())


def delivery(endpoint: Endpoint | None, **values: Any) -> Delivery:
    alert = values.pop("alert", None) or AlertFactory.create()
    made = {"channel": "chat", "user": endpoint.user if endpoint else None, "due_at": timezone.now()} | values
    return Delivery.objects.create(alert=alert, endpoint=endpoint, **made)
