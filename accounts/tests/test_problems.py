"""Whatever a view raises is answered in the words of the API."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, OperationalError

from accounts.problems import Unavailable, exception_handler
from accounts.roles import Role
from accounts.tests.clients import key_client, problem


@pytest.mark.django_db
def test_json_that_is_nested_too_deeply_is_not_well_formed() -> None:
    client = key_client(Role.ADMINISTRATOR)

    answer = client.post("/api/v1/cameras", "[" * 100_000, content_type="application/json")

    assert problem(answer, 400)["type"] == "urn:lynceus:problem:parse_error"


@pytest.mark.django_db
def test_a_form_where_json_is_taken_says_which_is_which() -> None:
    answer = key_client(Role.OPERATOR).post(
        "/api/v1/people", "name=Ada", content_type="application/x-www-form-urlencoded"
    )

    assert "Send photos as a form (multipart/form-data)" in problem(answer, 415)["detail"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/nothing", "/api/v1/nothing"])
def test_where_no_route_is_the_api_answers_itself(path: str) -> None:
    assert problem(key_client(Role.VIEWER).get(path), 404)


@pytest.mark.parametrize(("error", "status"), [(IntegrityError("gone"), 409), (OperationalError("away"), 503)])
def test_what_is_nobodys_mistake_has_its_own_answer(error: Exception, status: int) -> None:
    response = exception_handler(error, {})

    assert response.status_code == status
    assert str(error) not in str(response.data)


def test_what_was_foreseen_is_logged_as_its_sentence_and_the_rest_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    exception_handler(Unavailable("The model is damaged. Install it again."), {})
    exception_handler(ZeroDivisionError("division by zero"), {})

    foreseen, unforeseen = caplog.records
    assert foreseen.getMessage() == "The API could not answer: The model is damaged. Install it again."
    assert not foreseen.exc_info
    assert unforeseen.exc_info
