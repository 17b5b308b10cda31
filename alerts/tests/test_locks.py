"""Who writes alerts waits for whoever does before touching a row, so that no two ever wait for each other."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, connections, transaction

from accounts.tests.factories import UserFactory
from alerts import lifecycle
from alerts.models import Alert, AlertState
from alerts.tests.factories import AlertFactory
from alerts.tests.outboxes import until

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
