"""`add_camera`: what it stores, what it prints, and that a password is in neither output."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cameras.models import Camera
from cameras.services import source_of
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
            "latitude": 52.5,
            "longitude": -13.4,
            "loop": False,
            "enabled": True,
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
