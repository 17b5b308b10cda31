"""Servers on loopback that behave as a test says, certificates for them, names that lead to them, and a message."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alerts.channels import guard
from alerts.channels.base import Facts, Message, NotDelivered
from alerts.models import Occasion, Severity

WHEN = dt.datetime(2026, 5, 4, 8, 30, 15, 250_000, tzinfo=dt.UTC)
JPEG = b"\xff\xd8\xff\xe0 a face \xff\xd9"


def facts(**changes: Any) -> Facts:
    usual: dict[str, Any] = {
        "alert": 41,
        "occasion": Occasion.RAISED,
        "severity": Severity.HIGH,
        "state": "new",
        "trigger": "appears",
        "rule": "Missing people",
        "who": "Ada Lovelace",
        "person": 7,
        "watchlist": "Missing",
        "camera": 3,
        "camera_name": "Gate",
        "where": "Gate, entrance",
        "latitude": 48.2,
        "longitude": 16.37,
        "similarity": 0.71,
        "threshold": 0.5,
        "detail": "",
        "count": 1,
        "captured_at": WHEN,
        "raised_at": WHEN + dt.timedelta(seconds=1),
        "lead": False,
        "link": "https://lynceus.example.org/alerts/41/",
    }
    return Facts(**usual | changes)


def message(**changes: Any) -> Message:
    usual: dict[str, Any] = {
        "key": uuid.UUID("6f0a1c52-9c1e-4f5f-8a53-0d2f1a6f7b11"),
        "subject": "Ada Lovelace at Gate",
        "text": "Ada Lovelace was seen at Gate, entrance, at 10:30.",
        "short": "Ada Lovelace at Gate, entrance, 10:30",
        "html": "<html><body><p>Ada Lovelace was seen at Gate.</p></body></html>",
        "link": "https://lynceus.example.org/alerts/41/",
        "severity": Severity.HIGH,
        "occasion": Occasion.RAISED,
        "facts": (facts(),),
    }
    return Message(**usual | changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclass
class Listener:
    """A server: where it is, and what has come to it."""

    port: int
    connections: int = 0
    requests: list[Request] = field(default_factory=list)

    def url(self, path: str = "/hook", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


Behaviour = Callable[[socket.socket, Listener], None]


@contextmanager
def listening(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Listener]:
    """A server on 127.0.0.1 that does this with each connection, in a thread of its own, until the test is over."""
    open_ones: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(port=server.getsockname()[1])

        def handle(connection: socket.socket) -> None:
            with suppress(OSError, ValueError):  # who goes away in the middle
                line = tls.wrap_socket(connection, server_side=True) if tls else connection
                open_ones.append(line)
                behave(line, listener)
                line.close()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    listener.connections += 1
                    open_ones.append(connection)
                    threading.Thread(target=handle, args=(connection,), daemon=True).start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield listener
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            for each in open_ones:
                with suppress(OSError):
                    each.close()
            accepting.join(5)


def read_request(line: socket.socket) -> Request:
    with line.makefile("rb") as stream:
        method, target, _ = stream.readline().decode().split(" ", 2)
        headers: dict[str, str] = {}
        while (row := stream.readline().decode().rstrip("\r\n")) != "":
            name, _, value = row.partition(": ")
            headers[name.lower()] = value
        body = stream.read(int(headers.get("content-length", "0")))
    return Request(method=method, target=target, headers=headers, body=body)


def answering(status: str = "200 OK", body: bytes = b"", **headers: str) -> Behaviour:
    """Reads the request and answers so; in names of headers, _ stands for -."""

    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        rows = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        rows += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        line.sendall("\r\n".join([*rows, "", ""]).encode() + body)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """Each connection gets the next of these, and the last one again and again."""
    left = list(behaviours)

    def behave(line: socket.socket, listener: Listener) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(line, listener)

    return behave


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One that signs certificates: `file` is its own, for SSL_CERT_FILE."""

    file: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def server(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server of these names (numbers too) shows; `days` below 0: a certificate that has expired."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        builder = _builder(names[0], key).issuer_name(self.certificate.subject)
        builder = builder.not_valid_before(now - dt.timedelta(days=9)).not_valid_after(now + dt.timedelta(days=days))
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        path = self.file.with_name(f"{uuid.uuid4()}.pem")
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context


def authority(folder: Path) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    builder = _builder("Authority of the tests", key)
    builder = builder.issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")]))
    builder = builder.not_valid_before(now - dt.timedelta(days=10)).not_valid_after(now + dt.timedelta(days=10))
    certificate = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(
        key, hashes.SHA256()
    )
    file = folder / "authority.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return Authority(file=file, key=key, certificate=certificate)


def _builder(name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def names(monkeypatch: pytest.MonkeyPatch, **leads: list[str]) -> list[str]:
    """Makes `<name>.example` lead to these addresses, one a look-up, the last for ever; returns the names looked up."""
    real = socket.getaddrinfo
    asked: list[str] = []

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *args, **kwargs)
        asked.append(str(host))
        left = leads[str(host).removesuffix(".example")]
        return real(left.pop(0) if len(left) > 1 else left[0], port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def post(url: str, body: bytes = b"{}", seconds: float = 10.0, most: int = guard.MOST) -> guard.Answer:
    return guard.post(url, body=body, headers={"Content-Type": "application/json"}, seconds=seconds, most=most)


def refused(url: str, body: bytes = b"{}", seconds: float = 10.0) -> NotDelivered:
    with pytest.raises(NotDelivered) as problem:
        post(url, body, seconds)
    return problem.value
