"""`add_camera`: what it stores, what it prints, and that a password is in neither output."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cameras.models import Camera, Priority
from cameras.services import detail_of, source_of
from workers.tests.test_commands_people import run

pytestmark = pytest.mark.django_db

SOURCE = "rtsp://viewer:s3cr3t-pass@10.0.0.7/live"


def test_a_camera_is_added() -> None:
    done = run("add_camera", "Gate 😀", SOURCE, "--lat", "52.5", "--lon", "-13.4", "--json")

    camera = Camera.objects.get()
    assert done.code == 0
    assert done.lines == [
        {
            "camera": camera.pk,
            "name": "Gate 😀",
            "address": "rtsp://10.0.0.7/live",
            "detail_address": "",
            "transport": "tcp",
            "latitude": 52.5,
            "longitude": -13.4,
            "loop": False,
            "enabled": True,
            "schedule": "",
            "priority": "normal",
            "idle_decoding": "all",
            "detect_fps": None,
            "sensitivity": 5,
            "masks": [],
            "clips": False,
        }
    ]
    assert source_of(camera).text == SOURCE
    assert "s3cr3t" not in done.out + done.err


def test_its_switches(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    done = run("add_camera", "Clip", str(clip), "--loop", "--disabled")

    camera = Camera.objects.get()
    assert (camera.loop, camera.enabled, camera.latitude) == (True, False, None)
    assert f"Clip was added (camera {camera.pk}, {clip}, not enabled)." in done.out
    assert "There is no file" in done.err
    clip.write_bytes(b"x")
    assert run("add_camera", "Clip 2", str(clip)).err == ""


def test_the_source_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SOURCE + "\n"))

    assert run("add_camera", "Gate", "-").code == 0
    assert source_of(Camera.objects.get()).text == SOURCE


def test_how_it_is_watched() -> None:
    large = "rtsp://viewer:s3cr3t-pass@10.0.0.7/large?token=s3cr3t-token"
    words = ["--detail", large, "--transport", "udp", "--idle", "--detect-fps", "2.5", "--sensitivity", "8"]
    words += ["--schedule", "Mon-Fri 20:00-06:00", "--priority", "high"]
    words += ["--mask", "0,0 1,0 1,0.2", "--mask", "0.5,0.5 1,0.5 1,1"]
    done = run("add_camera", "Gate", SOURCE, *words, "--json")

    camera = Camera.objects.get()
    assert done.code == 0
    detail = detail_of(camera)
    assert detail is not None
    assert detail.text == large
    facts = done.lines[0]
    assert facts["detail_address"] == camera.detail_address == "rtsp://10.0.0.7/large?…"
    assert facts["transport"] == camera.transport == "udp"
    assert facts["idle_decoding"] == camera.idle_decoding == "keyframes"
    assert facts["detect_fps"] == camera.detect_fps == 2.5
    assert facts["sensitivity"] == camera.sensitivity == 8
    assert facts["schedule"] == camera.schedule
    assert camera.schedule
    assert facts["priority"] == "high"
    assert camera.priority == Priority.HIGH
    assert facts["masks"] == camera.masks == [[[0, 0], [1, 0], [1, 0.2]], [[0.5, 0.5], [1, 0.5], [1, 1]]]
    assert "s3cr3t" not in done.out + done.err


def test_both_sources_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SOURCE}\nrtsp://u:s3cr3t@10.0.0.7/large\n"))

    assert run("add_camera", "Gate", "-", "--detail", "-").code == 0
    camera = Camera.objects.get()
    assert source_of(camera).text == SOURCE
    detail = detail_of(camera)
    assert detail is not None
    assert detail.text == "rtsp://u:s3cr3t@10.0.0.7/large"


def test_nothing_on_stdin_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))

    done = run("add_camera", "Gate", "-")
    assert done.code == 1
    assert "Nothing came on stdin" in done.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["Taken", "0"], "already"),
        ([" ", "0"], "empty"),
        (["x" * 500, "0"], "500 characters"),
        (["x", ""], "source is empty"),
        (["x", "ftp://u:s3cr3t@h"], "not with ftp://"),
        (["x", "0", "--lat", "1"], "both --lat and --lon"),
        (["x", "0", "--lat", "91", "--lon", "0"], "from -90 to 90"),
        (["x", "0", "--lat", "nan", "--lon", "0"], "from -90 to 90"),
        (["x", "0", "--detail", "ftp://u:s3cr3t@h"], "The second stream: "),
        (["x", "0", "--transport", "pigeon"], "invalid choice"),
        (["x", "0", "--schedule", "Mon-Fry 8:00-9:00"], "Fry"),
        (["x", "0", "--priority", "9"], "invalid choice"),
        (["x", "0", "--detect-fps", "1000"], "from 0.2 to 30"),
        (["x", "0", "--sensitivity", "11"], "from 1 to 10"),
        (["x", "0", "--mask", "0,0 1,0"], "is no mask"),
        (["x", "0", "--mask", "0,0 1,0 2,2"], "Mask 1"),
    ],
)
def test_what_can_not_be_added_gets_a_sentence(words: list[str], why: str) -> None:
    run("add_camera", "Taken", "1")
    done = run("add_camera", *words, "--json")

    assert done.code != 0
    assert done.out == ""
    assert why in done.err
    assert "s3cr3t" not in done.err
    assert Camera.objects.count() == 1
