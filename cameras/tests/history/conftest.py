"""What tests of streamed answers need."""

from __future__ import annotations

import pytest


@pytest.fixture
def kept_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A piece of an answer is read over the test's own connection, whose transaction it would otherwise end."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda: None)
