"""What messages say, and what became of each."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.tests.factories import UserFactory
from alerts import delivery_views
from alerts.models import Delivery, DeliveryState, MessageTemplate, Occasion
from alerts.tests.factories import AlertFactory
from alerts.tests.fake_sender import FakeSender
from alerts.tests.places_told import HTMX, delivery, place, text

pytestmark = pytest.mark.django_db


def test_a_text_is_changed_and_brought_back(client: Client, administrator: User) -> None:
    url = reverse("message_template", args=["chat"])
    assert client.post(url, {"subject": "Seen", "body": "$who at $where"}).status_code == 302
    assert "$who at $where" in text(client.get(reverse("message_templates")))
    assert client.post(reverse("message_template_reset", args=["chat"])).status_code == 302
    assert not MessageTemplate.objects.exists()
    assert "$who at $where" not in text(client.get(reverse("message_templates")))


@pytest.mark.parametrize(("body", "said"), [("$password", "password"), ("", "field--wrong"), ("x" * 9000, "8000")])
def test_a_text_that_can_not_be_used_is_not_stored(client: Client, administrator: User, body: str, said: str) -> None:
    response = client.post(reverse("message_template", args=["chat"]), {"subject": "", "body": body})
    assert response.status_code == 200
    assert said in text(response)
    assert not MessageTemplate.objects.exists()


def test_the_preview_follows_what_is_typed(client: Client, administrator: User) -> None:
    url = reverse("message_template_preview", args=["chat"])
    part = text(client.post(url, {"subject": "", "body": "Look: <b>$who</b>"}, headers=HTMX))
    assert "<html" not in part
    assert "Look: &lt;b&gt;" in part
    assert "$who" not in part
    whole = text(client.post(url, {"subject": "", "body": "Look: $who"}))
    assert "<html" in whole
    assert "Look: $who</textarea>" in whole
    assert "password" in text(client.post(url, {"subject": "", "body": "$password"}, headers=HTMX))
    assert "Write a text" in text(client.post(url, {"subject": "", "body": ""}, headers=HTMX))
    assert not MessageTemplate.objects.exists()


def test_the_preview_of_an_sms_says_how_long_it_is(client: Client, administrator: User) -> None:
    url = reverse("message_template_preview", args=["sms"])
    part = text(client.post(url, {"body": "$who, $where, $when"}, headers=HTMX))
    assert re.search(r"\d+ characters: it goes as one SMS\.", part)


@pytest.mark.parametrize("kind", ["live", "webhook", "log", "pigeon"])
def test_channels_that_send_records_have_no_text(client: Client, administrator: User, kind: str) -> None:
    assert client.get(reverse("message_template", args=[kind])).status_code == 404


def test_the_typed_text_is_sent_to_me(client: Client, administrator: User, chat: FakeSender) -> None:
    url, typed = reverse("message_template_test", args=["chat"]), {"subject": "", "body": "Typed: $who"}
    response = client.post(url, typed | {"to": str(place(administrator).pk)}, headers=HTMX)
    assert "took the test message" in text(response)
    assert chat.sent[0][1].text.startswith("Typed: ")
    assert not MessageTemplate.objects.exists()
    whole = text(client.post(url, typed | {"to": str(place(administrator).pk)}))
    assert "Wait 5 seconds" in whole
    assert "Typed: $who</textarea>" in whole


def test_a_text_is_not_sent_to_somebody_else(client: Client, administrator: User, chat: FakeSender) -> None:
    url = reverse("message_template_test", args=["chat"])
    for to in (str(place(UserFactory.create()).pk), str(uuid4()), "nobody", ""):
        assert client.post(url, {"subject": "", "body": "$who", "to": to}).status_code == 404
    assert not chat.sent


def test_a_text_that_can_not_be_used_is_not_sent(client: Client, administrator: User, chat: FakeSender) -> None:
    url, to = reverse("message_template_test", args=["chat"]), str(place(administrator).pk)
    assert "password" in text(client.post(url, {"subject": "", "body": "$password", "to": to}, headers=HTMX))
    assert "write a text first" in text(client.post(url, {"subject": "", "body": "", "to": to}, headers=HTMX))
    assert not chat.sent


def test_deliveries_are_listed_page_by_page(
    client: Client, administrator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_views, "A_PAGE", 3)
    row, alert, now = place(), AlertFactory.create(), timezone.now()
    states = [DeliveryState.SENT, DeliveryState.DEAD, DeliveryState.PENDING]
    rows = [delivery(row, alert=alert, turn=n, state=states[n % 3], error=f"number-{n}.") for n in range(8)]
    for n, one in enumerate(rows):  # two by two at the same moment
        Delivery.objects.filter(pk=one.pk).update(created_at=now - timedelta(seconds=n // 2))
    seen: list[int] = []
    url: str = reverse("deliveries")
    for _ in range(4):
        part = text(client.get(url, headers=HTMX))
        assert "<html" not in part
        seen += sorted((n for n in range(8) if f"number-{n}." in part), key=lambda n: part.index(f"number-{n}."))
        more = re.search(r'hx-get="(\?after=[^"]+)"', part)
        if more is None:
            break
        url = reverse("deliveries") + more[1]
    assert len(seen) == 8
    assert sorted(seen) == list(range(8))
    assert [n // 2 for n in seen] == sorted(n // 2 for n in range(8))


def test_deliveries_are_filtered(client: Client, administrator: User) -> None:
    row, alert = place(), AlertFactory.create()
    delivery(row, alert=alert, state=DeliveryState.DEAD, error="It is dead.")
    delivery(row, alert=alert, state=DeliveryState.SENT, error="It was sent.", occasion=Occasion.NAMED)
    delivery(None, alert=alert, channel="live", error="It was shown.")
    every = text(client.get(reverse("deliveries")))
    assert ("It is dead." in every, "It was sent." in every, "It was shown." in every) == (True, True, False)
    dead = text(client.get(reverse("deliveries") + "?state=dead"))
    assert ("It is dead." in dead, "It was sent." in dead) == (True, False)
    assert "It was shown." in text(client.get(reverse("deliveries") + "?channel=live"))
    assert "No message matches" in text(client.get(reverse("deliveries") + "?channel=sms"))


@pytest.mark.parametrize(
    "query", ["state=lost", "channel=%00", "after=x", "after=2026-01-01_7", "after=_", "state[]=1"]
)
def test_an_address_that_makes_no_sense_shows_all(client: Client, administrator: User, query: str) -> None:
    delivery(place(), error="Here it is.")
    assert "Here it is." in text(client.get(reverse("deliveries") + f"?{query}"))


def test_what_was_given_up_is_sent_again(client: Client, administrator: User) -> None:
    row, alert = place(), AlertFactory.create()
    one, two, three, four = (
        delivery(row, alert=alert, turn=turn, state=DeliveryState.DEAD, attempts=9) for turn in range(4)
    )
    url = reverse("deliveries_resend")
    assert "1 message goes out again." in text(
        client.post(url, {"only": str(one.pk), "delivery": str(two.pk)}, follow=True)
    )
    assert set(Delivery.objects.filter(state="pending")) == {one}
    again = client.post(url, {"delivery": [str(one.pk), str(two.pk), "x"], "state": "dead"}, follow=True)
    assert "1 message goes out again." in text(again)
    assert again.redirect_chain == [(reverse("deliveries") + "?state=dead", 302)]
    assert "Nothing was sent again" in text(client.post(url, {}, follow=True))
    assert "Nothing was sent again" in text(client.post(url, {"every": "1", "channel": "sms"}, follow=True))
    assert "2 messages go out again." in text(client.post(url, {"every": "1"}, follow=True))
    assert set(Delivery.objects.filter(state="pending")) == {one, two, three, four}


def test_nothing_is_sent_again_to_a_place_that_is_gone(client: Client, administrator: User) -> None:
    row = delivery(None, state=DeliveryState.DEAD)
    assert "a place that was removed" in text(client.get(reverse("deliveries")))
    client.post(reverse("deliveries_resend"), {"only": str(row.pk)})
    assert Delivery.objects.get().state == "dead"
