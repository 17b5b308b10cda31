"""A preview says what a rule would have done: the same evaluation as of live sightings, on stored ones."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from alerts import preview as previews
from alerts.models import Alert, CooldownScope, Rule, Trigger, Who
from alerts.preview import preview
from alerts.rule_services import prepared, save_rule
from alerts.rule_values import RuleValues
from cameras.models import (
    Camera,
    CameraEvent,
    CameraPlace,
    EventKind,
    Ground,
    Passage,
    PassageKind,
    Shape,
    Sighting,
    SitePlan,
    Verdict,
    Zone,
)
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.models import Person
from recognition.tests.factories import PersonFactory, WatchlistEntryFactory, WatchlistFactory

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)  # a Saturday


def seen(camera: Camera, person: Person | None, minutes_ago: float, *, lasted: float = 8.0, **more: Any) -> Sighting:
    """A sighting that began so many minutes ago and lasted so many seconds."""
    first = NOW - timedelta(minutes=minutes_ago)
    more.setdefault("verdict", Verdict.KNOWN if person is not None else Verdict.UNKNOWN)
    return SightingFactory.create(
        camera=camera,
        person=person,
        first_seen=first,
        last_seen=first + timedelta(seconds=lasted),
        sealed_shot=None,
        **more,
    )


def strangers(**more: Any) -> RuleValues:
    return prepared(RuleValues(name="Strangers", who=Who.UNKNOWN, **more))


def area(camera: Camera) -> Zone:
    points = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    made = Zone.objects.create(name="Yard", ground=Ground.PICTURE, camera=camera, shape=Shape.POLYGON, points=points)
    Zone.objects.filter(pk=made.pk).update(created_at=NOW - timedelta(days=30))
    return made


def passed(sighting: Sighting, zone: Zone, kind: PassageKind, after: float, number: int = 0) -> None:
    Passage.objects.create(
        sighting=sighting, zone=zone, kind=kind, number=number, at=sighting.first_seen + timedelta(seconds=after)
    )


def test_nothing_is_stored_and_nothing_is_said() -> None:
    found = preview(strangers(), now=NOW)
    assert (found.fired, found.examples) == (0, ())
    assert "would not have fired" in found.summary
    assert "No sighting is stored yet" in found.limits[0]
    assert not Alert.objects.exists()
    assert not Rule.objects.filter(name="Strangers").exists()


def test_repeats_within_the_cooldown_are_counted_in_the_alert_that_is_there() -> None:
    camera, other = CameraFactory.create(name="Gate"), CameraFactory.create()
    for minutes in (60, 59.5, 59.2, 30):
        seen(camera, None, minutes)
    seen(other, None, 59.9)
    found = preview(strangers(cooldown_seconds=60), now=NOW)
    assert (found.fired, found.bundled, found.silenced) == (3, 2, 0)
    assert found.summary.startswith("It would have fired 3 times in the last 7 days; 2 repeats")
    assert [one.camera_name for one in found.examples] == ["Gate", other.name, "Gate"]
    assert found.examples[-1].repeats == 2
    assert found.looked_at == 5
    left_out = preview(strangers(cooldown_seconds=60, bundle=False), now=NOW)
    assert (left_out.fired, left_out.bundled, left_out.silenced) == (3, 0, 2)
    each = preview(strangers(cooldown_seconds=0), now=NOW)
    assert (each.fired, each.bundled) == (5, 0)
    once = preview(strangers(cooldown_seconds=7200, cooldown_scope=CooldownScope.RULE), now=NOW)
    assert (once.fired, once.bundled) == (1, 4)


def test_who_is_on_the_list_and_alike_enough_counts() -> None:
    camera, watchlist = CameraFactory.create(), WatchlistFactory.create(threshold=0.9)
    listed, stranger = WatchlistEntryFactory.create(watchlist=watchlist).person, PersonFactory.create()
    seen(camera, listed, 50, similarity=0.95)
    seen(camera, listed, 40, similarity=0.88)  # less than the list asks for
    seen(camera, stranger, 30, similarity=0.99)
    values = prepared(RuleValues(name="Wanted", watchlists=(watchlist.pk,)))
    found = preview(values, now=NOW)
    assert found.fired == 1
    assert found.examples[0].person_name == listed.name
    assert any("as they are now" in limit for limit in found.limits)
    never = prepared(RuleValues(name="Wanted", watchlists=(watchlist.pk,), never_people=(listed.pk,)))
    assert preview(never, now=NOW).fired == 0
    but = prepared(RuleValues(name="Others", who=Who.NOT_LISTED, watchlists=(watchlist.pk,)))
    assert [one.person for one in preview(but, now=NOW).examples] == [stranger.pk]


def test_a_stored_rule_and_its_values_give_the_same() -> None:
    camera = CameraFactory.create()
    seen(camera, None, 10)
    rule = save_rule(actor=None, rule=None, values=strangers(cameras=(camera.pk,)))
    assert preview(rule, now=NOW) == preview(strangers(cameras=(camera.pk,)), now=NOW)


def test_only_the_days_that_are_asked_for_count() -> None:
    camera = CameraFactory.create()
    for days in (0.5, 3, 8):
        seen(camera, None, days * 24 * 60)
    assert preview(strangers(), now=NOW).fired == 2
    assert preview(strangers(), now=NOW, days=1).fired == 1
    assert preview(strangers(), now=NOW, days=10_000).days == previews.MOST_DAYS


def test_the_schedule_holds_in_its_time_zone_also_over_midnight() -> None:
    camera = CameraFactory.create()
    seen(camera, None, 10 * 60)  # Saturday 02:00 UTC, 11:00 in Tokyo
    assert preview(strangers(schedule="Fri 20:00-06:00", time_zone="UTC"), now=NOW).fired == 1
    assert preview(strangers(schedule="Fri 20:00-06:00", time_zone="Asia/Tokyo"), now=NOW).fired == 0
    assert preview(strangers(schedule="Sat 10:00-12:00", time_zone="Asia/Tokyo"), now=NOW).fired == 1


def test_who_is_in_view_when_the_window_opens_counts() -> None:
    seen(CameraFactory.create(), None, 60, lasted=600)  # 11:00:00 to 11:10:00 UTC
    assert preview(strangers(schedule="11:05-12:00", time_zone="UTC"), now=NOW).fired == 1
    assert preview(strangers(schedule="11:15-12:00", time_zone="UTC"), now=NOW).fired == 0


def test_entering_and_leaving_a_zone_of_the_picture() -> None:
    camera = CameraFactory.create()
    zone, one = area(camera), seen(camera, None, 50, lasted=60)
    seen(camera, None, 30)
    passed(one, zone, PassageKind.ENTERED, 5)
    passed(one, zone, PassageKind.LEFT, 20, 1)
    entered = preview(strangers(trigger=Trigger.ENTERS, zones=(zone.pk,)), now=NOW)
    assert [(item.at, item.detail) for item in entered.examples] == [
        (one.first_seen + timedelta(seconds=5), "Entered Yard.")
    ]
    left = preview(strangers(trigger=Trigger.LEAVES, zones=(zone.pk,)), now=NOW)
    assert [item.at for item in left.examples] == [one.first_seen + timedelta(seconds=20)]


def test_a_zone_that_is_new_is_said_to_be() -> None:
    camera = CameraFactory.create()
    zone = area(camera)
    Zone.objects.filter(pk=zone.pk).update(created_at=NOW - timedelta(days=2))
    seen(camera, None, 60 * 24 * 6.9)
    found = preview(strangers(trigger=Trigger.ENTERS, zones=(zone.pk,)), now=NOW)
    assert any("“Yard” is noted since it was drawn" in limit for limit in found.limits)
    assert any("are not stored" in limit for limit in found.limits)


def test_staying_too_long_counts_also_over_several_sightings() -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    seen(camera, person, 60, lasted=200)
    seen(camera, person, 56, lasted=200)  # 40 s later: they never left
    seen(camera, person, 20, lasted=200)
    values = prepared(RuleValues(name="Lingers", trigger=Trigger.STAYS, seconds=300, people=(person.pk,)))
    found = preview(values, now=NOW)
    assert [one.at for one in found.examples] == [NOW - timedelta(minutes=55)]
    alone = preview(strangers(trigger=Trigger.STAYS, seconds=100), now=NOW)
    assert alone.fired == 0


def test_returning_and_following() -> None:
    here, there, person = CameraFactory.create(name="Hall"), CameraFactory.create(name="Gate"), PersonFactory.create()
    seen(there, person, 60)
    seen(here, person, 55)
    seen(here, person, 52)
    back = prepared(
        RuleValues(
            name="Back",
            trigger=Trigger.RETURNS,
            seconds=600,
            away_seconds=120,
            people=(person.pk,),
            cameras=(here.pk,),
        )
    )
    assert [one.at for one in preview(back, now=NOW).examples] == [NOW - timedelta(minutes=52)]
    after = prepared(
        RuleValues(
            name="Then",
            trigger=Trigger.FOLLOWS,
            seconds=600,
            people=(person.pk,),
            cameras=(here.pk,),
            before_cameras=(there.pk,),
            cooldown_seconds=0,
        )
    )
    found = preview(after, now=NOW)
    assert found.fired == 2
    assert "Seen by Gate" in found.examples[-1].detail


def test_a_crowd_is_one_alert_about_nobody() -> None:
    camera = CameraFactory.create()
    for number in range(4):
        seen(camera, PersonFactory.create(), 30 - number * 0.1, lasted=60)
    seen(camera, PersonFactory.create(), 20)
    values = prepared(RuleValues(name="Full", trigger=Trigger.CROWD, who=Who.ANYBODY, count=3, cameras=(camera.pk,)))
    found = preview(values, now=NOW)
    assert (found.fired, found.bundled) == (1, 1)
    assert found.examples[0].person is None
    assert "3 people at once" in found.examples[0].detail


def test_zones_on_plans_are_about_cameras() -> None:
    inside, outside = CameraFactory.create(), CameraFactory.create()
    plan = SitePlan.objects.create(name="Ground floor", image=b"", media_type="image/png", width=9, height=9)
    CameraPlace.objects.create(camera=inside, plan=plan, x=0.5, y=0.5)
    CameraPlace.objects.create(camera=outside, plan=plan, x=0.95, y=0.95)
    zone = Zone.objects.create(
        name="Hall",
        ground=Ground.PLAN,
        plan=plan,
        shape=Shape.POLYGON,
        points=[[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.2, 0.8]],
    )
    seen(inside, None, 30)
    seen(outside, None, 20)
    found = preview(strangers(zones=(zone.pk,)), now=NOW)
    assert [one.camera_name for one in found.examples] == [inside.name]


def test_camera_troubles_count_each_time() -> None:
    camera, silent = CameraFactory.create(), CameraFactory.create(alert_events=False)
    for one, kind in ((camera, EventKind.DOWN), (camera, EventKind.BLACK), (silent, EventKind.DOWN)):
        CameraEvent.objects.create(
            camera=one, camera_name=one.name, kind=kind, began_at=NOW - timedelta(hours=1), ended_at=NOW
        )
    values = prepared(RuleValues(name="Trouble", trigger=Trigger.CAMERA))
    assert preview(values, now=NOW).fired == 2
    some = prepared(RuleValues(name="Trouble", trigger=Trigger.CAMERA, event_kinds=("down",)))
    assert [one.detail for one in preview(some, now=NOW).examples] == ["No pictures."]


def test_absences_count_for_each_day_on_which_somebody_was_missed() -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    Person.objects.filter(pk=person.pk).update(created_at=NOW - timedelta(days=30))
    seen(camera, person, 3.5 * 60)  # today, 08:30
    seen(camera, person, 24 * 60 + 60)  # yesterday, 11:00: too late
    values = prepared(
        RuleValues(
            name="Late",
            trigger=Trigger.ABSENT,
            people=(person.pk,),
            by_time=time(9),
            since_time=time(6),
            schedule="Fri,Sat",
            time_zone="UTC",
        )
    )
    found = preview(values, now=NOW)
    assert [one.at for one in found.examples] == [datetime(2026, 3, 13, 9, tzinfo=UTC)]
    assert found.examples[0].person_name == person.name
    Person.objects.filter(pk=person.pk).update(created_at=NOW)  # who was not there yet is not missed
    assert preview(values, now=NOW).fired == 0


def test_over_midnight_somebody_is_missed_in_the_morning() -> None:
    person = PersonFactory.create()
    Person.objects.filter(pk=person.pk).update(created_at=NOW - timedelta(days=30))
    seen(CameraFactory.create(), person, 13 * 60)  # yesterday, 23:00
    values = prepared(
        RuleValues(
            name="Night shift",
            trigger=Trigger.ABSENT,
            people=(person.pk,),
            by_time=time(5),
            since_time=time(22),
            schedule="Sat",
            time_zone="UTC",
        )
    )
    assert preview(values, now=NOW).fired == 0


def test_many_sightings_are_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = CameraFactory.create()
    for minutes in range(1, 9):
        seen(camera, None, minutes * 10)
    monkeypatch.setattr(previews, "MOST_SIGHTINGS", 3)
    found = preview(strangers(), now=NOW)
    assert (found.fired, found.looked_at) == (3, 3)
    assert any("only the last 3" in limit for limit in found.limits)


def test_what_takes_too_long_is_cut_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = CameraFactory.create()
    for minutes in range(1, 9):
        seen(camera, None, minutes * 10)
    monkeypatch.setattr(previews, "MOST_SECONDS", -1.0)
    monkeypatch.setattr(previews, "_LOOKS", 2)
    found = preview(strangers(), now=NOW)
    assert found.looked_at == 2
    assert any("is left out" in limit for limit in found.limits)


def test_the_number_of_questions_does_not_grow_with_the_sightings(django_assert_max_num_queries: Any) -> None:
    camera, person = CameraFactory.create(), PersonFactory.create()
    for minutes in range(1, 40):
        seen(camera, person, minutes * 10)
    values = prepared(RuleValues(name="Ann", people=(person.pk,), trigger=Trigger.RETURNS, seconds=6000))
    with django_assert_max_num_queries(8):
        assert preview(values, now=NOW).fired == 38
