"""Signing in and out, the account page, and the pages for what goes wrong."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in

pytestmark = pytest.mark.django_db


def test_signing_in_leads_to_the_page_that_was_asked_for(client: Client) -> None:
    UserFactory.create(username="ada", role=Role.VIEWER)
    answer = client.get(reverse("people"))
    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/people/"
    form = {"username": "ada", "password": "a-long-password", "next": "/people/"}
    answer = client.post(reverse("login"), form)
    assert answer["Location"] == "/people/"


def test_a_wrong_password_is_told(client: Client) -> None:
    UserFactory.create(username="ada")
    answer = client.post(reverse("login"), {"username": "ada", "password": "wrong"})
    assert answer.status_code == 200
    assert "Please enter a correct username and password" in answer.content.decode()


def test_a_partial_of_a_page_never_gets_the_sign_in_form_swapped_in(client: Client) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/cameras/?x=1"}
    answer = client.get(reverse("camera_states"), headers=headers, follow=True)
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fcameras%2F%3Fx%3D1"


def test_signing_out(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    assert client.get(reverse("logout")).status_code == 405
    assert client.post(reverse("logout"))["Location"] == reverse("login")
    assert client.get(reverse("account")).status_code == 302


def test_the_account_page_names_the_role(client: Client) -> None:
    user = sign_in(client, Role.OPERATOR)
    text = client.get(reverse("account")).content.decode()
    assert user.username in text
    assert "Operators" in text
    assert client.post(reverse("account")).status_code == 405


def test_changing_the_password(client: Client) -> None:
    user = sign_in(client, Role.VIEWER)
    form = {"old_password": "a-long-password", "new_password1": "orange-tree-77", "new_password2": "orange-tree-77"}
    assert client.post(reverse("password_change"), form)["Location"] == reverse("account")
    user.refresh_from_db()
    assert user.check_password("orange-tree-77")


def test_who_has_no_role_is_told_what_to_do(client: Client) -> None:
    sign_in(client, None)
    answer = client.get(reverse("dashboard"))
    assert answer.status_code == 403
    assert "has no role yet" in answer.content.decode()
    assert "ws-connect" not in answer.content.decode()


def test_a_page_that_does_not_exist(client: Client) -> None:
    sign_in(client, Role.VIEWER)
    answer = client.get("/nothing-here/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()


def test_the_pages_of_errors_need_neither_a_user_nor_a_database() -> None:
    from django.template.loader import render_to_string

    for name in ("400.html", "500.html", "403_csrf.html"):
        assert "Lynceus" in render_to_string(name)


def test_a_form_without_its_token_gets_a_sentence(client: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, Role.ADMINISTRATOR)
    answer = strict.post(reverse("watchlist_add"), {"name": "x"})
    assert answer.status_code == 403
    assert "too old to be sent" in answer.content.decode()
