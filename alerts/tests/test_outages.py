"""What an outage, a clock or a second thought does to messages: nothing is lost, and nobody is flooded after it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from accounts.roles import Role
from alerts import claims, escalation, lifecycle, outbox, sending
from alerts.channels import base
from alerts.models import Alert, AlertState, AlertStep, Channel, Delivery, Dismissal, Endpoint, Occasion, StepKind
from alerts.tests.outboxes import FakeChannel, alert, member, own_place, place, same_rule, step

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channel(monkeypatch: pytest.MonkeyPatch) -> FakeChannel:
    monkeypatch.setattr(sending, "LINGER_SECONDS", 0.0)
    fake = FakeChannel()
    monkeypatch.setattr(base, "sender", lambda channel: fake)
    return fake


def pass_minutes(minutes: float) -> None:
    """All that is written by now happened earlier."""
    earlier = timedelta(minutes=minutes)
    Delivery.objects.update(created_at=F("created_at") - earlier, due_at=F("due_at") - earlier, claimed_until=None)
    Endpoint.objects.update(failing_since=F("failing_since") - earlier)


def raised(first: Alert, count: int) -> None:
    outbox.enqueue([same_rule(first) for _ in range(count)], Occasion.RAISED)


def states(one: Alert | None = None) -> list[str]:
    rows = Delivery.objects.exclude(channel=Channel.LIVE)
    return sorted((rows if one is None else rows.filter(alert=one)).values_list("state", flat=True))


def test_after_an_hour_without_a_mail_server_few_messages_tell_of_everything(channel: FakeChannel) -> None:
    first = alert()
    step(first.rule, places=[place()])
    channel.fails("The mail server does not answer.")
    for _ in range(12):
        raised(first, 25)
        sending.send_due()
        pass_minutes(5)
    assert states() == ["pending"] * 300
    channel.answer = lambda config, message: None
    for _ in range(14):
        pass_minutes(5)
        sending.send_due()

    assert states() == ["sent"] * 300
    assert sum(len(message.facts) for message in channel.messages) == 300  # each once
    assert len(channel.messages) < 30


def test_what_is_sent_again_by_hand_goes_by_itself_under_its_own_key(channel: FakeChannel) -> None:
    first = alert()
    step(first.rule, places=[place()])
    raised(first, 3)
    pass_minutes(90)
    Delivery.objects.update(state="dead", attempts=29)
    rows = list(Delivery.objects.exclude(channel=Channel.LIVE))
    for row in rows:
        assert outbox.resend(actor=None, delivery=row)
    sending.send_due()
    assert {message.key for message in channel.messages} == {row.pk for row in rows}


def test_a_clock_that_is_set_back_keeps_no_place_waiting(channel: FakeChannel) -> None:
    """Claims and messages of an hour that is still to come are of before."""
    first = alert()
    step(first.rule, places=[place()])
    raised(first, 1)
    assert len(claims.claim(())) == 1
    pass_minutes(0)
    Delivery.objects.update(claimed_until=timezone.now() + timedelta(hours=1))
    raised(first, 1)
    sending.send_due()
    assert states() == ["sent", "sent"]


@pytest.mark.parametrize("reviews_needed", [0, 2])
def test_an_alert_that_is_opened_again_is_told_after_all(channel: FakeChannel, reviews_needed: int) -> None:
    one, ada = alert(reviews_needed=reviews_needed), member()
    step(one.rule, places=[place()])
    outbox.enqueue([one], Occasion.RAISED)
    lifecycle.dismiss(actor=ada, alert=one, reason=Dismissal.DUPLICATE)
    assert states() == ["dropped"]

    lifecycle.reopen(actor=ada, alert=one)
    assert states() == ["held" if reviews_needed else "pending"]
    if reviews_needed:
        Alert.objects.filter(pk=one.pk).update(state=AlertState.CONFIRMED, decided_at=timezone.now())
    sending.send_due()
    assert states() == ["sent"]


def test_what_was_sent_or_given_up_before_the_dismissal_does_not_go_again() -> None:
    one, ada = alert(), member()
    step(one.rule, places=[place(), place("Other")])
    outbox.enqueue([one], Occasion.RAISED)
    Delivery.objects.filter(endpoint__name="Other").update(state="dead")
    Delivery.objects.filter(endpoint__name="Control room").update(state="sent")
    lifecycle.dismiss(actor=ada, alert=one, reason=Dismissal.TEST)
    lifecycle.reopen(actor=ada, alert=one)
    assert states() == ["dead", "sent"]


def test_what_was_held_while_somebody_confirmed_goes(channel: FakeChannel) -> None:
    """A sender has read the alert as a lead, and holds the message after it was confirmed."""
    one = alert(reviews_needed=2, state=AlertState.CONFIRMED, decided_at=timezone.now())
    step(one.rule, places=[place()])
    outbox.enqueue([one], Occasion.RAISED)
    Delivery.objects.exclude(channel=Channel.LIVE).update(state="held")
    sending.send_due()
    assert states() == ["sent"]


def test_the_history_does_not_say_that_somebody_was_told_of_a_lead_whose_message_is_held() -> None:
    one, ada = alert(reviews_needed=2), member(role=Role.OPERATOR, username="ada")
    own_place(ada)
    step(one.rule, after=5, users=[ada], places=[place("Log", channel=Channel.LOG)])
    Alert.objects.filter(pk=one.pk).update(next_step_at=timezone.now())
    assert escalation.escalate_due() == 1
    text = AlertStep.objects.get(alert=one, kind=StepKind.ESCALATED).text
    assert "Told: Log." in text
    assert "Told once it is confirmed: ada." in text
