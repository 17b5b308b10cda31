"""The pages of on-call rotas: who may, what they save, and who is on call."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts.models import Rota, Who
from alerts.rota_services import ChangeValues, RotaValues, marker, remove_rota, save_rota, values_of
from alerts.rule_services import save_rule
from alerts.rule_values import RuleChanged, RuleError, RuleValues, StepValues
from recognition.errors import RecognitionError

pytestmark = pytest.mark.django_db

PAGES = {"rotas": False, "rota_add": False, "rota_edit": True, "rota_remove": True}  # whether it needs a rota
MONDAY = date(2026, 3, 9)


def values(**more: Any) -> RotaValues:
    members = more.pop("members", None) or (UserFactory.create(role=Role.VIEWER).pk,)
    usual: dict[str, Any] = {"name": "Nights", "first_day": MONDAY, "handover": time(8), "members": members}
    return RotaValues(**usual | more)


def make_rota(**more: Any) -> Rota:
    return save_rota(actor=None, rota=None, values=values(**more))


def address(name: str) -> str:
    return reverse(name, args=[make_rota().pk] if PAGES[name] else [])


def typed(**more: Any) -> dict[str, Any]:
    usual = {
        "name": "Nights",
        "first_day": "2026-03-09",
        "handover": "08:00",
        "days_each": "7",
        "member_rows": "3",
        "change_rows": "1",
    }
    return usual | more


@pytest.mark.parametrize("name", PAGES)
def test_who_may_open_the_pages(client: Client, name: str) -> None:
    page = address(name)
    assert client.get(page)["Location"].startswith("/accounts/login/")
    sign_in(client, Role.OPERATOR)
    assert client.get(page).status_code == 403
    sign_in(client, Role.ADMINISTRATOR)
    assert client.get(page).status_code == 200
    assert client.put(page).status_code == 405


def test_a_rota_is_made_with_members_in_order_and_who_stands_in(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    one, two = UserFactory.create(role=Role.VIEWER), UserFactory.create(role=Role.VIEWER)
    sent = typed(time_zone="Europe/Zurich") | {
        "member0-user": two.pk,
        "member2-user": one.pk,
        "change0-user": one.pk,
        "change0-begins_at": "2026-03-10T08:00",
        "change0-ends_at": "2026-03-11T08:00",
    }
    assert client.post(reverse("rota_add"), sent)["Location"] == reverse("rotas")
    rota = Rota.objects.get()
    stored = values_of(rota)
    assert stored.members == (two.pk, one.pk)
    assert [change.user for change in stored.changes] == [one.pk]
    page = client.get(reverse("rota_edit", args=[rota.pk])).content.decode()
    seen = re.findall(r'name="seen" value="(\w+)"', page)[0]
    sent = sent | {"seen": seen, "name": "Days", "change0-user": ""}
    client.post(reverse("rota_edit", args=[rota.pk]), sent)
    assert (Rota.objects.get().name, Rota.objects.get().changes.count()) == ("Days", 0)
    stale = client.post(reverse("rota_edit", args=[rota.pk]), sent).content.decode()
    assert "Somebody else saved this rota" in stale


def test_the_list_shows_who_is_on_call_and_who_is_next(client: Client) -> None:
    sign_in(client, Role.ADMINISTRATOR)
    now, deputy = (UserFactory.create(username=name, role=Role.VIEWER) for name in ("nina", "omar"))
    today = timezone.localdate()
    rota = make_rota(members=(now.pk, deputy.pk), first_day=today - timedelta(days=1), days_each=7)
    rule = save_rule(
        actor=None,
        rule=None,
        values=RuleValues(name="At night", who=Who.UNKNOWN, steps=(StepValues(rotas=(rota.pk,)),)),
    )
    page = client.get(reverse("rotas")).content.decode()
    assert page.index("nina") < page.index("on call now") < page.index("omar")
    assert rule.name in page
    assert rule.name in client.get(reverse("rota_remove", args=[rota.pk])).content.decode()
    assert client.post(reverse("rota_remove", args=[rota.pk]))["Location"] == reverse("rotas")
    assert "nobody who could be told" in client.get(reverse("rules")).content.decode()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Nobody takes turns"),
        ({"member0-user": "me", "member1-user": "me"}, "in it twice"),
        ({"member0-user": "me", "time_zone": "Mars"}, "There is no time zone"),
        ({"member0-user": "999999"}, "not one of the available choices"),
        ({"member0-user": "me", "days_each": "0"}, "greater than or equal to 1"),
        ({"member0-user": "me", "change0-user": "me"}, "From when until when"),
        (
            {
                "member0-user": "me",
                "change0-user": "me",
                "change0-begins_at": "2026-03-11T08:00",
                "change0-ends_at": "2026-03-10T08:00",
            },
            "until before they begin",
        ),
    ],
)
def test_what_can_not_be_used_is_said(client: Client, more: dict[str, str], said: str) -> None:
    user = sign_in(client, Role.ADMINISTRATOR)
    sent = {name: str(user.pk) if value == "me" else value for name, value in more.items()}
    assert said in client.post(reverse("rota_add"), typed(**sent)).content.decode()
    assert not Rota.objects.exists()


def test_services_refuse_and_record() -> None:
    rota = make_rota()
    assert AuditEvent.objects.filter(verb="created", target=f"rota {rota.pk}").exists()
    with pytest.raises(RecognitionError, match="already"):
        make_rota()
    moment = datetime(2026, 3, 10, tzinfo=UTC)
    for field, more in (
        ("members", {"members": (10**9,)}),
        ("changes", {"changes": (ChangeValues(user=10**9, begins_at=moment, ends_at=moment + timedelta(1)),)}),
        ("first_day", {"first_day": date(1, 1, 1)}),
        ("days_each", {"days_each": 10**6}),
        ("name", {"name": " "}),
    ):
        with pytest.raises(RuleError) as caught:
            make_rota(**more)
        assert caught.value.field == field
    seen = marker(values_of(rota))
    remove_rota(actor=None, rota=rota)
    rota.pk = rota.id = 10**9
    with pytest.raises(RuleChanged, match="removed"):
        save_rota(actor=None, rota=rota, values=values(name="Days"), seen=seen)


def test_names_are_text_and_nothing_else(client: Client) -> None:
    user = sign_in(client, Role.ADMINISTRATOR)
    evil = "<script>alert(1)</script>"
    rota = make_rota(name=evil, members=(user.pk,))
    for page in ("rotas", "rota_edit", "rota_remove"):
        shown = client.get(reverse(page, args=[] if page == "rotas" else [rota.pk])).content.decode()
        assert "<script>alert" not in shown
