"""The way of a frame, whole: real models, real database, real faces that come and go."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from django.db.models import F

from alerts.models import Alert, Delivery
from cameras import live, services
from cameras.leases import release_leases, renew_leases
from cameras.live import State, View
from cameras.models import Camera, CameraLease, Sighting, Verdict
from cameras.services import add_camera, remove_camera, set_enabled, shot_of
from recognition.engine import Image, Pack
from recognition.models import Watchlist
from recognition.services import delete_person
from recognition.watchlist_services import delete_watchlist
from workers import supervisor
from workers.preview import Mark
from workers.showing import Showing
from workers.sightings import EventKind, Watched
from workers.tamper import TamperWatch
from workers.tests import scenes
from workers.tests.conftest import Enrol
from workers.tests.loops import ReporterAtOnce, hold, loop_of, shared
from workers.tests.scenes import ADA, BEN, EILEEN, ScriptedReader, Shot, clip

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]

Told = list[tuple[EventKind, int, int | None]]


@pytest.fixture
def camera() -> Camera:
    return add_camera(actor=None, name="Door", source="rtsp://camera.example/1", latitude=52.5, longitude=13.4)


class Run:
    """One loop over shots, run to its end."""

    def __init__(
        self,
        camera: Camera,
        pack: Pack,
        *shots: Shot,
        at: Mapping[float, Callable[[], object]] | None = None,
        gating: bool = True,
    ):
        self.told: Told = []
        self.stop = threading.Event()
        self.reader = ScriptedReader(shots, at=dict(at or {}))
        self.holding = hold(camera)
        self.reporter = ReporterAtOnce()
        self.loop = loop_of(
            camera,
            self.reader,
            holding=self.holding,
            stop=self.stop,
            tell=self._tell,
            gating=gating,
            together=shared(reporter=self.reporter),
        )

    def go(self) -> Run:
        self.loop.run()
        return self

    def _tell(self, kind: EventKind, watched: Watched) -> None:
        self.told.append((kind, watched.track.number, watched.decision.person))


def sightings() -> list[Sighting]:
    return list(Sighting.objects.order_by("track"))


def test_every_continuous_appearance_is_one_sighting(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    eileen = enrolled(EILEEN)
    run = Run(
        camera,
        pack,
        Shot(seconds=1),
        Shot(seconds=2, people=(EILEEN,)),
        Shot(seconds=3),
        Shot(seconds=2, people=(ADA, EILEEN)),
        Shot(seconds=3),
    ).go()
    first, *others = sightings()
    assert (first.verdict, first.person) == (Verdict.KNOWN, eileen)
    assert {s.person_id for s in others} == {eileen.pk, None}
    assert len(others) == 2
    assert not any(s.is_open for s in sightings())
    assert all(s.similarity is not None and s.threshold is not None for s in sightings())
    assert 1.5 <= (first.last_seen - first.first_seen).total_seconds() <= 2
    assert first.frames >= 6  # five a second until it is decided, half of that from then on
    assert (first.camera_name, first.latitude, first.longitude) == ("Door", 52.5, 13.4)
    assert [kind for kind, track, _ in run.told if track == first.track] == list(EventKind)
    assert run.reader.closed


def test_a_known_face_causes_one_alert_with_its_delivery(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    eileen = enrolled(EILEEN)
    shots = [Shot(seconds=1.5, people=(EILEEN,)), Shot(seconds=3), Shot(seconds=1.5, people=(EILEEN,))]
    Run(camera, pack, *shots).go()
    alert = Alert.objects.get()  # the second appearance lies within the cooldown
    assert (alert.person, alert.camera, alert.watchlist_name) == (eileen, camera, "Wanted")
    assert alert.sighting is not None
    assert (alert.similarity or 0.0) >= (alert.threshold or 1.0)
    assert alert.sighting.first_seen <= alert.captured_at <= alert.sighting.last_seen
    assert Delivery.objects.get(alert=alert).sent_at is not None
    assert Sighting.objects.count() == 2


def test_an_unknown_face_causes_a_sighting_and_no_alert(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    Run(camera, pack, Shot(seconds=1.5, people=(BEN, ADA))).go()
    assert [(s.verdict, s.person) for s in sightings()] == [(Verdict.UNKNOWN, None)] * 2
    assert not Alert.objects.exists()


def test_the_best_shot_shows_the_face(camera: Camera, pack: Pack) -> None:
    Run(camera, pack, Shot(seconds=1, people=(EILEEN,))).go()
    jpeg = shot_of(Sighting.objects.get())
    assert jpeg is not None
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert len(pack.detect(image.astype(np.uint8))) == 1


def test_an_empty_scene_leaves_nothing(camera: Camera, pack: Pack) -> None:
    run = Run(camera, pack, Shot(seconds=3)).go()
    assert sightings() == []
    assert run.told == []


def test_who_is_enrolled_while_in_view_is_identified_and_alerted(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    run = Run(camera, pack, Shot(seconds=4, people=(EILEEN,)), at={2.0: lambda: enrolled(EILEEN)}).go()
    seen = Sighting.objects.get()
    assert seen.person is not None
    assert seen.person.name == EILEEN
    alert = Alert.objects.get(sighting=seen)
    assert (alert.captured_at - seen.first_seen).total_seconds() >= 2
    assert [kind for kind, _, _ in run.told] == list(EventKind)


def test_who_is_deleted_while_in_view_is_known_no_more(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    eileen = enrolled(EILEEN)
    remove = {2.0: lambda: delete_person(actor=None, person=eileen)}
    Run(camera, pack, Shot(seconds=4, people=(EILEEN,)), at=remove).go()
    seen = Sighting.objects.get()
    assert (seen.verdict, seen.person) == (Verdict.UNKNOWN, None)
    assert not seen.is_open


def test_a_watchlist_deleted_while_in_view_leaves_sighting_and_alert(
    camera: Camera, pack: Pack, enrolled: Enrol, watchlist: Watchlist
) -> None:
    eileen = enrolled(EILEEN)
    remove = {1.0: lambda: delete_watchlist(actor=None, watchlist=watchlist)}
    Run(camera, pack, Shot(seconds=3, people=(EILEEN,)), at=remove).go()
    assert Sighting.objects.get().person == eileen
    alert = Alert.objects.get()
    assert (alert.rule, alert.watchlist_name) == (None, "Wanted")


def change(camera: Camera) -> None:
    services.change_camera(
        actor=None,
        camera=camera,
        name="Another name",
        source="",
        latitude=None,
        longitude=None,
        loop=False,
        enabled=True,
    )


@pytest.mark.parametrize(
    "meddle",
    [
        lambda camera: set_enabled(actor=None, camera=camera, enabled=False),
        change,
        lambda camera: remove_camera(actor=None, camera=camera),
    ],
    ids=["disabled", "changed", "removed"],
)
def test_a_camera_that_is_meddled_with_ends_its_loop_and_its_sightings(
    camera: Camera,
    pack: Pack,
    enrolled: Enrol,
    caplog: pytest.LogCaptureFixture,
    meddle: Callable[[Camera], object],
) -> None:
    enrolled(EILEEN)
    row = Camera.objects.get(pk=camera.pk)
    with caplog.at_level(logging.WARNING):
        run = Run(camera, pack, Shot(seconds=60, people=(EILEEN,)), at={1.0: lambda: meddle(row)}).go()
    seen = Sighting.objects.get()
    assert not seen.is_open
    assert (seen.last_seen - seen.first_seen).total_seconds() <= 1
    assert Alert.objects.get().sighting == seen
    assert run.reader.closed
    assert not run.loop.ended
    assert not caplog.records


def test_a_loop_that_lost_its_lease_writes_nothing_more(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)

    def steal() -> None:
        CameraLease.objects.filter(camera=camera).update(owner="another", epoch=F("epoch") + 1)
        Sighting.objects.update(frames=0)

    run = Run(camera, pack, Shot(seconds=60, people=(EILEEN,)), at={2.0: steal}).go()
    seen = Sighting.objects.get()
    assert (seen.frames, seen.is_open) == (0, True)  # the new owner's sweep closes what was left
    assert services.close_stale_sightings() == 1
    assert not renew_leases([run.holding.lease])[run.holding.lease.camera_id].is_ours


def test_the_loop_goes_on_while_redis_is_away(
    camera: Camera, pack: Pack, enrolled: Enrol, monkeypatch: pytest.MonkeyPatch
) -> None:
    from redis import Redis
    from redis.exceptions import ConnectionError as RedisConnectionError

    def away(*args: object, **kwargs: object) -> None:
        raise RedisConnectionError("no Redis")

    async def layer_away(*args: object) -> None:
        away()

    enrolled(EILEEN)
    monkeypatch.setattr(Redis, "execute_command", away)
    monkeypatch.setattr("alerts.outbox.get_channel_layer", lambda: SimpleNamespace(group_send=layer_away))
    Run(camera, pack, Shot(seconds=2, people=(EILEEN,)), Shot(seconds=3)).go()
    assert Sighting.objects.get().person is not None
    delivery = Delivery.objects.get()  # waits until Redis is back
    assert delivery.sent_at is None
    assert delivery.attempts >= 1


def test_stopping_closes_what_is_open(camera: Camera, pack: Pack) -> None:
    run = Run(camera, pack, Shot(seconds=60, people=(EILEEN,)))
    run.reader.at[1.0] = run.stop.set
    run.go()
    assert not Sighting.objects.get().is_open
    assert not run.loop.ended


def test_a_still_picture_is_looked_at_less_often(camera: Camera, pack: Pack) -> None:
    moving = Run(camera, pack, Shot(seconds=4, people=(EILEEN,))).go()
    seen = Sighting.objects.get().frames
    Sighting.objects.all().delete()
    release_leases([moving.holding.lease])
    still = Run(camera, pack, Shot(seconds=4, people=(EILEEN,)))
    picture = next(still.reader._frames)
    still.reader._frames = iter([picture] * 40)
    still.go()
    assert Sighting.objects.get().frames < seen / 2


def test_pages_see_the_state_and_the_live_picture(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    live.picture(camera.pk)  # somebody looks
    run = Run(camera, pack, Shot(seconds=2, people=(EILEEN,)))
    while not Alert.objects.exists():
        assert run.loop.step()
        run.reporter.round()
    run.loop.step()
    run.reporter.round()
    status = live.statuses([camera])[camera.pk]
    assert (status.state, status.worker) == (State.ONLINE, "test")
    assert status.lag_ms < 10_000
    assert (status.width, status.height) == scenes.SIZE
    found = live.picture(camera.pk)
    assert found is not None
    assert found.jpeg[:2] == b"\xff\xd8"


def test_while_nobody_looks_nothing_is_drawn(camera: Camera, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[list[Mark]] = []

    def drawing(image: Image, marks: list[Mark]) -> bytes:
        drawn.append(marks)
        return b"jpeg"

    monkeypatch.setattr("workers.showing.draw", drawing)
    run = Run(camera, pack, Shot(seconds=4, people=(EILEEN,)))
    for _ in range(20):
        run.loop.step()
        run.reporter.round()
    assert not drawn
    live.watch(camera.pk, 10)
    run.reporter._due = 0.0
    for _ in range(20):
        run.reporter.round()
        run.loop.step()
    assert drawn
    assert len(drawn[-1]) == 1


def test_a_clip_is_watched_to_its_end_and_the_camera_switched_off(pack: Pack, enrolled: Enrol, tmp_path: Path) -> None:
    eileen = enrolled(EILEEN)
    path = clip(tmp_path / "clip.mp4", Shot(seconds=1.5, people=(EILEEN, BEN)), Shot(seconds=1))
    camera = add_camera(actor=None, name="A file", source=str(path))
    supervisor.run(camera, stop=threading.Event(), paced=False)
    assert {s.person for s in sightings()} == {eileen, None}
    camera.refresh_from_db()
    assert not camera.enabled
    assert "end" in camera.note
    assert CameraLease.objects.get(camera=camera).expires_at is None


@pytest.mark.parametrize(("seen", "said"), [(View.CLEAR, View.FROZEN), (View.BLACK, View.BLACK)])
def test_a_picture_that_stands_still_is_frozen_unless_it_is_black(
    seen: View, said: View, camera: Camera, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TamperWatch, "look", lambda *_: seen)
    shown: list[View] = []
    monkeypatch.setattr(Showing, "say", lambda _, view, **__: shown.append(view))
    run = Run(camera, pack, Shot(seconds=1))
    run.reader.frozen = True
    run.go()
    assert shown[-1] is said
