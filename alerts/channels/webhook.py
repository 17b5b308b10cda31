"""Webhooks: each alert as JSON to a program, signed by the Standard Webhooks scheme (standardwebhooks.com).

The signature is the HMAC-SHA256 of `id.timestamp.body` under the endpoint's secret. `Webhook-Id` and `Idempotency-Key`
stay the same with every attempt, the timestamp and so the signature do not. `verify` is the receiver's side, with
nothing of this project in it: docs/channels.md shows it as it is here. The body's fields are told there too.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from alerts.channels import guard
from alerts.channels.base import Config, ConfigError, Facts, Field, Message, NotDelivered, Sender
from alerts.models import Channel

VERSION: Final = 1  # of the body: grows when a field goes or changes its meaning, not when one is added
_PREFIX = "whsec_"
_SECRET_BYTES = range(24, 65)  # what the scheme asks for


def verify(
    secret: str, headers: Mapping[str, str], body: bytes, now: float | None = None, tolerance: float = 300.0
) -> str:
    """The id of a genuine and recent webhook, which has been worked through before if the id is known.

    Raises ValueError for what was changed, signed with another secret, or recorded more than `tolerance` seconds ago.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        name, sent, signatures = (given[f"webhook-{part}"] for part in ("id", "timestamp", "signature"))
        age = (time.time() if now is None else now) - int(sent)
    except (KeyError, ValueError):
        raise ValueError("headers are missing or not well formed") from None
    right = hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = b"v1," + base64.b64encode(right)
    if not any(hmac.compare_digest(expected, each.encode()) for each in signatures.split(" ")):
        raise ValueError("the signature is wrong")
    if abs(age) > tolerance:
        raise ValueError("it is too old, or from the future")
    return name


class Webhook(Sender):
    channel = Channel.WEBHOOK
    fields = (
        Field(
            name="url",
            label="Address",
            help="Where each alert is sent as JSON, for example https://host.example.org/lynceus.",
        ),
        Field(
            name="secret",
            label="Signing secret",
            help="The receiver checks with it that a message is genuine. Left empty, one is made, and shown once.",
            required=False,
            secret=True,
        ),
        Field(
            name="authorization",
            label="Authorization",
            help="What the receiver wants as Authorization header, for example Bearer and a token. Empty: nothing.",
            required=False,
            secret=True,
        ),
    )
    digests = False
    templated = False

    def clean(self, given: Config) -> dict[str, str]:
        cleaned = {"url": _url(given.get("url", "")), "secret": _secret(given.get("secret", ""))}
        if authorization := given.get("authorization", "").strip():
            if len(authorization) > guard.LONGEST or not all(" " <= character <= "~" for character in authorization):
                raise ConfigError("authorization", "The value is too long or has characters that no header has.")
            cleaned["authorization"] = authorization
        return cleaned

    def shown(self, config: Config) -> str:
        """The host alone: the path is the only secret of many receivers."""
        address = guard.split(config["url"])
        return f"{address.scheme}://{address.named}{'/…' if address.target != '/' else ''}"

    def goes_to(self, config: Config) -> str:
        """The path too: on a host that many share it is whose the receiver is."""
        return config["url"]

    def send(self, config: Config, message: Message) -> str:
        body = json.dumps(_content(message), separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(message.key)}
        headers |= _signed(config["secret"], str(message.key), body)
        if authorization := config.get("authorization"):
            headers["Authorization"] = authorization
        answer = guard.post(config["url"], body=body, headers=headers)
        if not answer.succeeded:
            raise guard.refusal(answer, guard.split(config["url"]).host)
        return ""


def _signed(secret: str, name: str, body: bytes) -> dict[str, str]:
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise NotDelivered(
            "The signing secret of this webhook can not be read. Enter it again.", permanent=True
        ) from None
    sent = str(int(time.time()))
    found = hmac.new(key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(found).decode()
    return {"Webhook-Id": name, "Webhook-Timestamp": sent, "Webhook-Signature": signature}


def _content(message: Message) -> dict[str, object]:
    content: dict[str, object] = {
        "version": VERSION,
        "id": str(message.key),
        "type": f"alert.{message.occasion.value}",
        "test": message.is_test,
        "severity": message.severity.value,
        "subject": message.subject,
        "text": message.text,
        "link": message.link,
        "facts": [_fact(facts) for facts in message.facts],
    }
    if message.picture is not None:
        content["picture"] = {"type": "image/jpeg", "base64": base64.b64encode(message.picture).decode()}
    return content


def _fact(facts: Facts) -> dict[str, object]:
    return asdict(facts) | {"captured_at": _time(facts.captured_at), "raised_at": _time(facts.raised_at)}


def _time(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _url(text: str) -> str:
    try:
        address = guard.parse(text)
    except guard.NotAllowed as problem:
        raise ConfigError("url", str(problem)) from None
    if address.user or address.password:
        raise ConfigError(
            "url", "Leave user name and password out of the address. Give what the receiver wants under Authorization."
        )
    return text.strip()


def _secret(text: str) -> str:
    """A secret as the scheme writes it; a new one where none is given."""
    text = text.strip()
    if not text:
        return _PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in _SECRET_BYTES:
        raise ConfigError(
            "secret",
            "The secret must be the base64 of 24 to 64 random bytes, with whsec_ in front or not. Leave it "
            "empty to have one made.",
        )
    return _PREFIX + text.removeprefix(_PREFIX)


SENDER = Webhook()
