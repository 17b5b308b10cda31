"""Figures that are made of sums say what a plain reading of their definitions says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cameras.models import CameraPlace, Identity
from cameras.movement import summing
from cameras.movement.dwell import dwell
from cameras.movement.heat import picture_heat, plan_heat
from cameras.movement.hours import night_hours, nights, timeline, visits
from cameras.movement.next import HISTORY_DAYS, PRIOR, next_after, next_cameras
from cameras.movement.place import Period, at_camera, everywhere, in_group, last_days, on_plan
from cameras.movement.slots import LIMIT_SECONDS
from cameras.movement.sums import read_sums
from cameras.movement.transitions import transitions, transitions_from, travel
from cameras.tests.factories import CameraGroupFactory, SitePlanFactory
from cameras.tests.movement import reference
from cameras.tests.movement.many import NOW, Seen, cameras, identities, random_sightings, sighting, stored

pytestmark = pytest.mark.django_db

# Clocks: Berlin and Lord Howe Island (half an hour) change them, Kathmandu is off by 5:45, UTC is UTC.
ZONES = ("Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
CHANGES = {"forward": datetime(2026, 3, 29, 12, tzinfo=UTC), "back": datetime(2025, 10, 26, 12, tzinfo=UTC)}


def summed() -> None:
    while not summing.sum_up(now=NOW).is_done:
        pass


def some(seed: int, *, middle: datetime = CHANGES["forward"], number: int = 300) -> list[Seen]:
    """Sightings of four cameras in the three days around a moment, summed up."""
    since = middle - timedelta(days=1.5)
    of, who = cameras(), identities()
    random_sightings(np.random.default_rng(seed), number=number, since=since, days=3.0, of=of, who=who)
    summed()
    return stored()


def period(zone: str, middle: datetime = CHANGES["forward"]) -> Period:
    """From within a day to within another, in quarters of an hour."""
    begin = middle - timedelta(hours=31, minutes=15)
    return Period(since=begin, until=begin + timedelta(hours=52, minutes=30), zone=ZoneInfo(zone))


def within(seen: list[Seen], span: Period) -> list[Seen]:
    return [row for row in seen if span.since.timestamp() <= row.first < span.until.timestamp()]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("change", CHANGES)
def test_the_week_is_that_of_the_clock_on_the_wall(zone: str, change: str) -> None:
    span = period(zone, CHANGES[change])
    seen = within(some(1, middle=CHANGES[change]), span)
    found = visits(read_sums(everywhere(), span))
    local = [datetime.fromtimestamp(row.first, span.zone) for row in seen]
    wanted = Counter((moment.weekday(), moment.hour) for moment in local)
    assert {(day, hour): int(found.counts[day, hour]) for day, hour in np.argwhere(found.counts).tolist()} == wanted
    quarters = [span.since + number * timedelta(minutes=15) for number in range(210)]
    held = Counter((moment.astimezone(span.zone).weekday(), moment.astimezone(span.zone).hour) for moment in quarters)
    assert {(day, hour): found.hours[day, hour] * 4 for day, hour in np.argwhere(found.hours).tolist()} == held
    assert found.basis.sightings == len(seen)
    assert np.isnan(found.means[found.hours == 0]).all()
    if zone == "Europe/Berlin":
        sunday = {"forward": (2, 0.0), "back": (2, 2.0)}[change]
        assert found.hours[6, sunday[0]] == sunday[1]


def test_another_time_zone_needs_no_new_sums() -> None:
    seen = some(2)
    for zone in ZONES:
        span = period(zone)
        assert int(visits(read_sums(everywhere(), span)).counts.sum()) == len(within(seen, span))


@pytest.mark.parametrize("step", ["quarter", "hour", "day"])
def test_a_timeline_adds_up(step: str) -> None:
    span = period("Europe/Berlin")
    everything = some(3)
    seen = within(everything, span)
    found = timeline(read_sums(everywhere(), span), step=step)
    assert int(found.sightings.sum()) == len(seen)
    assert int(found.known.sum()) == sum(row.verdict == "known" for row in seen)
    ends = [*found.starts[1:], span.until]
    for at, (begin, end) in enumerate(zip(found.starts, ends, strict=True)):
        first, last = begin.timestamp(), end.timestamp()
        assert found.sightings[at] == sum(first <= row.first < last for row in seen)
        there = sum(reference.presence(everything, first, last).values())
        assert found.presence[at] == pytest.approx(there / (last - first), abs=0.01)
    assert found.starts[0].utcoffset() == span.since.astimezone(span.zone).utcoffset()


def test_a_step_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="Choose one"):
        timeline(read_sums(everywhere(), period("UTC")), step="week")


def test_nights_are_those_of_the_site() -> None:
    span = period("Europe/Berlin")
    seen = within(some(4), span)
    found = nights(read_sums(everywhere(), span), begins=21, ends=5)
    hours = {21, 22, 23, 0, 1, 2, 3, 4}
    wanted = [row for row in seen if datetime.fromtimestamp(row.first, span.zone).hour in hours]
    assert (found.night, found.sightings) == (len(wanted), len(seen))
    assert {row.camera: row.night for row in found.cameras if row.night} == Counter(row.camera for row in wanted)


def test_hours_of_the_night() -> None:
    assert night_hours(22, 2) == (22, 23, 0, 1)
    assert night_hours(1, 3) == (1, 2)
    assert len(night_hours(0, 0)) == 24
    with pytest.raises(ValueError, match="full hour"):
        night_hours(24, 3)


def test_dwell_is_read_from_bins() -> None:
    span = period("UTC")
    seen = within(some(5, number=600), span)
    found = dwell(read_sums(everywhere(), span), limit=64.0)
    lengths = np.array([row.last - row.first for row in seen])
    assert found.total.sightings == len(seen)
    assert found.total.mean == pytest.approx(lengths.mean(), abs=0.1)
    assert found.total.longer == int((lengths >= 64.0).sum())  # a limit on an edge is exact
    for share, seconds in zip(found.shares, found.total.quantiles, strict=True):
        low, high = np.quantile(lengths, [max(0, share - 0.01), min(1, share + 0.01)])
        assert low / 1.42 - 1 <= seconds <= high * 1.42 + 1
    for row in found.cameras:
        assert row.sightings == sum(one.camera == row.camera for one in seen)


def test_dwell_of_nobody() -> None:
    cameras(1)
    found = dwell(read_sums(everywhere(), period("UTC")))
    assert (found.total.sightings, found.total.mean, found.total.quantiles, found.total.longer) == (0, None, (), 0)


@pytest.mark.parametrize("hours", [52.5, 0.75, 24.0])
def test_transitions_are_those_of_people_in_order(hours: float) -> None:
    everything = some(6, number=900)
    whole = period("UTC")
    span = Period(since=whole.since, until=whole.since + timedelta(hours=hours), zone=whole.zone)
    seen = within(everything, span)
    legs = [leg for leg in reference.transitions(everything) if leg[1] in seen]
    found = transitions(read_sums(everywhere(), span))
    index = {spot.id: at for at, spot in enumerate(found.spots)}
    wanted = Counter((index[one.camera], index[other.camera]) for one, other, _ in legs)
    assert {(a, b): int(found.counts[a, b]) for a, b in np.argwhere(found.counts).tolist()} == wanted
    for camera, at in index.items():
        assert found.departures[at] == sum(row.camera == camera and row.identity > 0 for row in seen)
    for leg in found.legs:
        own = [gap for one, other, gap in legs if (one.camera, other.camera) == (leg.start, leg.end)]
        assert leg.count == len(own)
        assert leg.at_once == sum(gap == 0 for gap in own)
        assert leg.recognised + leg.hand + leg.linked == len(own)
        assert leg.quantiles[1] <= LIMIT_SECONDS * 1.42
        one = travel(read_sums(everywhere(), span), start=leg.start, end=leg.end)
        assert int(one.counts.sum()) == len(own)
        assert one.leg == leg
        from_here, leaves = transitions_from(read_sums(everywhere(), span), leg.start)
        assert leg in from_here
        assert leaves == found.leaves[index[leg.start]]


def test_travel_times_between_cameras_that_are_gone_are_refused() -> None:
    (camera,) = cameras(1)
    with pytest.raises(ValueError, match="removed"):
        travel(read_sums(everywhere(), period("UTC")), start=camera.pk, end=999)


def test_heat_is_where_faces_were() -> None:
    span = period("Europe/Berlin")
    seen = within(some(7), span)
    camera = seen[0].camera
    own = [row for row in seen if row.camera == camera]
    found = picture_heat(camera, span)
    assert found is not None
    assert found.seconds.sum() == pytest.approx(sum(reference.heat(own).values()), abs=5)
    for (_, y, x), seconds in reference.heat(own).items():
        assert found.seconds[y, x] == pytest.approx(seconds, abs=1.0)
    monday = [row for row in own if datetime.fromtimestamp(row.first, span.zone).weekday() == 0]
    filtered = picture_heat(camera, span, weekdays=[0], hours=range(24))
    assert filtered is not None
    assert filtered.seconds.sum() == pytest.approx(sum(reference.heat(monday).values()), abs=3)
    assert filtered.basis.sightings == len(monday)
    assert picture_heat(99_999, span) is None


def test_a_plan_shows_the_cameras_on_it_and_no_others() -> None:
    span = period("UTC")
    everything = some(8)
    there = everywhere().spots
    plan = SitePlanFactory.create()
    for spot in there[:2]:
        CameraPlace.objects.create(camera_id=spot.id, plan=plan, x=0.25, y=0.75)
    found = plan_heat(read_sums(on_plan(plan.pk), span))
    assert {row.spot.id for row in found.spots} == {spot.id for spot in there[:2]}
    for row in found.spots:
        presence = reference.presence(everything, span.since.timestamp(), span.until.timestamp())[row.spot.id]
        assert row.seconds == pytest.approx(presence, abs=10)
        assert row.sightings == sum(one.camera == row.spot.id for one in within(everything, span))
    assert found.spots[0].share == 1.0
    assert plan_heat(read_sums(everywhere(), span)).spots == found.spots  # the others stand on no plan
    assert plan_heat(read_sums(on_plan(999), span)).spots == ()


def test_places_are_groups_and_cameras() -> None:
    span = period("UTC")
    seen = within(some(9), span)
    spots = everywhere().spots
    group = CameraGroupFactory.create()
    group.cameras.set([spots[0].id, spots[2].id])
    for place in (in_group(group.pk), at_camera(spots[1].id), at_camera(12_345)):
        wanted = sum(row.camera in place.cameras for row in seen)
        assert read_sums(place, span).count("sightings").sum() == wanted
    assert at_camera(12_345).spots == ()


def test_a_period_is_one() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Period(since=datetime(2026, 1, 1), until=NOW, zone=ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="ends after it begins"):
        Period(since=NOW, until=NOW, zone=ZoneInfo("UTC"))
    with pytest.raises(ValueError, match="at most"):
        last_days(401)


def test_sums_say_when_they_were_made_and_what_waits() -> None:
    (camera,) = cameras(1)
    row = sighting(camera, None, NOW - timedelta(days=3))
    summed()
    summing.mark_dirty(sightings=[row.pk])
    basis = visits(read_sums(everywhere(), period("UTC"))).basis
    assert basis.computed_at == NOW
    assert basis.waiting == 1


# --- What comes next --------------------------------------------------------------------------------------------------


def walk(who: Identity, *of: object, begins: datetime) -> None:
    """One person sees some cameras, two minutes apart."""
    for at, camera in enumerate(of):
        sighting(camera, who, begins + timedelta(minutes=2 * at))  # type: ignore[arg-type]


def test_next_is_everybodys_until_they_have_habits_of_their_own() -> None:
    hall, stairs, lift, yard = cameras(4)
    one, other = identities(2)
    for number in range(6):
        walk(other, hall, stairs, begins=NOW - timedelta(days=4, hours=2 * number))
    for number in range(2):
        walk(other, hall, lift, begins=NOW - timedelta(days=6, hours=2 * number))
    sighting(hall, other, NOW - timedelta(days=8))  # leaves
    summed()
    everybody = {row.camera: row for row in next_after(hall.pk, at=NOW).outcomes}
    assert {camera: row.everybody for camera, row in everybody.items()} == {stairs.pk: 6, lift.pk: 2, None: 1}
    assert sum(row.likelihood for row in everybody.values()) == pytest.approx(1.0)
    assert everybody[stairs.pk].seconds == pytest.approx(112, rel=0.42)
    assert everybody[None].seconds is None
    assert {row.camera: row.likelihood for row in next_cameras(one.pk, hall.pk, NOW)} == {
        camera: row.likelihood for camera, row in everybody.items()
    }
    for number in range(10):
        walk(one, hall, yard, begins=NOW - timedelta(days=1, hours=2 * number))
    sighting(hall, one, NOW - timedelta(minutes=1))  # is still to go on
    found = {row.camera: row for row in next_cameras(one.pk, hall.pk, NOW)}
    assert (found[yard.pk].own, found[yard.pk].everybody) == (10, 0)
    assert found[yard.pk].likelihood == pytest.approx(10 / (10 + PRIOR))
    assert found[stairs.pk].likelihood == pytest.approx(PRIOR * 6 / 9 / (10 + PRIOR))
    assert next(iter(found)) == yard.pk


def test_doubted_sightings_and_old_ones_say_nothing_of_what_comes_next() -> None:
    hall, stairs = cameras(2)
    (one,) = identities(1)
    walk(one, hall, stairs, begins=NOW - timedelta(days=HISTORY_DAYS + 1))
    sighting(hall, one, NOW - timedelta(days=2))
    sighting(stairs, one, NOW - timedelta(days=2) + timedelta(minutes=1), is_doubted=True)
    summed()
    (only,) = next_cameras(one.pk, hall.pk, NOW)
    assert (only.camera, only.own) == (None, 1)


def test_after_a_removed_camera_nothing_is_known() -> None:
    hall, stairs = cameras(2)
    (one,) = identities(1)
    walk(one, hall, stairs, begins=NOW - timedelta(days=1))
    summed()
    gone = stairs.pk
    stairs.delete()
    assert next_cameras(one.pk, gone, NOW) == ()
    (only,) = next_after(hall.pk, at=NOW).outcomes
    assert only.camera is None
    hall.delete()
    assert next_after(hall.pk or 0, at=NOW).outcomes == ()
