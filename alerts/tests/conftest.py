"""Fixtures of the tests of channels and their pages."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import sign_in
from alerts.channels import base
from alerts.models import Channel
from alerts.tests.fake_sender import FakeSender, instead


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> FakeSender:
    """What stands in place of the chat services; nobody has just sent a test."""
    sender = FakeSender()
    monkeypatch.setattr(base, "sender", instead(Channel.CHAT, sender))
    cache.clear()
    return sender


@pytest.fixture
def administrator(client: Client, chat: FakeSender) -> User:
    """Who is signed in."""
    return sign_in(client, Role.ADMINISTRATOR)
