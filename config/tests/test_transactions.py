"""A process that stands still in a transaction keeps nothing locked."""

from __future__ import annotations

import time
from threading import Thread

import pytest
from django.contrib.sessions.models import Session
from django.db import InternalError, OperationalError, connection, transaction
from django.utils import timezone

from config import transactions
from config.transactions import brief_transaction

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "STILL_SECONDS", 0.2)


@pytest.fixture
def row() -> Session:
    """Something that is there to be changed."""
    return Session.objects.create(session_key="one", session_data="new", expire_date=timezone.now())


def change(data: str) -> None:
    Session.objects.filter(pk="one").update(session_data=data)


def now() -> str:
    return Session.objects.get(pk="one").session_data


def test_what_stands_still_is_rolled_back_and_said_as_if_the_database_had_been_away(row: Session) -> None:
    others: list[str] = []

    def other() -> None:
        change("by another")
        others.append(now())
        connection.close()

    @brief_transaction()
    def stand_still() -> None:
        change("by one")
        thread.start()
        thread.join(30)  # it waits for the row until the session of this one is ended
        change("by one again")

    thread = Thread(target=other)
    with pytest.raises(OperationalError):
        stand_still()
    connection.close()
    assert others == ["by another"]
    assert now() == "by another"


def test_it_is_a_transaction_and_a_decorator(row: Session) -> None:
    @brief_transaction()
    def fail() -> None:
        change("lost")
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert now() == "new"
    with brief_transaction():
        change("kept")
    assert now() == "kept"


def test_the_limit_ends_with_the_transaction_and_is_not_put_on_one_around_it(row: Session) -> None:
    with brief_transaction():
        pass
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("0",)
    with transaction.atomic():
        with brief_transaction():
            change("once")
        time.sleep(0.5)
        change("twice")
    assert now() == "twice"


def test_other_internal_errors_stay_what_they_are() -> None:
    with pytest.raises(InternalError, match="of another kind"), brief_transaction():
        raise InternalError("of another kind")
