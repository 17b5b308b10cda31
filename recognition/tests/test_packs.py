"""The packs of a process, with real networks: which is in use, loaded when needed, unloaded when idle, repaired."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from recognition import gallery, manager, packs, process_state, services, tasks
from recognition.engine import ModelError, UnknownPack, sessions
from recognition.models import PackInUse, PackSwitch, Person, Template
from recognition.pack_services import run_switch, use_pack
from recognition.process_state import ProcessState
from recognition.tests.own_pack import install_own_pack
from recognition.tests.photos import astronaut, changed, crowd, upload

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of models with compact and a pack of one's own, and a process that has loaded nothing yet."""
    models = tmp_path / "models"
    folder = install_own_pack(models)
    shutil.copytree(settings.MODELS_DIR / "converted-1", models / "converted-1")
    settings.MODELS_DIR = models
    settings.GALLERY_POLL_SECONDS = 0
    monkeypatch.setattr(packs, "_loaded", {})
    monkeypatch.setattr(packs, "_failed", {})
    monkeypatch.setattr(tasks.switch_pack, "delay", lambda switch: None)
    gallery.forget()
    yield folder
    gallery.forget()


def enrolled() -> list[Person]:
    """Eileen, and those of the six people whose face in their photo is good enough to enrol."""
    asked = [("Eileen", upload(astronaut())), *((f"P{n}", upload(crowd(), face=n)) for n in range(1, 7))]
    done = [services.enrol(actor=None, name=name, photos=[photo]).person for name, photo in asked]
    people = [person for person in done if person is not None]
    assert people[0].name == "Eileen"
    assert len(people) >= 3
    return people


def test_the_pack_in_use_is_the_settings_until_the_database_says_another(settings: Settings) -> None:
    assert packs.current_pack().version == "compact-1"
    PackInUse.objects.create(pk=1, name="own", version="own-1")
    assert packs.current_pack().version == "own-1"
    settings.MODEL_PACK = "nothing"
    assert packs.current_pack().version == "own-1"


def test_a_pack_that_is_not_known_is_said_with_those_that_are(settings: Settings) -> None:
    settings.MODEL_PACK = "huge"
    with pytest.raises(UnknownPack, match=r"no model pack 'huge'\. Known packs: .*compact.*own.*MODEL_PACK"):
        packs.current_pack()


def test_loading_a_pack_loads_no_network_until_a_face_is_looked_for() -> None:
    pack = packs.current_pack()
    assert {str(model.state) for model in pack.models} == {"unloaded"}
    services.check_photo(upload(astronaut()))
    assert {str(model.state) for model in pack.models} == {"ready"}
    assert packs.current_pack() is pack


def test_what_nobody_uses_is_unloaded_and_loads_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = packs.current_pack()
    first = services.check_photo(upload(astronaut())).face.embedding
    settings.MODEL_IDLE_MINUTES = 5
    manager.tick()
    assert {str(model.state) for model in pack.models} == {"ready"}
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 301)
    manager.tick()
    assert {str(model.state) for model in pack.models} == {"unloaded"}
    assert (services.check_photo(upload(astronaut())).face.embedding == first).all()
    assert {model.loads for model in pack.models} == {2}
    settings.MODEL_IDLE_MINUTES = 0  # never
    monkeypatch.setattr(time, "monotonic", lambda: now + 10**9)
    manager.tick()
    assert {str(model.state) for model in pack.models} == {"ready"}


def test_what_the_process_holds_is_told_to_others() -> None:
    services.check_photo(upload(astronaut()))
    gallery.gallery()
    assert manager.tick()
    (mine,) = [one for one in process_state.processes() or [] if one.pid == os.getpid()]
    assert mine.rss > 0
    assert {model.name for model in mine.models} == {model.name for model in packs.current_pack().models}
    assert all(model.runs > 0 and model.bytes > 0 and model.providers for model in mine.models)
    assert mine.loaded_bytes == packs.current_pack().bytes
    assert mine.gallery is not None
    assert (mine.gallery.pack, mine.gallery.templates, mine.gallery.problem) == ("compact-1", 0, "")
    process_state.withdraw(mine.host, mine.pid)
    assert mine.name not in [one.name for one in process_state.processes() or []]


def test_the_manager_starts_with_the_first_pack_and_survives_everything(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rounds: list[object] = [False, RuntimeError("a mistake"), False, True]

    def tick() -> bool:
        if len(rounds) == 1:
            manager._over.set()
        now = rounds.pop(0)
        if isinstance(now, Exception):
            raise now
        return bool(now)

    monkeypatch.setattr(manager, "tick", tick)
    monkeypatch.setattr(manager, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(manager, "_thread", None)
    monkeypatch.setattr(manager, "_over", threading.Event())
    monkeypatch.setattr(packs, "on_first_use", [manager.start])
    packs.current_pack()
    thread = manager._thread
    packs.pack_named("own")
    assert manager._thread is thread
    assert thread is not None
    assert thread.daemon
    thread.join(30)
    assert not thread.is_alive()
    assert rounds == []
    assert caplog.text.count("Redis does not answer") == 1
    assert "could not be told" in caplog.text


def test_a_process_that_is_gone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_state, "SECONDS", 1)
    gone = ProcessState(role="web", host="gone", pid=1, started_at=0, rss=1, models=(), gallery=None)
    process_state.publish(gone)
    assert gone in (process_state.processes() or [])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 2)
    assert gone not in (process_state.processes() or [])


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (["/venv/bin/daphne", "config.asgi:application"], "web"),
        (["/venv/lib/python3.11/site-packages/daphne/__main__.py", "config.asgi:application"], "web"),
        (["manage.py", "camera_worker", "--slots", "4"], "cameras"),
        (["/venv/site-packages/celery/__main__.py", "--quiet", "-A", "config", "worker", "-Q", "celery"], "worker"),
        (["/venv/bin/celery", "-A", "config", "beat"], "beat"),
        (["manage.py", "enroll", "Ada"], "enroll"),
        (["/usr/bin/pytest"], "pytest"),
        ([], "python"),
    ],
)
def test_a_process_knows_what_it_is_for(words: list[str], role: str) -> None:
    assert manager.role(words) == role


def test_a_damaged_file_is_said_and_its_repair_is_noticed(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PackInUse.objects.create(pk=1, name="own", version="own-1")
    whole = (own_folder / "dlib-resnet.onnx").read_bytes()
    (own_folder / "dlib-resnet.onnx").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for _ in range(2):
        with pytest.raises(ModelError, match=r"dlib-resnet\.onnx is damaged.*Install it again"):
            packs.current_pack().analyse(services.read_photo(upload(astronaut())))
    (broken,) = [model for model in packs.current_pack().models if str(model.state) == "failed"]
    assert broken.name.endswith("dlib-resnet.onnx")
    assert broken.loads == 0

    (own_folder / "dlib-resnet.onnx").write_bytes(whole)
    monkeypatch.setattr(sessions, "RETRY_SECONDS", 0.0)
    assert len(packs.current_pack().analyse(services.read_photo(upload(astronaut())))) == 1
    assert broken.error == ""


def test_a_pack_that_can_not_be_loaded_is_not_tried_with_every_call(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def fail(name: str, **options: object) -> None:
        tried.append(name)
        raise ModelError("The disk is full. Make room.")

    monkeypatch.setattr(packs, "load_pack", fail)
    for _ in range(3):
        with pytest.raises(ModelError, match="Make room"):
            packs.pack_named("own")
    assert tried == ["own"]
    packs.forget("own")
    with pytest.raises(ModelError):
        packs.pack_named("own")
    assert tried == ["own", "own"]


def test_a_switch_with_real_networks_finds_everybody_again() -> None:
    eileen, *others = enrolled()
    switch = use_pack(actor=None, name="own")
    run_switch(switch.pk)
    switch.refresh_from_db()
    assert (switch.state, switch.done, switch.failed) == (PackSwitch.State.DONE, 1 + len(others), 0)
    boxes = {(t.photo_id, t.pack): t.box for t in Template.objects.all()}
    for photo in {photo for photo, _ in boxes}:
        assert boxes[photo, "own-1"] == pytest.approx(boxes[photo, "compact-1"], abs=0.02)
    (face,) = services.identify(actor=None, upload=upload(changed(astronaut())))
    assert face.match is not None
    assert face.match.person == eileen.pk
    found = services.identify(actor=None, upload=upload(changed(crowd())))
    assert {one.match.person for one in found if one.match} == {person.pk for person in others}


def test_a_switch_to_another_detector_finds_everybody_again(settings: Settings) -> None:
    """With yunet-compact, where its detector's file is at hand."""
    data = Path(os.environ.get("LYNCEUS_TEST_DATA") or settings.BASE_DIR.parent / "shared" / "data")
    yunet = data.parent / "models" / "yunet" / "yunet_n_dynamic.onnx"
    if not yunet.is_file():
        pytest.skip(f"there is no YuNet at {yunet}; name the folder of real photos beside it in LYNCEUS_TEST_DATA")
    (settings.MODELS_DIR / "yunet-compact").mkdir()
    shutil.copy(yunet, settings.MODELS_DIR / "yunet-compact" / "yunet.onnx")
    _, *others = enrolled()
    run_switch(use_pack(actor=None, name="yunet-compact").pk)
    assert PackInUse.objects.get().version == "yunet-compact-1"
    found = services.identify(actor=None, upload=upload(changed(crowd())))
    assert {one.match.person for one in found if one.match} == {person.pk for person in others}
