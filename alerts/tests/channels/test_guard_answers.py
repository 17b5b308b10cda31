"""Answers that may not be trusted: redirects, those without end, those that never come, and certificates."""

from __future__ import annotations

import itertools
import socket
import ssl
import time
from pathlib import Path

import pytest

from alerts.channels import guard
from alerts.tests.channels.servers import (
    Behaviour,
    Listener,
    answering,
    authority,
    listening,
    names,
    post,
    read_request,
    refused,
)

SECONDS = 0.5  # of patience with servers that misbehave


def _trickling(start: bytes, piece: bytes = b"x", *, end: bytes = b"") -> Behaviour:
    """Sends a little, again and again: for 20 seconds, and then does as it should."""

    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        line.sendall(start)
        for _ in range(400):
            line.sendall(piece)
            time.sleep(0.05)
        line.sendall(end)

    return behave


# --- redirects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "permanent"),
    [("301 Moved", True), ("302 Found", False), ("303 See Other", False), ("307 T", False), ("308 P", True)],
)
def test_a_redirect_is_not_followed(status: str, permanent: bool) -> None:
    with listening(answering()) as house, listening(answering(status, Location=house.url("/admin"))) as there:
        problem = refused(there.url())

    assert house.connections == 0
    assert len(there.requests) == 1
    assert f"answers with a redirect ({status[:3]})" in str(problem)
    assert problem.permanent is permanent


@pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "//127.0.0.1/", "/again", ""])
def test_a_redirect_is_not_followed_wherever_it_leads(target: str) -> None:
    with listening(answering("302 Found", Location=target)) as there:
        problem = refused(there.url())

    assert "Redirects are not followed" in str(problem)
    assert there.connections == 1


# --- who never comes to an end -----------------------------------------------------------------------------------


def _never(line: socket.socket, listener: Listener) -> None:
    listener.requests.append(read_request(line))
    time.sleep(20)
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def _deaf(line: socket.socket, listener: Listener) -> None:
    """Reads a little at a time, for 20 seconds, and then all of it."""
    for _ in range(400):
        line.recv(16)
        time.sleep(0.05)
    with line.makefile("rb") as stream:
        stream.readline()
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    ("behave", "body"),
    [
        (_never, b"{}"),
        (_trickling(b"HTTP/1.1 ", b"2", end=b" OK\r\n\r\n"), b"{}"),
        (_trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n", end=b"HTTP/1.1 200 OK\r\n\r\n"), b"{}"),
        (_deaf, bytes(32 * 2**20)),
    ],
    ids=["silent", "status", "continue", "deaf"],
)
def test_who_keeps_us_waiting_is_left(behave: Behaviour, body: bytes) -> None:
    with listening(behave) as there:
        problem = refused(there.url(), body, SECONDS)

    assert "did not answer within 0.5 seconds" in str(problem)
    assert not problem.permanent


def test_who_keeps_us_waiting_over_tls_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    for behave, body in ((_never, b"{}"), (_deaf, bytes(32 * 2**20))):
        with listening(behave, known.server("localhost")) as there:
            problem = refused(there.url(host="localhost", scheme="https"), body, 1.0)
        assert "did not answer within 1 seconds" in str(problem)


def test_who_never_shakes_hands_is_left() -> None:
    with listening(lambda line, _: time.sleep(20)) as there:
        said = str(refused(there.url(scheme="https"), seconds=SECONDS))
    # Which of the two limits is noticed first, that of the handshake or that of the whole, is a matter of moments.
    assert "did not answer within 0.5 seconds" in said or "does not answer the call for a secure connection" in said


def test_an_answer_that_streams_for_ever_is_cut() -> None:
    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        line.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in itertools.count():
            line.sendall(bytes(65536))

    with listening(behave) as there:
        answer = post(there.url(), most=1000)
        default = post(there.url())

    assert (answer.status, len(answer.body)) == (200, 1000)
    assert len(default.body) == guard.MOST


def test_who_has_said_yes_has_it_however_slowly_the_rest_comes() -> None:
    with listening(_trickling(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")) as there:
        answer = post(there.url(), seconds=SECONDS)

    assert answer.succeeded
    assert 0 < len(answer.body) < 100
    assert set(answer.body) == {ord("x")}


@pytest.mark.parametrize(("start", "piece"), [(b"HTTP/1.1 204 N", b"o"), (b"HTTP/1.1 204 OK\r\n", b"X: y\r\n")])
def test_who_has_said_yes_has_it_before_its_headers_end(start: bytes, piece: bytes) -> None:
    with listening(_trickling(start, piece)) as there:
        assert post(there.url(), seconds=SECONDS).status == 204


def test_headers_without_end_are_not_an_answer() -> None:
    def behave(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        line.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 1000 + b"\r\n")

    with listening(behave) as there:
        assert "is no web service" in str(refused(there.url()))


def test_who_breaks_off() -> None:
    def half(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    def at_once(line: socket.socket, listener: Listener) -> None:
        listener.requests.append(read_request(line))

    with listening(at_once) as there:
        problem = refused(there.url())
    with listening(half) as there:
        answer = post(there.url())

    assert "broke off the connection before it answered" in str(problem)
    assert not problem.permanent
    assert (answer.status, answer.body) == (200, b"half")


def test_what_is_no_web_service() -> None:
    def behave(line: socket.socket, listener: Listener) -> None:
        line.sendall(b"220 mail.example ESMTP\r\n")
        read_request(line)

    with listening(behave) as there:
        problem = refused(there.url())

    assert "is no web service. Check the address and the port." in str(problem)


def test_who_refuses_before_all_was_sent_is_heard() -> None:
    def behave(line: socket.socket, listener: Listener) -> None:
        line.recv(1000)
        line.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        line.shutdown(socket.SHUT_WR)
        while line.recv(65536):
            pass

    with listening(behave) as there:
        answer = post(there.url(), bytes(16 * 2**20))

    assert answer.status == 413


# --- certificates ------------------------------------------------------------------------------------------------


def test_a_certificate_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    context = known.server("localhost", "127.0.0.1")
    asked: list[str | None] = []
    context.sni_callback = lambda line, name, _: asked.append(name)
    with listening(answering(), context) as there:
        assert post(there.url(host="localhost", scheme="https")).succeeded
        assert post(there.url(scheme="https")).succeeded

    assert asked == ["localhost", None]  # a number is no name (RFC 6066)
    assert there.requests[0].headers["host"] == f"localhost:{there.port}"


@pytest.mark.parametrize(
    ("host", "days", "trusted", "why"),
    [
        ("127.0.0.1", 1, True, "IP address mismatch"),
        ("other.example", 1, True, "Hostname mismatch"),
        ("localhost", -1, True, "certificate has expired"),
        ("localhost", 1, False, "unable to get local issuer"),
    ],
)
def test_a_certificate_that_does_not(
    host: str, days: int, trusted: bool, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = authority(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    names(monkeypatch, other=["127.0.0.1"])
    with listening(answering(), known.server("localhost", days=days)) as there:
        problem = refused(there.url(host=host, scheme="https"))

    assert f"The certificate of {host} is not trusted: " in str(problem)
    assert why in str(problem)
    assert not problem.permanent
    assert there.requests == []


def test_where_no_tls_is_spoken() -> None:
    with listening(lambda line, _: line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as there:
        problem = refused(there.url(scheme="https"))

    assert "makes no secure connection on this port" in str(problem)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_not_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    context = known.server("localhost")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with listening(answering(), context) as there:
        assert "TLS 1.2 or newer" in str(refused(there.url(host="localhost", scheme="https")))
