"""Which alerts a list shows: in memory as in the database, and from whatever stands in an address."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.filters import Filters
from alerts.models import Alert, AlertState
from alerts.tests.factories import AlertFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory.create(role=Role.OPERATOR)


FILTERS: list[dict[str, object]] = [
    {},
    {"state": "new"},
    {"state": "acknowledged"},
    {"state": "open"},
    {"severity": "low"},
    {"trigger": "camera"},
    {"mine": "1"},
    {"leads": True},
    {"from": "2026-03-14T12:00:00Z"},
    {"to": "2026-03-14T12:00:00Z"},
    {"from": "2026-03-14", "to": "2026-03-14"},
    {"text": "ADA"},
    {"text": "yard"},
    {"text": "100%"},
    {"text": "nothing like that"},
]


@pytest.mark.parametrize("given", FILTERS, ids=str)
def test_memory_and_database_admit_the_same(given: dict[str, object], user: User) -> None:
    when = datetime(2026, 3, 14, 12, tzinfo=UTC)
    for values in (
        {"person_name": "Ada Lovelace", "captured_at": when},
        {"zone_name": "The Yard", "severity": "low", "captured_at": when - timedelta(seconds=1)},
        {"state": AlertState.ACKNOWLEDGED, "assigned_to": user, "detail": "100% sure of nothing"},
        {"state": AlertState.DISMISSED, "trigger": "camera", "captured_at": when - timedelta(days=1)},
        {"reviews_needed": 2},
        {"reviews_needed": 2, "state": AlertState.CONFIRMED},
    ):
        AlertFactory.create(**values)
    filters = Filters.parse(given)
    assert Filters.parse(json.loads(json.dumps(filters.said()))) == filters
    found = set(filters.rows(Alert.objects.all(), user.pk).values_list("pk", flat=True))
    assert found == {row.pk for row in Alert.objects.all() if filters.admit(row, user.pk)}
    assert len(found) < 6 or not given


def test_filters_by_what_it_is_about(user: User) -> None:
    rows = [AlertFactory.create() for _ in range(2)]
    Alert.objects.filter(pk=rows[0].pk).update(watchlist=rows[0].rule and rows[0].rule.own_list)
    one = Alert.objects.get(pk=rows[0].pk)
    for name in ("person", "camera", "rule", "watchlist"):
        filters = Filters.parse({name: str(getattr(one, f"{name}_id"))})
        assert [row.pk for row in filters.rows(Alert.objects.all(), user.pk)] == [one.pk]
        assert [row.pk for row in Alert.objects.all() if filters.admit(row, user.pk)] == [one.pk]


@pytest.mark.parametrize(
    "given",
    [
        {"state": "x", "severity": 5, "person": "x", "camera": "9" * 50, "rule": -1, "mine": "maybe"},
        {"from": "yesterday", "to": "2026-99-99"},
        {"from": "0000-00-00", "to": "9999-12-31"},
        {"from": ["2026-01-01"], "text": {"a": 1}},
        {"text": "\0"},
    ],
    ids=str,
)
def test_what_makes_no_sense_counts_as_not_given(given: dict[str, object]) -> None:
    assert Filters.parse(given) == Filters()
