"""Email: what is said when a server refuses, misbehaves, or speaks TLS and wants a login."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from pytest_django import Settings

from alerts.channels import email as channel
from alerts.channels.email import SENDER
from alerts.tests.channels.mail import TO, Inbox, mail_server, problem_of
from alerts.tests.channels.servers import Behaviour, authority, listening, message

# --- what the server says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "answer", "permanent", "words"),
    [
        ("rcpt", "550 5.1.1 No such user", True, "refuses (550) mail for this address"),
        ("rcpt", "553 no", True, "refuses (553) mail for this address"),
        ("rcpt", "550 5.7.1 Relaying denied", False, "does not let this site send mail there (550)"),
        ("rcpt", "530 Authentication required", False, "does not let this site send mail there (530)"),
        ("rcpt", "450 4.2.1 Try later", False, "takes no mail for this address at the moment (450)"),
        ("rcpt", "421 Closing", False, "takes no mail for this address at the moment (421)"),
        ("data", "554 5.6.0 No", True, "refuses (554) this mail"),
        ("data", "554 5.7.1 Spam", False, "does not let this site send mail there (554)"),
        ("data", "452 Full", False, "at the moment (452)"),
        ("mail", "550 Not you", False, "does not take mail from our address (550)"),
        ("mail", "451 Later", False, "does not take mail from our address (451)"),
    ],
)
def test_which_refusals_are_final(step: str, answer: str, permanent: bool, words: str, inbox: Inbox) -> None:
    inbox.answers[step] = answer
    problem = problem_of()

    assert words in str(problem)
    assert problem.permanent is permanent
    assert "ben@example.org" not in str(problem)
    assert inbox.mails == []


def test_an_hour_without_a_server_costs_nothing_but_time(settings: Settings) -> None:
    with mail_server() as (_, port):
        settings.EMAIL_SERVER = f"smtp://ada:geheim@127.0.0.1:{port}?tls=none"
    problem = problem_of()

    assert "nothing listens on its port" in str(problem)
    assert "mail server is running" in str(problem)
    assert not problem.permanent
    settings.EMAIL_SERVER = "smtp://nobody.invalid"
    assert "is not known in this network" in str(problem_of())
    settings.EMAIL_SERVER = "smtp://169.254.169.254"
    assert "is one that no mail server has" in str(problem_of())


def _says(*rows: bytes, pause: float = 0.0) -> Behaviour:
    """Says one of these to each line that comes, the first without being asked."""

    def behave(line: socket.socket, _: object) -> None:
        with line.makefile("rb") as stream:
            for row in rows:
                for byte in row if pause else [row]:
                    line.sendall(bytes([byte]) if isinstance(byte, int) else byte)
                    time.sleep(pause)
                stream.readline()

    return behave


_GREETING = (b"220 mail ESMTP\r\n", b"250 mail\r\n", b"250 OK\r\n", b"250 OK\r\n")


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (lambda line, _: time.sleep(20), "did not answer within 0.5 seconds"),
        (_says(b"220-mail ESMTP\r\n" * 500, pause=0.02), "did not answer within 0.5 seconds"),
        (_says(*_GREETING, b"354 go on" * 500, pause=0.001), "did not answer within 0.5 seconds"),
        (lambda line, _: line.close(), "broke off the connection"),
        (_says(*_GREETING[:2]), "broke off the connection"),
        (_says(b"421 busy\r\n"), "takes no mail from us at the moment (421)"),
        (_says(b"SSH-2.0-OpenSSH_9.2\r\n"), "is no mail server"),
        (_says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "is no mail server"),
    ],
)
def test_servers_that_misbehave(
    behave: Behaviour, words: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "SEND_SECONDS", 0.5)
    with listening(behave) as there:
        settings.EMAIL_SERVER = f"smtp://127.0.0.1:{there.port}?tls=none"
        problem = problem_of()

    assert words in str(problem)
    assert not problem.permanent


def test_what_was_taken_is_not_sent_again_when_the_goodbye_fails(settings: Settings) -> None:
    with listening(_says(*_GREETING, b"354 go on\r\n")) as there:
        settings.EMAIL_SERVER = f"smtp://127.0.0.1:{there.port}?tls=none"
        assert "broke off" in str(problem_of())  # not taken yet

    def takes_and_goes(line: socket.socket, _: object) -> None:
        with line.makefile("rb") as stream:
            for row in (*_GREETING, b"354 go on\r\n"):
                line.sendall(row)
                stream.readline()
            while stream.readline().strip() != b".":
                pass
            line.sendall(b"250 taken\r\n")

    with listening(takes_and_goes) as there:
        settings.EMAIL_SERVER = f"smtp://127.0.0.1:{there.port}?tls=none"
        assert SENDER.send(TO, message())


# --- TLS and logins ----------------------------------------------------------------------------------------------


def _knows(server: SMTP, session: object, envelope: object, mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    return AuthResult(success=(given.login, given.password) == (b"ada@x", b"geheim:1"), handled=False)


def test_starttls_and_a_login(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    options: dict[str, Any] = {
        "tls_context": known.server("localhost"),
        "require_starttls": True,
        "auth_required": True,
        "authenticator": _knows,
    }
    with mail_server(**options) as (inbox, port):
        where = f"localhost:{port}?tls=starttls"
        settings.EMAIL_SERVER = f"smtp://ada%40x:geheim%3A1@{where}"
        untrusted = problem_of()
        monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
        SENDER.send(TO, message())
        settings.EMAIL_SERVER = f"smtp://ada%40x:wrong@{where}"
        wrong = problem_of()
        settings.EMAIL_SERVER = f"smtp://ada:geh%C3%A4im@{where}"
        letters = problem_of()
        settings.EMAIL_SERVER = f"smtp://{where}"
        without = problem_of()
        settings.EMAIL_SERVER = f"smtp://ada%40x:geheim%3A1@127.0.0.1:{port}"
        other_name = problem_of()

    assert inbox.over_tls == [True]
    assert "The certificate of localhost is not trusted" in str(untrusted)
    assert "refuses the user name or the password (535)" in str(wrong)
    assert "letters that SMTP can not carry" in str(letters)
    assert "whether the server asks for a user name" in str(without)
    assert "The certificate of 127.0.0.1 is not trusted: IP address mismatch" in str(other_name)
    assert not any(problem.permanent for problem in (untrusted, wrong, letters, without, other_name))


def test_tls_from_the_start(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known = authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(known.file))
    with mail_server(known.server("localhost")) as (inbox, port):
        settings.EMAIL_SERVER = f"smtps://localhost:{port}"
        SENDER.send(TO, message())
        settings.EMAIL_SERVER = f"smtps://127.0.0.1:{port}"
        problem = problem_of()

    assert len(inbox.mails) == 1
    assert "is not trusted" in str(problem)


def test_nothing_is_sent_in_clear_where_tls_was_asked_for(settings: Settings) -> None:
    with mail_server(auth_require_tls=False, authenticator=_knows) as (inbox, port):
        settings.EMAIL_SERVER = f"smtp://ada%40x:geheim%3A1@127.0.0.1:{port}"
        starttls = problem_of()
        settings.EMAIL_SERVER = f"smtps://127.0.0.1:{port}"
        wrapped = problem_of()
        settings.EMAIL_SERVER = f"smtp://ada%40x:geheim%3A1@127.0.0.1:{port}?tls=none"
        SENDER.send(TO, message())

    assert "does not offer TLS (STARTTLS)" in str(starttls)
    assert "makes no secure connection" in str(wrapped)
    assert inbox.over_tls == [False]


def test_a_login_that_nobody_asks_for(inbox: Inbox, settings: Settings) -> None:
    settings.EMAIL_SERVER = settings.EMAIL_SERVER.replace("://", "://ada:geheim@")

    assert "asks for no user name on this port" in str(problem_of())
