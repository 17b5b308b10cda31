"""Stating ways between cameras, the questions that people are asked, and what follows from their answers."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import AuditEvent
from cameras import identity_tasks
from cameras.identities import ways
from cameras.models import Camera, CameraLease, ConflictKind, Route, Sighting, SightingConflict, TravelTime
from cameras.services import remove_camera
from cameras.tests.factories import CameraFactory
from cameras.tests.topology.walks import seen, somebody
from cameras.topology import services
from cameras.topology.errors import RouteError
from cameras.topology.questions import asked
from cameras.topology.reading import A_PAGE, way_page
from config.celery import app

pytestmark = pytest.mark.django_db


@pytest.fixture
def pair() -> tuple[Camera, Camera]:
    return CameraFactory.create(name="Gate"), CameraFactory.create(name="Hall")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    heard: list[tuple[str, list[int]]] = []
    monkeypatch.setattr(app, "send_task", lambda name, args, **more: heard.append((name, args)))
    return heard


def learned(start: Camera, end: Camera, **more: Any) -> TravelTime:
    values: dict[str, Any] = {"count": 20, "people": 8, "p05": 20.0, "p50": 30.0, "p95": 60.0}
    return TravelTime.objects.create(start=start, end=end, learned_at=timezone.now(), **values | more)


def conflict(
    start: Camera, end: Camera, *, kind: str = ConflictKind.AT_ONCE, doubted: bool = False
) -> SightingConflict:
    """Somebody new was at both at once."""
    identity = somebody()
    one, two = seen(identity, start, 0), seen(identity, end, 1, is_doubted=doubted)
    return SightingConflict.objects.create(identity=identity, stronger=one, weaker=two, kind=kind, seconds=-4.0)


# --- stating ways ------------------------------------------------------------------------------------------------


def test_a_way_is_stated_changed_and_taken_back(
    pair: tuple[Camera, Camera],
    sent: list[tuple[str, list[int]]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    start, end = pair
    with django_capture_on_commit_callbacks(execute=True):
        route = services.add_route(actor=None, start=start, end=end, fastest=20, usual=35)
    assert (route.both_ways, route.overlaps, str(route)) == (True, False, "Gate to Hall")
    with django_capture_on_commit_callbacks(execute=True):
        changed = services.change_route(
            actor=None, route=route, both_ways=False, overlaps=False, fastest=None, usual=40
        )
    assert (changed.both_ways, changed.fastest, route.fastest) == (False, None, 20)
    with django_capture_on_commit_callbacks(execute=True):
        services.remove_route(actor=None, route=changed)
    assert not Route.objects.exists()
    assert list(AuditEvent.objects.order_by("id").values_list("verb", flat=True)) == ["added", "changed", "removed"]
    assert sent == [("cameras.identity_tasks.look_again", [start.pk, end.pk])] * 3
    with pytest.raises(RouteError, match="removed meanwhile"):
        services.change_route(actor=None, route=route, both_ways=True, overlaps=False, fastest=None, usual=None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"fastest": -1}, "fastest"),
        ({"fastest": math.nan}, "fastest"),
        ({"usual": math.inf}, "usual"),
        ({"usual": 8 * 86_400}, "usual"),
        ({"fastest": 30, "usual": 20}, "usual"),
        ({"fastest": 5, "overlaps": True}, "fastest"),
    ],
)
def test_what_makes_no_sense_is_refused(pair: tuple[Camera, Camera], values: dict[str, Any], field: str) -> None:
    with pytest.raises(RouteError) as refused:
        services.add_route(actor=None, start=pair[0], end=pair[1], **values)
    assert refused.value.field == field
    assert not Route.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_route_to_itself_is_refused(pair: tuple[Camera, Camera]) -> None:
    with pytest.raises(RouteError, match="two different"):
        services.add_route(actor=None, start=pair[0], end=pair[0])


def test_one_statement_a_way(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    there = services.add_route(actor=None, start=start, end=end, both_ways=False, usual=10)
    for one, two, both in ((start, end, False), (end, start, True)):
        with pytest.raises(RouteError, match="already"):
            services.add_route(actor=None, start=one, end=two, both_ways=both)
    back = services.add_route(actor=None, start=end, end=start, both_ways=False, usual=90)
    with pytest.raises(RouteError, match="already"):
        services.change_route(actor=None, route=there, both_ways=True, overlaps=False, fastest=None, usual=10)
    with pytest.raises(RouteError, match="already"):  # views overlap whichever way one walks
        services.change_route(actor=None, route=back, both_ways=False, overlaps=True, fastest=None, usual=None)


def test_a_camera_that_was_removed_meanwhile(pair: tuple[Camera, Camera]) -> None:
    gone = Camera(pk=999_999, name="Gone")
    with pytest.raises(RouteError, match="removed"):
        services.add_route(actor=None, start=pair[0], end=gone)


def test_a_removed_camera_takes_its_ways_along(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    services.add_route(actor=None, start=start, end=end)
    learned(end, start)
    remove_camera(actor=None, camera=end)
    assert not Route.objects.exists()
    assert way_page().rows == []


def test_without_redis_a_way_is_stated_all_the_same(
    pair: tuple[Camera, Camera],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    django_capture_on_commit_callbacks: Any,
) -> None:
    def refuse(*args: object, **more: object) -> None:
        raise OperationalError("no answer")

    monkeypatch.setattr(app, "send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        services.add_route(actor=None, start=pair[0], end=pair[1])
    assert "are not looked at again: no answer" in caplog.text


# --- what is asked -----------------------------------------------------------------------------------------------


def test_it_is_asked_whether_views_overlap_and_the_answer_ends_it(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    conflict(start, end)
    conflict(end, start)
    (question,) = asked().questions
    assert ({question.start, question.end}, question.times, question.people) == ({start, end}, 2, 2)
    assert not question.seems_so
    conflict(start, end)
    assert asked().questions[0].seems_so
    services.state_overlap(actor=None, start=start, end=end, overlaps=True)
    assert Route.objects.get().overlaps
    assert asked().questions == []
    services.state_overlap(actor=None, start=end, end=start, overlaps=False)  # changed their mind
    assert not Route.objects.get().overlaps


def test_an_answer_keeps_what_else_was_stated(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    services.add_route(actor=None, start=start, end=end, both_ways=False, fastest=4, usual=9)
    services.state_overlap(actor=None, start=end, end=start, overlaps=True)
    route = Route.objects.get()
    assert (route.both_ways, route.overlaps, route.fastest, route.usual) == (False, True, None, 9)


def test_what_was_learned_asks_as_well(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    learned(start, end, at_once=12, people=5, p05=-9.0, p50=-4.0, p95=10.0)
    (question,) = asked().questions
    assert (question.times, question.people, question.seems_so) == (12, 5, True)
    TravelTime.objects.update(at_once=2)
    assert asked().questions == []


def test_old_conflicts_and_removed_cameras_ask_nothing(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    row = conflict(start, end)
    SightingConflict.objects.filter(pk=row.pk).update(at=timezone.now() - timedelta(days=30))
    assert asked().questions == []
    SightingConflict.objects.filter(pk=row.pk).update(at=timezone.now())
    assert len(asked().questions) == 1
    remove_camera(actor=None, camera=end)
    assert asked().questions == []


def test_what_nobody_can_do_makes_clocks_suspect(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    Camera.objects.filter(pk=end.pk).update(latitude=52.6)  # nine kilometres north
    for _ in range(6):
        conflict(start, end)
    (found,) = asked().suspicions
    assert asked().questions == []
    assert (found.times, found.people, found.possible, found.clocks) == (6, 6, 0, ())
    assert found.distance is not None
    assert found.distance.least > 100
    CameraLease.objects.filter(camera=end).update(clock_offset=-180.0)
    assert [(camera.name, offset) for camera, offset in asked().suspicions[0].clocks] == [("Hall", -180.0)]
    learned(start, end, count=40)
    assert asked().suspicions != []  # learned, and too fast for the distance: 30 s
    TravelTime.objects.update(p50=900.0, p95=1200.0)
    assert asked().suspicions == []  # most were possible


def test_most_people_at_both_at_once_where_that_was_stated_to_be_impossible(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    services.add_route(actor=None, start=start, end=end, overlaps=False, fastest=10)
    for _ in range(4):
        conflict(start, end)
    assert asked().suspicions == []  # too few to say so
    conflict(start, end)
    assert len(asked().suspicions) == 1


# --- what follows ------------------------------------------------------------------------------------------------


def test_after_an_answer_what_was_doubted_is_looked_at_again(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    conflict(start, end, doubted=True)
    services.add_route(actor=None, start=start, end=end, overlaps=True)
    identity_tasks.look_again(start.pk, end.pk)
    assert not SightingConflict.objects.exists()
    assert not Sighting.objects.filter(is_doubted=True).exists()
    ways.forget()


def test_ways_of_all_cameras_page_by_page(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    assert way_page().rows == []
    services.add_route(actor=None, start=start, end=end)
    learned(end, start)
    there, back = way_page().rows
    assert (there.is_back, there.learned, back.is_back, back.stated) == (False, None, True, there.stated)
    others = CameraFactory.create_batch(A_PAGE)
    TravelTime.objects.bulk_create(
        TravelTime(start=start, end=one, count=5, people=5, p05=1, p50=2, p95=3, learned_at=timezone.now())
        for one in others
    )
    page = way_page(page=9)
    assert (page.page, page.pages, page.found, len(page.rows)) == (2, 2, A_PAGE + 2, 2)
    assert way_page(camera=others[0].pk).found == 1
    assert way_page(camera=end.pk).found == 2
