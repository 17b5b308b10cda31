"""`manage.py run_camera`: what it prints, what it says when it can not, and real people on real footage."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from alerts.models import Alert, Attachment
from cameras.leases import take_lease
from cameras.models import Camera, Sighting
from cameras.services import add_camera
from cameras.tests.streams import hls_camera, mjpeg_camera, rtsp_camera, snapshot_camera
from cameras.tests.streams.http import HttpCamera
from cameras.tests.streams.rtsp import RtspCamera
from config.redis import client
from recognition.models import Person
from recognition.services import Upload, enrol
from workers.tests.conftest import Enrol
from workers.tests.scenes import BEN, EILEEN, Shot, clip, frames
from workers.tests.servers import absent_camera
from workers.tracking import LOST_SECONDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once", "signals_restored")]

KEYS = ["event", "sighting", "camera", "track", "person", "similarity", "first_seen", "last_seen", "frames"]
Event = dict[str, Any]

DATA = Path(os.environ.get("LYNCEUS_TEST_DATA", settings.BASE_DIR.parent / "shared" / "data"))
real_footage = pytest.mark.skipif(
    not (DATA / "stage_clip.mp4").exists(),
    reason=f"there is no real footage in {DATA}; LYNCEUS_TEST_DATA names the folder that has it",
)


@pytest.fixture
def signals_restored() -> Iterator[None]:
    """The command answers Ctrl-C itself; pytest wants that back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return clip(tmp_path / "film.mp4", Shot(seconds=1.5, people=(EILEEN, BEN)), Shot(seconds=1))


def events(*arguments: str) -> list[Event]:
    out = io.StringIO()
    call_command("run_camera", *arguments, "--json", stdout=out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("run_camera", *arguments)
    assert refused.value.returncode == 1
    return str(refused.value)


def test_json_tells_every_sighting_as_it_opens_is_identified_and_closes(film: Path, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    told = events("--source", str(film), "--no-pace")
    assert all(list(event) == KEYS for event in told)
    by_person = {
        name: [e["event"] for e in told if e["sighting"] in sightings_of(told, name)] for name in (EILEEN, None)
    }
    assert by_person == {EILEEN: ["opened", "identified", "closed"], None: ["opened", "closed"]}
    closed = next(e for e in told if e["event"] == "closed" and e["person"] == EILEEN)
    row = Sighting.objects.get(pk=closed["sighting"])
    assert closed["similarity"] == round(row.similarity or 0, 4)
    assert closed["first_seen"] == row.first_seen.isoformat()
    assert closed["last_seen"] == row.last_seen.isoformat()
    assert closed["frames"] == row.frames
    assert closed["camera"] == "film.mp4 (by hand)"


def sightings_of(told: list[Event], person: str | None) -> set[str]:
    return {e["sighting"] for e in told if e["event"] == "closed" and e["person"] == person}


def test_without_json_it_says_so_in_words(film: Path, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    out = io.StringIO()
    call_command("run_camera", "--source", str(film), "--no-pace", stdout=out)
    lines = out.getvalue().splitlines()
    assert sum("a face appeared" in line for line in lines) == 2
    assert any("identified: Eileen, similarity 0." in line for line in lines)
    assert sum("out of view" in line for line in lines) == 2


def test_a_camera_that_was_added_is_run_by_its_name(film: Path) -> None:
    camera = add_camera(actor=None, name="Hall", source=str(film))
    assert {e["camera"] for e in events("Hall", "--no-pace")} == {"Hall"}
    camera.refresh_from_db()
    assert not camera.enabled  # its file has come to its end


def test_the_same_source_again_is_the_same_camera(film: Path) -> None:
    events("--source", str(film), "--no-pace")
    events("--source", str(film), "--no-pace")
    assert Camera.objects.count() == 1
    assert not Camera.objects.get().enabled  # no worker takes it


def test_the_options_of_a_run_by_hand_hold_for_that_run(film: Path) -> None:
    large = "rtsp://viewer:hunter2@camera.example/large"
    source = ["--source", str(film), "--no-pace"]
    events(*source, "--detail", large, "--transport", "udp", "--idle", "--sensitivity", "9", "--mask", "0,0 1,0 1,1")
    camera = Camera.objects.get()
    assert (camera.transport, camera.idle_decoding, camera.sensitivity) == ("udp", "keyframes", 9)
    assert camera.masks == [[[0, 0], [1, 0], [1, 1]]]
    assert camera.detail_address == "rtsp://camera.example/large"
    events(*source)
    camera.refresh_from_db()
    assert (camera.transport, camera.idle_decoding, camera.sensitivity) == ("tcp", "all", 5)
    assert (camera.masks, camera.detail_address) == ([], "")


def test_a_run_by_hand_keeps_the_clips_of_its_alerts(film: Path, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    events("--source", str(film), "--no-pace", "--clips")
    assert Attachment.objects.get().alert == Alert.objects.get()


def test_the_source_may_come_from_stdin(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{film}\n"))
    assert {e["camera"] for e in events("--source", "-", "--no-pace")} == {"film.mp4 (by hand)"}


def test_a_folder_of_pictures_is_run(tmp_path: Path, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, image in enumerate(frames(Shot(seconds=0.5, people=(EILEEN,)))):
        cv2.imwrite(str(folder / f"{number}.png"), image)
    told = events("--source", f"{folder}/", "--no-pace")
    assert [e["event"] for e in told if e["person"] == EILEEN][-1] == "closed"


@pytest.mark.parametrize("words", [["--idle"], ["--no-pace"]])
def test_a_test_pattern_is_run_until_ctrl_c(words: list[str]) -> None:
    """Nobody is in it; that it runs is seen by its status."""
    interrupt = threading.Thread(target=_interrupt_once_online)
    interrupt.start()
    assert events("--source", "pattern:160x90@10", *words) == []
    interrupt.join()


def _interrupt_once_online() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        keys = client().keys("lynceus:status:*")
        if any('"state": "online"' in str(client().get(key)) for key in keys):
            break
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        pytest.param(rtsp_camera, [], id="RTSP over TCP"),
        pytest.param(rtsp_camera, ["--transport", "udp"], id="RTSP over UDP"),
        pytest.param(mjpeg_camera, [], id="MJPEG"),
        pytest.param(snapshot_camera, [], id="snapshots"),
        pytest.param(hls_camera, ["--idle"], id="HLS"),
    ],
)
def test_every_kind_of_stream_is_run(
    camera: Callable[..., AbstractContextManager[RtspCamera | HttpCamera]], words: list[str]
) -> None:
    with camera(user="viewer", password="hunter2") as stream:
        interrupt = threading.Thread(target=_interrupt_once_online)
        interrupt.start()
        assert events("--source", stream.url, *words) == []
        interrupt.join()
    row = Camera.objects.get()
    assert row.transport == ("udp" if words[:1] == ["--transport"] else "tcp")
    assert "hunter2" not in f"{row.name} {row.address}"


def test_what_can_not_be_run_is_said_in_a_sentence(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "letter.mp4"
    empty.write_bytes(b"")
    text.write_text("Dear camera\n")
    assert "is empty (0 bytes)" in refusal("--source", str(empty))
    assert "is empty (0 bytes)" in refusal("--source", str(empty), "--no-pace")
    assert "not a video" in refusal("--source", str(text))
    assert "does not exist" in refusal("--source", str(tmp_path / "missing.mp4"))
    bare = tmp_path / "bare"
    bare.mkdir()
    assert "holds no pictures" in refusal("--source", str(bare))
    assert "USB camera 83" in refusal("--source", "83")
    refused = refusal("--source", f"rtsp://viewer:hunter2@{absent_camera()}/1")
    assert "127.0.0.1" in refused
    assert "hunter2" not in refused
    assert "source is empty" in refusal("--source", " ")
    assert "ftp://" in refusal("--source", "ftp://camera.example/1")
    assert "Give either" in refusal()
    assert "Give either" in refusal("Hall", "--source", "0")


def test_a_name_that_is_not_there_says_which_are(film: Path) -> None:
    assert "none yet" in refusal("Hall")
    add_camera(actor=None, name="Gate", source=str(film))
    assert "Gate" in refusal("Hall")


def test_a_camera_that_a_worker_runs_is_left_alone(film: Path) -> None:
    camera = add_camera(actor=None, name="Hall", source=str(film))
    take_lease(camera_id=camera.pk, owner="a worker")
    assert "is run by a worker already" in refusal("Hall")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_closes_what_is_open_and_is_no_error(tmp_path: Path, number: signal.Signals) -> None:
    path = clip(tmp_path / "long.mp4", Shot(seconds=20, people=(EILEEN,)))

    class Interrupting(io.StringIO):
        def write(self, text: str) -> int:
            os.kill(os.getpid(), number)  # as soon as the first line is printed
            return super().write(text)

    out = Interrupting()
    call_command("run_camera", "--source", str(path), "--no-pace", "--json", stdout=out)
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert told[-1]["event"] == "closed"
    assert not Sighting.objects.get().is_open


# --- real footage -----------------------------------------------------------------------------------------------------

# Who is on the stage when, in seconds of the clip, seen by eye: (from, to) of each continuous appearance.
STAGE = {
    "Lin-Manuel Miranda": [(0.0, 0.8), (2.7, 7.2)],
    "Alex Lacamoire": [(0.0, 0.8), (0.8, 2.7)],
}
AUDIENCE_FROM = 7.1  # a cut to four people in the audience, none of them enrolled


def enrol_stage() -> None:
    for name in STAGE:
        path = DATA / "portraits" / f"{name.lower().replace(' ', '_').replace('-', '_')}.png"
        enrol(actor=None, name=name, photos=[Upload(name=path.name, data=path.read_bytes())])
    assert Person.objects.count() == len(STAGE)


def may_be_one(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The spans, and those over a gap that is short enough for somebody to come back as the same track."""
    bridged = [(a, d) for (a, b), (c, d) in pairwise(spans) if c - b <= LOST_SECONDS]
    return spans + bridged


def seconds(path: Path) -> float:
    capture = cv2.VideoCapture(str(path))
    found = capture.get(cv2.CAP_PROP_FRAME_COUNT) / capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return float(found)


@real_footage
@pytest.mark.parametrize("pace", [["--no-pace"], pytest.param([], marks=pytest.mark.slow)], ids=["fast", "paced"])
def test_the_people_on_the_stage_are_identified_and_nobody_else_gets_their_names(pace: list[str]) -> None:
    enrol_stage()
    told = events("--source", str(DATA / "stage_clip.mp4"), *pace)
    closed = {e["sighting"]: e for e in told if e["event"] == "closed"}
    rows = [row for row in Sighting.objects.order_by("first_seen") if str(row.pk) in closed]
    assert len(rows) == len(closed) == Sighting.objects.count()
    assert {row.person.name for row in rows if row.person} == set(STAGE)
    start = min(row.first_seen for row in rows)
    for row in rows:
        first, last = ((moment - start).total_seconds() for moment in (row.first_seen, row.last_seen))
        if row.person is None:
            continue
        assert last < AUDIENCE_FROM + 0.25, f"{row.person.name} is in the audience"
        spans = may_be_one(STAGE[row.person.name])
        assert any(a - 0.25 <= first and last <= b + 0.25 for a, b in spans), (row.person.name, first, last)
    for name, spans in STAGE.items():
        began = [(r.first_seen - start).total_seconds() for r in rows if r.person and r.person.name == name]
        assert all(sum(a - 0.25 <= moment < b for moment in began) <= 2 for a, b in spans)
    audience = [row for row in rows if (row.first_seen - start).total_seconds() >= AUDIENCE_FROM - 0.25]
    assert 3 <= len(audience) <= 4 + 1
    assert all(row.person is None for row in audience)


@real_footage
@pytest.mark.parametrize(("name", "people"), [("corridor_two_people", 2), ("corridor_three_people", 3)])
def test_people_who_walk_through_a_corridor_are_one_sighting_each(name: str, people: int) -> None:
    path = DATA / f"{name}.mp4"
    told = events("--source", str(path), "--no-pace")
    closed = [e for e in told if e["event"] == "closed"]
    assert len(closed) == people
    assert all(e["person"] is None for e in closed)
    assert all(0 < row.frames <= seconds(path) * settings.DETECT_FPS + 1 for row in Sighting.objects.all())
