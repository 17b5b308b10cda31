"""The admin site of alerts: the rule on its watchlist's page, alerts and deliveries to read."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.tests.factories import UserFactory
from alerts.models import Delivery, Endpoint, Rule, Severity
from alerts.tests.factories import AlertFactory
from alerts.tests.outboxes import own_place
from recognition.models import Watchlist
from recognition.tests.factories import WatchlistFactory

pytestmark = pytest.mark.django_db

NO_ENTRIES = {
    "entries-TOTAL_FORMS": 0,
    "entries-INITIAL_FORMS": 0,
    "entries-MIN_NUM_FORMS": 0,
    "entries-MAX_NUM_FORMS": 1000,
}
LIST = {"name": "Wanted", "category": "wanted", "purpose": "", "legal_basis": "", "threshold": ""}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(UserFactory.create(username="root", is_staff=True, is_superuser=True))
    return client


def test_a_new_watchlist_gets_its_rule(client: Client) -> None:
    url = reverse("admin:recognition_watchlist_add")
    assert "rule-TOTAL_FORMS" not in client.get(url).content.decode()
    response = client.post(url, LIST | {"is_active": "on"} | NO_ENTRIES)

    assert response.status_code == 302, response.context["errors"]
    assert Rule.objects.exclude(own_list=None).get().own_list == Watchlist.objects.get()


def test_a_rule_is_changed_on_its_watchlists_page(client: Client) -> None:
    watchlist = WatchlistFactory.create(name="Wanted")
    rule = Rule.objects.exclude(own_list=None).get()
    url = reverse("admin:recognition_watchlist_change", args=[watchlist.pk])
    assert "rule-TOTAL_FORMS" in client.get(url).content.decode()
    response = client.post(
        url,
        LIST
        | NO_ENTRIES
        | {
            "is_active": "on",
            "rule-TOTAL_FORMS": 1,
            "rule-INITIAL_FORMS": 1,
            "rule-MIN_NUM_FORMS": 0,
            "rule-MAX_NUM_FORMS": 1,
            "rule-0-id": rule.pk,
            "rule-0-watchlist": watchlist.pk,
            "rule-0-severity": "critical",
            "rule-0-cooldown_seconds": 5,
        },
    )

    assert response.status_code == 302, response.context["errors"]
    rule.refresh_from_db()
    assert (rule.enabled, rule.severity, rule.cooldown_seconds) == (False, Severity.CRITICAL, 5)
    targets = set(AuditEvent.objects.values_list("actor_name", "target"))
    assert targets == {("root", f"watchlist {watchlist.pk}"), ("root", f"rule {rule.pk}")}


def test_alerts_and_deliveries_can_only_be_read(client: Client) -> None:
    alert = AlertFactory.create()
    delivery = Delivery.objects.create(alert=alert, channel="live", due_at=timezone.now())
    for name, row in (("alert", alert), ("delivery", delivery)):
        assert client.get(reverse(f"admin:alerts_{name}_changelist")).status_code == 200
        url = reverse(f"admin:alerts_{name}_change", args=[row.pk])
        assert client.get(url).status_code == 200
        assert client.post(url, {}).status_code == 403
        assert client.post(reverse(f"admin:alerts_{name}_delete", args=[row.pk])).status_code == 403
        assert client.get(reverse(f"admin:alerts_{name}_add")).status_code == 403


def test_a_user_is_deleted_with_their_own_places(client: Client) -> None:
    user = UserFactory.create()
    place = own_place(user)
    response = client.post(reverse("admin:accounts_user_delete", args=[user.pk]), {"post": "yes"})

    assert response.status_code == 302
    assert not User.objects.filter(pk=user.pk).exists()
    assert not Endpoint.objects.filter(pk=place.pk).exists()
