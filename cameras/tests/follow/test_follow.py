"""Following somebody: who may, who does, what the page shows of them, and when it ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from accounts.roles import Role
from accounts.tests.factories import UserFactory, sign_in
from cameras import identity_tasks, live
from cameras.follow import reading, services
from cameras.follow.reading import MOST_SHOWN, board
from cameras.live import State, Status
from cameras.models import Camera, Follow, Identity, Link, Sighting
from cameras.movement.next import Next
from cameras.services import remove_camera
from cameras.tests.factories import CameraFactory
from cameras.tests.topology.walks import seen, somebody, unknown

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    reading.forget()
    yield
    reading.forget()


@pytest.fixture
def operator(client: Client) -> User:
    return sign_in(client, Role.OPERATOR)


@pytest.fixture
def outcomes(monkeypatch: pytest.MonkeyPatch) -> list[Next]:
    """What is likely next; a test fills it."""
    likely: list[Next] = []
    monkeypatch.setattr(reading, "next_cameras", lambda identity, camera, at: tuple(likely))
    return likely


def outcome(camera: Camera | None, likelihood: float, **more: Any) -> Next:
    values: dict[str, Any] = {"own": 0, "everybody": 10, "seconds": 35.0}
    name = camera.name if camera is not None else ""
    return Next(camera=camera.pk if camera is not None else None, name=name, likelihood=likelihood, **values | more)


def now_seen(identity: Identity, camera: Camera | None, ago: float, **more: Any) -> Sighting:
    """A sighting that began so many seconds ago and lasted five, or still goes on."""
    return seen(identity, camera, -ago, since=timezone.now(), **more)


def shown(identity: Identity, now: datetime | None = None) -> list[tuple[str, str]]:
    return [(place.tile.camera.name, place.why.value) for place in board(identity, now=now).places]


# --- what is shown -----------------------------------------------------------------------------------------------


def test_who_is_present_comes_first_then_what_is_likely_then_where_they_were(outcomes: list[Next]) -> None:
    gate, hall, yard, shop = (CameraFactory.create(name=name) for name in ("Gate", "Hall", "Yard", "Shop"))
    identity = somebody()
    outcomes += [outcome(shop, 0.6), outcome(hall, 0.2), outcome(None, 0.15), outcome(yard, 0.005)]
    assert shown(identity) == []
    now_seen(identity, gate, 60)
    assert shown(identity) == [("Gate", "last"), ("Shop", "next"), ("Hall", "next")]
    now_seen(identity, hall, 20, is_open=True)
    assert shown(identity) == [("Hall", "here"), ("Shop", "next"), ("Gate", "last")]
    in_a_while = timezone.now() + timedelta(minutes=3)
    assert shown(identity, in_a_while) == [("Hall", "here"), ("Shop", "next")]  # Gate was left long ago
    now_seen(identity, yard, 5, is_open=True)  # views that overlap
    assert shown(identity)[:2] == [("Yard", "here"), ("Hall", "here")]
    found = board(identity)
    assert found.is_present
    assert found.leaves == 0.15
    assert found.places[-1].total == 40


def test_where_they_go_back_to_is_likely_next_and_not_only_where_they_were(outcomes: list[Next]) -> None:
    """On a round that takes less than two minutes all cameras have just seen them."""
    gate, hall, yard = (CameraFactory.create(name=name) for name in ("Gate", "Hall", "Yard"))
    identity = somebody()
    outcomes.append(outcome(gate, 0.8))
    for camera, ago in ((gate, 60), (hall, 40), (yard, 20)):
        now_seen(identity, camera, ago)
    assert shown(identity) == [("Yard", "last"), ("Gate", "next"), ("Hall", "last")]


def test_after_an_hour_nothing_is_likely_any_more(outcomes: list[Next]) -> None:
    gate, hall = CameraFactory.create(name="Gate"), CameraFactory.create(name="Hall")
    identity = unknown()
    outcomes.append(outcome(hall, 0.9))
    now_seen(identity, gate, 100)
    assert not board(identity).is_gone
    later = timezone.now() + timedelta(hours=2)
    assert shown(identity, later) == [("Gate", "last")]
    assert board(identity, now=later).is_gone


def test_what_is_doubted_is_listed_and_shows_no_camera(outcomes: list[Next]) -> None:
    gate, hall = CameraFactory.create(name="Gate"), CameraFactory.create(name="Hall")
    identity = somebody()
    now_seen(identity, gate, 60)
    now_seen(identity, hall, 5, is_open=True, is_doubted=True)
    assert shown(identity) == [("Gate", "last")]
    assert [one.sighting.is_doubted for one in board(identity).seen] == [True, False]


def test_removed_cameras_are_not_shown(outcomes: list[Next]) -> None:
    gate, hall, gone = (CameraFactory.create(name=name) for name in ("Gate", "Hall", "Gone"))
    identity = somebody()
    now_seen(identity, gate, 60)
    now_seen(identity, hall, 5)
    outcomes.append(outcome(gone, 0.9))
    remove_camera(actor=None, camera=gone)
    assert shown(identity) == [("Hall", "last"), ("Gate", "last")]
    remove_camera(actor=None, camera=hall)
    assert shown(identity) == [("Gate", "last")]
    assert len(board(identity).seen) == 2
    remove_camera(actor=None, camera=gate)
    assert shown(identity) == []


def test_no_more_than_a_wall_of_cameras(outcomes: list[Next]) -> None:
    identity, gate = somebody(), CameraFactory.create()
    now_seen(identity, gate, 5)
    outcomes += [outcome(camera, 0.05) for camera in CameraFactory.create_batch(20)]
    assert len(board(identity).places) == MOST_SHOWN


def test_likely_is_what_movement_says() -> None:
    """Not of what a test says: with no history nothing is likely, and nothing fails."""
    identity = somebody()
    now_seen(identity, CameraFactory.create(name="Gate"), 5)
    CameraFactory.create(name="Hall")
    assert shown(identity)[0] == ("Gate", "last")


def test_what_is_likely_is_found_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def next_cameras(identity: int, camera: int, at: datetime) -> tuple[Next, ...]:
        asked.append(camera)
        return ()

    monkeypatch.setattr(reading, "next_cameras", next_cameras)
    identity, gate = somebody(), CameraFactory.create()
    row = now_seen(identity, gate, 5)
    for _ in range(3):
        board(identity)
    assert asked == [gate.pk]
    Sighting.objects.filter(pk=row.pk).update(last_seen=row.last_seen + timedelta(minutes=2))
    board(identity)
    assert asked == [gate.pk] * 2


def test_the_mark_changes_with_what_is_shown_only(outcomes: list[Next]) -> None:
    identity, gate, hall = somebody(), CameraFactory.create(), CameraFactory.create()
    outcomes.append(outcome(hall, 0.5))
    row = now_seen(identity, gate, 9, is_open=True)
    marks = [board(identity).mark]

    def look() -> None:
        marks.append(board(identity).mark)

    Sighting.objects.filter(pk=row.pk).update(last_seen=timezone.now(), frames=99)
    look()
    assert marks[0] == marks[1]
    Sighting.objects.filter(pk=row.pk).update(is_open=False)
    look()
    Sighting.objects.filter(pk=row.pk).update(is_doubted=True)
    look()
    now_seen(identity, hall, 1)
    look()
    assert len(set(marks)) == 4


# --- who follows -------------------------------------------------------------------------------------------------


def test_a_follow_is_started_once_and_stopped_and_in_the_audit_trail() -> None:
    user, identity = UserFactory.create(), somebody()
    first = services.start(user=user, identity=identity)
    assert services.start(user=user, identity=identity) == first
    assert services.stop(user=user, identity=identity) == 1
    assert services.stop(user=user, identity=identity) == 0
    again = services.start(user=user, identity=identity)
    assert again != first
    said = AuditEvent.objects.order_by("id").values_list("verb", "target", "actor_name")
    target, name = f"identity {identity.pk}", user.username
    assert list(said) == [("followed", target, name), ("stopped following", target, name), ("followed", target, name)]
    assert all(event.detail == {} for event in AuditEvent.objects.all())
    with pytest.raises(IntegrityError), transaction.atomic():
        Follow.objects.create(user=user, identity=identity, since=timezone.now())


def test_several_may_follow_one() -> None:
    one, two, identity = UserFactory.create(), UserFactory.create(), somebody()
    services.start(user=one, identity=identity)
    services.start(user=two, identity=identity)
    services.stop(user=one, identity=identity)
    assert [each.follow.user for each in services.going_on()] == [two]


def test_it_ends_by_itself(settings: LazySettings) -> None:
    user, identity = UserFactory.create(), somebody()
    follow = services.start(user=user, identity=identity)
    identity_tasks.end_follows()
    assert services.follow_of(user, identity) == follow
    long_ago = timezone.now() - timedelta(hours=settings.FOLLOW_HOURS, minutes=1)
    Follow.objects.update(since=long_ago)
    assert services.follow_of(user, identity) is None
    identity_tasks.end_follows()
    identity_tasks.end_follows()
    follow.refresh_from_db()
    assert follow.until == services.ends_at(follow)
    (event,) = AuditEvent.objects.filter(verb="ended following")
    assert (event.actor, event.detail) == (None, {"user": user.username})


def test_one_that_is_over_does_not_keep_from_following_again(settings: LazySettings) -> None:
    user, identity = UserFactory.create(), somebody()
    services.start(user=user, identity=identity)
    Follow.objects.update(since=timezone.now() - timedelta(hours=settings.FOLLOW_HOURS + 1))
    again = services.start(user=user, identity=identity)
    assert again.until is None
    assert Follow.objects.exclude(pk=again.pk).get().until is not None


def test_a_merge_takes_the_follow_along_and_back() -> None:
    user, gone, kept = UserFactory.create(), unknown(), somebody()
    services.start(user=user, identity=gone)
    Identity.objects.filter(pk=gone.pk).update(merged_into=kept)
    gone.refresh_from_db()
    assert [each.identity for each in services.going_on(user=user)] == [kept]
    assert services.follow_of(user, kept) is not None
    assert services.start(user=user, identity=gone).identity == gone  # the one that there is
    assert services.stop(user=user, identity=kept) == 1
    services.start(user=user, identity=gone)
    assert Follow.objects.get(until=None).identity == kept
    Identity.objects.filter(pk=gone.pk).update(merged_into=None)
    assert services.follow_of(user, kept) is not None


def test_who_is_deleted_is_followed_no_more(settings: LazySettings) -> None:
    user, identity = UserFactory.create(), somebody()
    services.start(user=user, identity=identity)
    assert identity.person is not None
    identity.person.delete()
    assert not Follow.objects.exists()
    with pytest.raises(Identity.DoesNotExist):
        services.start(user=user, identity=identity)
    services.start(user=user, identity=somebody())
    user.delete()
    assert not Follow.objects.exists()


# --- pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "methods"),
    [("follows", ("get",)), ("follow", ("get",)), ("follow_start", ("post",)), ("follow_stop", ("post",))],
)
def test_who_may_open_what(client: Client, name: str, methods: tuple[str, ...]) -> None:
    url = reverse(name, args=[] if name == "follows" else [somebody().pk])
    for method in methods:
        answer = getattr(client, method)(url)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/accounts/login/")
    for role in (None, Role.VIEWER):
        sign_in(client, role)
        for method in methods:
            assert getattr(client, method)(url).status_code == 403
    for role in (Role.OPERATOR, Role.REVIEWER, Role.ADMINISTRATOR):
        sign_in(client, role)
        for method in methods:
            assert getattr(client, method)(url).status_code in (200, 302)
    for method in {"get", "post", "put", "delete"} - set(methods):
        assert getattr(client, method)(url).status_code == 405


def test_nobody_is_followed_by_a_link(client: Client, operator: User) -> None:
    identity = somebody()
    url = reverse("follow", args=[identity.pk])
    page = client.get(url).content.decode()
    assert f"Follow {identity}?" in page
    assert "audit trail" in page
    assert not Follow.objects.exists()
    page = client.post(reverse("follow_start", args=[identity.pk]), follow=True).content.decode()
    assert f"Following {identity}" in page
    assert "Not in view" in page
    page = client.post(reverse("follow_stop", args=[identity.pk]), follow=True).content.decode()
    assert f"You follow {identity} no longer." in page
    assert f"Follow {identity}?" in client.get(url).content.decode()


def test_the_page_says_why_each_camera_is_shown(client: Client, operator: User, outcomes: list[Next]) -> None:
    gate, hall = CameraFactory.create(name="Gate"), CameraFactory.create(name="Hall")
    identity = somebody()
    services.start(user=operator, identity=identity)
    now_seen(identity, gate, 60, similarity=0.931)
    outcomes += [outcome(hall, 0.64, everybody=31, own=2), outcome(None, 0.3, everybody=0, seconds=None)]
    live.publish_status(gate.pk, Status(state=State.ONLINE, fps_in=10.0))
    page = client.get(reverse("follow", args=[identity.pk])).content.decode()
    assert "<strong>Was here</strong>, left" in page
    assert "<strong>Likely next</strong>: 64 % of 31, usually after 35 s; they went there 2 times" in page
    assert "within the hour: 30 %" in page
    assert f"{identity} was seen at Gate" in page
    assert "similarity 0.931" in page
    at_gate, at_hall = (page.index(f'id="follow-place-{camera.pk}"') for camera in (gate, hall))
    assert at_gate < at_hall
    now_seen(identity, hall, 2, is_open=True, link=Link.LINKED, link_similarity=0.871)
    page = client.get(reverse("follow", args=[identity.pk])).content.decode()
    assert "<strong>Here now</strong>, came" in page
    assert "similarity 0.871" in page
    live.clear_status(gate.pk)


def test_what_has_not_changed_is_not_sent_again(client: Client, operator: User, outcomes: list[Next]) -> None:
    identity, gate = somebody(), CameraFactory.create(name="Gate")
    services.start(user=operator, identity=identity)
    now_seen(identity, gate, 60)
    url = reverse("follow", args=[identity.pk])
    fragment = client.get(url, headers=HTMX)
    assert fragment.status_code == 200
    assert fragment.content.decode().lstrip().startswith('<div class="follow" id="follow"')
    asked = f"{url}?mark={board(identity).mark}"
    assert client.get(asked, headers=HTMX).status_code == 204
    assert client.get(asked).status_code == 200  # a page that is opened is a whole one
    now_seen(identity, gate, 1, is_open=True)
    assert client.get(asked, headers=HTMX).status_code == 200


def test_a_page_that_is_open_when_it_ends_asks_anew(client: Client, operator: User) -> None:
    identity = somebody()
    services.start(user=operator, identity=identity)
    url = reverse("follow", args=[identity.pk])
    services.stop(user=operator, identity=identity)
    assert client.get(url, headers=HTMX)["HX-Refresh"] == "true"


def test_an_open_page_goes_along_with_a_merge_and_knows_when_they_are_deleted(client: Client, operator: User) -> None:
    gone, kept = unknown(), somebody()
    services.start(user=operator, identity=gone)
    Identity.objects.filter(pk=gone.pk).update(merged_into=kept)
    url, there = reverse("follow", args=[gone.pk]), reverse("follow", args=[kept.pk])
    assert client.get(url, headers=HTMX)["HX-Redirect"] == there
    answer = client.get(url, follow=True)
    assert answer.redirect_chain == [(there, 302)]
    assert f"Following {kept}" in answer.content.decode()
    assert kept.person is not None
    Follow.objects.all().delete()
    kept.person.delete()
    assert client.get(there).status_code == 404
    for name in ("follow_start", "follow_stop"):
        assert client.post(reverse(name, args=[kept.pk])).status_code == 404


def test_administrators_see_who_follows_whom_and_operators_do_not(client: Client, settings: LazySettings) -> None:
    other, identity, before = UserFactory.create(username="night-shift"), somebody(), somebody()
    services.start(user=other, identity=identity)
    services.start(user=other, identity=before)
    services.stop(user=other, identity=before)
    operator = sign_in(client, Role.OPERATOR)
    services.start(user=operator, identity=identity)
    for url in (reverse("follows"), reverse("follow", args=[identity.pk])):
        assert "night-shift" not in client.get(url).content.decode()
    services.start(user=sign_in(client, Role.ADMINISTRATOR), identity=identity)
    page = client.get(reverse("follows")).content.decode()
    assert page.count("night-shift") == 2
    assert str(before) in page
    page = client.get(reverse("follow", args=[identity.pk])).content.decode()
    assert f"Also followed by {operator}, night-shift." in page


def test_who_is_in_view_can_be_chosen(client: Client, operator: User) -> None:
    assert "Nobody is in view" in client.get(reverse("follows")).content.decode()
    identity, gate = somebody(), CameraFactory.create(name="Gate")
    now_seen(identity, gate, 9, is_open=True)
    now_seen(identity, gate, 3, is_open=True)
    now_seen(somebody(), gate, 3, is_open=True, is_doubted=True)
    page = client.get(reverse("follows")).content.decode()
    assert page.count(f'href="{reverse("follow", args=[identity.pk])}"') == 1
    assert page.count('class="seen__text"') == 1
    services.start(user=operator, identity=identity)
    assert reverse("follow_stop", args=[identity.pk]) in client.get(reverse("follows")).content.decode()


def test_ways_to_follow(client: Client, operator: User) -> None:
    CameraFactory.create()
    assert f'href="{reverse("follows")}"' in client.get(reverse("wall")).content.decode()
    sign_in(client, Role.VIEWER)
    assert reverse("follows") not in client.get(reverse("wall")).content.decode()


def test_nobody_follows_more_than_so_many(client: Client, operator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "MOST", 2)
    first, second, third = somebody(), somebody(), somebody()
    for identity in (first, second, first):
        services.start(user=operator, identity=identity)
    services.start(user=UserFactory.create(role=Role.OPERATOR), identity=first)
    answer = client.post(reverse("follow_start", args=[third.pk]), follow=True)
    assert "Stop following somebody first." in answer.content.decode()
    assert {one.identity for one in services.going_on(user=operator)} == {first, second}
    services.stop(user=operator, identity=first)
    assert services.start(user=operator, identity=third).identity == third
