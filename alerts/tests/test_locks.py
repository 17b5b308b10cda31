"""Who writes alerts waits for whoever does before touching a row, so that no two ever wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection, connections, transaction

from accounts.tests.factories import UserFactory
from alerts import attachments, erasing, lifecycle
from alerts.models import Alert, AlertState, Attachment, Rule, Trigger
from alerts.rules.absence import report_absences
from alerts.rules.raising import one_after_the_other
from alerts.tests.factories import AlertFactory
from alerts.tests.outboxes import until
from recognition.models import Person
from recognition.tests.factories import WatchlistEntryFactory

pytestmark = pytest.mark.django_db(transaction=True)


def _waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def test_one_of_two_who_write_the_same_alerts_is_not_thrown_out() -> None:
    """One writes the first alert and then the second; the other one presses on the second in between."""
    first, second = AlertFactory.create_batch(2)
    ada, ben = UserFactory.create_batch(2)
    failed: list[BaseException] = []

    def press() -> None:
        try:
            lifecycle.acknowledge(actor=ben, alert=second)
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=press)
    with transaction.atomic():
        lifecycle.acknowledge(actor=ada, alert=first)
        other.start()
        until(_waits_for_a_lock)
        lifecycle.acknowledge(actor=ada, alert=second)
    other.join(20)

    assert not failed
    assert set(Alert.objects.values_list("state", "acknowledged_by")) == {(AlertState.ACKNOWLEDGED, ada.pk)}


@contextmanager
def _who_waits(deed: Callable[[], object]) -> Iterator[None]:
    """Within it, what is done in a transaction; the deed begins there, waits, and does what it wants after. What either
    raises is raised."""
    failed: list[BaseException] = []

    def act() -> None:
        try:
            deed()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    other = threading.Thread(target=act)
    other.start()
    until(_waits_for_a_lock)
    try:
        yield
    finally:
        other.join(0 if connection.in_atomic_block else 20)
    if failed:
        raise failed[0]


def test_a_clip_that_comes_while_somebody_is_erased_waits_before_it_locks_the_alert() -> None:
    alert = AlertFactory.create()
    assert alert.sighting_id is not None
    clip = b"\x00\x00\x00\x18ftypisom" + bytes(64)
    with transaction.atomic():
        one_after_the_other()
        with _who_waits(lambda: attachments.attach_clip(alert_id=alert.pk, name="a.mp4", data=clip)):
            erasing.erase(sightings=[alert.sighting_id], person=None)
    until(lambda: Attachment.objects.count() == 1)


def test_who_was_not_seen_and_is_deleted_meanwhile_holds_nobody_up() -> None:
    nine = datetime(2026, 3, 13, 9, 0, tzinfo=UTC)
    entry = WatchlistEntryFactory.create()
    Rule.objects.all().delete()
    rule = Rule.objects.create(name="At work", trigger=Trigger.ABSENT, since_time=time(7), by_time=time(9))
    Rule.objects.filter(pk=rule.pk).update(created_at=nine - timedelta(days=30))
    rule.watchlists.add(entry.watchlist)
    with transaction.atomic():
        person = Person.objects.select_for_update().get(pk=entry.person_id)
        with _who_waits(lambda: report_absences(nine + timedelta(minutes=1))):
            erasing.erase(sightings=[], person=person)
            person.delete()
    assert not Alert.objects.filter(person_name=person.name).exists()
