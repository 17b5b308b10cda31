"""The figures of one identity, against what plain Python makes of the same sightings."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from django.utils import timezone

from cameras.history import summary
from cameras.history.summary import VISIT_GAP, Whose, figures, lasts
from cameras.models import Identity, Sighting
from cameras.tests.factories import NOON, CameraFactory, SightingFactory
from cameras.tests.history.rows import world

pytestmark = pytest.mark.django_db


def seen(identity: Identity, at: datetime, seconds: float = 10, **more: object) -> Sighting:
    return SightingFactory.create(
        identity=identity, person=None, first_seen=at, last_seen=at + timedelta(seconds=seconds), **more
    )


@pytest.mark.parametrize("seed", range(3))
def test_against_plain_python(seed: int) -> None:
    there = world(seed)
    identity = there.identities[Random(seed).randrange(8)]
    rows = [row for row in there.sightings if row.identity_id == identity.pk and not row.is_doubted]
    found = figures(Whose(identity=identity.pk), days=365, until=NOON + timedelta(days=2))

    places = {row.camera_id or row.camera_name for row in rows}
    assert found.sightings == len(rows)
    assert len(found.cameras) == len(places)
    visits = in_view = 0.0
    for place in places:
        until = None
        for row in sorted(
            (r for r in rows if (r.camera_id or r.camera_name) == place), key=lambda r: (r.first_seen, r.pk)
        ):
            end = max(row.first_seen, row.last_seen)
            visits += until is None or row.first_seen > until + VISIT_GAP
            in_view += max(timedelta(), end - max(row.first_seen, until or row.first_seen)).total_seconds()
            until = max(until or end, end)
    assert found.visits_in_all == visits
    assert found.in_view.total_seconds() == in_view
    assert sum(one.sightings for one in found.days) == len(rows)
    for day in found.days:
        of_day = [row for row in rows if row.first_seen.date() == day.day]
        assert day.first == min(row.first_seen for row in of_day)
        assert day.last == max(max(row.first_seen, row.last_seen) for row in of_day)


def test_visits_join_what_is_close_at_one_camera() -> None:
    identity, gate, door = Identity.objects.create(), CameraFactory.create(), CameraFactory.create()
    for seconds in (0, 40, 80, 1200, 1240):
        seen(identity, NOON + timedelta(seconds=seconds), camera=gate)
    seen(identity, NOON + timedelta(seconds=60), camera=door)
    seen(identity, NOON + timedelta(seconds=1220), camera=door, is_doubted=True)
    found = figures(Whose(identity=identity.pk), until=NOON)
    assert [(one.camera, one.sightings) for one in found.visits] == [(gate.pk, 2), (door.pk, 1), (gate.pk, 3)]
    assert [(one.camera, one.visits, one.in_view.seconds) for one in found.cameras] == [
        (gate.pk, 2, 50),
        (door.pk, 1, 10),
    ]


def test_two_at_once_at_one_camera_count_once_and_a_clock_set_back_as_nothing() -> None:
    identity, gate = Identity.objects.create(), CameraFactory.create()
    seen(identity, NOON, 60, camera=gate)
    seen(identity, NOON + timedelta(seconds=10), 20, camera=gate)
    seen(identity, NOON + timedelta(seconds=50), 20, camera=gate)
    seen(identity, NOON + timedelta(hours=1), -3600, camera=gate)
    assert figures(Whose(identity=identity.pk), until=NOON).in_view == timedelta(seconds=70)


def test_days_are_those_of_the_site_also_where_clocks_are_set() -> None:
    identity = Identity.objects.create()
    for at in (
        datetime(2026, 10, 24, 21, 59, tzinfo=UTC),  # 23:59 of the 24th
        datetime(2026, 10, 24, 22, 0, tzinfo=UTC),
        datetime(2026, 10, 25, 22, 59, tzinfo=UTC),  # 23:59 of the 25th, 25 hours after its beginning
        datetime(2026, 10, 25, 23, 0, tzinfo=UTC),
    ):
        seen(identity, at)
    whose, until = Whose(identity=identity.pk), datetime(2026, 10, 26, 12, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        days = [(day.day, day.sightings) for day in figures(whose, until=until).days]
        assert days == [(date(2026, 10, 26), 1), (date(2026, 10, 25), 2), (date(2026, 10, 24), 1)]
        assert figures(whose, days=2, until=until).sightings == 3
    with timezone.override("UTC"):
        days = [(day.day, day.sightings) for day in figures(whose, until=until).days]
        assert days == [(date(2026, 10, 25), 2), (date(2026, 10, 24), 2)]


def test_a_removed_camera_keeps_its_name_and_a_renamed_one_is_one() -> None:
    identity, gate = Identity.objects.create(), CameraFactory.create(name="New name")
    seen(identity, NOON, camera=gate, camera_name="Old name")
    seen(identity, NOON + timedelta(hours=1), camera=gate, camera_name="New name")
    seen(identity, NOON + timedelta(hours=2), camera=None, camera_name="Gone")
    found = figures(Whose(identity=identity.pk), until=NOON)
    assert [(one.camera, one.camera_name, one.sightings) for one in found.cameras] == [
        (gate.pk, "New name", 2),
        (None, "Gone", 1),
    ]


def test_last_seen_and_present_leave_doubted_ones_out() -> None:
    identity = Identity.objects.create()
    last = seen(identity, NOON, is_open=True)
    seen(identity, NOON + timedelta(hours=1), is_doubted=True, is_open=True)
    found = lasts(Whose(identity=identity.pk))
    assert (found.last, [one.pk for one in found.present], found.counted) == (last, [last.pk], "2")


def test_nobody_and_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Whose(identity=10**9)
    assert lasts(nobody).last is None
    assert figures(nobody).sightings == 0
    identity = Identity.objects.create()
    for minutes in range(5):
        seen(identity, NOON + timedelta(minutes=minutes))
    monkeypatch.setattr(summary, "MOST", 3)
    monkeypatch.setattr(summary, "MOST_COUNTED", 4)
    found = figures(Whose(identity=identity.pk), until=NOON)
    assert (found.sightings, found.is_cut, found.since) == (3, True, NOON + timedelta(minutes=2))
    assert lasts(Whose(identity=identity.pk)).counted == "more than 4"
