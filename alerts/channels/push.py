"""Browser notifications: Web Push (RFC 8030), encrypted for the browser (RFC 8291), signed as ours (RFC 8292, VAPID).

The push service of the browser's maker carries what it can not read. The service worker gets `key`, which is the same
with every attempt, and drops what it has shown. A browser that was off gets, of one alert, only the newest message
(Topic), and nothing that has grown too old to act on (TTL).
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.conf import settings
from py_vapid import Vapid02, VapidException
from pywebpush import WebPusher

from alerts.channels import guard, inputs
from alerts.channels.base import Config, ConfigError, Field, Message, NotDelivered, Sender
from alerts.channels.records import moment
from alerts.models import Channel, Severity
from config.secretfiles import read_or_create

_PAYLOAD_MOST: Final = 3000  # services take 4096 bytes with the encryption's (RFC 8030, 7.2)
_SIGNED_SECONDS: Final = 12 * 3600  # RFC 8292 allows a day; clocks differ
_URGENCY: Final = {Severity.CRITICAL: "high", Severity.HIGH: "high", Severity.MEDIUM: "normal", Severity.LOW: "low"}
_SECONDS_TO_LIVE: Final = {
    Severity.CRITICAL: 24 * 3600,
    Severity.HIGH: 4 * 3600,
    Severity.MEDIUM: 3600,
    Severity.LOW: 3600,
}

ENDPOINT = Field(name="endpoint", label="Address of the push service", secret=True)
P256DH = Field(name="p256dh", label="Key of the browser", secret=True)
AUTH = Field(name="auth", label="Secret of the browser", secret=True)


class PushSender(Sender):
    """Its configuration is what the browser's PushSubscription gives: the endpoint, and the two keys as base64url."""

    channel = Channel.PUSH
    personal = True
    fields = (ENDPOINT, P256DH, AUTH)

    def clean(self, given: Config) -> dict[str, str]:
        endpoint = inputs.text(given, ENDPOINT, most=guard.LONGEST)
        try:
            address = guard.parse(endpoint)
        except guard.NotAllowed as problem:
            raise ConfigError(ENDPOINT.name, str(problem)) from None
        if address.scheme != "https" or address.user or address.password:
            raise ConfigError(ENDPOINT.name, "The address of a push service begins with https:// and has no password.")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(given.get(P256DH.name, "")))
        except ValueError:
            raise ConfigError(P256DH.name, f"{P256DH.label} is not one. {_AGAIN}") from None
        try:
            if len(_bytes(given.get(AUTH.name, ""))) != 16:
                raise ValueError
        except ValueError:
            raise ConfigError(AUTH.name, f"{AUTH.label} is not one. {_AGAIN}") from None
        return {
            ENDPOINT.name: endpoint,
            P256DH.name: given[P256DH.name].strip(),
            AUTH.name: given[AUTH.name].strip(),
        }

    def shown(self, config: Config) -> str:
        return f"A browser, through {urlsplit(config[ENDPOINT.name]).hostname}"

    def send(self, config: Config, message: Message) -> str:
        endpoint = config[ENDPOINT.name]
        host = urlsplit(endpoint).hostname or ""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Encoding": "aes128gcm",
            "TTL": str(_SECONDS_TO_LIVE[message.severity]),
            "Urgency": _URGENCY[message.severity],
            "Authorization": _authorization(endpoint),
        }
        if topic := _tag(message):
            headers["Topic"] = topic
        answer = guard.post(endpoint, body=_encrypted(config, _payload(message)), headers=headers)
        if not answer.succeeded:
            raise _refusal(answer, host)
        # RFC 8030, 5: where the message is. The path's end is enough to ask the service about it.
        return urlsplit(answer.headers.get("location", "")).path.rpartition("/")[2][:200]


_AGAIN: Final = "Switch notifications off and on again in the browser that they are for."


def public_key() -> str:
    """Ours, as a browser's `applicationServerKey` asks for it: an uncompressed point in base64url."""
    point = _private_key().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def _private_key() -> ec.EllipticCurvePrivateKey:
    written = read_or_create(settings.PUSH_KEY_FILE, _new_key)
    return _loaded(written)


@lru_cache(maxsize=2)
def _loaded(written: str) -> ec.EllipticCurvePrivateKey:
    key = Vapid02.from_pem(written.encode()).private_key
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TypeError("the push key is no P-256 key")
    return key


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _authorization(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": int(time.time()) + _SIGNED_SECONDS,
        "sub": settings.PUSH_CONTACT,
    }
    try:
        return str(Vapid02(_private_key()).sign(claims)["Authorization"])
    except VapidException:
        raise NotDelivered(
            "The setting PUSH_CONTACT is neither mailto: with an address nor an https:// address. Change it.",
            permanent=True,
        ) from None
    except (OSError, ValueError, TypeError):
        raise NotDelivered(
            "The key that signs browser notifications can not be read. Restore the file of the setting DATA_DIR, "
            "secrets/push; with a new one every browser must be switched on again."
        ) from None


def _encrypted(config: Config, payload: bytes) -> bytes:
    keys = {P256DH.name: config[P256DH.name], AUTH.name: config[AUTH.name]}
    pusher = WebPusher({ENDPOINT.name: config[ENDPOINT.name], "keys": keys})
    return bytes(pusher.encode(payload)["body"])


def _payload(message: Message) -> bytes:
    """What the service worker shows; the text is cut where it is too long, the link never is."""
    found: dict[str, str | bool] = {
        "key": str(message.key),
        "tag": _tag(message) or str(message.key),
        "title": message.subject[:200],
        "body": message.text,
        "link": message.link,
        "severity": message.severity.value,
        "occasion": message.occasion.value,
        "at": moment(message.facts[-1].captured_at) if message.facts else "",
        "test": message.is_test,
    }
    written = _dumped(found)
    if (over := len(written) - _PAYLOAD_MOST) > 0:
        text = message.text.encode("utf-8", "replace")
        kept = text[: max(0, len(text) - over - len("…".encode()))].decode(errors="ignore")
        written = _dumped(found | {"body": f"{kept}…"})
    return written


def _dumped(found: dict[str, str | bool]) -> bytes:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _tag(message: Message) -> str:
    """One alert's name among notifications: a newer one about it takes the older one's place. None for a digest."""
    return f"alert-{message.facts[0].alert}" if len(message.facts) == 1 and not message.is_test else ""


def _refusal(answer: guard.Answer, host: str) -> NotDelivered:
    if answer.status in (404, 410):
        return NotDelivered(
            "The browser unsubscribed: its push service does not know it any more. Switch notifications on again in "
            "that browser.",
            permanent=True,
        )
    if answer.status in (400, 401, 403):
        return NotDelivered(
            f"{host} does not accept our signature ({answer.status}): the browser was subscribed with another key, or "
            f"this machine's clock is wrong. {_AGAIN}",
            permanent=True,
        )
    if answer.status == 413:
        return NotDelivered(f"{host} says that the message is too long (413). Shorten the template.", permanent=True)
    return guard.refusal(answer, host)


def _bytes(text: str) -> bytes:
    """What base64url stands for, with or without its padding; raises ValueError."""
    text = text.strip().rstrip("=")
    if len(text) > 200:
        raise ValueError("too long")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error


SENDER = PushSender()
