"""From the outbox to the other side: everything that is due, to those who may still have it, and never too much."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts import vault
from accounts.roles import Role
from alerts import claims, outbox, sending
from alerts.channels import base
from alerts.channels.base import Config, Message, Sender
from alerts.models import (
    Alert,
    AlertState,
    Channel,
    Delivery,
    DeliveryState,
    Endpoint,
    MessageTemplate,
    Occasion,
    Severity,
    Training,
)
from alerts.models.delivery import CHANNEL_SCOPE
from alerts.tasks import send_due
from alerts.tests.outboxes import FakeChannel, alert, drop_connections, member, own_place, place, same_rule, step
from recognition.tests.factories import picture

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "LINGER_SECONDS", 0.0)


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> FakeChannel:
    """What takes the place of every chat service and email."""
    return use(monkeypatch, FakeChannel())


def use(monkeypatch: pytest.MonkeyPatch, fake: FakeChannel) -> FakeChannel:
    real = base.sender

    def find(channel: Channel) -> Sender:
        return fake if channel in (Channel.CHAT, Channel.EMAIL) else real(channel)

    monkeypatch.setattr(base, "sender", find)
    return fake


def told(one: Alert | None = None, to: Endpoint | None = None, occasion: Occasion = Occasion.RAISED) -> Delivery:
    """A delivery that is due."""
    to = to or place()
    row: Delivery = Delivery.objects.create(
        alert=one or alert(),
        channel=to.channel,
        endpoint=to,
        user=to.user,
        occasion=occasion,
        due_at=timezone.now(),
    )
    return row


def many(count: int, to: Endpoint, **values: object) -> list[Delivery]:
    first = alert(**values)
    return [told(first, to), *(told(same_rule(first, **values), to) for _ in range(count - 1))]


def now(row: Delivery) -> Delivery:
    return Delivery.objects.get(pk=row.pk)


def make_due() -> None:
    Delivery.objects.filter(state=DeliveryState.PENDING).update(due_at=timezone.now())


def age(row: Delivery, **ago: float) -> None:
    Delivery.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(**ago))


# Sending


def test_what_is_due_is_sent_and_marked(channel: FakeChannel) -> None:
    row = told()
    assert sending.send_due() == 1

    ((config, message),) = channel.sent
    assert config == {"to": "Control room"}
    assert message.key == row.pk
    assert message.subject.startswith("Alert (High): ")
    done = now(row)
    assert (done.state, done.receipt, done.attempts, done.error) == ("sent", "receipt 1", 1, "")
    assert done.claimed_until is None
    assert done.sent_at is not None
    assert done.endpoint is not None
    assert done.endpoint.last_sent_at is not None
    assert sending.send_due() == 0


def test_what_is_not_due_held_or_for_pages_stays(channel: FakeChannel) -> None:
    later, held = told(), told(alert(reviews_needed=2))
    Delivery.objects.filter(pk=later.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    Delivery.objects.filter(pk=held.pk).update(state=DeliveryState.HELD)
    outbox.enqueue([alert()], Occasion.RAISED)
    send_due()
    assert channel.sent == []


def test_a_place_gets_two_at_once_at_most_and_a_slow_one_holds_up_no_other(channel: FakeChannel) -> None:
    slow, quick = place("Slow"), place("Quick")
    many(6, slow)
    many(6, quick)
    hanging, released = threading.Event(), threading.Event()
    most, running, lock = Counter[str](), Counter[str](), threading.Lock()

    def answer(config: Config, message: Message) -> None:
        to = config["to"]
        with lock:
            running[to] += 1
            most[to] = max(most[to], running[to])
        if most["Slow"] == 2:
            hanging.set()
        if to == "Slow":
            assert released.wait(10)
        else:
            assert hanging.wait(10)
        if to == "Quick" and len(channel.sent) >= 4:
            released.set()  # quick ones came through while the slow ones hung
        with lock:
            running[to] -= 1

    channel.answer = answer
    assert sending.send_due() == 12
    assert most["Slow"] == 2
    assert most["Quick"] <= 2


def test_what_is_critical_goes_first(channel: FakeChannel) -> None:
    room = place(failing_since=timezone.now())  # one at a time
    first = told(alert(), room)
    urgent = told(alert(severity=Severity.CRITICAL), room)
    sending.send_due()
    assert [message.key for message in channel.messages] == [urgent.pk, first.pk]


def test_texts_of_the_sites_own_are_used(channel: FakeChannel) -> None:
    MessageTemplate.objects.create(channel=Channel.CHAT, subject="Look", body="$who, $severity")
    told(alert(person_name="Ada"))
    sending.send_due()
    assert (channel.messages[0].subject, channel.messages[0].text) == ("Look", "Ada, High")


@pytest.mark.parametrize(("allowed", "needed"), [(True, 0), (False, 0), (True, 2)])
def test_the_picture_goes_with_it_where_the_watchlist_allows_it(
    channel: FakeChannel, allowed: bool, needed: int
) -> None:
    one = alert(reviews_needed=needed)
    assert one.watchlist is not None
    assert one.sighting is not None
    one.watchlist.policy.pictures_outside = allowed
    one.watchlist.policy.save()
    if needed:  # a lead goes to a reviewer
        user = member(role=Role.REVIEWER)
        today = timezone.localdate()
        Training.objects.create(user=user, course="Faces", trained_on=today, valid_until=today)
        told(one, own_place(user))
    else:
        told(one)
    sending.send_due()
    expected = picture(one.sighting.track) if allowed and not needed else None
    assert channel.messages[0].picture == expected


# Who gets nothing any more


def test_who_lost_their_role_between_alert_and_delivery_gets_nothing(channel: FakeChannel) -> None:
    user = member()
    row = told(to=own_place(user))
    user.groups.clear()
    sending.send_due()
    assert channel.tried == []
    assert (now(row).state, now(row).error) == ("dropped", "Whom it was for may not see alerts any more.")


def test_who_was_locked_out_gets_nothing(channel: FakeChannel) -> None:
    user = member()
    row = told(to=own_place(user))
    user.is_active = False
    user.save()
    sending.send_due()
    assert channel.tried == []
    assert now(row).state == DeliveryState.DROPPED


def test_who_left_the_group_gets_nothing_though_they_may_see_alerts(channel: FakeChannel) -> None:
    stays, leaves, guards = member(), member(), Group.objects.create(name="Guards")
    for user in (stays, leaves):
        user.groups.add(guards)
        own_place(user)
    one = alert()
    step(one.rule, groups=[guards])
    outbox.enqueue([one], Occasion.RAISED)
    leaves.groups.remove(guards)

    sending.send_due()

    assert [config["to"] for config, _ in channel.sent] == [f"{stays.username}'s phone"]
    dropped = Delivery.objects.get(state=DeliveryState.DROPPED)
    assert (dropped.user, dropped.error) == (leaves, "Whom it was for has left the group that was told.")


def test_a_group_that_was_deleted_has_nobody(channel: FakeChannel) -> None:
    row = told(to=own_place(member()))
    Delivery.objects.filter(pk=row.pk).update(by_role=True)
    sending.send_due()
    assert now(row).state == DeliveryState.DROPPED


def test_a_place_that_was_switched_off_gets_nothing(channel: FakeChannel) -> None:
    room = place()
    row = told(to=room)
    Endpoint.objects.filter(pk=room.pk).update(enabled=False)
    sending.send_due()
    assert (channel.tried, now(row).state) == ([], DeliveryState.DROPPED)


def test_a_place_that_was_removed_gets_nothing(channel: FakeChannel) -> None:
    row = told()
    Endpoint.objects.all().delete()
    sending.send_due()
    assert (now(row).state, now(row).error) == ("dropped", "The place that it was to go to was removed.")


@pytest.mark.parametrize(
    ("state", "occasion", "goes"),
    [
        (AlertState.NEW, Occasion.ESCALATED, True),
        (AlertState.ACKNOWLEDGED, Occasion.ESCALATED, False),
        (AlertState.ACKNOWLEDGED, Occasion.RAISED, True),
        (AlertState.DISMISSED, Occasion.RAISED, False),
        (AlertState.CLOSED, Occasion.RAISED, True),
    ],
)
def test_what_is_over_is_told_nobody_else(
    channel: FakeChannel, state: AlertState, occasion: Occasion, goes: bool
) -> None:
    row = told(alert(state=state), occasion=occasion)
    sending.send_due()
    assert now(row).state == (DeliveryState.SENT if goes else DeliveryState.DROPPED)


def test_what_became_a_lead_meanwhile_is_held(channel: FakeChannel) -> None:
    row = told(alert(reviews_needed=2))
    sending.send_due()
    assert (channel.tried, now(row).state) == ([], DeliveryState.HELD)


# What goes wrong


def test_what_is_not_taken_is_tried_again_with_the_same_key_and_less_and_less_often(channel: FakeChannel) -> None:
    row = told()
    channel.fails("The server is away.")
    for number, seconds in enumerate(claims.DELAYS, start=1):
        make_due()
        begins = timezone.now()
        assert sending.send_due() == 0
        tried = now(row)
        assert (tried.state, tried.attempts, tried.error) == ("pending", number, "The server is away.")
        assert tried.claimed_until is None
        assert begins + timedelta(seconds=0.8 * seconds) <= tried.due_at
        assert tried.due_at <= timezone.now() + timedelta(seconds=1.2 * seconds)
    assert {message.key for message in channel.tried} == {row.pk}
    place_now = Endpoint.objects.get()
    assert place_now.failing_since is not None
    assert place_now.last_error == "The server is away."

    channel.answer = lambda config, message: None
    make_due()
    sending.send_due()
    healed = Endpoint.objects.get()
    assert (now(row).state, healed.failing_since, healed.last_error) == ("sent", None, "")


def test_the_other_side_says_when(channel: FakeChannel) -> None:
    row, begins = told(), timezone.now()
    channel.fails(retry_after=120.0)
    sending.send_due()
    assert now(row).due_at >= begins + timedelta(seconds=120)


def test_nobody_is_kept_waiting_for_days_by_the_other_side() -> None:
    assert claims.delay(1, 10**9) == claims.DELAYS[-1]


def test_all_delays_together_are_about_a_day() -> None:
    total = sum(claims.DELAYS) + (claims.MOST_ATTEMPTS - 1 - len(claims.DELAYS)) * claims.DELAYS[-1]
    assert 23 * 3600 < total < 25 * 3600


def test_what_can_not_succeed_is_given_up_at_once(channel: FakeChannel) -> None:
    row = told()
    channel.fails("There is no such address.", permanent=True)
    sending.send_due()
    assert (now(row).state, now(row).error) == (DeliveryState.DEAD, "There is no such address.")


def test_after_a_day_it_is_given_up(channel: FakeChannel) -> None:
    row = told()
    Delivery.objects.filter(pk=row.pk).update(attempts=claims.MOST_ATTEMPTS - 1)
    channel.fails()
    sending.send_due()
    assert now(row).state == DeliveryState.DEAD


def test_a_place_that_takes_nothing_is_asked_with_one_message_at_a_time(channel: FakeChannel) -> None:
    rows = many(5, place(failing_since=timezone.now()))
    channel.fails()
    sending.send_due()
    assert len(channel.tried) == 1
    assert all(now(row).due_at > timezone.now() for row in rows)
    assert sorted(now(row).attempts for row in rows) == [0, 0, 0, 0, 1]


def test_after_a_day_of_silence_all_that_has_waited_for_so_long_is_given_up(channel: FakeChannel) -> None:
    room = place(failing_since=timezone.now() - timedelta(hours=25))
    old, older, new = many(3, room)
    age(old, hours=26)
    age(older, hours=30)
    channel.fails()
    sending.send_due()
    assert [now(row).state for row in (old, older, new)] == ["dead", "dead", "pending"]


def test_a_channel_with_a_bug_is_no_end_and_its_words_stay_out_of_the_log(
    channel: FakeChannel, caplog: pytest.LogCaptureFixture
) -> None:
    row = told(to=place("secret-token"))

    def answer(config: Config, message: Message) -> None:
        raise KeyError(config["to"])

    channel.answer = answer
    sending.send_due()
    assert now(row).state == DeliveryState.PENDING
    assert "Something went wrong in Lynceus itself (KeyError)" in now(row).error
    assert "secret-token" not in caplog.text + now(row).error
    assert "in answer" in caplog.text


def test_a_configuration_that_can_not_be_read_gives_up_its_messages_only(channel: FakeChannel) -> None:
    spoilt, fine = place("Spoilt"), place("Fine")
    bad, good = told(to=spoilt), told(to=fine)
    Endpoint.objects.filter(pk=spoilt.pk).update(sealed_config=b"\x01 nothing that was sealed, but long enough for it")
    sending.send_due()
    assert (now(bad).state, now(good).state) == ("dead", "sent")
    assert "Enter it anew" in now(bad).error


def test_what_a_killed_process_had_claimed_goes_again_under_its_key(channel: FakeChannel) -> None:
    row = told()
    assert len(claims.claim(())) == 1
    assert sending.send_due() == 0  # somebody is at it
    Delivery.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert sending.send_due() == 1
    assert channel.messages[0].key == row.pk


def test_what_was_not_begun_in_time_is_let_go(channel: FakeChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was checked a while ago: whom it is for may have lost their role since."""
    row = told()
    found = claims.claim(())
    late = timezone.now() + timedelta(seconds=claims.START_SECONDS + 1)
    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:
        run = sending._Run(pool)
        jobs = list(run._written(found))
        patch.setattr(timezone, "now", lambda: late)
        assert [one.receipt for one in pool.submit(sending._send, jobs).result()] == [None]
    claims.let_go(found)
    assert (channel.tried, now(row).claimed_until) == ([], None)


# Not too much


def test_what_is_collected_goes_as_one_message(channel: FakeChannel) -> None:
    room = place(digest_minutes=30)
    first, *others = [alert() for _ in range(4)]
    for one in (first, *others):
        step(one.rule, places=[room])
        outbox.enqueue([one], Occasion.RAISED)
    sending.send_due()
    assert channel.sent == []
    Delivery.objects.filter(alert=first).update(due_at=timezone.now())

    sending.send_due()

    (message,) = channel.messages
    assert [facts.alert for facts in message.facts] == [one.pk for one in (first, *others)]
    rows = Delivery.objects.filter(endpoint=room)
    assert {(row.state, row.digest) for row in rows} == {("sent", message.key)}


def test_a_digest_that_was_not_taken_stays_together_under_its_key(channel: FakeChannel) -> None:
    room = place(digest_minutes=30)
    rows = many(3, room)
    channel.fails()
    sending.send_due()
    told(to=room)  # comes later: it is not put into a message that the other side may know
    make_due()
    channel.answer = lambda config, message: None
    for _ in range(2):
        Endpoint.objects.update(failing_since=None)
        make_due()
        sending.send_due()
    first, again, other = channel.tried
    assert first.key == again.key != other.key
    assert [len(one.facts) for one in (first, again, other)] == [3, 3, 1]
    assert {now(row).state for row in rows} == {DeliveryState.SENT}


def test_one_alone_is_no_digest(channel: FakeChannel) -> None:
    row = told(to=place(digest_minutes=30))
    sending.send_due()
    assert channel.messages[0].key == row.pk
    assert now(row).digest is None


def test_what_is_critical_is_not_collected(channel: FakeChannel) -> None:
    room = place(digest_minutes=30)
    many(2, room, severity=Severity.CRITICAL)
    sending.send_due()
    assert [len(message.facts) for message in channel.messages] == [1, 1]


def test_a_channel_for_programs_gets_each(monkeypatch: pytest.MonkeyPatch) -> None:
    channel = use(monkeypatch, FakeChannel(digests=False))
    many(3, place(digest_minutes=30))
    sending.send_due()
    assert [len(message.facts) for message in channel.messages] == [1, 1, 1]


def test_what_waited_for_the_end_of_quiet_hours_comes_as_one_message(
    channel: FakeChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    night, user = datetime(2026, 3, 14, 23, tzinfo=UTC), member()
    phone = own_place(user)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: night)
        for _ in range(3):
            one = alert()
            assert one.rule is not None
            one.rule.quiet_hours = "22:00-06:00"
            one.rule.save()
            step(one.rule, users=[user])
            outbox.enqueue([one], Occasion.RAISED)
        sending.send_due()
        assert channel.sent == []
        patch.setattr(timezone, "now", lambda: night + timedelta(hours=7))
        sending.send_due()
    assert [len(message.facts) for message in channel.messages] == [3]
    assert Delivery.objects.filter(endpoint=phone, state=DeliveryState.SENT).count() == 3


def test_what_is_more_than_the_limit_waits_and_comes_as_one_message(channel: FakeChannel) -> None:
    room = place(most_per_hour=3)
    rows = many(7, room)
    sending.send_due()
    assert len(channel.messages) == 3
    waiting = [now(row) for row in rows if now(row).state == DeliveryState.PENDING]
    assert all(row.due_at > timezone.now() + timedelta(minutes=58) for row in waiting)

    hour_ago = timezone.now() - timedelta(minutes=61)
    Delivery.objects.filter(state=DeliveryState.SENT).update(sent_at=hour_ago)
    Delivery.objects.filter(state=DeliveryState.PENDING).update(due_at=timezone.now(), created_at=hour_ago)
    sending.send_due()
    assert [len(message.facts) for message in channel.messages] == [1, 1, 1, 4]


def test_a_digest_counts_as_one_message(channel: FakeChannel) -> None:
    room = place(most_per_hour=2, digest_minutes=5)
    many(5, room)
    sending.send_due()
    many(2, room)
    sending.send_due()
    assert [len(message.facts) for message in channel.messages] == [5, 2]
    many(2, room)
    sending.send_due()
    assert len(channel.messages) == 2


def test_what_is_critical_is_never_kept_back(channel: FakeChannel) -> None:
    room = place(most_per_hour=1)
    many(2, room)
    urgent = many(3, room, severity=Severity.CRITICAL)
    sending.send_due()
    assert {message.key for message in channel.messages} >= {row.pk for row in urgent}
    assert len(channel.messages) == 3


# Several processes


def senders(count: int) -> None:
    def run() -> None:
        try:
            sending.send_due()
        finally:
            drop_connections()

    with ThreadPoolExecutor(count) as pool:
        for each in [pool.submit(run) for _ in range(count)]:
            each.result()


@pytest.mark.django_db(transaction=True)
def test_many_senders_send_each_once(channel: FakeChannel) -> None:
    rows = [row for name in "ABC" for row in many(20, place(name))]
    senders(4)
    assert Counter(message.key for message in channel.messages) == Counter(row.pk for row in rows)
    assert not Delivery.objects.exclude(state=DeliveryState.SENT).exists()


@pytest.mark.django_db(transaction=True)
def test_two_senders_keep_to_one_limit(channel: FakeChannel) -> None:
    many(30, place(most_per_hour=5))
    senders(3)
    assert len(channel.messages) == 5


@pytest.mark.django_db(transaction=True)
def test_two_senders_give_a_place_no_more_at_once(channel: FakeChannel) -> None:
    many(30, place())

    def answer(config: Config, message: Message) -> None:
        threading.Event().wait(0.01)

    channel.answer = answer
    senders(3)
    assert channel.most_at_once <= 2
    assert len(channel.messages) == 30


@pytest.mark.django_db(transaction=True)
def test_alerts_are_written_while_their_places_are_claimed(channel: FakeChannel) -> None:
    """Whoever reports a sighting does not wait for whoever sends."""
    from django.db import transaction

    one, room = alert(), place()
    step(one.rule, places=[room])
    written: list[int] = []

    def write() -> None:
        try:
            outbox.enqueue([one], Occasion.RAISED)
            written.append(one.pk)
        finally:
            drop_connections()

    with transaction.atomic(), ThreadPoolExecutor(1) as pool:
        list(Endpoint.objects.select_for_update(no_key=True))  # as claims do
        pool.submit(write).result(10)
    assert written == [one.pk]
    assert sending.send_due() == 1


# A real channel


class _Receiver(BaseHTTPRequestHandler):
    keys: list[str]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.keys.append(self.headers["Idempotency-Key"])  # type: ignore[attr-defined]
        self.send_response(503 if len(self.server.keys) == 1 else 204)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        pass


@pytest.fixture
def receiver() -> Iterator[ThreadingHTTPServer]:
    """Says 503 once, and takes everything after that."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Receiver) as server:
        server.keys = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def webhook(port: int) -> Endpoint:
    found = Endpoint(name="Programme", channel=Channel.WEBHOOK, shown="http://127.0.0.1")
    config = base.sender(Channel.WEBHOOK).clean({"url": f"http://127.0.0.1:{port}/hook"})
    found.sealed_config = vault.seal(CHANNEL_SCOPE, json.dumps(config).encode(), bind=found.bind)
    found.save()
    return found


def test_a_webhook_gets_each_with_its_key_again_where_it_did_not_take_it(receiver: ThreadingHTTPServer) -> None:
    rows = many(10, webhook(receiver.server_port))
    for _ in range(3):
        make_due()
        sending.send_due()
    keys = [uuid.UUID(key) for key in receiver.keys]  # type: ignore[attr-defined]
    assert set(keys) == {row.pk for row in rows}
    assert len(keys) == 11
    assert {now(row).state for row in rows} == {DeliveryState.SENT}
