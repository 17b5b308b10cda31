"""Nobody has acknowledged: the next people are told, once, and the alert's history says whom."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from alerts import escalation, outbox
from alerts.models import Alert, AlertState, AlertStep, Channel, Delivery, DeliveryState, Occasion, StepKind
from alerts.tasks import escalate_due
from alerts.tests.outboxes import alert, drop_connections, member, own_place, place, step

pytestmark = pytest.mark.django_db


@pytest.fixture
def due() -> Alert:
    """An alert whose second step is due; the third is five minutes later."""
    one, bob = alert(), member(username="bob")
    own_place(bob)
    step(one.rule, places=[place("First")])
    step(one.rule, after=5, users=[bob], places=[place("Second")])
    step(one.rule, after=10, places=[place("Third")])
    assert one.rule is not None
    one.next_step_at = escalation.first_due(one.rule, timezone.now() - timedelta(minutes=6))
    one.save()
    return one


def names(one: Alert) -> list[str]:
    rows = Delivery.objects.filter(alert=one, occasion=Occasion.ESCALATED, endpoint__isnull=False)
    return sorted(row.endpoint.name for row in rows if row.endpoint)


def make_due(one: Alert) -> None:
    Alert.objects.filter(pk=one.pk).update(next_step_at=timezone.now())


def test_the_first_step_that_is_later_sets_the_time() -> None:
    one, now = alert(), timezone.now()
    assert one.rule is not None
    assert escalation.first_due(one.rule, now) is None
    step(one.rule)
    assert escalation.first_due(one.rule, now) is None
    step(one.rule, after=7)
    step(one.rule, after=3)
    assert escalation.first_due(one.rule, now) == now + timedelta(minutes=3)


def test_the_next_people_are_told_and_the_history_says_whom(
    due: Alert, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    kicked: list[object] = []
    monkeypatch.setattr(outbox, "kick", kicked.append)
    was_due, version = due.next_step_at, due.version

    with django_capture_on_commit_callbacks(execute=True):
        assert escalation.escalate_due() == 1

    assert names(due) == ["Second", "bob's phone"]
    assert Delivery.objects.filter(occasion=Occasion.ESCALATED, channel=Channel.LIVE).count() == 1
    done = AlertStep.objects.get(alert=due, kind=StepKind.ESCALATED)
    assert done.text == "Nobody had acknowledged it after 5 minutes. Told: Second, bob."
    assert done.actor_name == "system"
    assert kicked == [[due.pk]]
    due.refresh_from_db()
    assert was_due is not None
    assert (due.next_step_at, due.steps_told, due.version) == (was_due + timedelta(minutes=5), 2, version + 1)


def test_step_follows_step_until_there_is_none(due: Alert) -> None:
    escalation.escalate_due()
    assert escalation.escalate_due() == 0
    make_due(due)
    escalate_due()
    assert names(due) == ["Second", "Third", "bob's phone"]
    due.refresh_from_db()
    assert (due.next_step_at, due.steps_told) == (None, 3)
    assert escalation.escalate_due() == 0


def test_a_rule_that_tells_nobody_at_once_begins_with_its_first_step() -> None:
    one = alert()
    step(one.rule, after=5, places=[place("Only")])
    make_due(one)
    escalation.escalate_due()
    assert names(one) == ["Only"]


def test_what_comes_again_may_escalate_again(due: Alert) -> None:
    escalation.escalate_due()
    Alert.objects.filter(pk=due.pk).update(next_step_at=timezone.now(), steps_told=0)
    escalation.escalate_due()
    assert Delivery.objects.filter(occasion=Occasion.ESCALATED, endpoint__name="Second").count() == 2


@pytest.mark.parametrize("state", [AlertState.ACKNOWLEDGED, AlertState.CONFIRMED, AlertState.DISMISSED])
def test_what_somebody_dealt_with_is_told_nobody_else(due: Alert, state: AlertState) -> None:
    Alert.objects.filter(pk=due.pk).update(state=state)
    assert escalation.escalate_due() == 0
    assert names(due) == []


def test_who_acknowledges_in_the_same_moment_is_faster(due: Alert) -> None:
    stale = Alert.objects.get(pk=due.pk)
    Alert.objects.filter(pk=due.pk).update(state=AlertState.ACKNOWLEDGED)
    assert not escalation._escalate(stale)
    assert names(due) == []


def test_a_step_that_was_removed_ends_it(due: Alert) -> None:
    assert due.rule is not None
    due.rule.steps.filter(after_minutes__gt=0).delete()
    assert escalation.escalate_due() == 0
    due.refresh_from_db()
    assert due.next_step_at is None


def test_a_rule_that_was_removed_ends_it(due: Alert) -> None:
    assert due.rule is not None
    due.rule.delete()
    assert escalation.escalate_due() == 0
    due.refresh_from_db()
    assert due.next_step_at is None


def test_a_step_that_reaches_nobody_says_so() -> None:
    one = alert()
    step(one.rule)
    step(one.rule, after=1)
    make_due(one)
    assert escalation.escalate_due() == 1
    assert "after 1 minute, and the rule's next step reaches nobody" in AlertStep.objects.get().text


def test_a_lead_is_escalated_inside_the_house_only(due: Alert) -> None:
    Alert.objects.filter(pk=due.pk).update(reviews_needed=2)
    escalation.escalate_due()
    rows = Delivery.objects.filter(occasion=Occasion.ESCALATED, endpoint__isnull=False)
    assert {row.state for row in rows} == {DeliveryState.HELD}


@pytest.mark.django_db(transaction=True)
def test_two_that_look_at_once_do_not_both_tell() -> None:
    many = [alert() for _ in range(5)]
    for one in many:
        step(one.rule, after=5, places=[place(f"Room {one.pk}")])
        make_due(one)

    def look() -> int:
        try:
            return escalation.escalate_due()
        finally:
            drop_connections()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(lambda _: look(), range(4)))

    assert sum(counts) == 5
    assert AlertStep.objects.count() == 5
    assert Delivery.objects.filter(endpoint__isnull=False).count() == 5
