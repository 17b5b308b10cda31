"""Whether two people were together, and how much of it chance would say."""

from __future__ import annotations

import pytest
from django.utils import timezone

from cameras.models import Identity
from cameras.movement import together
from cameras.movement.together import Together, chance, compare, meetings, walks
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.movement.walks import SINCE, UNTIL, path, seen, spot, stop, walked

DAY = 86_400.0
A, B, C = spot(1, "A"), spot(2, "B"), spot(3, "C")


def compared(first: Identity, second: Identity) -> Together:
    return compare(walked(first), walked(second), identities=(first.pk, second.pk), since=SINCE, until=UNTIL)


@pytest.mark.parametrize(
    ("after", "apart"),
    [
        (0.0, 0.0),  # in view at once
        (10.0, 0.0),  # one comes as the other goes
        (70.0, 60.0),  # just near enough: the first one's visit is 10 s long
        (-70.0, 60.0),
        (70.5, None),
        (-70.5, None),
    ],
)
def test_two_meet_at_one_camera_within_a_minute(after: float, apart: float | None) -> None:
    found = meetings(path((A, 0)).stops, path((A, after)).stops, 60.0)
    assert [one.apart for one in found] == ([apart] if apart is not None else [])


def test_a_long_visit_is_met_by_all_that_came_meanwhile_also_after_a_short_one() -> None:
    long, short = stop(A, 0, 5000, number=1), stop(A, 100, 5, number=2)
    found = meetings([stop(A, 4000, 10, number=1), stop(A, 103, 1, number=2)], [long, short], 60.0)
    assert [(one.first.number, one.second.number) for one in found] == [(1, 1), (2, 1), (2, 2)]


def test_who_is_at_another_camera_is_not_met() -> None:
    assert meetings(path((A, 0)).stops, path((B, 0)).stops, 60.0) == ()
    assert meetings(path((A, 0)).stops, (), 60.0) == ()


def test_removed_cameras_are_told_apart_by_their_names() -> None:
    gone, other = spot(0, "Gone"), spot(0, "Other")
    gone, other = (type(gone)(camera=None, name=one.name) for one in (gone, other))
    assert len(meetings(path((gone, 0)).stops, path((gone, 5)).stops, 60.0)) == 1
    assert meetings(path((gone, 0)).stops, path((other, 5)).stops, 60.0) == ()


def test_a_way_is_common_where_both_ends_are() -> None:
    first = path((A, 0), (B, 100), (C, 200))
    second = path((A, 5), (B, 110), (C, 900))
    (walk,) = walks(first.legs, second.legs, 60.0)
    assert (walk.first.start.spot.name, walk.first.end.spot.name) == ("A", "B")
    assert walks(first.legs, path((B, 100), (A, 200)).legs, 60.0) == ()


def test_staying_at_one_camera_is_no_way() -> None:
    assert walks(path((A, 0), (A, 100)).legs, path((A, 0), (A, 100)).legs, 60.0) == ()


def test_who_comes_daily_at_the_same_minute_meets_by_chance() -> None:
    """Both are there at noon every day, and have nothing to do with each other."""
    daily = path(*((A, DAY * day) for day in range(20)))
    found = chance(daily.stops, daily.stops, 60.0)
    assert found.observed == 20
    assert found.shifts == 19
    assert (found.mean, found.most, found.as_many) == (20, 20, 19)
    assert not found.is_unlikely


def test_who_comes_at_other_hours_each_day_and_meets_does_so_not_by_chance() -> None:
    times = [DAY * day + 900.0 * (day * 7 % 30) for day in range(30)]
    found = chance(path(*((A, at) for at in times)).stops, path(*((A, at + 5) for at in times)).stops, 60.0)
    assert found.observed == 30
    assert found.as_many == 0
    assert found.mean < 2
    assert found.is_unlikely
    assert found.by_chance == pytest.approx(1 / 30)


def test_on_one_day_nothing_can_be_said_of_chance() -> None:
    found = chance(path((A, 0)).stops, path((A, 5)).stops, 60.0)
    assert found.observed == 1
    assert not found.says_something
    assert not chance((), path((A, 5)).stops, 60.0).says_something


def test_long_spans_are_shifted_by_some_of_their_days() -> None:
    found = chance(path((A, 0), (A, DAY * 399)).stops, path((A, 0)).stops, 60.0)
    assert 30 <= found.shifts <= together.MOST_SHIFTS


def test_a_long_visit_that_began_before_a_short_one_is_still_met() -> None:
    """The second was there all along, and once more in between at the same camera's other row."""
    long, short = stop(A, DAY, 5000, number=1), stop(A, DAY + 100, 5, number=2)
    mine = [stop(A, DAY * 2 + 4000, 10, number=1), stop(B, 0, 1, number=2)]
    assert chance(mine, [long, short], 60.0).most == 1


def test_hours_are_kept_over_a_change_of_the_clock() -> None:
    """Every day at 13:00 in Berlin, over the 29th of March 2026: the same hour by the clock, not by UTC."""
    with timezone.override("Europe/Berlin"):
        begin = NOON.replace(day=20)
        times = [DAY * day - (3600 if day > 8 else 0) for day in range(20)]
        both = tuple(stop(A, at, 10, number=number, begin=begin) for number, at in enumerate(times, 1))
        found = chance(both, both, 60.0)
    assert found.mean == 20


@pytest.mark.django_db
def test_others_who_were_near_and_sightings_of_nobody_are_counted() -> None:
    first, second, friend, stranger = (Identity.objects.create() for _ in range(4))
    gate, hall = CameraFactory.create(), CameraFactory.create()
    for after in (0, 1000, 2000):
        seen(first, gate, after)
        seen(friend, gate, after + 5)
    seen(second, gate, 1020)
    seen(second, gate, 2020)
    seen(stranger, gate, 1060)
    seen(stranger, hall, 0)
    seen(stranger, gate, 2000, is_doubted=True)
    seen(None, gate, 500)
    seen(None, hall, 500)  # where neither was
    found = compared(first, second)
    assert len(found.meetings) == 2
    assert (found.others.visits, found.others.seen, found.others.as_often) == (3, 2, 1)
    assert found.unlinked == 1
    assert found.seconds_at_once == 0


@pytest.mark.django_db
def test_time_in_view_at_once_is_summed() -> None:
    first, second = Identity.objects.create(), Identity.objects.create()
    gate = CameraFactory.create()
    seen(first, gate, 0, lasted=30)
    seen(second, gate, 20, lasted=30)
    found = compared(first, second)
    assert found.seconds_at_once == 10
