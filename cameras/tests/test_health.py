"""What is written down of cameras' health, from injected states and times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings
from redis.exceptions import ConnectionError as RedisConnectionError

from cameras import health, live, tasks
from cameras.events import AGAIN_SECONDS, Change, events_changed
from cameras.live import State, Status, View
from cameras.models import Camera, CameraEvent, CameraHour, CameraLease, CameraWatch, EventKind
from cameras.services import remove_camera, set_enabled
from cameras.tests.factories import NOON, CameraFactory

pytestmark = pytest.mark.django_db

STEP = 5


class Site:
    """Cameras, what their workers say, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = NOON
        self.said: dict[int, Status] = {}
        self.told: list[tuple[str, str]] = []

    def says(self, camera: Camera, state: State = State.ONLINE, **more: Any) -> None:
        self.said[camera.pk] = Status(state=state, worker="w", began=1.0, **more)

    def nobody_says(self, camera: Camera) -> None:
        self.said.pop(camera.pk, None)

    def look(self) -> None:
        cameras = list(Camera.objects.all())
        found = {c.pk: self.said.get(c.pk) or live._status(c, None) for c in cameras}
        with transaction.atomic():
            health.look(cameras, found, now=self.now)

    def passes(self, seconds: float) -> None:
        """Time, with a look every few seconds."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=STEP))
            self.look()

    def hear(self, sender: object, changes: tuple[tuple[CameraEvent, Change], ...], **kwargs: Any) -> None:
        self.told += [(event.kind, change.name) for event, change in changes]


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    events_changed.connect(site.hear)
    yield site
    events_changed.disconnect(site.hear)


@pytest.fixture
def camera() -> Camera:
    return CameraFactory.create(name="Gate")


def open_kinds() -> list[str]:
    return sorted(CameraEvent.objects.filter(ended_at=None).values_list("kind", flat=True))


def test_a_camera_that_gives_nothing_for_long_enough_is_down_until_it_gives_pictures(
    site: Site, camera: Camera
) -> None:
    site.says(camera)
    site.passes(20)
    stopped = site.now
    site.says(camera, State.OFFLINE, last_error="rtsp://a:secret-word@c does not answer.")
    site.passes(25)
    assert open_kinds() == []
    site.passes(10)

    event = CameraEvent.objects.get()
    assert (event.kind, event.camera_name, event.began_at, event.ended_at) == ("down", "Gate", stopped, None)
    assert event.detail == "rtsp://***@c does not answer."
    site.passes(600)
    assert CameraEvent.objects.count() == 1
    site.says(camera)
    site.passes(5)
    assert open_kinds() == ["down"]  # one picture is not enough
    back = site.now
    site.passes(5)
    event.refresh_from_db()
    assert (event.ended_at, event.times) == (back, 1)
    assert site.told == [("down", "BEGAN"), ("down", "ENDED")]


def test_pictures_that_come_for_a_moment_do_not_end_a_silence(site: Site, camera: Camera) -> None:
    site.says(camera, State.CONNECTING)
    site.look()
    for _ in range(4):
        site.says(camera)
        site.passes(5)
        site.says(camera, State.OFFLINE)
        site.passes(5)

    event = CameraEvent.objects.get()
    assert (event.kind, event.began_at) == ("down", NOON)


def test_what_is_known_later_of_a_silence_is_kept_and_told_nobody(site: Site, camera: Camera) -> None:
    site.says(camera, State.OFFLINE, last_error="It has been connecting for long.")
    site.look()
    site.passes(30)
    site.says(camera, State.OFFLINE, last_error="It refuses the password.")
    site.passes(5)

    assert CameraEvent.objects.get().detail == "It refuses the password."
    assert site.told == [("down", "BEGAN")]


@pytest.mark.parametrize("asked", ["10", "120"])
def test_how_long_is_a_setting(site: Site, camera: Camera, settings: Settings, asked: str) -> None:
    settings.CAMERA_DOWN_SECONDS = int(asked)
    site.says(camera, State.OFFLINE)
    site.look()
    site.passes(int(asked) - 5)
    assert open_kinds() == []
    site.passes(5)
    assert open_kinds() == ["down"]


@pytest.mark.parametrize(
    ("view", "kind"),
    [
        (View.FROZEN, "frozen"),
        (View.BLACK, "black"),
        (View.COVERED, "covered"),
        (View.DEFOCUSED, "defocused"),
        (View.MOVED, "moved"),
    ],
)
def test_what_the_picture_shows_is_an_event(site: Site, camera: Camera, view: View, kind: str) -> None:
    site.says(camera, view=view)
    site.look()
    assert open_kinds() == [kind]
    site.says(camera)
    site.passes(5)
    assert open_kinds() == []
    assert CameraEvent.objects.get().ended_at == site.now
    assert site.told == [(kind, "BEGAN"), (kind, "ENDED")]


def test_one_view_follows_the_other(site: Site, camera: Camera) -> None:
    site.says(camera, view=View.COVERED)
    site.look()
    site.says(camera, view=View.BLACK)
    site.passes(5)
    assert open_kinds() == ["black"]


def test_of_the_view_of_a_camera_without_pictures_nothing_is_known(site: Site, camera: Camera) -> None:
    site.says(camera, view=View.COVERED)
    site.look()
    site.says(camera, State.OFFLINE)
    site.passes(40)
    assert open_kinds() == ["covered", "down"]


def test_what_comes_again_soon_is_the_same_event_and_later_another(site: Site, camera: Camera) -> None:
    for _ in range(3):
        site.says(camera, view=View.BLACK)
        site.passes(5)
        site.says(camera)
        site.passes(AGAIN_SECONDS - 5)

    event = CameraEvent.objects.get()
    assert (event.times, event.began_at) == (3, NOON + timedelta(seconds=5))
    assert site.told.count(("black", "AGAIN")) == 2
    site.passes(AGAIN_SECONDS)
    site.says(camera, view=View.BLACK)
    site.passes(5)
    assert CameraEvent.objects.count() == 2


@pytest.mark.parametrize("why", ["off", "sleeping", "ended", "schedule"])
def test_a_camera_that_shall_give_nothing_is_not_down(site: Site, camera: Camera, why: str) -> None:
    site.says(camera, view=View.COVERED)
    site.look()
    if why == "off":
        set_enabled(actor=None, camera=camera, enabled=False)
        site.nobody_says(camera)
    elif why == "schedule":  # NOON is a Saturday
        Camera.objects.update(schedule="Mon-Fri 00:00-24:00")
        site.nobody_says(camera)
    else:
        site.says(camera, State.SLEEPING if why == "sleeping" else State.ENDED)
    site.passes(120)

    assert CameraEvent.objects.get().ended_at == NOON + timedelta(seconds=5)
    assert CameraHour.objects.get().seconds_wanted == 0


def test_a_camera_that_is_switched_on_again_gets_its_time(site: Site, camera: Camera) -> None:
    site.says(camera, State.OFFLINE)
    site.passes(25)
    set_enabled(actor=None, camera=camera, enabled=False)
    site.passes(5)
    set_enabled(actor=None, camera=camera, enabled=True)
    site.passes(25)
    assert open_kinds() == []


def test_what_was_wrong_with_a_removed_camera_is_over(site: Site, camera: Camera) -> None:
    site.says(camera, view=View.COVERED)
    site.look()
    remove_camera(actor=None, camera=camera)
    site.passes(5)

    event = CameraEvent.objects.get()
    assert (event.camera, event.camera_name, event.ended_at) == (None, "Gate", site.now)
    assert site.told[-1] == ("covered", "ENDED")


def test_a_site_without_workers_is_told_as_such(site: Site) -> None:
    one, two = CameraFactory.create_batch(2)
    site.look()
    site.passes(30)
    for event in CameraEvent.objects.all():
        assert event.detail.startswith("No camera worker is running")
    assert CameraEvent.objects.count() == 2

    CameraEvent.objects.all().delete()
    site.says(two)
    site.passes(5)
    assert CameraEvent.objects.get(camera=one).detail.startswith("No worker runs it")


def test_time_in_which_nobody_looked_counts_for_nothing(site: Site, camera: Camera) -> None:
    site.says(camera, State.OFFLINE)
    site.passes(20)
    site.now += timedelta(hours=3)
    site.look()
    site.passes(25)
    assert open_kinds() == []
    site.passes(5)
    assert CameraEvent.objects.get().began_at == NOON + timedelta(hours=3, seconds=20)
    assert sum(CameraHour.objects.values_list("seconds_wanted", flat=True)) == pytest.approx(15 + 30)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_jumps_opens_nothing(site: Site, camera: Camera, hours: int) -> None:
    site.says(camera)
    site.passes(60)
    site.now += timedelta(hours=hours)
    site.passes(60)
    site.says(camera, State.OFFLINE)
    site.passes(20)
    assert not CameraEvent.objects.exists()
    total = sum(CameraHour.objects.values_list("seconds_online", flat=True))
    assert total == pytest.approx(110)  # neither the jump nor the first look counts


def test_a_clock_set_back_ends_no_event_before_it_began(site: Site, camera: Camera) -> None:
    site.says(camera, view=View.MOVED)
    site.look()
    site.now -= timedelta(hours=1)
    site.says(camera)
    site.look()
    event = CameraEvent.objects.get()
    assert event.ended_at == event.began_at


def test_hours_are_sums_of_what_the_loops_counted(site: Site, camera: Camera) -> None:
    site.says(camera, frames_in=1000, frames_processed=100, drops={"slow": 2}, restarts=1)
    site.look()
    site.says(camera, frames_in=1100, frames_processed=120, drops={"slow": 2, "busy": 3}, restarts=1, decode_ms=4.0)
    site.passes(5)
    # Another loop begins to count anew.
    site.said[camera.pk] = Status(
        state=State.ONLINE, worker="w", began=2.0, frames_in=50, frames_processed=5, drops={"slow": 1}, lag_ms=90.0,
        frames_wanted=6, frames_missed=1, decode_ms=8.0,
    )  # fmt: skip
    site.passes(5)
    site.look()  # twice at the same moment

    hour = CameraHour.objects.get()
    assert hour.start == NOON
    assert (hour.frames_in, hour.frames_processed) == (1150, 125)
    assert (hour.frames_wanted, hour.frames_missed) == (6, 1)
    assert hour.drops == {"slow": 3, "busy": 3}
    assert (hour.restarts, hour.lag_ms_most) == (1, 90.0)
    assert (hour.seconds_online, hour.seconds_wanted) == (10, 10)
    assert hour.decode_ms == pytest.approx(6.0)


def test_each_hour_has_its_row(site: Site, camera: Camera) -> None:
    site.now = NOON + timedelta(minutes=59)
    site.look()
    site.says(camera)
    site.passes(120)
    assert list(CameraHour.objects.order_by("start").values_list("start", "seconds_online")) == [
        (NOON, 55.0),
        (NOON + timedelta(hours=1), 65.0),
    ]


def test_a_moment_without_a_word_does_not_count_a_loop_twice(site: Site, camera: Camera) -> None:
    site.says(camera, frames_in=1000)
    site.look()
    site.nobody_says(camera)
    site.passes(5)
    site.says(camera, frames_in=1010)
    site.passes(5)
    assert CameraHour.objects.get().frames_in == 1010


def test_while_redis_is_away_nothing_is_said(camera: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(cameras: object) -> dict[int, Status]:
        raise RedisConnectionError("no answer")

    monkeypatch.setattr(live, "read_statuses", fail)
    assert not health.watch_cameras()
    assert not CameraWatch.objects.exists()


def test_a_look_reads_what_workers_publish(camera: Camera) -> None:
    live.publish_status(camera.pk, Status(state=State.ONLINE, view=View.BLACK, worker="w", began=1.0, frames_in=7))
    try:
        tasks.watch_cameras()
        tasks.watch_cameras()
    finally:
        live.clear_status(camera.pk)

    assert open_kinds() == [EventKind.BLACK]
    assert CameraHour.objects.get().frames_in == 7


@pytest.mark.django_db(transaction=True)
def test_one_looks_at_a_time(camera: Camera) -> None:
    inside, over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [health._LOCK])
                inside.set()
                over.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(30)
    try:
        assert not health.watch_cameras()
    finally:
        over.set()
        thread.join(30)
    assert health.watch_cameras()
    assert CameraWatch.objects.get().camera == camera


def test_what_is_old_is_deleted(camera: Camera, settings: Settings) -> None:
    settings.CAMERA_HEALTH_DAYS = 30
    now = timezone.now()

    def event(days: int, ended: datetime | None) -> CameraEvent:
        return CameraEvent.objects.create(
            camera=camera, camera_name="Gate", kind=EventKind.MOVED, began_at=now - timedelta(days=days), ended_at=ended
        )

    old, still = event(40, now - timedelta(days=31)), event(40, None)
    fresh = event(40, now - timedelta(days=29))
    for days in (31, 29):
        CameraHour.objects.create(camera=camera, start=now - timedelta(days=days))
    assert health.prune(now=now) == 2
    assert set(CameraEvent.objects.all()) == {still, fresh}
    assert old not in CameraEvent.objects.all()
    assert CameraHour.objects.count() == 1
    tasks.prune_health()


# The clocks of workers


def clock_is_off(camera: Camera, seconds: float | None) -> None:
    """As its worker's renewal wrote it down."""
    span = timedelta(seconds=10)
    CameraLease.objects.filter(camera=camera).update(
        owner="w", worker="north", expires_at=Now() + span, clock_offset=seconds
    )


def test_a_clock_that_is_wrong_is_said_until_it_is_right_again(site: Site, camera: Camera) -> None:
    site.says(camera)
    clock_is_off(camera, None)
    site.passes(5)
    clock_is_off(camera, 2.0)
    site.passes(5)
    assert open_kinds() == []
    clock_is_off(camera, -180.4)
    site.passes(5)
    event = CameraEvent.objects.get()
    assert (event.kind, event.began_at, event.get_kind_display()) == ("clock", site.now, "The clock is wrong")
    assert event.detail.startswith("The clock of the camera worker north is 3 min behind the database's.")
    assert "NTP" in event.detail
    assert len(event.detail) < 500
    clock_is_off(camera, 3.2)
    site.passes(5)
    event.refresh_from_db()
    assert "3 s ahead of the database's" in event.detail
    clock_is_off(camera, 0.2)
    site.passes(5)
    event.refresh_from_db()
    assert event.ended_at == site.now
    assert site.told == [("clock", "BEGAN"), ("clock", "ENDED")]


def test_a_clock_is_judged_without_pictures_and_not_where_nobody_runs_the_camera(site: Site, camera: Camera) -> None:
    site.says(camera, State.OFFLINE)
    clock_is_off(camera, 60.0)
    site.passes(5)
    assert open_kinds() == ["clock"]
    CameraLease.objects.update(expires_at=None, clock_offset=None)
    site.passes(5)
    assert open_kinds() == ["clock"]  # nothing new is known
    set_enabled(actor=None, camera=camera, enabled=False)
    site.passes(5)
    assert open_kinds() == []


def test_the_clock_of_before_a_worker_died_says_nothing(site: Site, camera: Camera) -> None:
    clock_is_off(camera, 60.0)
    CameraLease.objects.update(expires_at=Now() - timedelta(seconds=1))
    site.says(camera)
    site.passes(5)
    assert open_kinds() == []
