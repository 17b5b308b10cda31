"""API keys and the audit trail."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import ApiKey, AuditEvent
from accounts.services import create_api_key, digest, record, revoke_api_key
from accounts.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_a_key_is_stored_as_its_hash_only() -> None:
    user = UserFactory.create()
    key, secret = create_api_key(actor=user, user=user, name="script")

    assert secret.startswith(f"lyn_{key.prefix}_")
    plain = secret.split("_", 2)[2]
    assert ApiKey.objects.get().digest == digest(plain)
    row = ApiKey.objects.values().get()
    assert plain not in str(row)
    assert plain not in str(list(AuditEvent.objects.values()))


def test_making_and_revoking_a_key_is_recorded() -> None:
    user = UserFactory.create(username="ada")
    key, _ = create_api_key(actor=user, user=user, name="script")
    revoke_api_key(actor=user, key=key)

    events = list(AuditEvent.objects.order_by("id").values_list("actor_name", "verb", "target"))
    assert events == [
        ("ada", "created", f"api key {key.prefix}"),
        ("ada", "revoked", f"api key {key.prefix}"),
    ]


@pytest.mark.parametrize("actor", [None, AnonymousUser()])
def test_what_nobody_in_particular_did_is_the_systems(actor: AnonymousUser | None) -> None:
    record(actor=actor, verb="looked", target="x" * 300)

    event = AuditEvent.objects.get()
    assert (event.actor, event.actor_name, len(event.target)) == (None, "system", 100)


def test_events_outlive_the_account() -> None:
    user = UserFactory.create(username="grace")
    record(actor=user, verb="looked", target="gallery")
    user.delete()

    event = AuditEvent.objects.get()
    assert event.actor is None
    assert event.actor_name == "grace"
