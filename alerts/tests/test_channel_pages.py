"""The pages of channels: who may see them, and the places of the site."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from alerts import endpoints
from alerts.channels.base import NotDelivered
from alerts.models import Channel, Delivery, DeliveryState, Endpoint, ListPolicy
from alerts.tests.factories import AlertFactory
from alerts.tests.fake_sender import SECRET, FakeSender
from alerts.tests.places_told import HTMX, TYPED, delivery, place, text
from recognition.tests.factories import WatchlistFactory

pytestmark = pytest.mark.django_db

ADMINISTRATORS_PAGES = [
    ("channels", "GET"),
    ("channel_add", "GET"),
    ("channel_add:chat", "GET"),
    ("channel_edit:site", "GET"),
    ("channel_remove:site", "GET"),
    ("channel_test:site", "POST"),
    ("message_templates", "GET"),
    ("message_template:chat", "GET"),
    ("message_template_preview:chat", "POST"),
    ("message_template_test:chat", "POST"),
    ("message_template_reset:chat", "POST"),
    ("deliveries", "GET"),
    ("deliveries_resend", "POST"),
    ("list_policies", "GET"),
    ("list_policy:watchlist", "GET"),
]
OWN_PAGES = [
    ("my_notifications", "GET"),
    ("my_notification_add:chat", "GET"),
    ("my_notification_edit:own", "GET"),
    ("my_notification_remove:own", "GET"),
    ("my_notification_test:own", "POST"),
    ("push_subscribe", "POST"),
]


def address(page: str, user: User) -> str:
    name, _, about = page.partition(":")
    if about == "site":
        return reverse(name, args=[place().pk])
    if about == "own":
        return reverse(name, args=[place(user).pk])
    if about == "watchlist":
        return reverse(name, args=[WatchlistFactory.create().pk])
    return reverse(name, args=[about] if about else [])


def asked(client: Client, method: str, url: str) -> Any:
    return client.post(url) if method == "POST" else client.get(url)


@pytest.mark.parametrize(("page", "method"), ADMINISTRATORS_PAGES + OWN_PAGES)
def test_who_is_not_signed_in_is_asked_to(client: Client, chat: FakeSender, page: str, method: str) -> None:
    response = asked(client, method, address(page, UserFactory.create()))
    assert response.status_code == 302
    assert response["Location"].startswith(reverse("login"))


@pytest.mark.parametrize(("page", "method"), ADMINISTRATORS_PAGES)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.REVIEWER])
def test_the_sites_places_are_the_administrators(
    client: Client, chat: FakeSender, page: str, method: str, role: Role
) -> None:
    assert asked(client, method, address(page, sign_in(client, role))).status_code == 403


@pytest.mark.parametrize(("page", "method"), OWN_PAGES)
def test_who_sees_no_alerts_is_told_of_none(client: Client, chat: FakeSender, page: str, method: str) -> None:
    assert asked(client, method, address(page, sign_in(client, None))).status_code == 403


@pytest.mark.parametrize(("page", "method"), ADMINISTRATORS_PAGES + OWN_PAGES)
def test_another_method_is_refused(client: Client, administrator: User, page: str, method: str) -> None:
    url = address(page, administrator)
    assert client.delete(url).status_code == 405
    if method == "POST":
        assert client.get(url).status_code == 405


@pytest.mark.parametrize("page", [page for page, method in ADMINISTRATORS_PAGES + OWN_PAGES if method == "GET"])
def test_every_page_works_and_shows_no_secret(client: Client, administrator: User, page: str) -> None:
    place()
    place(administrator)
    response = client.get(address(page, administrator))
    assert response.status_code == 200
    assert SECRET not in text(response)
    assert "style=" not in text(response)
    assert " onclick=" not in text(response)


def test_a_place_is_added(client: Client, administrator: User) -> None:
    response = client.post(reverse("channel_add", args=["chat"]), TYPED)
    assert response.status_code == 302
    row = Endpoint.objects.get()
    assert (row.name, row.user, row.channel, row.min_severity, row.digest_minutes) == (
        "Guards", None, "chat", "medium", 5,
    )  # fmt: skip
    assert endpoints.config_of(row)["password"] == SECRET
    page = text(client.get(reverse("channels")))
    assert "guard@example.org" in page
    assert "Send a test to see that it works." in page


def test_what_the_channel_says_stands_at_its_field_and_secrets_do_not_come_back(
    client: Client, administrator: User
) -> None:
    response = client.post(
        reverse("channel_add", args=["chat"]), TYPED | {"at_address": "nowhere", "at_extra": "also-secret"}
    )
    assert response.status_code == 200
    assert "An address has an @. Add it." in text(response)
    assert "nowhere" in text(response)
    assert SECRET not in text(response)
    assert "also-secret" not in text(response)
    assert not Endpoint.objects.exists()


def test_a_help_text_is_text(client: Client, administrator: User) -> None:
    assert "Such as &lt;you&gt;@example.org" in text(client.get(reverse("channel_add", args=["chat"])))


@pytest.mark.parametrize("kind", ["live", "push", "pigeon"])
def test_there_is_no_such_kind_of_place(client: Client, administrator: User, kind: str) -> None:
    assert client.get(reverse("channel_add", args=[kind])).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "x" * 300},
        {"min_severity": "shrill"},
        {"digest_minutes": "-1"},
        {"digest_minutes": "9999"},
        {"most_per_hour": "0"},
        {"at_password": ""},
        {"at_loud": "perhaps"},
        {"at_address": "a@" + "x" * 3000},
    ],
)
def test_what_is_no_answer_is_not_stored(client: Client, administrator: User, wrong: dict[str, str]) -> None:
    response = client.post(reverse("channel_add", args=["chat"]), TYPED | wrong)
    assert response.status_code == 200
    assert "field--wrong" in text(response)
    assert not Endpoint.objects.exists()


def test_a_place_is_changed_and_keeps_the_secret_that_was_not_typed(client: Client, administrator: User) -> None:
    row = place()
    page = text(client.get(reverse("channel_edit", args=[row.pk])))
    assert 'value="guard@example.org"' in page
    response = client.post(reverse("channel_edit", args=[row.pk]), TYPED | {"name": "Night", "at_password": ""})
    assert response.status_code == 302
    row = Endpoint.objects.get()
    assert row.name == "Night"
    assert endpoints.config_of(row) == {
        "address": "guard@example.org", "password": SECRET, "extra": "", "loud": "yes",
    }  # fmt: skip


def test_a_secret_is_typed_again_to_go_elsewhere(client: Client, administrator: User) -> None:
    row = place()
    moved = TYPED | {"at_address": "thief@example.org", "at_password": ""}
    response = client.post(reverse("channel_edit", args=[row.pk]), moved)
    assert "Type this again to go with them." in text(response)
    assert Endpoint.objects.get().shown == "guard@example.org"


def test_a_secret_goes_to_no_other_receiver_on_a_host_that_many_share(client: Client, administrator: User) -> None:
    given = {"url": "http://127.0.0.1:9/ours", "secret": "", "authorization": "Bearer of-ours"}
    row = endpoints.add_endpoint(actor=None, channel=Channel.WEBHOOK, name="Door", given=given, user=None)
    typed = {"name": "Door", "enabled": "on", "min_severity": "low", "at_secret": "", "at_authorization": ""}
    answer = client.post(reverse("channel_edit", args=[row.pk]), typed | {"at_url": "http://127.0.0.1:9/thief"})
    assert "Type this again to go with them." in text(answer)
    assert endpoints.config_of(Endpoint.objects.defer(None).get())["url"] == given["url"]


def test_a_secret_that_was_made_is_shown_once(client: Client, administrator: User) -> None:
    typed = {"name": "Door", "enabled": "on", "min_severity": "low", "at_url": "http://127.0.0.1:9/x", "at_secret": ""}
    response = client.post(reverse("channel_add", args=["webhook"]), typed)
    row = Endpoint.objects.get()
    secret = endpoints.config_of(row)["secret"]
    assert secret in text(response)
    assert response["Cache-Control"] == "no-store"
    for name in ("channels", "channel_edit"):
        assert secret not in text(client.get(reverse(name, args=[row.pk] if name == "channel_edit" else [])))
    response = client.post(reverse("channel_edit", args=[row.pk]), typed | {"forget_secret": "on"}, follow=True)
    renewed = endpoints.config_of(Endpoint.objects.get())["secret"]
    assert renewed != secret
    assert renewed in text(response)


def test_a_place_is_removed_after_a_question(client: Client, administrator: User) -> None:
    row = place()
    delivery(row)
    url = reverse("channel_remove", args=[row.pk])
    assert "The 1 message that waits to go there is not sent." in text(client.get(url))
    assert client.post(url).status_code == 302
    assert not Endpoint.objects.exists()
    assert Delivery.objects.get().state == "dropped"


@pytest.mark.parametrize("page", ["channel_edit", "channel_remove", "channel_test"])
def test_a_persons_own_place_is_none_of_the_sites(client: Client, administrator: User, page: str) -> None:
    for row in (place(UserFactory.create()).pk, place(administrator).pk, uuid4()):
        assert client.post(reverse(page, args=[row]), TYPED).status_code == 404
    assert Endpoint.objects.count() == 2


def test_the_list_says_how_each_place_does(client: Client, administrator: User) -> None:
    row = place()
    endpoints.note_failed(row, "The door is closed.")
    delivery(row)
    delivery(row, state=DeliveryState.DEAD)
    delivery(row, state=DeliveryState.DEAD)
    page = text(client.get(reverse("channels")))
    assert "The door is closed." in page
    assert "1 waiting" in page
    assert "2 given up" in page


def test_more_places_ask_the_database_no_more_often(client: Client, administrator: User) -> None:
    place()
    client.get(reverse("channels"))
    with CaptureQueriesContext(connection) as few:
        client.get(reverse("channels"))
    for _ in range(5):
        delivery(place())
    with CaptureQueriesContext(connection) as many:
        client.get(reverse("channels"))
    assert len(few) == len(many)
    assert not [query for query in many.captured_queries if "sealed_config" in query["sql"]]


def test_names_are_text(client: Client, administrator: User) -> None:
    evil = '<script>alert("x")</script>'
    place_of_evil = endpoints.add_endpoint(
        actor=None, channel=Channel.CHAT, name=evil, user=administrator,
        given={"address": f"{evil}@x", "password": SECRET},
    )  # fmt: skip
    site = endpoints.add_endpoint(
        actor=None, channel=Channel.CHAT, name=evil, user=None, given={"address": f"{evil}@x", "password": SECRET}
    )
    delivery(site, state=DeliveryState.DEAD, error=evil, alert=AlertFactory.create(person_name=evil))
    urls = [reverse(name) for name in ("channels", "my_notifications", "deliveries")]
    urls += [reverse(f"channel_{page}", args=[site.pk]) for page in ("edit", "remove")]
    urls += [reverse(f"my_notification_{page}", args=[place_of_evil.pk]) for page in ("edit", "remove")]
    urls.append(reverse("message_template", args=["chat"]))
    for url in urls:
        page = text(client.get(url))
        assert "<script>alert(" not in page
        assert "&lt;script&gt;alert(" in page, url


def test_a_test_says_that_it_went_out(client: Client, administrator: User, chat: FakeSender) -> None:
    row = place()
    response = client.post(reverse("channel_test", args=[row.pk]), headers=HTMX)
    assert "Guards took the test message." in text(response)
    assert "<html" not in text(response)
    assert len(chat.sent) == 1


def test_a_test_of_a_dead_place_says_why(client: Client, administrator: User, chat: FakeSender) -> None:
    chat.problem = NotDelivered("The chat service does not answer. Try again later.")
    row = place()
    response = client.post(reverse("channel_test", args=[row.pk]), follow=True)
    assert "did not get the test message. The chat service does not answer. Try again later." in text(response)
    again = client.post(reverse("channel_test", args=[row.pk]), headers=HTMX)
    assert "Wait 5 seconds" in text(again)


def test_a_test_of_a_webhook_that_nobody_listens_for_says_why(client: Client, administrator: User) -> None:
    typed = {"name": "Door", "enabled": "on", "min_severity": "low", "at_url": "http://127.0.0.1:9/x"}
    client.post(reverse("channel_add", args=["webhook"]), typed)
    row = Endpoint.objects.get()
    response = client.post(reverse("channel_test", args=[row.pk]), headers=HTMX)
    assert "note--error" in text(response)
    row.refresh_from_db()
    assert row.last_error
    assert row.last_error in text(client.get(reverse("channels")))


def test_a_policy_is_changed(client: Client, administrator: User) -> None:
    watchlist = WatchlistFactory.create()
    url = reverse("list_policy", args=[watchlist.pk])
    assert client.post(url, {"two_person": "on", "pictures_outside": "on"}).status_code == 302
    policy = ListPolicy.objects.get(watchlist=watchlist)
    assert (policy.two_person, policy.pictures_outside, policy.names_outside) == (True, True, False)
    assert "two trained people" in text(client.get(reverse("list_policies")))
    assert client.post(url, {}).status_code == 302
    policy.refresh_from_db()
    assert (policy.two_person, policy.pictures_outside, policy.names_outside) == (False, False, False)


def test_there_is_no_policy_without_a_watchlist(client: Client, administrator: User) -> None:
    assert client.get(reverse("list_policy", args=[999_999])).status_code == 404


def test_the_admin_site_shows_places_and_deliveries_without_secrets(client: Client, chat: FakeSender) -> None:
    client.force_login(UserFactory.create(is_staff=True, is_superuser=True))
    row, own = place(), place(UserFactory.create(), address="grace@home.example")
    sent = delivery(row, state=DeliveryState.SENT)
    urls = [reverse(f"admin:alerts_{name}_changelist") for name in ("endpoint", "delivery")]
    urls += [reverse("admin:alerts_endpoint_change", args=[one.pk]) for one in (row, own)]
    urls.append(reverse("admin:alerts_delivery_change", args=[sent.pk]))
    for url in urls:
        response = client.get(url)
        assert response.status_code == 200
        assert SECRET not in text(response)
        assert "home.example" not in text(response)
    assert client.get(reverse("admin:alerts_endpoint_add")).status_code == 403
