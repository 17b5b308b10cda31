"""Who should have been seen by a time and was not."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from alerts.models import Alert, Rule, Trigger
from alerts.rules.absence import report_absences
from cameras.models import Camera, CameraEvent, EventKind, Passage, PassageKind, Verdict, Zone
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.models import Person, WatchlistEntry
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory

pytestmark = pytest.mark.django_db

NINE = datetime(2026, 3, 13, 9, 0, tzinfo=UTC)  # a Friday
LOOKED = NINE + timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _pages_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.outbox.kick", lambda ids: None)


@pytest.fixture
def entry() -> WatchlistEntry:
    made: WatchlistEntry = WatchlistEntryFactory.create(person=PersonFactory.create(name="Ada"))
    Rule.objects.all().delete()
    return made


def expected(entry: WatchlistEntry, **values: Any) -> Rule:
    """Everybody on the list should have been seen between seven and nine."""
    given = {"name": "At work", "trigger": Trigger.ABSENT, "since_time": time(7), "by_time": time(9)} | values
    rule = Rule.objects.create(**given)
    Rule.objects.filter(pk=rule.pk).update(created_at=NINE - timedelta(days=30))
    rule.watchlists.add(entry.watchlist)
    return rule


def was_seen(person: Person, minutes_before_nine: float, **values: Any) -> None:
    first = NINE - timedelta(minutes=minutes_before_nine)
    SightingFactory.create(person=person, first_seen=first, last_seen=first + timedelta(seconds=10), **values)


def test_who_was_not_seen_is_told_once(entry: WatchlistEntry) -> None:
    rule = expected(entry)

    (made,) = report_absences(LOOKED)
    alert = Alert.objects.get(pk=made)
    assert (alert.rule, alert.person_name, alert.watchlist_name) == (rule, "Ada", entry.watchlist.name)
    assert (alert.title, alert.detail) == ("Ada was not seen", "Not seen from 07:00 to 09:00.")
    assert (alert.captured_at, alert.day) == (NINE, NINE.date())
    assert report_absences(LOOKED + timedelta(minutes=5)) == ()


@pytest.mark.parametrize(
    ("minutes", "values", "told"),
    [
        (30, {}, False),
        (121, {}, True),  # before seven
        (-1, {}, True),  # after nine
        (30, {"verdict": Verdict.UNKNOWN}, True),
    ],
)
def test_seen_in_time(entry: WatchlistEntry, minutes: float, values: dict[str, Any], told: bool) -> None:
    expected(entry)
    was_seen(entry.person, minutes, **values)

    assert bool(report_absences(LOOKED)) is told


def test_seen_elsewhere_is_not_seen_here(entry: WatchlistEntry) -> None:
    rule = expected(entry, placed=True)
    gate: Camera = CameraFactory.create()
    rule.cameras.add(gate)
    was_seen(entry.person, 30)
    assert len(report_absences(LOOKED)) == 1

    Alert.objects.all().delete()
    was_seen(entry.person, 20, camera=gate)
    assert report_absences(LOOKED) == ()


def test_seen_in_a_zone_of_the_picture(entry: WatchlistEntry) -> None:
    gate: Camera = CameraFactory.create()
    desk = Zone.objects.create(
        name="Desk", ground="picture", shape="polygon", camera=gate, points=[[0, 0], [1, 0], [1, 1]]
    )
    rule = expected(entry, placed=True)
    rule.zones.add(desk)
    was_seen(entry.person, 30, camera=gate)
    assert len(report_absences(LOOKED)) == 1

    Alert.objects.all().delete()
    sighting = SightingFactory.create(person=entry.person, camera=gate, first_seen=NINE - timedelta(minutes=9))
    Passage.objects.create(sighting=sighting, zone=desk, kind=PassageKind.ENTERED, number=0, at=sighting.first_seen)
    assert report_absences(LOOKED) == ()


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (NINE - timedelta(minutes=1), False),  # not over yet
        (NINE + timedelta(seconds=10), False),  # the last sightings may not be written yet
        (NINE + timedelta(hours=5), True),  # after an outage
        (NINE + timedelta(hours=7), False),  # that is no news any more
    ],
)
def test_it_is_looked_for_once_the_time_has_come(entry: WatchlistEntry, now: datetime, told: bool) -> None:
    expected(entry)

    assert bool(report_absences(now)) is told


@pytest.mark.parametrize(("schedule", "told"), [("Mon-Fri", True), ("Sat,Sun", False)])
def test_only_on_the_days_of_the_rule(entry: WatchlistEntry, schedule: str, told: bool) -> None:
    expected(entry, schedule=schedule)

    assert bool(report_absences(LOOKED)) is told


def test_a_span_over_midnight_began_the_day_before(entry: WatchlistEntry) -> None:
    expected(entry, since_time=time(22), by_time=time(9))
    was_seen(entry.person, 10 * 60)

    assert report_absences(LOOKED) == ()


def test_a_rule_says_nothing_of_times_before_it_was_made(entry: WatchlistEntry) -> None:
    rule = expected(entry)
    Rule.objects.filter(pk=rule.pk).update(created_at=NINE + timedelta(seconds=5))

    assert report_absences(LOOKED) == ()


def test_who_is_excepted_or_no_longer_listed_is_not_missed(entry: WatchlistEntry) -> None:
    rule = expected(entry)
    rule.never_people.add(entry.person)
    assert report_absences(LOOKED) == ()

    rule.never_people.clear()
    entry.expires_at = NINE - timedelta(days=1)
    entry.save()
    assert report_absences(LOOKED) == ()


def test_it_says_where_nobody_may_have_looked(entry: WatchlistEntry) -> None:
    expected(entry)
    gate = CameraFactory.create(name="Gate")
    CameraEvent.objects.create(
        camera=gate,
        camera_name="Gate",
        kind=EventKind.DOWN,
        began_at=NINE - timedelta(minutes=50),
        ended_at=NINE - timedelta(minutes=10),
    )

    report_absences(LOOKED)
    said = "Not seen from 07:00 to 09:00. But nobody may have looked: Gate gave no pictures for some of that time."
    assert Alert.objects.get().detail == said
