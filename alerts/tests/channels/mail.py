"""A real SMTP server for tests of email, and what it got."""

from __future__ import annotations

import email
import email.policy
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from alerts.channels.base import Message, NotDelivered
from alerts.channels.email import SENDER
from alerts.tests.channels.servers import message

TO = {"address": "ben@example.org"}
KEY = "6f0a1c52-9c1e-4f5f-8a53-0d2f1a6f7b11"


class Inbox:
    """What a mail server does with mails, and what came; its answers can be changed."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.over_tls: list[bool] = []
        self.greeted_as: list[str] = []
        self.answers = {"mail": "250 OK", "rcpt": "250 OK", "data": "250 taken as 4711"}

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.mail_from = address
        return self.answers["mail"]

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers["rcpt"]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers["data"].startswith("250"):
            found = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(found, EmailMessage)
            self.mails.append(found)
            self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
            self.over_tls.append(session.ssl is not None)
            self.greeted_as.append(session.host_name)
        return self.answers["data"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def mail_server(wrapped: ssl.SSLContext | None = None, **options: Any) -> Iterator[tuple[Inbox, int]]:
    inbox = Inbox()
    controller = Controller(inbox, hostname="127.0.0.1", port=_free_port(), ssl_context=wrapped, **options)
    controller.start()
    try:
        yield inbox, controller.port
    finally:
        controller.stop()


def problem_of(sent: Message | None = None) -> NotDelivered:
    with pytest.raises(NotDelivered) as problem:
        SENDER.send(TO, sent or message())
    assert "geheim" not in str(problem.value)
    return problem.value
