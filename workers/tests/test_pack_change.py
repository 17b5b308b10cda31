"""Cameras and packs: another pack comes into use while a face is in view, and a pack that does not load."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.db import connections

from alerts.models import Alert
from cameras import live
from cameras.leases import take_lease
from cameras.live import State
from cameras.models import Sighting, Verdict
from cameras.services import add_camera
from recognition import gallery, packs, tasks
from recognition.engine import Embedding, Pack, sessions, similarity
from recognition.models import PackInUse
from recognition.pack_services import run_switch, use_pack
from recognition.tests.own_pack import install_own_pack
from workers import decision, following, supervisor
from workers.sightings import EventKind, Watched
from workers.tests.conftest import Enrol
from workers.tests.loops import loop_of
from workers.tests.scenes import ADA, EILEEN, ScriptedReader, Shot, clip
from workers.warmth import warmth

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def own(tmp_path: Path, settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A second pack with real networks, and a process that has loaded none."""
    models = tmp_path / "models"
    folder = install_own_pack(models)
    settings.MODELS_DIR = models
    monkeypatch.setattr(packs, "_loaded", {})
    monkeypatch.setattr(packs, "_failed", {})
    monkeypatch.setattr(tasks.switch_pack, "delay", lambda switch: None)
    gallery.forget()
    yield folder
    gallery.forget()


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    """No models that an earlier test has warmed up."""
    warmth.cache_clear()
    yield
    warmth.cache_clear()


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The packs of each two embeddings that the loop compares or searches, by marking every embedding's owner."""
    owners: dict[bytes, str] = {}
    pairs: list[tuple[str, str]] = []
    embed, search = Pack.embed, gallery.Snapshot.search

    def marked(pack: Pack, image: object, points: object) -> object:
        rows = embed(pack, image, points)  # type: ignore[arg-type]
        for row in rows:
            owners[row.tobytes()] = pack.version
        return rows

    def mean(evidence: decision.Evidence) -> Embedding | None:
        made = fused(evidence)
        if made is not None:
            (owner,) = {owners[look.tobytes()] for _, look in evidence.looks}  # one pack's looks only
            owners[made.tobytes()] = owner
        return made

    def similar(a: Embedding, b: Embedding) -> float:
        pairs.append((owners[a.tobytes()], owners[b.tobytes()]))
        return similarity(a, b)

    def searched(snapshot: gallery.Snapshot, probe: Embedding, *, top: int = 5) -> object:
        pairs.append((owners[probe.tobytes()], snapshot.pack.version))
        return search(snapshot, probe, top=top)

    fused = decision.Evidence.mean
    monkeypatch.setattr(Pack, "embed", marked)
    monkeypatch.setattr(decision.Evidence, "mean", mean)
    monkeypatch.setattr(following, "similarity", similar)
    monkeypatch.setattr(gallery.Snapshot, "search", searched)
    return pairs


@pytest.mark.usefixtures("own")
def test_a_face_in_view_keeps_its_name_through_a_change_of_packs(
    enrolled: Enrol, compared: list[tuple[str, str]]
) -> None:
    eileen = enrolled(EILEEN)
    camera = add_camera(actor=None, name="Door", source="rtsp://camera.example/1")
    switch = use_pack(actor=None, name="own")
    reader = ScriptedReader([Shot(seconds=4, people=(EILEEN, ADA))], at={2.0: lambda: run_switch(switch.pk)})
    told: list[tuple[EventKind, int | None]] = []

    def tell(kind: EventKind, watched: Watched) -> None:
        told.append((kind, watched.decision.person))

    loop = loop_of(camera, reader, tell=tell)
    course: dict[int, list[tuple[Verdict, int | None, str]]] = {}
    while loop.step():
        for watched in loop._following.watched:
            now = (watched.decision.verdict, watched.decision.person, watched.decision.pack)
            if course.setdefault(watched.track.number, [now])[-1] != now:
                course[watched.track.number].append(now)
    loop.run()

    # From the first decision on nothing flickers: only the pack that stands behind it changes.
    undecided = (Verdict.UNDECIDED, None)
    courses = [[step for step in steps if step[:2] != undecided] for steps in course.values()]
    known, unknown = sorted(courses, key=lambda steps: steps[0][0])
    assert known == [(Verdict.KNOWN, eileen.pk, "compact-1"), (Verdict.KNOWN, eileen.pk, "own-1")]
    assert unknown == [(Verdict.UNKNOWN, None, "compact-1"), (Verdict.UNKNOWN, None, "own-1")]
    for steps in course.values():
        assert undecided not in [step[:2] for step in steps if step[2] == "own-1"]
    assert {row.pack for row in Sighting.objects.all()} == {"own-1"}
    assert [kind for kind, _ in told].count(EventKind.OPENED) == 2  # nobody was lost and found again
    assert [person for kind, person in told if kind is EventKind.IDENTIFIED] == [eileen.pk]
    assert Alert.objects.count() == 1
    assert {pack for pair in compared for pack in pair} == {"compact-1", "own-1"}
    assert all(probe == other for probe, other in compared)


def attending(camera: int) -> None:
    """As a worker's thread runs a camera."""
    try:
        supervisor.attend(camera)
    finally:
        connections.close_all()


def until(what: Callable[[], object], seconds: float = 60) -> None:
    over = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < over, "it did not happen"
        time.sleep(0.05)


def test_a_damaged_model_puts_the_camera_offline_until_it_is_repaired(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    film = clip(tmp_path / "film.mp4", Shot(seconds=1, people=(EILEEN,)))
    camera = add_camera(actor=None, name="Hall", source=str(film), loop=True)
    PackInUse.objects.create(pk=1, name="own", version="own-1")
    whole = (own / "dlib-resnet.onnx").read_bytes()
    (own / "dlib-resnet.onnx").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    for _ in range(3):
        attending(camera.pk)
        status = live.statuses([camera])[camera.pk]
        assert status.state is State.OFFLINE
        assert "dlib-resnet.onnx is damaged" in status.last_error
        assert "Install it again" in status.last_error
    assert caplog.text.count("Hall can not be run") == 1
    assert "Traceback" not in caplog.text

    (own / "dlib-resnet.onnx").write_bytes(whole)
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 0.0)
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(attending, camera.pk)
        try:
            until(lambda: live.statuses([camera])[camera.pk].state is State.ONLINE)
        finally:
            supervisor.stopping.set()
        job.result(timeout=60)


def test_a_camera_is_connecting_while_the_models_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = clip(tmp_path / "film.mp4", Shot(seconds=1))
    camera = add_camera(actor=None, name="Hall", source=str(film))
    seen: list[State] = []
    warm_up = Pack.warm_up

    def slow(pack: Pack) -> None:
        time.sleep(0.3)
        seen.append(live.statuses([camera])[camera.pk].state)
        warm_up(pack)

    monkeypatch.setattr(Pack, "warm_up", slow)
    supervisor.run(camera, stop=threading.Event(), paced=False)
    assert seen == [State.CONNECTING]


def test_models_that_load_for_long_do_not_cost_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    settings.LEASE_SECONDS, settings.HEARTBEAT_SECONDS = 1, 0.1
    camera = add_camera(actor=None, name="Hall", source=str(clip(tmp_path / "film.mp4", Shot(seconds=1))))
    others: list[object] = []

    def slow(pack: Pack) -> None:
        time.sleep(2)
        try:
            others.append(take_lease(camera_id=camera.pk, owner="another"))
        finally:
            connections.close_all()

    monkeypatch.setattr(Pack, "warm_up", slow)
    supervisor.run(camera, stop=threading.Event(), paced=False)
    assert others == [None]
