"""Which messages are written with an alert, to whom, and for when; and how it is said that there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks
from redis.exceptions import ConnectionError as RedisConnectionError

from accounts.models import AuditEvent, User
from accounts.roles import Role
from alerts import outbox
from alerts.models import (
    Alert,
    AlertState,
    Channel,
    Delivery,
    DeliveryState,
    Endpoint,
    Occasion,
    Rule,
    Severity,
    Training,
)
from alerts.tests.outboxes import alert, member, own_place, place, step
from config.celery import app
from config.redis import client

pytestmark = pytest.mark.django_db
NIGHT = datetime(2026, 3, 14, 23, 30, tzinfo=UTC)


@pytest.fixture
def one() -> Alert:
    return alert()


@pytest.fixture
def night(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """It is half past eleven in the evening."""
    monkeypatch.setattr(timezone, "now", lambda: NIGHT)
    return NIGHT


@pytest.fixture
def nudges(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What was asked of workers."""
    asked: list[str] = []
    client().delete("lynceus:outbox-nudged")
    monkeypatch.setattr(app, "send_task", lambda name, **options: asked.append(name))
    yield asked
    client().delete("lynceus:outbox-nudged")


def raised(one: Alert) -> list[Delivery]:
    outbox.enqueue([one], Occasion.RAISED)
    return outside(one)


def outside(one: Alert) -> list[Delivery]:
    return list(Delivery.objects.filter(alert=one).exclude(channel=Channel.LIVE).order_by("created_at", "pk"))


def places(rows: list[Delivery]) -> set[Endpoint | None]:
    return {row.endpoint for row in rows}


def lead(**values: Any) -> Alert:
    return alert(reviews_needed=2, **values)


def trained(user: User, days: int = 100) -> User:
    today = timezone.localdate()
    Training.objects.create(
        user=user, course="Faces", trained_on=today - timedelta(days=200), valid_until=today + timedelta(days=days)
    )
    return user


# Where it goes


def test_open_pages_and_the_places_of_the_first_step_are_told(one: Alert) -> None:
    room, other = place("Control room"), place("Other")
    step(one.rule, places=[room])
    step(one.rule, after=5, places=[other])

    (made,) = raised(one)

    assert (made.endpoint, made.state, made.user, made.by_role) == (room, DeliveryState.PENDING, None, False)
    live = Delivery.objects.get(channel=Channel.LIVE)
    assert (live.alert, live.occasion) == (one, Occasion.RAISED)


def test_a_first_step_that_is_later_is_not_told_at_once(one: Alert) -> None:
    step(one.rule, after=1, places=[place()])
    assert raised(one) == []


def test_a_rule_without_steps_costs_the_insert_only(
    one: Alert, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    one.rule = Rule.objects.prefetch_related("steps").get(alerts=one)
    with django_assert_num_queries(1):
        outbox.enqueue([one], Occasion.RAISED)


def test_many_alerts_of_many_rules_cost_a_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    user = member()
    own_place(user)
    many = [alert() for _ in range(5)]
    for one in many:
        step(one.rule, users=[user], groups=list(user.groups.all()), places=[place(f"Room {one.pk}")])
    fresh = list(Alert.objects.filter(pk__in=[one.pk for one in many]))
    with django_assert_max_num_queries(6):
        outbox.enqueue(fresh, Occasion.RAISED)
    assert Delivery.objects.count() == 15


def test_an_alert_without_a_rule_is_told_to_open_pages(one: Alert) -> None:
    one.rule = None
    one.save()
    assert raised(one) == []
    assert Delivery.objects.get().channel == Channel.LIVE


def test_a_place_that_asks_for_more_is_not_told_of_less(one: Alert) -> None:
    step(one.rule, places=[place("Loud", min_severity=Severity.CRITICAL), place("Same", min_severity=Severity.HIGH)])
    assert [row.endpoint.name for row in raised(one) if row.endpoint] == ["Same"]


def test_a_place_that_is_switched_off_is_not_told(one: Alert) -> None:
    step(one.rule, places=[place(enabled=False)])
    assert raised(one) == []


def test_writing_the_same_again_adds_nothing(one: Alert) -> None:
    step(one.rule, places=[place()])
    raised(one)
    assert len(raised(one)) == 1


def test_who_is_told_in_a_group_is_told_as_one_of_it(one: Alert) -> None:
    user = member()
    group = Group.objects.get(name=Role.OPERATOR.value)
    mine = own_place(user)
    step(one.rule, groups=[group])

    (made,) = raised(one)
    assert (made.endpoint, made.user, made.group, made.by_role) == (mine, user, group, True)


# What is told later


def test_later_news_goes_to_those_who_were_told(one: Alert) -> None:
    told, other = place("Told"), place("Added since")
    first = step(one.rule, places=[told])
    raised(one)
    Delivery.objects.update(state=DeliveryState.SENT)
    first.endpoints.add(other)

    outbox.enqueue([one], Occasion.NAMED)

    assert places(list(Delivery.objects.filter(occasion=Occasion.NAMED))) == {None, told}


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.DROPPED])
def test_who_was_never_told_gets_no_news(one: Alert, state: DeliveryState) -> None:
    step(one.rule, places=[place()])
    raised(one)
    Delivery.objects.exclude(channel=Channel.LIVE).update(state=state)
    outbox.enqueue([one], Occasion.ENDED)
    assert places(list(Delivery.objects.filter(occasion=Occasion.ENDED))) == {None}


def test_a_message_that_nobody_has_tried_says_the_name_by_itself(one: Alert) -> None:
    step(one.rule, places=[place("Waits"), place("Being sent"), place("Tried")])
    raised(one)
    soon = timezone.now() + timedelta(seconds=20)
    Delivery.objects.filter(endpoint__name="Being sent").update(claimed_until=soon)
    Delivery.objects.filter(endpoint__name="Tried").update(attempts=1)

    outbox.enqueue([one], Occasion.NAMED)

    found = Delivery.objects.filter(occasion=Occasion.NAMED, endpoint__isnull=False)
    assert set(found.values_list("endpoint__name", flat=True)) == {"Being sent", "Tried"}


def test_news_may_come_twice(one: Alert) -> None:
    step(one.rule, places=[place()])
    raised(one)
    Delivery.objects.update(state=DeliveryState.SENT)
    outbox.enqueue([one], Occasion.REVISED, turn=1)
    outbox.enqueue([one], Occasion.REVISED, turn=2)
    assert Delivery.objects.filter(occasion=Occasion.REVISED).count() == 4


def test_an_escalation_goes_to_its_step(one: Alert) -> None:
    step(one.rule, places=[place("First")])
    step(one.rule, after=5, places=[place("Second")])
    outbox.enqueue([one], Occasion.ESCALATED, step=1)
    assert [row.endpoint.name for row in outside(one) if row.endpoint] == ["Second"]
    outbox.enqueue([one], Occasion.ESCALATED, turn=1, step=2)  # a step that was removed meanwhile
    assert len(outside(one)) == 1


# When


def quiet(one: Alert, hours: str, zone: str = "UTC") -> Alert:
    assert one.rule is not None
    one.rule.quiet_hours, one.rule.time_zone = hours, zone
    one.rule.save()
    return one


def test_in_quiet_hours_people_are_told_later_and_the_site_at_once(night: datetime) -> None:
    one, user = quiet(alert(), "22:00-06:00"), member()
    own_place(user)
    step(one.rule, users=[user], places=[place()])

    due = {row.user_id: row.due_at for row in raised(one)}

    assert due == {user.pk: datetime(2026, 3, 15, 6, tzinfo=UTC), None: night}


@pytest.mark.parametrize(
    ("hours", "zone", "end"),
    [
        ("22:00-06:00", "Europe/Vienna", datetime(2026, 3, 29, 4, tzinfo=UTC)),  # the night is an hour shorter
        ("22:00-02:30", "Europe/Vienna", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),  # there is no half past two
        ("22:00-06:00", "", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("daily", "", None),  # never over: keeps nothing back
        ("nonsense", "", None),
        ("22:00-06:00", "Nowhere/Land", None),
        ("08:00-12:00", "", None),
        ("", "", None),
    ],
)
def test_quiet_hours_end_by_the_clock_on_the_wall(
    monkeypatch: pytest.MonkeyPatch, hours: str, zone: str, end: datetime | None
) -> None:
    at = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
    monkeypatch.setattr(timezone, "now", lambda: at)
    one, user = quiet(alert(), hours, zone), member()
    own_place(user)
    step(one.rule, users=[user])
    (made,) = raised(one)
    assert made.due_at == (end or at)


def test_what_is_critical_knows_no_quiet_hours_and_is_not_collected(night: datetime) -> None:
    one, user = quiet(alert(severity=Severity.CRITICAL), "22:00-06:00"), member()
    own_place(user, digest_minutes=30)
    step(one.rule, users=[user])
    (made,) = raised(one)
    assert made.due_at == night


def test_a_place_that_collects_is_told_later(night: datetime) -> None:
    one = alert()
    step(one.rule, places=[place(digest_minutes=30), place("Log", channel=Channel.LOG, digest_minutes=30)])
    due = {row.channel: row.due_at for row in raised(one)}
    assert due == {Channel.CHAT: night + timedelta(minutes=30), Channel.LOG: night}


# Leads


def test_a_lead_leaves_the_house_for_those_only_who_may_review_it() -> None:
    one = lead()
    operator, reviewer, untrained = member(), member(role=Role.REVIEWER), member(role=Role.REVIEWER)
    expired = trained(member(role=Role.REVIEWER), days=-1)
    trained(reviewer)
    everybody = [operator, reviewer, untrained, expired]
    for user in everybody:
        own_place(user)
    step(one.rule, users=everybody, places=[place(), place("Log", channel=Channel.LOG)])

    states = {row.endpoint.name: row.state for row in raised(one) if row.endpoint}

    assert states == {
        f"{operator.username}'s phone": "held",
        f"{untrained.username}'s phone": "held",
        f"{expired.username}'s phone": "held",
        f"{reviewer.username}'s phone": "pending",
        "Control room": "held",
        "Log": "pending",
    }


def test_what_was_held_goes_once_it_is_confirmed_and_says_so_by_itself(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, nudges: list[str]
) -> None:
    one, room = lead(), place()
    step(one.rule, places=[room])
    raised(one)
    outbox.enqueue([one], Occasion.NAMED)
    one.state = AlertState.CONFIRMED
    one.save()

    with django_capture_on_commit_callbacks(execute=True):
        assert outbox.release(one) == 1
        outbox.enqueue([one], Occasion.CONFIRMED)

    assert [(row.occasion, row.state) for row in outside(one)] == [("raised", "pending")]
    assert nudges == [outbox.SEND_TASK]


def test_one_of_several_held_messages_says_it_all() -> None:
    one, room = lead(), place()
    step(one.rule, places=[room])
    step(one.rule, after=5, places=[room])
    raised(one)
    outbox.enqueue([one], Occasion.ESCALATED, step=1)
    assert {row.state for row in outside(one)} == {"held"}

    assert outbox.release(one) == 1
    assert sorted((row.occasion, row.state) for row in outside(one)) == [
        ("escalated", "dropped"),
        ("raised", "pending"),
    ]


def test_what_was_dismissed_does_not_go_out_any_more() -> None:
    one = lead()
    reviewer = trained(member(role=Role.REVIEWER))
    own_place(reviewer)
    step(
        one.rule,
        users=[reviewer],
        places=[place(), place("Told", channel=Channel.EMAIL), place("L", channel=Channel.LOG)],
    )
    raised(one)
    Delivery.objects.filter(endpoint__name="Told").update(state=DeliveryState.SENT)

    assert outbox.drop_held(one) == 2

    states = {row.endpoint.name: row.state for row in outside(one) if row.endpoint}
    mine = f"{reviewer.username}'s phone"
    assert states == {"Control room": "dropped", mine: "dropped", "Told": "sent", "L": "pending"}


# Saying that there is something


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:  # what the channel layer does then
        async def group_send(self, group: str, message: dict[str, str]) -> None:
            raise RedisConnectionError("no answer")

    monkeypatch.setattr(outbox, "get_channel_layer", Away)


def test_the_sender_is_nudged_only_where_something_goes_out(one: Alert, nudges: list[str]) -> None:
    raised(one)
    outbox.kick([one.pk])
    assert nudges == []
    assert Delivery.objects.get().state == DeliveryState.SENT
    other = alert()
    step(other.rule, places=[place()])
    raised(other)
    outbox.kick([other.pk])
    assert nudges == [outbox.SEND_TASK]


def test_many_nudges_at_once_are_one(nudges: list[str]) -> None:
    for _ in range(5):
        outbox.kick()
    assert nudges == [outbox.SEND_TASK]


def test_a_nudge_is_a_real_message_that_expires(one: Alert) -> None:
    client().delete("lynceus:outbox-nudged", "celery")
    outbox.nudge()
    with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["task"] == outbox.SEND_TASK
    assert message.headers["expires"] is not None


def test_while_redis_is_away_a_kick_neither_raises_nor_nudges(
    one: Alert, redis_away: None, nudges: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    step(one.rule, places=[place()])
    raised(one)
    outbox.kick([one.pk])
    outbox.kick()
    assert nudges == []
    assert "could not be told of alerts yet" in caplog.text
    assert not Delivery.objects.filter(sent_at__isnull=False).exists()


def test_a_broker_that_goes_away_between_is_no_matter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client().delete("lynceus:outbox-nudged")
    monkeypatch.setattr(app.conf, "broker_write_url", "redis+socket:///nowhere/redis.sock")
    outbox.nudge()
    assert "Messages leave a little later" in caplog.text


def test_a_redis_that_hangs_keeps_nobody_from_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging:
        async def group_send(self, group: str, message: dict[str, str]) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(outbox, "get_channel_layer", Hanging)
    monkeypatch.setattr(outbox, "RING_SECONDS", 0.05)
    assert not outbox.ring()


def test_what_pages_were_not_told_before_a_crash_is_told_after(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [alert() for _ in range(3)]
    outbox.enqueue(many, Occasion.RAISED)
    rings: list[int] = []

    def ring() -> bool:
        rings.append(1)
        return True

    monkeypatch.setattr(outbox, "ring", ring)

    assert outbox.deliver_pending() == 3
    assert rings == [1]
    assert not Delivery.objects.exclude(state=DeliveryState.SENT).exists()
    assert outbox.deliver_pending() == 0


# Looking after


def test_what_was_given_up_is_sent_again_under_its_key(
    one: Alert, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, nudges: list[str]
) -> None:
    step(one.rule, places=[place()])
    (row,) = raised(one)
    Delivery.objects.filter(pk=row.pk).update(state=DeliveryState.DEAD, attempts=29, error="It does not answer.")
    actor = member()

    with django_capture_on_commit_callbacks(execute=True):
        assert outbox.resend(actor=actor, delivery=row)
        assert not outbox.resend(actor=actor, delivery=row)

    again = Delivery.objects.get(pk=row.pk)
    assert (again.state, again.attempts, again.error) == (DeliveryState.PENDING, 0, "")
    assert AuditEvent.objects.get().verb == "resent"
    assert nudges == [outbox.SEND_TASK]


def test_a_lead_is_held_also_when_it_is_sent_again() -> None:
    one = lead()
    step(one.rule, places=[place()])
    (row,) = raised(one)
    Delivery.objects.filter(pk=row.pk).update(state=DeliveryState.DEAD)
    assert outbox.resend(actor=None, delivery=row)
    assert Delivery.objects.get(pk=row.pk).state == DeliveryState.HELD


def test_there_is_nothing_to_send_to_a_place_that_was_removed(one: Alert) -> None:
    step(one.rule, places=[place()])
    (row,) = raised(one)
    Delivery.objects.filter(pk=row.pk).update(state=DeliveryState.DEAD)
    Endpoint.objects.all().delete()
    assert not outbox.resend(actor=None, delivery=row)


def test_what_is_on_its_way_is_counted(one: Alert) -> None:
    step(one.rule, places=[place(name) for name in "ABCD"])
    rows = raised(one)
    Delivery.objects.filter(pk=rows[0].pk).update(state=DeliveryState.DEAD)
    Delivery.objects.filter(pk=rows[1].pk).update(state=DeliveryState.HELD)
    earlier = timezone.now() - timedelta(minutes=5)
    Delivery.objects.filter(pk=rows[2].pk).update(due_at=earlier)
    assert outbox.counts() == outbox.Counts(pending=2, held=1, dead=1, oldest=earlier)


def test_old_ones_are_forgotten_and_what_waits_is_kept(one: Alert) -> None:
    step(one.rule, places=[place(name) for name in "AB"])
    rows = raised(one)
    Delivery.objects.update(created_at=timezone.now() - timedelta(days=outbox.KEPT_DAYS, minutes=1))
    Delivery.objects.filter(pk=rows[0].pk).update(state=DeliveryState.SENT)
    assert outbox.prune() == 1
    assert rows[0].pk not in Delivery.objects.values_list("pk", flat=True)
    assert Delivery.objects.count() == 2
