"""The admin site of accounts: users with unfold's forms, keys whose secret is shown once, and a trail of it all."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from accounts.models import ApiKey, AuditEvent, DataKey, User
from accounts.roles import Role
from accounts.services import create_api_key, digest, record
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> User:
    user: User = UserFactory.create(username="root", is_staff=True, is_superuser=True)
    return user


@pytest.fixture
def client(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


def messages(response: object) -> str:
    return " ".join(str(message) for message in response.context["messages"])  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", ["index", "accounts_user_changelist", "accounts_user_add", "auth_group_changelist"])
def test_pages_open(client: Client, page: str) -> None:
    assert client.get(reverse(f"admin:{page}")).status_code == 200


def test_strangers_and_users_without_the_right_stay_outside() -> None:
    url = reverse("admin:accounts_apikey_changelist")
    assert Client().get(url).status_code == 302
    client = Client()
    client.force_login(UserFactory.create(role=Role.ADMINISTRATOR))
    assert client.get(url).status_code == 302  # not of the staff
    client.force_login(UserFactory.create(role=Role.VIEWER, is_staff=True))
    assert client.get(url).status_code == 403


def test_a_user_is_made_changed_and_deleted_and_all_of_it_recorded(client: Client) -> None:
    values = {"username": "ada", "password1": "a-long-password-1", "password2": "a-long-password-1"}
    client.post(reverse("admin:accounts_user_add"), values | {"usable_password": "true"})
    ada = User.objects.get(username="ada")
    assert ada.check_password("a-long-password-1")

    group = Group.objects.get(name=Role.VIEWER.value)
    change = reverse("admin:accounts_user_change", args=[ada.pk])
    response = client.post(
        change,
        {
            "username": "ada",
            "first_name": "Ada",
            "last_name": "",
            "email": "",
            "is_active": "on",
            "groups": [group.pk],
            "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00:00",
            "last_login_0": "",
            "last_login_1": "",
        },
    )
    assert response.status_code == 302, response.context["adminform"].form.errors
    ada.refresh_from_db()
    assert (ada.first_name, list(ada.groups.all())) == ("Ada", [group])
    client.post(reverse("admin:accounts_user_delete", args=[ada.pk]), {"post": "yes"})

    events = list(AuditEvent.objects.order_by("id").values_list("actor_name", "verb", "target"))
    target = f"user {ada.pk}"
    assert events == [("root", verb, target) for verb in ("created", "changed", "deleted")]
    assert "a-long-password-1" not in str(list(AuditEvent.objects.values()))


def test_a_new_keys_secret_is_shown_once(client: Client, root: User) -> None:
    response = client.post(
        reverse("admin:accounts_apikey_add"),
        {"name": "script", "user": root.pk, "expires_at_0": "", "expires_at_1": ""},
        follow=True,
    )
    found = re.search(r"lyn_[0-9a-f]{12}_[\w-]{40,}", messages(response))
    assert found is not None
    key = ApiKey.objects.get()
    assert key.digest == digest(found[0].split("_", 2)[2])
    assert AuditEvent.objects.get().target == f"api key {key.prefix}"

    later = client.get(reverse("admin:accounts_apikey_changelist"))
    assert found[0] not in later.content.decode()
    view = client.get(reverse("admin:accounts_apikey_change", args=[key.pk]))
    assert view.status_code == 200
    assert key.digest not in view.content.decode()


def test_nobody_gets_more_rights_by_a_key(root: User) -> None:
    administrator = UserFactory.create(role=Role.ADMINISTRATOR, is_staff=True)
    client = Client()
    client.force_login(administrator)
    response = client.post(
        reverse("admin:accounts_apikey_add"),
        {"name": "script", "user": root.pk, "expires_at_0": "", "expires_at_1": ""},
    )

    assert "user" in response.context["adminform"].form.errors
    assert not ApiKey.objects.exists()


def test_keys_are_revoked_one_by_one_and_together(client: Client, root: User) -> None:
    keys = [create_api_key(actor=root, user=root, name=str(n))[0] for n in range(3)]
    client.post(reverse("admin:accounts_apikey_delete", args=[keys[0].pk]), {"post": "yes"})
    client.post(
        reverse("admin:accounts_apikey_changelist"),
        {"action": "delete_selected", "_selected_action": [keys[1].pk, keys[2].pk], "post": "yes"},
    )

    assert not ApiKey.objects.exists()
    assert AuditEvent.objects.filter(verb="revoked").count() == 3


def test_the_audit_trail_can_only_be_read(client: Client) -> None:
    record(actor=None, verb="looked", target="gallery", faces=1)
    event = AuditEvent.objects.get()

    assert "gallery" in client.get(reverse("admin:accounts_auditevent_changelist")).content.decode()
    change = reverse("admin:accounts_auditevent_change", args=[event.pk])
    assert client.get(change).status_code == 200
    assert client.post(change, {"verb": "forged"}).status_code == 403
    assert client.post(reverse("admin:accounts_auditevent_delete", args=[event.pk])).status_code == 403
    assert client.get(reverse("admin:accounts_auditevent_add")).status_code == 403


def test_data_keys_are_not_on_the_site() -> None:
    assert not admin.site.is_registered(DataKey)
