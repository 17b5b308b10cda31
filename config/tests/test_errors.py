"""A request that can not be answered gets a page that says whether waiting helps."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(OperationalError("away"), 503, "started again by itself"), (KeyError("x"), 500, "the log says why")],
)
def test_the_page(monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, words: str) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr("accounts.views.SignInView.get", fail)
    answer = Client(raise_request_exception=False).get("/accounts/login/")

    assert answer.status_code == status
    assert words in answer.content.decode()
