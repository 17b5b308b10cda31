"""From frames to movement: real faces pass real camera loops, and the linker says who was the same.

Each loop runs on a clock of its own, so that one test may let somebody walk from camera to camera within seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from django.utils import timezone

from accounts.models import DataKey, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.identities import corrections, naming, retention, undoing
from cameras.identities.linker import Linker
from cameras.identities.ways import forget
from cameras.leases import release_leases
from cameras.models import Camera, Identity, Link, Sighting, SightingConflict, UnknownTemplate, Verdict
from cameras.movement.paths import Path, path_of
from cameras.services import add_camera
from cameras.topology.services import add_route
from recognition.models import Person
from recognition.pack_services import run_switch, use_pack
from workers.tests.conftest import Enrol
from workers.tests.loops import hold, loop_of, shared
from workers.tests.scenes import ADA, BEN, EILEEN, ScriptedReader, Shot
from workers.tests.test_pack_change import cold, own

__all__ = ["cold", "own"]  # fixtures
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once", "pack")]

Looks = dict[float, Callable[[], object]]
SECONDS = 4.0
STOPS = ["Car park", "Door", "Platform"]


@pytest.fixture
def began() -> datetime:
    """When the first camera begins; templates of unknown people expire, so that it is not long ago."""
    return timezone.now() - timedelta(minutes=5)


@pytest.fixture
def cameras() -> list[Camera]:
    forget()
    return [add_camera(actor=None, name=name, source="rtsp://camera.example/1") for name in STOPS]


@pytest.fixture
def linker() -> Iterator[Linker]:
    made = Linker(owner="test")
    yield made
    made.resign()


@pytest.fixture
def operator() -> User:
    user: User = UserFactory.create(role=Role.OPERATOR)
    return user


def sees(camera: Camera, *people: str, at: datetime, seconds: float = SECONDS, looks: Looks | None = None) -> None:
    """Lets a loop see these people; `looks` says what is done after so many seconds of it."""
    holding = hold(camera)
    shots = [Shot(seconds=seconds, people=people), Shot(seconds=2)]
    loop_of(camera, ScriptedReader(shots, at=looks or {}, began=at), holding=holding, together=shared()).run()
    release_leases([holding.lease])


def walk(cameras: list[Camera], linker: Linker, who: str, began: datetime, last: Callable[[], object]) -> None:
    """Somebody passes the cameras, and `last` happens while the last one sees them."""
    for number, camera in enumerate(cameras):
        looks: Looks = {3.0: last} if camera == cameras[-1] else {}
        sees(camera, who, at=began + timedelta(seconds=12 * number), looks=looks)
        linker.step()


def whole_path(identity: Identity, began: datetime) -> Path:
    return path_of(identity.pk, since=began - timedelta(minutes=1), until=began + timedelta(hours=1))


def only_identity() -> Identity:
    """Of all that are somebody's; fails where there are two."""
    return Identity.objects.exclude(sightings=None).get()


def check_is_one(began: datetime, who: Person | None, verdict: Verdict) -> None:
    """One identity, three sightings, and a path with times."""
    identity = only_identity()
    assert identity.person == who
    rows = list(Sighting.objects.order_by("first_seen"))
    assert [row.camera_name for row in rows] == STOPS
    assert {(row.identity, row.verdict, row.is_doubted) for row in rows} == {(identity, verdict, False)}
    path = whole_path(identity, began)
    assert [stop.spot.name for stop in path.stops] == STOPS
    for number, stop in enumerate(path.stops):
        assert abs((stop.since - began).total_seconds() - 12 * number) < 2
    assert [leg.seconds for leg in path.legs] == pytest.approx([12 - SECONDS] * 2, abs=1.5)
    assert not SightingConflict.objects.exists()


def test_somebody_enrolled_is_one_identity_before_the_last_camera_has_lost_them(
    cameras: list[Camera], linker: Linker, enrolled: Enrol, began: datetime
) -> None:
    eileen = enrolled(EILEEN)
    open_then: list[bool] = []

    def look() -> None:
        linker.step()
        check_is_one(began, eileen, Verdict.KNOWN)
        open_then.append(Sighting.objects.get(camera=cameras[-1]).is_open)

    walk(cameras, linker, EILEEN, began, look)
    assert open_then == [True]
    check_is_one(began, eileen, Verdict.KNOWN)
    assert {row.link for row in Sighting.objects.all()} == {Link.RECOGNISED}
    assert not UnknownTemplate.objects.exists()


def test_somebody_unknown_is_one_identity_and_a_name_turns_the_past_into_theirs(
    cameras: list[Camera], linker: Linker, enrolled: Enrol, began: datetime, operator: User
) -> None:
    enrolled(EILEEN)
    open_then: list[bool] = []

    def look() -> None:
        linker.step()
        check_is_one(began, None, Verdict.UNKNOWN)
        open_then.append(Sighting.objects.get(camera=cameras[-1]).is_open)

    walk(cameras, linker, BEN, began, look)
    assert open_then == [True]
    check_is_one(began, None, Verdict.UNKNOWN)
    identity = only_identity()
    links = Sighting.objects.order_by("first_seen").values_list("link", flat=True)
    assert list(links) == [Link.NEW, Link.LINKED, Link.LINKED]

    shots = list(identity.sightings.values_list("pk", flat=True))
    done = naming.name(actor=operator, identity=identity, name="Ben", shots=shots[:1])
    assert done.correction is not None
    assert done.person is not None
    linker.step()
    assert only_identity().person == done.person
    assert {row.person for row in Sighting.objects.all()} == {done.person}
    assert len(whole_path(only_identity(), began).stops) == 3

    sees(cameras[0], BEN, at=began + timedelta(minutes=2))
    linker.step()
    seen = Sighting.objects.latest("first_seen")
    assert (seen.person, seen.identity, seen.link) == (done.person, only_identity(), Link.RECOGNISED)

    undoing.undo(actor=operator, correction=done.correction, remove_person=False)
    past = Sighting.objects.exclude(pk=seen.pk)
    assert {(row.person, row.identity, row.verdict) for row in past} == {(None, identity, Verdict.UNKNOWN)}
    seen.refresh_from_db()
    assert seen.person == done.person, "what a camera has recognised since stays"
    assert seen.identity != identity


def test_two_unknown_people_side_by_side_are_two(cameras: list[Camera], linker: Linker, began: datetime) -> None:
    for number, camera in enumerate(cameras):
        sees(camera, ADA, BEN, at=began + timedelta(seconds=12 * number))
        linker.step()
    found = Identity.objects.exclude(sightings=None)
    assert [identity.sightings.count() for identity in found] == [3, 3]
    for identity in found:
        assert {row.camera_name for row in identity.sightings.all()} == set(STOPS)


def test_who_can_not_be_there_so_soon_is_somebody_else_and_a_known_one_is_doubted(
    cameras: list[Camera], linker: Linker, enrolled: Enrol, began: datetime
) -> None:
    enrolled(EILEEN)
    add_route(actor=None, start=cameras[0], end=cameras[1], fastest=60, usual=90)
    forget()
    for number, camera in enumerate(cameras[:2]):
        sees(camera, EILEEN, at=began + timedelta(seconds=8 * number))
        sees(camera, BEN, at=began + timedelta(seconds=60 + 8 * number))
        linker.step()
    conflict = SightingConflict.objects.get()
    assert conflict.identity.person is not None
    assert conflict.weaker.is_doubted
    assert conflict.needed == 60
    unknown = Identity.objects.filter(person=None).exclude(sightings=None)
    assert [identity.sightings.count() for identity in unknown] == [1, 1]


def test_switched_off_nothing_is_kept_of_unknown_people(
    cameras: list[Camera], linker: Linker, began: datetime, settings: LazySettings
) -> None:
    settings.UNKNOWN_HOURS = 0
    walk(cameras, linker, BEN, began, linker.step)
    assert {(row.verdict, row.identity) for row in Sighting.objects.all()} == {(Verdict.UNKNOWN, None)}
    assert Sighting.objects.count() == 3
    assert not UnknownTemplate.objects.exists()
    assert not Identity.objects.exists()
    assert not DataKey.objects.filter(scope__startswith="unknowns:").exists()


def test_what_has_expired_is_nowhere_and_links_nobody(
    cameras: list[Camera], linker: Linker, began: datetime, settings: LazySettings
) -> None:
    settings.UNKNOWN_HOURS = 1
    sees(cameras[0], BEN, at=began)
    linker.step()
    assert len(linker.unknowns) == 1
    before = only_identity()
    UnknownTemplate.objects.update(expires_at=timezone.now())
    retention.prune_unknowns()
    linker.step()
    assert len(linker.unknowns) == 0
    assert not UnknownTemplate.objects.exists()
    sees(cameras[1], BEN, at=began + timedelta(seconds=12))
    linker.step()
    assert Sighting.objects.get(camera=cameras[1]).identity != before


def test_what_a_person_said_of_a_track_in_view_stays(
    cameras: list[Camera], linker: Linker, enrolled: Enrol, began: datetime, operator: User
) -> None:
    eileen = enrolled(EILEEN)

    def correct() -> None:
        linker.step()
        row = Sighting.objects.get()
        assert (row.person, row.is_open) == (eileen, True)
        corrections.not_them(actor=operator, sighting=row, reason="Somebody else in a wig.")

    sees(cameras[0], EILEEN, at=began, seconds=7, looks={3.0: correct})
    linker.step()
    row = Sighting.objects.get()
    assert (row.person, row.link, row.is_open) == (None, Link.HAND, False)
    assert row.last_seen - row.first_seen > timedelta(seconds=5), "the camera has gone on writing"
    assert row.identity is not None
    assert not row.identity.is_known


def test_a_name_that_comes_late_moves_the_track_to_its_person(
    cameras: list[Camera], linker: Linker, enrolled: Enrol, began: datetime
) -> None:
    people: list[Person] = []

    def enrol() -> None:
        linker.step()
        row = Sighting.objects.get(camera=cameras[1])
        assert (row.person, row.identity) == (None, only_identity())
        people.append(enrolled(BEN))

    sees(cameras[0], BEN, at=began)
    linker.step()
    before = only_identity()
    sees(cameras[1], BEN, at=began + timedelta(seconds=12), seconds=7, looks={3.0: enrol})
    linker.step()
    late = Sighting.objects.get(camera=cameras[1])
    assert late.person == people[0]
    assert late.identity is not None
    assert (late.identity.person, late.link) == (people[0], Link.RECOGNISED)
    assert Sighting.objects.get(camera=cameras[0]).identity == before
    assert UnknownTemplate.objects.get().sighting.camera == cameras[0]


@pytest.mark.usefixtures("own")
def test_across_a_change_of_packs_nobody_is_compared(cameras: list[Camera], linker: Linker, began: datetime) -> None:
    sees(cameras[0], BEN, at=began)
    linker.step()
    switch = use_pack(actor=None, name="own")
    run_switch(switch.pk)
    for number in (1, 2):
        sees(cameras[number], BEN, at=began + timedelta(seconds=12 * number))
        linker.step()
    first, second, third = (Sighting.objects.get(camera=camera) for camera in cameras)
    assert (first.pack, second.pack, third.pack) == ("compact-1", "own-1", "own-1")
    assert first.identity != second.identity
    assert second.identity == third.identity


def test_a_linker_that_starts_anew_goes_on_where_the_last_one_was(
    cameras: list[Camera], linker: Linker, began: datetime
) -> None:
    sees(cameras[0], BEN, at=began)
    linker.step()
    sees(cameras[1], BEN, at=began + timedelta(seconds=12))
    linker.resign()
    other = Linker(owner="other")
    stop = threading.Event()
    other.run(stop, ready=stop.set)
    assert only_identity().sightings.count() == 2
