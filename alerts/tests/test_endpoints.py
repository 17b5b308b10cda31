"""Places that messages go to: what is stored of them, who may know it, and what a test message finds out."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import AuditEvent, DataKey
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from accounts.vault import VaultError
from alerts import endpoints, policies, trials, wording
from alerts.channels.base import Config, ConfigError, Message, NotDelivered
from alerts.messages import Wording
from alerts.models import Channel, Delivery, DeliveryState, Endpoint, ListPolicy, MessageTemplate, Severity
from alerts.tests.factories import AlertFactory
from alerts.tests.fake_sender import SECRET, FakeSender
from alerts.wording import TextError
from recognition.tests.factories import WatchlistFactory

pytestmark = pytest.mark.django_db

GIVEN = {"address": "guard@example.org", "password": SECRET, "extra": "", "loud": "yes"}
MANNER: dict[str, Any] = {"enabled": True, "min_severity": Severity.LOW, "most_per_hour": None, "digest_minutes": 0}


def add(**changed: Any) -> Endpoint:
    values: dict[str, Any] = {"actor": None, "channel": Channel.CHAT, "name": "Guards", "given": GIVEN, "user": None}
    return endpoints.add_endpoint(**values | changed)


def change(endpoint: Endpoint, **changed: Any) -> Endpoint:
    values: dict[str, Any] = {"actor": None, "endpoint": endpoint, "name": endpoint.name, "given": None} | MANNER
    return endpoints.change_endpoint(**values | changed)


def stored(endpoint: Endpoint) -> Endpoint:
    return Endpoint.objects.get(pk=endpoint.pk)


def audited() -> str:
    return " ".join(f"{event.verb} {event.target} {event.detail}" for event in AuditEvent.objects.all())


def test_what_is_needed_to_send_is_sealed_and_opens_again(chat: FakeSender) -> None:
    row = stored(add())
    assert endpoints.config_of(row) == GIVEN
    assert row.shown == "guard@example.org"
    assert SECRET.encode() not in bytes(row.sealed_config)
    assert "sealed_config" in stored(row).get_deferred_fields()  # lists do not carry it


def test_a_sealed_configuration_opens_in_its_own_row_only(chat: FakeSender) -> None:
    one, other = add(), add(given=GIVEN | {"address": "other@example.org"})
    Endpoint.objects.filter(pk=one.pk).update(sealed_config=other.sealed_config)
    with pytest.raises(VaultError):
        endpoints.config_of(stored(one))


def test_secrets_are_not_shown(chat: FakeSender) -> None:
    assert endpoints.shown_config(add()) == {"address": "guard@example.org", "loud": "yes"}


def test_the_audit_trail_knows_what_was_done_and_no_secret(chat: FakeSender) -> None:
    user = UserFactory.create(role=Role.ADMINISTRATOR)
    row = add(actor=user)
    change(row, actor=user, given=GIVEN | {"password": "another-secret"})
    endpoints.remove_endpoint(actor=user, endpoint=row)
    assert [event.verb for event in AuditEvent.objects.order_by("id")] == ["added", "changed", "removed"]
    assert "guard@example.org" in audited()
    assert SECRET not in audited()
    assert "another-secret" not in audited()


def test_of_somebodys_own_the_audit_trail_knows_the_kind_only(chat: FakeSender) -> None:
    user = UserFactory.create(role=Role.VIEWER)
    add(actor=user, user=user, name="My private phone")
    assert "'channel': 'chat'" in audited()
    assert "guard@example.org" not in audited()
    assert "private phone" not in audited()


def test_what_can_not_be_used_is_not_stored(chat: FakeSender) -> None:
    with pytest.raises(ConfigError) as error:
        add(given=GIVEN | {"address": "nowhere"})
    assert error.value.field == "address"
    assert not Endpoint.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_channel_of_the_site_is_not_for_people(chat: FakeSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeSender, "personal", False)
    with pytest.raises(ConfigError, match="Ask an administrator"):
        add(user=UserFactory.create())
    assert Channel.CHAT not in endpoints.channels(personal=True)
    assert Channel.CHAT in endpoints.channels(personal=False)


def test_the_site_has_no_browser(chat: FakeSender) -> None:
    assert Channel.PUSH not in endpoints.channels(personal=False)
    assert Channel.PUSH in endpoints.channels(personal=True)
    assert Channel.LIVE not in endpoints.channels(personal=False)


def test_nobody_has_more_places_than_anybody_needs(chat: FakeSender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MOST_OWN", 2)
    user = UserFactory.create()
    add(user=user)
    add(user=user)
    with pytest.raises(ConfigError, match="Remove one"):
        add(user=user)
    add(user=UserFactory.create())
    assert Endpoint.objects.filter(user=user).count() == 2


def test_a_secret_that_is_left_empty_stays(chat: FakeSender) -> None:
    row = add()
    change(row, given=GIVEN | {"password": "", "loud": "no"})
    assert endpoints.config_of(stored(row)) == GIVEN | {"loud": "no"}


def test_a_secret_that_is_typed_replaces_the_old_one(chat: FakeSender) -> None:
    row = add()
    change(row, given=GIVEN | {"password": "another-secret", "address": "new@example.org"})
    assert endpoints.config_of(stored(row))["password"] == "another-secret"
    assert stored(row).shown == "new@example.org"


def test_a_secret_can_be_forgotten(chat: FakeSender) -> None:
    row = add(given=GIVEN | {"extra": "more"})
    change(row, given=GIVEN | {"password": ""}, forget=["extra"])
    assert endpoints.config_of(stored(row)) == GIVEN


def test_a_secret_does_not_go_along_to_another_place(chat: FakeSender) -> None:
    row = add()
    with pytest.raises(ConfigError, match="Type this again") as error:
        change(row, name="Mine", given=GIVEN | {"password": "", "address": "thief@example.org"})
    assert error.value.field == "password"
    assert endpoints.config_of(stored(row)) == GIVEN
    assert stored(row).name == row.name == "Guards"


def test_a_place_is_told_otherwise_and_goes_where_it_went(chat: FakeSender) -> None:
    row = add()
    change(row, name="Night", enabled=False, min_severity=Severity.HIGH, most_per_hour=5, digest_minutes=10)
    now = stored(row)
    assert (now.name, now.enabled, now.min_severity, now.most_per_hour, now.digest_minutes) == (
        "Night", False, "high", 5, 10,
    )  # fmt: skip
    assert endpoints.config_of(now) == GIVEN


def test_what_waits_for_a_removed_place_is_not_sent_and_what_was_sent_is_kept(chat: FakeSender) -> None:
    row, alert, now = add(), AlertFactory.create(), timezone.now()
    made = {
        state: Delivery.objects.create(alert=alert, channel="chat", endpoint=row, state=state, due_at=now, turn=turn).pk
        for turn, state in enumerate(DeliveryState)
    }
    endpoints.remove_endpoint(actor=None, endpoint=row)
    states = {was: Delivery.objects.get(pk=pk) for was, pk in made.items()}
    assert {was: one.state for was, one in states.items()} == {
        DeliveryState.PENDING: "dropped",
        DeliveryState.HELD: "dropped",
        DeliveryState.SENT: "sent",
        DeliveryState.DEAD: "dead",
        DeliveryState.DROPPED: "dropped",
    }
    assert "removed" in states[DeliveryState.PENDING].error
    assert not Endpoint.objects.exists()


def test_since_when_a_place_fails_is_remembered_until_it_takes_something(chat: FakeSender) -> None:
    row = add()
    endpoints.note_failed(row, "It is away.")
    since = stored(row).failing_since
    endpoints.note_failed(row, "x" * 900)
    assert since is not None
    assert stored(row).failing_since == since
    assert stored(row).last_error == "x" * 500
    endpoints.note_sent(row)
    now = stored(row)
    assert now.last_sent_at is not None
    assert (now.failing_since, now.last_error) == (None, "")


def test_a_test_message_goes_the_real_way(chat: FakeSender) -> None:
    row, user = add(), UserFactory.create()
    assert trials.send_test(actor=user, endpoint=row) is None
    ((config, message),) = chat.sent
    assert config == GIVEN
    assert message.is_test
    assert message.text
    assert stored(row).last_sent_at is not None
    assert AuditEvent.objects.get(verb="tested").detail == {"channel": "chat", "outcome": "sent"}


def test_a_test_says_what_is_wrong(chat: FakeSender, caplog: pytest.LogCaptureFixture) -> None:
    chat.problem = NotDelivered("Nobody lives at guard@example.org. Check the address.", permanent=True)
    row = add()
    with caplog.at_level(logging.DEBUG):
        said = trials.send_test(actor=UserFactory.create(), endpoint=row)
    assert said == "Nobody lives at guard@example.org. Check the address."
    assert stored(row).last_error == said
    assert stored(row).failing_since is not None
    assert "guard@example.org" not in str(AuditEvent.objects.get(verb="tested").detail)
    assert SECRET not in caplog.text


def test_a_test_that_a_mistake_of_ours_ends_says_so(
    chat: FakeSender, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(config: Config, message: Message) -> str:
        raise KeyError(config["password"])

    monkeypatch.setattr(chat, "send", send)
    row = add()
    said = trials.send_test(actor=UserFactory.create(), endpoint=row)
    assert said == "Something went wrong in Lynceus itself (KeyError). Its log says more."
    assert stored(row).last_error == said
    assert "in send" in caplog.text
    assert SECRET not in caplog.text


def test_a_test_with_a_text_says_that_text(chat: FakeSender) -> None:
    trials.send_test(actor=UserFactory.create(), endpoint=add(), text=Wording(subject="", body="Look at once: $who"))
    ((_, message),) = chat.sent
    assert message.text.startswith("Look at once: ")
    assert "$who" not in message.text


def test_tests_do_not_come_one_upon_the_other(chat: FakeSender) -> None:
    user, row, other = UserFactory.create(), add(), add()
    assert trials.send_test(actor=user, endpoint=row) is None
    assert "Wait 5 seconds" in (trials.send_test(actor=UserFactory.create(), endpoint=row) or "")
    assert "Wait 5 seconds" in (trials.send_test(actor=user, endpoint=other) or "")
    assert len(chat.sent) == 1
    assert stored(other).last_error == ""


def test_a_place_whose_key_is_gone_says_what_to_do(chat: FakeSender) -> None:
    row = add()
    DataKey.objects.all().delete()
    assert "does not open any more" in (trials.send_test(actor=UserFactory.create(), endpoint=row) or "")


def test_a_channel_gets_a_text_of_its_own_and_the_first_one_back(chat: FakeSender) -> None:
    user = UserFactory.create()
    before = wording.text_of(Channel.CHAT)
    wording.change_template(actor=user, channel=Channel.CHAT, subject="Seen", body="$who at $where")
    now = wording.text_of(Channel.CHAT)
    assert now.wording == Wording(subject="Seen", body="$who at $where")
    assert now.changed_at is not None
    assert wording.reset_template(actor=user, channel=Channel.CHAT)
    assert not wording.reset_template(actor=user, channel=Channel.CHAT)
    assert wording.text_of(Channel.CHAT) == before
    assert before.wording.body
    assert [event.verb for event in AuditEvent.objects.order_by("id")] == ["changed", "reset"]


def test_a_text_with_an_unknown_placeholder_is_not_used(chat: FakeSender) -> None:
    with pytest.raises(TextError, match="password"):
        wording.change_template(actor=None, channel=Channel.CHAT, subject="", body="$password")
    assert not MessageTemplate.objects.exists()


def test_a_watchlist_asks_for_something_else() -> None:
    watchlist = WatchlistFactory.create()
    ListPolicy.objects.filter(watchlist=watchlist).delete()
    policy = policies.policy_of(watchlist)
    assert (policy.two_person, policy.pictures_outside, policy.names_outside) == (False, False, True)
    policies.change_policy(actor=None, policy=policy, two_person=True, pictures_outside=True, names_outside=False)
    policy = policies.policy_of(watchlist)
    assert (policy.two_person, policy.pictures_outside, policy.names_outside) == (True, True, False)
    assert AuditEvent.objects.get(target=f"list policy {watchlist.pk}").detail["two_person"] is True
