"""The path of one identity: visits, ways, what is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings
from django.utils import timezone

from cameras.models import CameraPlace, Identity, Link, TravelTime
from cameras.movement import paths
from cameras.movement.habits import habits
from cameras.movement.paths import GUESSED, JOINED, legs_of, path_of
from cameras.movement.sites import Plan, Site
from cameras.tests.factories import NOON, CameraFactory, SitePlanFactory
from cameras.tests.movement.walks import SINCE, UNTIL, path, seen, spot, stop, walked
from recognition.tests.factories import PersonFactory

# --- distances and ways ---------------------------------------------------------------------------------------------


def test_a_distance_is_by_the_scale_of_the_plan_that_both_are_on() -> None:
    plan = Plan(pk=1, name="Floor", width=200, height=100, metres_wide=40.0)
    here, there = spot(1, plan=1, x=0.0, y=0.0), spot(2, plan=1, x=0.75, y=1.0)
    site = Site(plans={1: plan})
    assert site.metres(here, there) == pytest.approx((30**2 + 20**2) ** 0.5)


@pytest.mark.parametrize(
    ("there", "metres"),
    [
        ({"latitude": 52.521, "longitude": 13.405}, 111.2),  # a thousandth of a degree of latitude
        ({"latitude": None, "longitude": None}, None),
        ({"plan": 1, "latitude": 52.521, "longitude": 13.405}, 111.2),  # a plan without a scale says nothing
    ],
)
def test_a_distance_is_else_by_coordinates(there: dict[str, Any], metres: float | None) -> None:
    site = Site(plans={1: Plan(pk=1, name="Floor", width=10, height=10)})
    found = site.metres(spot(1, plan=1, latitude=52.52, longitude=13.405), spot(2, **there))
    assert found == (pytest.approx(metres, rel=1e-3) if metres is not None else None)


def test_a_way_takes_from_the_last_sight_to_the_first() -> None:
    here = spot(1, latitude=52.52, longitude=13.405)
    there = spot(2, latitude=52.521, longitude=13.405)
    (leg,) = path((here, 0), (there, 50), site=Site()).legs
    assert leg.seconds == 40
    assert leg.speed == pytest.approx(111.2 / 40, rel=1e-3)
    assert not leg.is_guessed


def test_who_is_seen_by_two_at_once_takes_no_time_and_has_no_speed() -> None:
    here, there = spot(1, latitude=1.0, longitude=1.0), spot(2, latitude=1.0, longitude=1.1)
    (leg,) = path((here, 0), (there, 5)).legs
    assert (leg.seconds, leg.speed) == (0, None)


@pytest.mark.parametrize(
    ("after", "slowest", "is_guessed"),
    [
        (GUESSED, {}, False),
        (GUESSED + 1, {}, True),
        (GUESSED + 1, {(1, 2): 900.0}, False),
        (901, {(1, 2): 900.0}, True),
    ],
)
def test_a_way_that_took_long_is_guessed_unless_it_is_known_to(
    after: float, slowest: dict[tuple[int, int], float], is_guessed: bool
) -> None:
    stops = (stop(spot(1), 0, 0, number=1), stop(spot(2), after, 0, number=2))
    (leg,) = legs_of(stops, Site(), slowest)
    assert leg.is_guessed is is_guessed


# --- from the database ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_sightings_that_follow_each_other_are_one_visit() -> None:
    somebody, gate, hall = Identity.objects.create(), CameraFactory.create(), CameraFactory.create()
    first = seen(somebody, gate, 0, link=Link.NEW, link_similarity=None)
    second = seen(somebody, gate, 10 + JOINED, link_similarity=0.8)
    seen(somebody, hall, 200, is_open=True)
    seen(somebody, gate, 400)
    found = walked(somebody)
    assert [one.spot.name for one in found.stops] == [gate.name, hall.name, gate.name]
    visit = found.stops[0]
    assert visit.sightings == (first.pk, second.pk)
    assert visit.seconds == 20 + JOINED
    assert visit.links == ("The first of its identity", "The same face as before")
    assert visit.similarity == 0.8
    assert [one.number for one in found.stops] == [1, 2, 3]
    assert found.stops[1].is_open
    assert [(one.visits, one.seconds) for one in found.dwells] == [(2, 30 + JOINED), (1, 10)]


@pytest.mark.django_db
def test_who_comes_again_after_a_while_makes_another_visit() -> None:
    somebody, gate = Identity.objects.create(), CameraFactory.create()
    seen(somebody, gate, 0)
    seen(somebody, gate, 11 + JOINED)
    found = walked(somebody)
    assert len(found.stops) == 2
    (leg,) = found.legs
    assert not leg.is_away
    assert leg.metres == 0


@pytest.mark.django_db
def test_doubted_sightings_others_and_those_outside_the_span_are_left_out() -> None:
    somebody, gate = Identity.objects.create(), CameraFactory.create()
    seen(somebody, gate, 0)
    seen(somebody, gate, 100, is_doubted=True)
    seen(somebody, gate, -7200)
    seen(somebody, gate, 86_400)
    seen(Identity.objects.create(), gate, 5)
    found = walked(somebody)
    assert found.sightings == 1
    assert found.doubted == 1


@pytest.mark.django_db
def test_a_stop_tells_where_its_camera_stands_and_a_removed_one_keeps_its_name() -> None:
    somebody, gate, gone = Identity.objects.create(), CameraFactory.create(), CameraFactory.create(name="Gone")
    plan = SitePlanFactory.create()
    CameraPlace.objects.create(camera=gate, plan=plan, x=0.25, y=0.5)
    seen(somebody, gate, 0)
    seen(somebody, gone, 100)
    gone.delete()
    found = walked(somebody)
    assert (found.stops[0].spot.plan, found.stops[0].spot.x, found.stops[0].spot.y) == (plan.pk, 0.25, 0.5)
    assert found.stops[1].spot.name == "Gone"
    assert found.stops[1].spot.camera is None
    assert found.stops[1].spot.coordinates == (52.52, 13.405)
    assert found.plans == [plan.pk]


@pytest.mark.django_db
def test_a_way_that_usually_takes_long_is_not_guessed() -> None:
    somebody, gate, hall = Identity.objects.create(), CameraFactory.create(), CameraFactory.create()
    TravelTime.objects.create(
        start=gate, end=hall, count=20, people=9, p05=300, p50=400, p95=500, learned_at=timezone.now()
    )
    seen(somebody, gate, 0)
    seen(somebody, hall, 10 + 999)
    assert not walked(somebody).legs[0].is_guessed
    seen(somebody, gate, 3000)  # the way back was never learned
    assert walked(somebody).legs[1].is_guessed


@pytest.mark.django_db
def test_only_the_newest_of_very_many_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MOST_SIGHTINGS", 3)
    somebody, gate = Identity.objects.create(), CameraFactory.create()
    for after in range(0, 500, 100):
        seen(somebody, gate, after)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = walked(somebody)
    assert found.is_cut
    assert [one.since for one in found.stops] == [NOON + timedelta(seconds=after) for after in (200, 300, 400)]
    assert len(queries) <= 7


@pytest.mark.django_db
def test_nobody_has_an_empty_path() -> None:
    found = path_of(12345, since=SINCE, until=UNTIL)
    assert not found.stops
    assert not found.legs
    assert habits(found).usual_hour is None


@pytest.mark.django_db
def test_the_similarity_of_somebody_recognised_is_that_to_their_photos() -> None:
    person = PersonFactory.create()
    somebody = Identity.objects.create(person=person)
    seen(
        somebody, CameraFactory.create(), 0, person=person, similarity=0.95, link=Link.RECOGNISED, link_similarity=None
    )
    assert walked(somebody).stops[0].similarity == 0.95


# --- habits ---------------------------------------------------------------------------------------------------------


def test_habits_are_counted_by_visits() -> None:
    a, b = spot(1, "A"), spot(2, "B")
    night = 11 * 3600  # 23:00
    found = habits(path((a, 0), (b, 60), (a, 120), (b, 180), (a, night)))
    assert found.visits == 5
    assert [(one.name, one.visits) for one in found.returns] == [("A", 3), ("B", 2)]
    assert [(one.first, one.second, one.changes) for one in found.to_and_fro] == [("A", "B", 3)]
    assert [one.number for one in found.night] == [5]
    assert found.usual_hour == 12


def test_to_and_fro_ends_where_somebody_goes_elsewhere_or_takes_long() -> None:
    a, b, c = spot(1, "A"), spot(2, "B"), spot(3, "C")
    assert not habits(path((a, 0), (b, 60), (a, 120), (c, 180), (a, 240))).to_and_fro
    assert not habits(path((a, 0), (b, 60), (a, 120), (b, 120 + 10 + 1801))).to_and_fro


@override_settings(TIME_ZONE="Europe/Berlin")
def test_hours_are_the_sites_also_when_the_clock_is_changed() -> None:
    """25 October 2026: 02:30 comes twice, both belong to the hour of 2 on a Sunday."""
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    with timezone.override("Europe/Berlin"):
        stops = (
            stop(spot(1), 0, number=1, begin=first),
            stop(spot(1), 0, number=2, begin=first + timedelta(hours=1)),
        )
        found = habits(paths.Path(stops=stops))
    assert found.week[6, 2] == 2
    assert found.days == 1
