"""Syslog for a SIEM: RFC 5424 records over UDP (RFC 5426), TCP (octet counting, RFC 6587) or TLS (RFC 5425).

The message is ArcSight's Common Event Format (version 0, "Implementing ArcSight CEF" revision 25) or JSON. A name can
not forge a record or a field: whatever is no printable character becomes a space, and the rest is escaped.

Syslog acknowledges nothing. Over TCP and TLS we close our half and wait a moment for the other side to close its own:
a receiver that breaks off instead has not taken the record.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import unicodedata
from datetime import UTC, datetime
from typing import Final

from django.utils import timezone

from alerts.channels import guard, inputs
from alerts.channels.base import SEND_SECONDS, Config, Facts, Field, Message, NotDelivered, Sender
from alerts.channels.records import dumped, record
from alerts.models import Channel, Severity, Trigger

_FACILITIES: Final = {"auth": 4, "authpriv": 10} | {f"local{n}": 16 + n for n in range(8)}
_SYSLOG_SEVERITY: Final = {Severity.CRITICAL: 2, Severity.HIGH: 3, Severity.MEDIUM: 4, Severity.LOW: 5}
_CEF_SEVERITY: Final = {Severity.CRITICAL: 10, Severity.HIGH: 8, Severity.MEDIUM: 5, Severity.LOW: 3}
# The number that RFC 5612 gives to who has none of their own; receivers know it as no vendor's.
_ENTERPRISE: Final = "lynceus@32473"
_DATAGRAM_MOST: Final = 8192  # receivers take 2048 bytes at least (RFC 5424), usual ones this
_CLOSING_SECONDS: Final = 2.0
_REFUSAL_SECONDS: Final = 0.2  # within which a machine says that nothing listens there

HOST = Field(name="host", label="Server", help="A name or a number, such as logs.example.org.")
PROTOCOL = Field(
    name="protocol",
    label="Protocol",
    choices=(("tls", "TLS"), ("tcp", "TCP"), ("udp", "UDP")),
    default="tls",
    help="UDP may lose records without anybody noticing.",
)
PORT = Field(name="port", label="Port", default="6514", help="Usually 6514 with TLS, else 514.")
AUTHORITY = Field(
    name="authority",
    label="Certificate authority",
    required=False,
    long=True,
    help="With TLS: who issued the server's certificate, as PEM. Empty: the authorities that this machine trusts.",
)
FORM = Field(name="form", label="Form", choices=(("cef", "CEF"), ("json", "JSON")), default="cef")
FACILITY = Field(
    name="facility", label="Facility", choices=tuple((name, name) for name in _FACILITIES), default="local0"
)


class SyslogSender(Sender):
    channel = Channel.SYSLOG
    digests = False
    templated = False
    fields = (HOST, PROTOCOL, PORT, AUTHORITY, FORM, FACILITY)

    def clean(self, given: Config) -> dict[str, str]:
        host, port = inputs.receiver(given, HOST, PORT)
        return {
            HOST.name: host,
            PORT.name: port,
            PROTOCOL.name: inputs.choice(given, PROTOCOL),
            AUTHORITY.name: inputs.authority(given, AUTHORITY),
            FORM.name: inputs.choice(given, FORM),
            FACILITY.name: inputs.choice(given, FACILITY),
        }

    def shown(self, config: Config) -> str:
        host = f"[{config[HOST.name]}]" if ":" in config[HOST.name] else config[HOST.name]
        own = inputs.named(config[AUTHORITY.name]) if config[PROTOCOL.name] == "tls" else ""
        return f"{config[PROTOCOL.name].upper()} {host}:{config[PORT.name]}, {config[FORM.name].upper()}{own}"

    def send(self, config: Config, message: Message) -> str:
        host, port = config[HOST.name], int(config[PORT.name])
        found = _record(config, message)
        match config[PROTOCOL.name]:
            case "udp":
                _send_datagram(host, port, found)
            case "tcp":
                _send_stream(host, port, found, None)
            case _:
                _send_stream(host, port, found, inputs.trusting(config[AUTHORITY.name]))
        return ""


def _record(config: Config, message: Message) -> bytes:
    """HEADER, STRUCTURED-DATA and MSG of RFC 5424.

    MSG has no byte order mark in front of its UTF-8, though the RFC asks for one: CEF has to begin with "CEF:", and
    what reads it takes the mark for something else. That makes it MSG-ANY, which is allowed.
    """
    facts = message.facts[-1] if message.facts else None
    priority = _FACILITIES[config[FACILITY.name]] * 8 + _SYSLOG_SEVERITY[message.severity]
    when = (facts.raised_at if facts else timezone.now()).astimezone(UTC)
    header = f"<{priority}>1 {when:%Y-%m-%dT%H:%M:%S.%fZ} {_hostname()} lynceus - {_signature(facts)}"
    data = {
        "key": str(message.key),
        "alert": str(facts.alert) if facts else "",
        "camera": str(facts.camera) if facts and facts.camera is not None else "",
        "occasion": message.occasion.value,
        "severity": message.severity.value,
        "test": "yes" if message.is_test else "",
    }
    elements = " ".join(f'{name}="{_in_data(text)}"' for name, text in data.items() if text)
    body = dumped(record(message)) if config[FORM.name] == "json" else cef(message).encode("utf-8", "replace")
    return f"{header} [{_ENTERPRISE} {elements}] ".encode("ascii") + body


def cef(message: Message) -> str:
    """The message in the Common Event Format; empty fields are left out."""
    facts = message.facts[-1] if message.facts else None
    name = Trigger(facts.trigger).label if facts and facts.trigger in Trigger.values else "Test"
    head = ("CEF:0", "Lynceus", "Lynceus", "1", _signature(facts), name, str(_CEF_SEVERITY[message.severity]))
    extension = _message_fields(message) | (_alert_fields(facts) if facts else {})
    pairs = (f"{key}={_in_extension(text)}" for key, text in extension.items() if text)
    return "|".join((head[0], *(_in_header(text) for text in head[1:]))) + "|" + " ".join(pairs)


def _message_fields(message: Message) -> dict[str, str]:
    return {
        "externalId": str(message.key),
        "cat": "test" if message.is_test else message.occasion.value,
        "msg": message.subject[:1023],
        "request": message.link[:1023],
        "dvchost": _hostname(),
    }


def _alert_fields(facts: Facts) -> dict[str, str]:
    custom = {
        "cs1": ("Watchlist", facts.watchlist),
        "cs2": ("Rule", facts.rule),
        "cs3": ("Place", facts.where),
        "cs4": ("State", facts.state),
        "cs5": ("Detail", facts.detail[:1023]),
        "cs6": ("Lead", "yes" if facts.lead else "no"),
        "cn1": ("Alert", str(facts.alert)),
        "cn2": ("Person", _number(facts.person)),
        "cfp1": ("Similarity", _number(facts.similarity)),
        "cfp2": ("Threshold", _number(facts.threshold)),
        "cfp3": ("Latitude", _number(facts.latitude)),
        "cfp4": ("Longitude", _number(facts.longitude)),
    }
    found = {
        "rt": _milliseconds(facts.raised_at),
        "start": _milliseconds(facts.captured_at),
        "cnt": str(facts.count),
        "suser": facts.who,
        "deviceExternalId": _number(facts.camera),
    }
    for key, (label, text) in custom.items():
        if text:
            found |= {key: text, f"{key}Label": label}
    return found


def _signature(facts: Facts | None) -> str:
    return facts.trigger if facts and facts.trigger in Trigger.values else "test"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _milliseconds(when: datetime) -> str:
    return str(int(when.timestamp() * 1000))


def _printable(text: str) -> str:
    """The text without anything that could begin a new record or hide one: controls, line ends, directions, halves."""
    return "".join(" " if unicodedata.category(each) in _UNPRINTABLE else each for each in text)


_UNPRINTABLE: Final = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _in_header(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace("|", "\\|")


def _in_extension(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace("=", "\\=")


def _in_data(text: str) -> str:
    return _printable(text).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _hostname() -> str:
    found = "".join(each for each in socket.gethostname() if "!" <= each <= "~")[:255]
    return found or "-"


def _send_datagram(host: str, port: int, found: bytes) -> None:
    if len(found) > _DATAGRAM_MOST:
        raise NotDelivered(
            f"The record is too long for syslog over UDP ({len(found)} bytes). Use TCP or TLS.", permanent=True
        )
    number = guard.resolve(host, port)[0]
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.connect((str(number), port))
            line.settimeout(_REFUSAL_SECONDS)
            line.send(found)
            with contextlib.suppress(TimeoutError):
                line.recv(1)  # an answer means nothing; that nothing listens there comes out as an error
    except OSError:
        raise NotDelivered(
            f"Nothing takes syslog over UDP at {host}, port {port}. Check both, and that the service is running."
        ) from None


def _send_stream(host: str, port: int, found: bytes, context: ssl.SSLContext | None) -> None:
    deadline = time.monotonic() + SEND_SECONDS
    connection = guard.connect(host, port)
    with contextlib.closing(connection), guard.cut_after(connection, deadline - time.monotonic()) as late:
        line = guard.secured(connection, host, context) if context else connection
        with contextlib.closing(line):
            try:
                line.sendall(b"%d %b" % (len(found), found))
                _end(line, deadline)
            except OSError as problem:
                raise _broken(host, is_late=late.is_set() or isinstance(problem, TimeoutError)) from None


def _end(line: socket.socket, deadline: float) -> None:
    """Says that this was all, and waits a moment for the other side's end, or for its word that it broke off."""
    line.settimeout(max(0.1, min(_CLOSING_SECONDS, deadline - time.monotonic())))
    try:
        if isinstance(line, ssl.SSLSocket):
            line.unwrap()
        else:
            line.shutdown(socket.SHUT_WR)
            while line.recv(4096):
                pass
    except (TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        pass  # it keeps its half open, or closed it without a word: both have read what was sent


def _broken(host: str, *, is_late: bool) -> NotDelivered:
    if is_late:
        return NotDelivered(f"{host} does not take the record in time. It is tried again later.")
    return NotDelivered(f"{host} broke off the connection before it had the record. It is tried again later.")


SENDER = SyslogSender()
