"""API clients for tests: programs with a key, and people with a session."""

from __future__ import annotations

from typing import Any

from rest_framework.test import APIClient

from accounts.models import User
from accounts.roles import Role
from accounts.services import create_api_key
from accounts.tests.factories import UserFactory


def key_client(role: Role | None = None, user: User | None = None) -> APIClient:
    """A program with the key of a (new) user."""
    owner = user if user is not None else UserFactory.create(role=role)
    _, secret = create_api_key(actor=None, user=owner, name="tests")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem document of an answer, which must be one with this status."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:lynceus:problem:")
    assert document["title"]
    assert document["detail"]
    return document
