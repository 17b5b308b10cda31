"""Checks of what a form gave for a channel: each returns the value to store, or raises ConfigError of its field."""

from __future__ import annotations

import hashlib
import re
import ssl
from typing import Final

from alerts.channels.base import Config, ConfigError, Field
from alerts.channels.guard import NotAllowed, parse, tls

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PEM_MOST: Final = 64 * 1024


def text(given: Config, field: Field, *, most: int) -> str:
    """One line of text; empty where it may be."""
    value = given.get(field.name, field.default).strip()
    if field.required and not value:
        raise ConfigError(field.name, f"{field.label} is missing. Fill it in.")
    if len(value) > most or _CONTROL.search(value):
        raise ConfigError(field.name, f"{field.label} has more than {most} characters, or some that no text has.")
    return value


def choice(given: Config, field: Field) -> str:
    """One of the field's choices."""
    value = given.get(field.name, "").strip() or field.default
    if value not in {each for each, _ in field.choices}:
        allowed = ", ".join(label for _, label in field.choices)
        raise ConfigError(field.name, f"{field.label} is none of what there is: {allowed}. Choose one.")
    return value


def whole(given: Config, field: Field, *, low: int, high: int) -> str:
    """A whole number, as text."""
    value = given.get(field.name, "").strip() or field.default
    if not re.fullmatch(r"[0-9]{1,6}", value) or not low <= int(value) <= high:
        raise ConfigError(field.name, f"{field.label} must be a whole number from {low} to {high}.")
    return str(int(value))


def receiver(given: Config, host: Field, port: Field) -> tuple[str, str]:
    """A host and its port, at an address where receivers may be as far as that shows without asking a name service."""
    name = text(given, host, most=253).removeprefix("[").removesuffix("]")
    number = whole(given, port, low=1, high=65535)
    malformed = f"{host.label} is a name or a number, such as logs.example.org or 192.168.1.10, and nothing else."
    if re.search(r"[\s/?#@\\%\[\]]", name):
        raise ConfigError(host.name, malformed)
    try:
        found = parse(f"http://[{name}]:{number}/" if ":" in name else f"http://{name}:{number}/")
    except NotAllowed as problem:
        raise ConfigError(host.name, malformed if name.count(":") == 1 else str(problem)) from None
    return found.host, number


def authority(given: Config, field: Field) -> str:
    """Certificates of authorities as PEM, or nothing."""
    value = given.get(field.name, "").strip()
    if not value:
        return ""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=value[:_PEM_MOST])
    except (ssl.SSLError, ValueError):
        found = 0
    else:
        found = len(context.get_ca_certs())
    if not found:
        raise ConfigError(
            field.name,
            f"{field.label} holds no certificate of an authority. Paste the text from -----BEGIN CERTIFICATE----- to "
            "-----END CERTIFICATE-----, without any private key.",
        )
    return value + "\n"


def trusting(authority: str) -> ssl.SSLContext:
    """What verifies a receiver's certificate: by this authority, or by those that this machine trusts."""
    return ssl.create_default_context(cadata=authority) if authority else tls()


def named(authority: str) -> str:
    """An authority in what is shown of a place, so that one who swaps it is seen; nothing where there is none."""
    return f", authority {hashlib.sha256(authority.encode()).hexdigest()[:8]}" if authority else ""
