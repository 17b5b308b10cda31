"""Lynceus' own pages allow no foreign or inline scripts."""

from __future__ import annotations

import pytest
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/accounts/login/", "/", "/nothing-here/"])
def test_own_pages_have_a_strict_policy(client: Client, path: str) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_pages_of_packages_are_left_as_they_are(admin_client: Client) -> None:
    assert "Content-Security-Policy" not in admin_client.get("/admin/").headers
