"""What filters take from forms and addresses, days of 23 and 25 hours included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from cameras.history.filters import Filters, HistoryForm
from cameras.tests.factories import CameraFactory, CameraGroupFactory, ZoneFactory
from recognition.tests.factories import WatchlistFactory

pytestmark = pytest.mark.django_db


def parsed(**given: str) -> Filters:
    form = HistoryForm({name.rstrip("_"): value for name, value in given.items()})
    assert form.is_valid(), form.errors
    return form.filters


def test_everything_is_read_back_as_it_is_said() -> None:
    asked = Filters(
        identity=3,
        person=4,
        watchlist=WatchlistFactory.create().pk,
        camera=CameraFactory.create().pk,
        group=CameraGroupFactory.create().pk,
        zone=ZoneFactory.create().pk,
        begins=datetime(2026, 3, 1, tzinfo=UTC),
        ends=datetime(2026, 3, 2, tzinfo=UTC),
        similarity=0.25,
        quality=0.5,
        verdict="known",
        link="hand",
        who="known",
        doubted=True,
        present=True,
        oldest_first=True,
    )
    form = HistoryForm({name: str(value) for name, value in asked.said().items()})
    assert form.is_valid(), form.errors
    assert form.filters == asked
    assert Filters().said() == {}
    assert parsed() == Filters()


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-03-30", 24), ("2026-10-25", 25), ("2026-07-01", 24)]
)
def test_a_day_is_all_of_it(day: str, hours: int) -> None:
    with timezone.override("Europe/Berlin"):
        asked = parsed(from_=day, to=day)
    assert asked.begins is not None
    assert asked.ends is not None
    assert asked.ends - asked.begins == timedelta(hours=hours)


def test_an_hour_that_comes_twice_is_all_of_it() -> None:
    with timezone.override("Europe/Berlin"):
        asked = parsed(from_="2026-10-25T02:00", to="2026-10-25T02:59:59")
    assert asked.begins == datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert asked.ends == datetime(2026, 10, 25, 1, 59, 59, tzinfo=UTC)


def test_an_hour_that_never_was_and_other_zones() -> None:
    with timezone.override("Europe/Berlin"):
        assert parsed(from_="2026-03-29T02:30").begins == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
        assert parsed(from_="2026-03-29T02:30+00:00").begins == datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    with timezone.override("Asia/Kathmandu"):
        assert parsed(from_="2026-01-01").begins == datetime(2025, 12, 31, 18, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "yesterday"),
        ("from", "2026-02-30"),
        ("from", "2026-13-01T00:00"),
        ("to", "\0"),
        ("camera", "x"),
        ("camera", "9" * 40),
        ("zone", "7777777"),
        ("watchlist", "-1"),
        ("group", "1.5"),
        ("similarity", "nan"),
        ("similarity", "2"),
        ("quality", "inf"),
        ("quality", "-0.1"),
        ("identity", "0"),
        ("person", "9" * 30),
        ("verdict", "perhaps"),
        ("who", "me"),
        ("link", "x"),
        ("order", "sideways"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str) -> None:
    form = HistoryForm({name: value})
    assert not form.is_valid()
    assert list(form.errors) == [name]


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31", "0001-01-01T00:00:00+14:00"])
def test_days_at_the_end_of_time(value: str) -> None:
    with timezone.override("Pacific/Kiritimati"):
        for name in ("from", "to"):
            form = HistoryForm({name: value})
            form.is_valid()
            assert str(form[name])


def test_a_span_that_ends_before_it_begins() -> None:
    form = HistoryForm({"from": "2026-03-02", "to": "2026-03-01"})
    assert not form.is_valid()
    assert "ends before it begins" in str(form.errors)
