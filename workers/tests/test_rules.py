"""Every kind of rule, whole: from frames in which real people walk by to the alert that says so.

Each loop runs on a clock of its own, so that one test may let minutes pass between what two cameras see.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from alerts.models import Alert, Direction, Rule, Severity, Trigger, Who
from alerts.rules.absence import report_absences
from cameras import health
from cameras.leases import release_leases
from cameras.models import Camera, CameraPlace, EventKind, Ground, Shape, SitePlan, Zone
from cameras.services import add_camera
from workers.tests.conftest import Enrol
from workers.tests.loops import BookAtOnce, ReporterAtOnce, hold, loop_of, shared
from workers.tests.scenes import ADA, BEN, EILEEN, SIZE, ScriptedReader, Shot

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once", "pack")]

RIGHT_HALF = [[0.55, 0.0], [1.0, 0.0], [1.0, 1.0], [0.55, 1.0]]
WALKS = Shot(seconds=3, people=(EILEEN,), start=10, speed=85)  # from the left to the right half
STANDS = Shot(seconds=3, people=(EILEEN,))
BEGAN = datetime(2026, 3, 13, 8, 0, tzinfo=UTC)  # a Friday


@pytest.fixture
def door() -> Camera:
    return camera("Door")


def camera(name: str, latitude: float = 52.5) -> Camera:
    return add_camera(actor=None, name=name, source="rtsp://camera.example/1", latitude=latitude, longitude=13.4)


def sees(camera: Camera, *shots: Shot, at: float = 0.0) -> None:
    """Lets a loop see the shots, so many seconds after BEGAN."""
    run(camera, ScriptedReader([*shots, Shot(seconds=2)], began=BEGAN + timedelta(seconds=at)))


def run(camera: Camera, reader: ScriptedReader, reporter: ReporterAtOnce | None = None) -> None:
    holding = hold(camera)
    loop_of(camera, reader, holding=holding, together=shared(reporter=reporter, zones=BookAtOnce())).run()
    release_leases([holding.lease])


def only(trigger: Trigger, *, who: Who = Who.ANYBODY, places: tuple[Any, ...] = (), **values: Any) -> Rule:
    """The only rule that is on."""
    Rule.objects.update(enabled=False)
    rule = Rule.objects.create(name="This rule", trigger=trigger, who=who, placed=bool(places), **values)
    for place in places:
        (rule.cameras if isinstance(place, Camera) else rule.zones).add(place)
    return rule


def listed(trigger: Trigger, *, places: tuple[Any, ...] = (), **values: Any) -> Rule:
    """The only rule that is on, about those on the list Wanted."""
    lists = list(Rule.objects.exclude(own_list=None).values_list("own_list", flat=True))
    rule = only(trigger, who=Who.LISTED, places=places, **values)
    rule.watchlists.set(lists)
    return rule


def zone(camera: Camera, points: Any = RIGHT_HALF, shape: Shape = Shape.POLYGON) -> Zone:
    return Zone.objects.create(name="Counter", ground=Ground.PICTURE, camera=camera, shape=shape, points=points)


def told() -> list[tuple[str, str]]:
    return [(alert.title, alert.detail) for alert in Alert.objects.order_by("pk")]


# Who


def test_somebody_on_a_list_appears(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    rule = listed(Trigger.APPEARS, severity=Severity.CRITICAL)
    sees(door, Shot(seconds=3, people=(EILEEN, BEN)))

    alert = Alert.objects.get()
    assert (alert.person_name, alert.rule, alert.severity, alert.camera) == (EILEEN, rule, Severity.CRITICAL, door)
    assert alert.similarity is not None
    assert alert.threshold is not None
    assert alert.similarity >= alert.threshold


def test_an_unknown_face_appears_and_a_named_one_never(door: Camera, enrolled: Enrol) -> None:
    eileen = enrolled(EILEEN)
    rule = only(Trigger.APPEARS, who=Who.UNKNOWN)
    rule.never_people.add(eileen)
    sees(door, STANDS)
    assert told() == []

    sees(door, Shot(seconds=4, people=(BEN,)), at=60)
    assert told() == [("Unknown face", "")]
    assert Alert.objects.get().sighting is not None


def test_anyone_who_is_not_on_an_allow_list(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    rule = listed(Trigger.APPEARS)
    Rule.objects.filter(pk=rule.pk).update(who=Who.NOT_LISTED)
    sees(door, STANDS)
    assert told() == []

    sees(door, Shot(seconds=4, people=(BEN,)), at=60)
    assert told() == [("Unknown face", "")]


# What


@pytest.mark.parametrize(("trigger", "detail"), [(Trigger.ENTERS, "Entered"), (Trigger.LEAVES, "Left")])
def test_enters_or_leaves_a_zone(door: Camera, enrolled: Enrol, trigger: Trigger, detail: str) -> None:
    enrolled(EILEEN)
    rule = listed(trigger, places=(zone(door),))
    sees(door, STANDS)
    assert told() == []

    sees(door, WALKS, Shot(seconds=3, people=(EILEEN,), start=265, speed=-85), at=100)
    assert told() == [(EILEEN, f"{detail} Counter.")]
    assert Alert.objects.get().rule == rule


def test_enters_and_leaves_a_geofence(door: Camera, enrolled: Enrol) -> None:
    """Five hundred metres around the door; the harbour is eleven kilometres away."""
    enrolled(EILEEN)
    harbour = camera("Harbour", latitude=52.6)
    fence = Zone.objects.create(
        name="Centre", ground=Ground.COORDINATES, shape=Shape.CIRCLE, points=[[52.5, 13.4]], radius_m=500
    )
    rule = listed(Trigger.ENTERS, places=(fence,))
    sees(harbour, STANDS)
    assert told() == []
    sees(door, STANDS, at=120)
    assert told() == [(EILEEN, "Entered Centre.")]
    Rule.objects.filter(pk=rule.pk).update(trigger=Trigger.LEAVES)
    sees(harbour, STANDS, at=240)
    assert told()[1:] == [(EILEEN, "Left Centre, last seen there by Door.")]


def test_enters_an_area_of_a_site_plan(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    hall = camera("Hall")
    plan = SitePlan.objects.create(name="Ground floor", image=b"", media_type="image/png", width=100, height=50)
    for one, x in ((door, 0.2), (hall, 0.8)):
        CameraPlace.objects.create(camera=one, plan=plan, x=x, y=0.5)
    left = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
    entrance = Zone.objects.create(name="Entrance", ground=Ground.PLAN, plan=plan, shape=Shape.POLYGON, points=left)
    listed(Trigger.ENTERS, places=(entrance,))
    sees(hall, STANDS)
    assert told() == []
    sees(door, STANDS, at=120)
    assert told() == [(EILEEN, "Entered Entrance.")]


@pytest.mark.parametrize(
    ("direction", "count"), [(Direction.EITHER, 1), (Direction.TO_LEFT, 1), (Direction.TO_RIGHT, 0)]
)
def test_crosses_a_line_in_a_direction(door: Camera, direction: Direction, count: int) -> None:
    """The line goes down, so that who walks to the right crosses it from its right to its left."""
    line = zone(door, points=[[0.5, 0.0], [0.5, 1.0]], shape=Shape.LINE)
    only(Trigger.CROSSES, places=(line,), direction=direction)
    sees(door, WALKS)

    assert [detail for _, detail in told()] == ["Crossed Counter, from right to left."] * count


def test_stays_longer_than(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    listed(Trigger.STAYS, seconds=5, places=(door,))
    sees(door, STANDS)
    assert told() == []

    sees(door, Shot(seconds=7, people=(EILEEN,)), at=100)
    ((who, detail),) = told()
    assert who == EILEEN
    assert detail.startswith("In view for ")
    alert = Alert.objects.get()
    assert alert.sighting is not None
    assert alert.captured_at >= alert.sighting.first_seen + timedelta(seconds=5)


def test_stays_longer_than_in_a_zone(door: Camera) -> None:
    only(Trigger.STAYS, seconds=3, places=(zone(door),))
    sees(door, Shot(seconds=6, people=(EILEEN,)))  # in the left half
    assert told() == []

    sees(door, Shot(seconds=6, people=(EILEEN,), start=265), at=100)
    ((_, detail),) = told()
    assert detail.startswith("In Counter for ")


def test_returns_within(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    listed(Trigger.RETURNS, seconds=600, away_seconds=60)
    sees(door, STANDS)
    sees(door, STANDS, at=20)
    assert told() == []

    sees(door, STANDS, at=300)
    ((_, detail),) = told()
    assert detail.startswith("Back after 4 min ")


def test_seen_here_after_there(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    hall = camera("Hall")
    rule = listed(Trigger.FOLLOWS, places=(hall,), seconds=300, before_placed=True)
    rule.before_cameras.add(door)
    sees(hall, STANDS)
    assert told() == []

    sees(door, STANDS, at=100)
    sees(hall, STANDS, at=200)
    ((_, detail),) = told()
    assert detail.startswith("Seen by Door 1 min ")


def test_was_not_seen_by_a_time(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    enrolled(BEN)
    by = (BEGAN + timedelta(minutes=10)).time()
    rule = listed(Trigger.ABSENT, since_time=BEGAN.time(), by_time=by)
    Rule.objects.filter(pk=rule.pk).update(created_at=BEGAN - timedelta(days=1))
    sees(door, STANDS)
    report_absences(BEGAN + timedelta(minutes=11))

    assert told() == [(f"{BEN} was not seen", "Not seen from 08:00 to 08:10.")]


def test_too_many_people_at_once(door: Camera) -> None:
    only(Trigger.CROWD, count=2, places=(door,))
    sees(door, Shot(seconds=2, people=(ADA,)))
    assert told() == []

    sees(door, Shot(seconds=4, people=(ADA, BEN)), at=60)
    assert told() == [("Too many people", "2 people at once at Door.")]


def test_something_is_wrong_with_a_camera(door: Camera) -> None:
    only(Trigger.CAMERA, places=(door,), event_kinds=[EventKind.BLACK])
    dark = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    other = camera("Hall")
    for one in (door, other):
        reporter = ReporterAtOnce()
        black = iter([dark.copy() for _ in range(250)])
        look: dict[float, Callable[[], object]] = {20.0: reporter.round, 20.1: health.watch_cameras}
        run(one, ScriptedReader([], at=look, pictures=black), reporter)

    alert = Alert.objects.get()
    assert (alert.title, alert.camera) == ("The picture is black", door)


# How sure, when, how often


def test_how_sure_and_when(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    rule = listed(Trigger.APPEARS, min_similarity=0.999)
    sees(door, STANDS)
    Rule.objects.filter(pk=rule.pk).update(min_similarity=None, schedule="Fri 08:10-09:00")
    sees(door, STANDS, at=60)
    assert told() == []

    sees(door, STANDS, at=660)
    assert len(told()) == 1


def test_who_comes_again_and_again_is_one_alert_with_a_count(door: Camera, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    listed(Trigger.APPEARS, cooldown_seconds=600)
    for number in range(3):
        sees(door, STANDS, at=60 * number)

    assert Alert.objects.get().count == 3
