"""What tests of channels share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from alerts.tests.channels.mail import Inbox, mail_server


@pytest.fixture
def inbox(settings: Settings) -> Iterator[Inbox]:
    """A mail server inside a network that is trusted."""
    with mail_server() as (found, port):
        settings.EMAIL_SERVER = f"smtp://127.0.0.1:{port}?tls=none"
        settings.EMAIL_FROM = "Lynceus at the gate <lynceus@site.example.org>"
        yield found
