"""Web Push to a real push service on loopback, which checks our signature, and a browser that opens what came."""

from __future__ import annotations

import base64
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from alerts.channels import push
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.push import SENDER, public_key
from alerts.models import Channel, Occasion, Severity
from alerts.tests.channels.servers import (
    Authority,
    Behaviour,
    Listener,
    answering,
    authority,
    facts,
    listening,
    message,
)

SECRET_PATH = "/send/8h3kd93jd-secret"


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """The keys of one, and what its subscription looks like."""

    key: ec.EllipticCurvePrivateKey
    auth: bytes

    def config(self, port: int) -> dict[str, str]:
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        endpoint = f"https://127.0.0.1:{port}{SECRET_PATH}"
        return {"endpoint": endpoint, "p256dh": encoded(point), "auth": encoded(self.auth)}

    def opened(self, body: bytes) -> Any:
        return json.loads(http_ece.decrypt(body, private_key=self.key, auth_secret=self.auth, version="aes128gcm"))


@pytest.fixture(autouse=True)
def key_file(tmp_path: Path, settings: Any) -> Path:
    settings.PUSH_KEY_FILE = tmp_path / "secrets" / "push"
    settings.PUSH_CONTACT = "mailto:security@example.org"
    return tmp_path / "secrets" / "push"


@pytest.fixture
def browser() -> Browser:
    return Browser(key=ec.generate_private_key(ec.SECP256R1()), auth=os.urandom(16))


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    found = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(found.file))
    return found


@contextmanager
def service(known: Authority, behave: Behaviour) -> Iterator[Listener]:
    with listening(behave, known.server("127.0.0.1")) as found:
        yield found


def claims(header: str) -> Any:
    """What the Authorization header says, when its signature is right (RFC 8292, 3): by the key that is in it."""
    scheme, _, given = header.partition(" ")
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in given.split(","))
    assert parts["k"] == public_key()
    head, body, signature = parts["t"].split(".")
    assert json.loads(decoded(head)) == {"typ": "JWT", "alg": "ES256"}
    raw = decoded(signature)
    assert len(raw) == 64
    der = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), decoded(parts["k"]))
    key.verify(der, f"{head}.{body}".encode(), ec.ECDSA(SHA256()))
    return json.loads(decoded(body))


def test_it_is_the_channels_sender() -> None:
    assert sender(Channel.PUSH) is SENDER
    assert SENDER.personal


def test_the_browser_can_read_what_only_it_can_read(known: Authority, browser: Browser) -> None:
    sent = message()
    place = "https://127.0.0.1/message/8bn3-77"
    with service(known, answering("201 Created", Location=place)) as server:
        receipt = SENDER.send(browser.config(server.port), sent)

    (request,) = server.requests
    assert receipt == "8bn3-77"
    assert request.method == "POST"
    assert request.target == SECRET_PATH
    assert request.headers["content-encoding"] == "aes128gcm"
    assert b"Ada" not in request.body
    assert browser.opened(request.body) == {
        "key": str(sent.key),
        "tag": "alert-41",
        "title": "Ada Lovelace at Gate",
        "body": sent.text,
        "link": sent.link,
        "severity": "high",
        "occasion": "raised",
        "at": "2026-05-04T08:30:15.250Z",
        "test": False,
    }


def test_the_push_service_can_tell_that_we_sent_it(known: Authority, browser: Browser) -> None:
    with service(known, answering("201 Created")) as server:
        SENDER.send(browser.config(server.port), message())

    found = claims(server.requests[0].headers["authorization"])
    assert found["aud"] == f"https://127.0.0.1:{server.port}"
    assert found["sub"] == "mailto:security@example.org"
    assert time.time() < found["exp"] <= time.time() + 24 * 3600


@pytest.mark.parametrize(
    ("severity", "urgency", "ttl"),
    [
        (Severity.CRITICAL, "high", "86400"),
        (Severity.HIGH, "high", "14400"),
        (Severity.MEDIUM, "normal", "3600"),
        (Severity.LOW, "low", "3600"),
    ],
)
def test_how_urgent_it_is(known: Authority, browser: Browser, severity: Severity, urgency: str, ttl: str) -> None:
    with service(known, answering("201 Created")) as server:
        SENDER.send(browser.config(server.port), message(severity=severity))

    headers = server.requests[0].headers
    assert (headers["urgency"], headers["ttl"]) == (urgency, ttl)


def test_a_newer_message_about_an_alert_takes_the_place_of_the_older(known: Authority, browser: Browser) -> None:
    with service(known, answering("201 Created")) as server:
        SENDER.send(browser.config(server.port), message())
        SENDER.send(browser.config(server.port), message(occasion=Occasion.NAMED))
        SENDER.send(browser.config(server.port), message(facts=(facts(), facts(alert=42))))
        SENDER.send(browser.config(server.port), message(is_test=True, facts=()))

    topics = [request.headers.get("topic") for request in server.requests]
    assert topics == ["alert-41", "alert-41", None, None]
    tags = [browser.opened(request.body)["tag"] for request in server.requests]
    assert tags == ["alert-41", "alert-41", str(message().key), str(message().key)]


@pytest.mark.parametrize("text", ["ä" * 5000, '"\n' * 5000, "\x01" * 5000, "🙂" * 2000])
def test_a_long_text_is_cut_and_the_link_is_not(known: Authority, browser: Browser, text: str) -> None:
    with service(known, answering("201 Created")) as server:
        SENDER.send(browser.config(server.port), message(text=text))

    (request,) = server.requests
    assert len(request.body) <= 4096
    found = browser.opened(request.body)
    assert found["link"] == message().link
    assert found["body"].endswith("…")
    assert text.startswith(found["body"][:-1])


@pytest.mark.parametrize(
    ("status", "permanent", "words"),
    [
        ("404 Not Found", True, "The browser unsubscribed"),
        ("410 Gone", True, "The browser unsubscribed"),
        ("403 Forbidden", True, "subscribed with another key"),
        ("401 Unauthorized", True, "subscribed with another key"),
        ("400 Bad Request", True, "subscribed with another key"),
        ("413 Payload Too Large", True, "too long"),
        ("429 Too Many Requests", False, "takes no more for the moment"),
        ("500 Internal Server Error", False, "something is wrong there"),
        ("503 Service Unavailable", False, "something is wrong there"),
    ],
)
def test_refusals(known: Authority, browser: Browser, status: str, permanent: bool, words: str) -> None:
    answer = answering(status, b"secret of the service", Retry_After="120")
    with service(known, answer) as server, pytest.raises(NotDelivered, match=words) as told:
        SENDER.send(browser.config(server.port), message())

    assert told.value.permanent is permanent
    assert told.value.retry_after == (None if permanent else 120)
    assert "8h3kd93jd" not in str(told.value)
    assert "secret" not in str(told.value)


def test_a_redirect_is_not_followed(known: Authority, browser: Browser) -> None:
    with listening(answering("201 Created")) as inside:
        answer = answering("307 Temporary Redirect", Location=inside.url())
        with service(known, answer) as server, pytest.raises(NotDelivered, match="redirect"):
            SENDER.send(browser.config(server.port), message())
        assert inside.connections == 0


def test_a_service_that_is_not_verified_gets_nothing(known: Authority, browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = authority(tmp_path / "other")
    with service(other, answering("201 Created")) as server, pytest.raises(NotDelivered, match="is not trusted"):
        SENDER.send(browser.config(server.port), message())
    assert server.requests == []


def test_addresses_that_are_not_allowed_are_refused(browser: Browser) -> None:
    given = browser.config(443) | {"endpoint": "https://169.254.169.254/latest"}

    with pytest.raises(NotDelivered) as told:
        SENDER.send(given, message())
    assert told.value.permanent


def test_our_key_is_made_once_and_kept_secret(key_file: Path) -> None:
    first = public_key()

    push._loaded.cache_clear()
    assert public_key() == first
    assert len(decoded(first)) == 65
    assert decoded(first)[0] == 4
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file.parent.stat().st_mode) == 0o700


def test_a_key_that_can_not_be_read_is_told(known: Authority, browser: Browser, key_file: Path) -> None:
    key_file.parent.mkdir()
    key_file.write_text("-----BEGIN PRIVATE KEY-----\nbm9uZQ==\n-----END PRIVATE KEY-----")

    with pytest.raises(NotDelivered, match="can not be read") as told:
        SENDER.send(browser.config(443), message())
    assert "bm9uZQ" not in str(told.value)


def test_a_contact_that_is_none_is_told(browser: Browser, settings: Any) -> None:
    settings.PUSH_CONTACT = "security"

    with pytest.raises(NotDelivered, match="PUSH_CONTACT"):
        SENDER.send(browser.config(443), message())


def test_a_subscription_is_stored_as_it_is(browser: Browser) -> None:
    given = browser.config(8443)

    assert SENDER.clean(given) == given
    assert SENDER.clean(given | {"p256dh": given["p256dh"] + "="}) == given | {"p256dh": given["p256dh"] + "="}
    assert SENDER.shown(given) == "A browser, through 127.0.0.1"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("endpoint", ""),
        ("endpoint", "http://127.0.0.1/send"),
        ("endpoint", "https://user:word@127.0.0.1/send"),
        ("endpoint", "https://169.254.169.254/send"),
        ("endpoint", "https://10.0.0.1/send"),
        ("endpoint", "file:///etc/passwd"),
        ("endpoint", "https://127.0.0.1/" + "x" * 3000),
        ("p256dh", ""),
        ("p256dh", "BAAA"),
        ("p256dh", encoded(b"\x04" + b"\x01" * 64)),  # no point of the curve
        ("p256dh", "ä" * 87),
        ("auth", ""),
        ("auth", encoded(b"1" * 15)),
        ("auth", "not base64url, is it?"),
    ],
)
def test_what_is_no_subscription_is_not_stored(browser: Browser, field: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        SENDER.clean(browser.config(443) | {field: value})
    assert told.value.field == field
