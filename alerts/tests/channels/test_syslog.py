"""Syslog to real receivers on loopback, which read it as strictly as the RFCs and the CEF guide allow."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerts.channels import syslog
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.syslog import SENDER
from alerts.models import Channel, Occasion, Severity, Trigger
from alerts.tests.channels.servers import Authority, Behaviour, authority, facts, listening, message, names

HOSTILE = 'Eve|=\\ "]\n<134>1 2026-01-01T00:00:00Z h a - - - forged\r\x00\x1b[2J\u2028\u202e end'
_RECORD = re.compile(
    rb"<(?P<pri>[0-9]{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<proc>[!-~]{1,128}) "
    rb'(?P<id>[!-~]{1,32}) \[(?P<sd>[^ =\]"]{1,32}(?: [^ =\]"]{1,32}="(?:[^"\\\]]|\\["\\\]])*")+)\] (?P<msg>.*)',
    re.DOTALL,
)


def config(port: int, protocol: str = "tcp", **changes: str) -> dict[str, str]:
    given = {"host": "127.0.0.1", "port": str(port), "protocol": protocol, "authority": "", "form": "cef"}
    return given | {"facility": "local0"} | changes


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    priority: int
    host: str
    name: str
    data: dict[str, str]
    body: str


def record(raw: bytes) -> Record:
    found = _RECORD.fullmatch(raw)
    assert found is not None, raw
    assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z", found["time"])
    assert found["app"] == b"lynceus"
    assert not re.search(rb"[\x00-\x1f\x7f]", raw), "a control character in a record"
    name, _, pairs = found["sd"].partition(b" ")
    assert name == b"lynceus@32473"
    data = re.findall(rb'([^ =\]"]+)="((?:[^"\\\]]|\\["\\\]])*)"', pairs)
    return Record(
        priority=int(found["pri"]),
        host=found["host"].decode(),
        name=found["id"].decode(),
        data={key.decode(): re.sub(r"\\(.)", r"\1", text.decode()) for key, text in data},
        body=found["msg"].decode("utf-8"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cef:
    head: list[str]
    fields: dict[str, str]


def cef(text: str) -> Cef:
    """As a receiver takes it apart: heads at bars that are not escaped, fields at keys after a space."""
    assert text.startswith("CEF:0|")
    *head, extension = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)
    assert len(head) == 7
    for each in head:
        assert re.fullmatch(r"(?:[^\\|]|\\[\\|])*", each), each
    starts = list(re.finditer(r"(?:^| )([A-Za-z0-9]+)=", extension))
    fields: dict[str, str] = {}
    for start, after in zip(starts, [*starts[1:], None], strict=True):
        value = extension[start.end() : after.start() if after else len(extension)]
        assert re.fullmatch(r"(?:[^\\=]|\\[\\=nr])*", value), value
        assert start[1] not in fields
        fields[start[1]] = re.sub(r"\\(.)", r"\1", value)
    return Cef(head=[re.sub(r"\\(.)", r"\1", each) for each in head], fields=fields)


@dataclass
class Receiver:
    """Takes frames with their length in front (RFC 6587, 3.4.1), and nothing else."""

    frames: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def behave(self, line: socket.socket, _: Any) -> None:
        with line.makefile("rb") as stream:
            while length := _length(stream):
                frame = stream.read(length)
                assert len(frame) == length
                self.frames.append(frame)
        self.ended.set()


def _length(stream: Any) -> int:
    digits = b""
    while (each := stream.read(1)) not in (b" ", b""):
        digits += each
    if not digits:
        return 0
    assert re.fullmatch(rb"[1-9][0-9]*", digits)
    return int(digits)


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    return authority(tmp_path)


@pytest.fixture
def datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        yield server


def sent_over_tcp(**changes: Any) -> bytes:
    receiver = Receiver()
    form = changes.pop("form", "cef")
    facility = changes.pop("facility", "local0")
    with listening(receiver.behave) as server:
        assert SENDER.send(config(server.port, form=form, facility=facility), message(**changes)) == ""
        assert receiver.ended.wait(5)
    (frame,) = receiver.frames
    return frame


def test_it_is_the_channels_sender() -> None:
    assert sender(Channel.SYSLOG) is SENDER
    assert not SENDER.digests
    assert not SENDER.templated


def test_over_tcp_a_record_has_its_length_in_front() -> None:
    sent = message()

    found = record(sent_over_tcp())

    assert found.priority == 16 * 8 + 3
    assert found.name == "appears"
    assert found.data == {
        "key": str(sent.key),
        "alert": "41",
        "camera": "3",
        "occasion": "raised",
        "severity": "high",
    }


def test_the_cef_says_who_where_when_and_how_sure() -> None:
    found = cef(record(sent_over_tcp()).body)

    assert found.head == ["CEF:0", "Lynceus", "Lynceus", "1", "appears", "Appears", "8"]
    assert found.fields["suser"] == "Ada Lovelace"
    assert found.fields["cs3"] == "Gate, entrance"
    assert found.fields["cs3Label"] == "Place"
    assert found.fields["start"] == "1777883415250"
    assert found.fields["rt"] == "1777883416250"
    assert found.fields["cfp1"] == "0.71"
    assert found.fields["cfp1Label"] == "Similarity"
    assert found.fields["externalId"] == str(message().key)
    assert found.fields["request"] == "https://lynceus.example.org/alerts/41/"
    assert found.fields["cs6"] == "no"


def test_what_the_watchlist_keeps_inside_is_not_in_it() -> None:
    quiet = facts(who="A possible match", person=None, similarity=None, latitude=None, longitude=None, watchlist="")

    found = cef(record(sent_over_tcp(facts=(quiet,))).body)

    assert not {"cn2", "cfp1", "cfp3", "cfp4", "cs1", "cs1Label", "cfp1Label"} & set(found.fields)


@pytest.mark.parametrize("form", ["cef", "json"])
def test_names_forge_no_record_and_no_field(form: str) -> None:
    hostile = facts(who=HOSTILE, rule=HOSTILE, watchlist=HOSTILE, where=HOSTILE, detail=HOSTILE, trigger=HOSTILE)

    found = record(sent_over_tcp(subject=HOSTILE, facts=(hostile,), form=form))

    assert found.name == "test", "a trigger that is none"
    if form == "json":
        assert json.loads(found.body)["who"] == HOSTILE
        return
    read = cef(found.body)
    assert read.head[5] == "Test"
    for key in ("suser", "cs1", "cs2", "cs3", "cs5", "msg"):
        assert read.fields[key].startswith('Eve|=\\ "] <134>1 2026')
    assert set(read.fields) == set(cef(record(sent_over_tcp(facts=(facts(detail="x"),))).body).fields)


@pytest.mark.parametrize("trigger", Trigger.values)
def test_each_trigger_is_a_signature(trigger: str) -> None:
    found = cef(syslog.cef(message(facts=(facts(trigger=trigger),))))

    assert found.head[4] == trigger
    assert found.head[5] == Trigger(trigger).label


@pytest.mark.parametrize(
    ("severity", "in_cef", "priority"),
    [(Severity.LOW, "3", 37), (Severity.MEDIUM, "5", 36), (Severity.HIGH, "8", 35), (Severity.CRITICAL, "10", 34)],
)
def test_severities(severity: Severity, in_cef: str, priority: int) -> None:
    found = record(sent_over_tcp(severity=severity, facility="auth"))

    assert found.priority == priority
    assert cef(found.body).head[6] == in_cef


def test_json_is_the_whole_record() -> None:
    found = json.loads(record(sent_over_tcp(form="json")).body)

    assert found["alert"] == 41
    assert found["who"] == "Ada Lovelace"
    assert found["captured_at"] == "2026-05-04T08:30:15.250Z"


def test_a_test_is_called_one() -> None:
    found = record(sent_over_tcp(is_test=True, facts=()))

    assert found.name == "test"
    assert found.data["test"] == "yes"
    read = cef(found.body)
    assert read.head[4] == "test"
    assert read.fields["cat"] == "test"


def test_the_occasion_is_told() -> None:
    assert cef(record(sent_over_tcp(occasion=Occasion.ESCALATED)).body).fields["cat"] == "escalated"


def test_over_udp_a_record_is_a_datagram(datagrams: socket.socket) -> None:
    SENDER.send(config(datagrams.getsockname()[1], "udp"), message(facts=(facts(who=HOSTILE),)))

    found = record(datagrams.recv(65535))
    assert cef(found.body).fields["suser"].startswith("Eve|=")


def test_over_udp_nobody_listening_is_found_out(datagrams: socket.socket) -> None:
    port = datagrams.getsockname()[1]
    datagrams.close()

    with pytest.raises(NotDelivered, match="Nothing takes syslog over UDP") as told:
        SENDER.send(config(port, "udp"), message())
    assert not told.value.permanent


def test_over_udp_a_record_that_is_too_long_is_refused(datagrams: socket.socket) -> None:
    long = facts(who="a" * 9000)

    with pytest.raises(NotDelivered, match="Use TCP or TLS") as told:
        SENDER.send(config(datagrams.getsockname()[1], "udp"), message(facts=(long,)))
    assert told.value.permanent


def test_over_tls_the_receiver_is_verified(known: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, siem=["127.0.0.1"])
    receiver = Receiver()
    with listening(receiver.behave, known.server("siem.example")) as server:
        given = config(server.port, "tls", host="siem.example", authority=known.file.read_text())
        SENDER.send(SENDER.clean(given), message())
        assert receiver.ended.wait(5)

    assert record(receiver.frames[0]).data["alert"] == "41"


@pytest.mark.parametrize("name", ["other.example", "127.0.0.2"])
def test_over_tls_another_name_is_not_trusted(name: str, known: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, siem=["127.0.0.1"])
    receiver = Receiver()
    with listening(receiver.behave, known.server(name)) as server:
        given = config(server.port, "tls", host="siem.example", authority=known.file.read_text())
        with pytest.raises(NotDelivered, match="is not trusted"):
            SENDER.send(given, message())
    assert receiver.frames == []


def test_over_tls_an_authority_nobody_named_is_not_trusted(known: Authority) -> None:
    receiver = Receiver()
    tls = known.server("127.0.0.1")
    with listening(receiver.behave, tls) as server, pytest.raises(NotDelivered, match="is not trusted"):
        SENDER.send(config(server.port, "tls"), message())
    assert receiver.frames == []


def reset(line: socket.socket, _: Any) -> None:
    """Breaks off with a reset, as a receiver that dies does, before it has read it all."""
    line.recv(1)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.close()


def test_a_receiver_that_breaks_off_has_not_taken_it() -> None:
    with listening(reset) as server, pytest.raises(NotDelivered, match="broke off") as told:
        SENDER.send(config(server.port), message())
    assert not told.value.permanent


def silent(until: threading.Event) -> Behaviour:
    def behave(_: socket.socket, __: Any) -> None:
        until.wait(10)

    return behave


def keeping_open(until: threading.Event) -> Behaviour:
    def behave(line: socket.socket, _: Any) -> None:
        line.recv(65536)
        until.wait(10)

    return behave


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_a_receiver_that_keeps_its_half_open_has_taken_it(
    protocol: str, known: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog, "_CLOSING_SECONDS", 0.1)
    over = threading.Event()
    tls = known.server("127.0.0.1") if protocol == "tls" else None
    with listening(keeping_open(over), tls) as server:
        given = config(server.port, protocol, authority=known.file.read_text())
        assert SENDER.send(given, message()) == ""
        over.set()


def test_a_receiver_that_reads_nothing_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "SEND_SECONDS", 0.3)
    over = threading.Event()
    huge = message(facts=(facts(detail="d" * 12_000_000),))
    with listening(silent(over)) as server:
        with pytest.raises(NotDelivered, match="in time"):
            SENDER.send(config(server.port, form="json"), huge)
        over.set()


@pytest.mark.parametrize("protocol", ["tcp", "udp", "tls"])
@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "metadata.example"])
def test_addresses_that_are_not_allowed_are_refused(protocol: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, metadata=["169.254.169.254"])

    with pytest.raises(NotDelivered):
        SENDER.send(config(514, protocol, host=host), message())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", "logs.example.org/path"),
        ("host", "user@logs.example.org"),
        ("host", "logs.example.org:514"),
        ("host", "169.254.169.254"),
        ("host", "10.1.2.3"),
        ("host", "a b"),
        ("port", "0"),
        ("port", "65536"),
        ("port", "syslog"),
        ("protocol", "carrier pigeon"),
        ("form", "xml"),
        ("facility", "kern"),
        ("authority", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----"),
    ],
)
def test_what_can_not_be_used_is_not_stored(field: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        SENDER.clean(config(514) | {field: value})
    assert told.value.field == field


def test_what_is_shown_changes_with_where_it_goes(known: Authority) -> None:
    plain = SENDER.clean({"host": "127.0.0.1"})

    assert SENDER.shown(plain) == "TLS 127.0.0.1:6514, CEF"
    own = SENDER.clean({"host": "127.0.0.1", "authority": known.file.read_text()})
    assert SENDER.shown(own).startswith("TLS 127.0.0.1:6514, CEF, authority ")
    assert SENDER.shown(SENDER.clean({"host": "::1"})).startswith("TLS [::1]:6514")
