"""How far cameras are from each other, and what nobody is faster than."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cameras.models import CameraPlace, SitePlan
from cameras.tests.factories import CameraFactory, SitePlanFactory
from cameras.topology.distances import least_seconds, metres, placed, seconds_for

pytestmark = pytest.mark.django_db


def test_by_coordinates() -> None:
    berlin = CameraFactory.create(latitude=52.52, longitude=13.405)
    paris = CameraFactory.create(latitude=48.8566, longitude=2.3522)
    here = CameraFactory.create(latitude=52.52, longitude=13.405)
    far_east, far_west = (CameraFactory.create(latitude=0, longitude=lon) for lon in (179.9995, -179.9995))
    assert metres(berlin, paris) == pytest.approx(877_460, rel=0.002)
    assert metres(berlin, here) == 0
    assert metres(far_east, far_west) == pytest.approx(111.2, rel=0.01)
    pole, other_pole = (CameraFactory.create(latitude=lat, longitude=0) for lat in (90, -90))
    assert metres(pole, other_pole) == pytest.approx(20_015_115, rel=0.001)


def test_by_a_plan_with_a_scale_before_coordinates() -> None:
    plan = SitePlanFactory.create(width=200, height=100, metres_wide=80)
    one, two = CameraFactory.create_batch(2)
    CameraPlace.objects.create(camera=one, plan=plan, x=0, y=0)
    CameraPlace.objects.create(camera=two, plan=plan, x=0.75, y=1)
    assert metres(one, two) == pytest.approx((60**2 + 40**2) ** 0.5)
    SitePlan.objects.update(metres_wide=None)
    assert metres(*placed().order_by("pk")) == 0  # by coordinates, which are the same


def test_where_nothing_is_known_of_a_place_there_is_no_distance() -> None:
    plan, other = SitePlanFactory.create(metres_wide=50), SitePlanFactory.create(metres_wide=50)
    nowhere = CameraFactory.create(latitude=None, longitude=None)
    half = CameraFactory.create(latitude=52.5, longitude=None)
    known = CameraFactory.create()
    assert metres(nowhere, known) is metres(known, half) is None
    CameraPlace.objects.create(camera=nowhere, plan=plan, x=0, y=0)
    CameraPlace.objects.create(camera=half, plan=other, x=1, y=1)
    assert metres(nowhere, half) is None  # two plans: nobody knows how they lie
    assert least_seconds(list(placed())) == {}


@pytest.mark.parametrize(
    ("distance", "seconds"),
    [
        (0, 0),
        (50, 0),
        (150, 10),
        (500, 45),  # running
        (500 + 7_000, 145),  # by car or train
        (300_000, 45 + 299_500 / 70),
        (600_000, 45 + 299_500 / 70 + 1_000),  # by plane
    ],
)
def test_nobody_is_faster(distance: float, seconds: float) -> None:
    assert seconds_for(distance) == pytest.approx(seconds)


def test_pairs_that_are_near_are_left_out_and_others_count_both_ways() -> None:
    one = CameraFactory.create(latitude=0, longitude=0)
    near = CameraFactory.create(latitude=0, longitude=0.0003)  # 33 m
    far = CameraFactory.create(latitude=0, longitude=0.002)  # 222 m
    CameraFactory.create(latitude=None, longitude=None)
    with CaptureQueriesContext(connection) as queries:
        found = least_seconds(list(placed()))
    assert len(queries) == 1
    assert '"image"' not in queries[0]["sql"]
    assert found[one.pk, far.pk] == found[far.pk, one.pk] == pytest.approx(17.24, abs=0.01)
    assert (one.pk, near.pk) not in found
    assert len(found) == 4


def test_without_cameras_there_is_nothing() -> None:
    assert least_seconds([]) == {}
