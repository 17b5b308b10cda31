"""`manage.py cameras`: the table, JSON, and switching cameras on, off and starting them anew."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator

import pytest
from django.core.management import CommandError, call_command

from accounts.models import AuditEvent
from cameras import live
from cameras.live import State, Status, View
from cameras.models import Camera
from cameras.tests.factories import CameraFactory
from config.redis import client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _empty_redis() -> Iterator[None]:
    client().flushdb()
    yield
    client().flushdb()


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("cameras", *words, stdout=out)
    return out.getvalue()


def online(camera: Camera, **changes: object) -> None:
    values = {
        "state": State.ONLINE,
        "fps_in": 25.04,
        "fps_processed": 4.9,
        "decode_ms": 2.25,
        "lag_ms": 61.4,
        "drops": {"nothing moved": 31, "newer frame": 2},
        "worker": "gate-77-ab12:0123abcd",
        "began": time.time() - 100,
        "since": time.time() - 90,
    }
    live.publish_status(camera.pk, Status(**(values | changes)))  # type: ignore[arg-type]


def test_the_table_says_what_every_camera_does() -> None:
    gate, yard = CameraFactory.create(name="Gate"), CameraFactory.create(name="Yard")
    CameraFactory.create(name="Attic", enabled=False)
    online(gate)
    online(yard, state=State.OFFLINE, last_error="Nobody answers\nat camera.example.", since=time.time() - 7300)
    lines = run().splitlines()
    assert lines[0].split("  ")[0].strip() == "ID"
    rows = {line.split()[1]: line for line in lines[1:4]}
    assert list(rows) == ["Attic", "Gate", "Yard"]
    assert "Off" in rows["Attic"]
    for part in ("Online", "90 s", "gate-77-ab12 ", "25.0", "4.9", "2.2", "61", "nothing moved: 31, newer frame: 2"):
        assert part in rows["Gate"]
    assert "0123abcd" not in rows["Gate"]
    for part in ("Offline", "2 h", "Nobody answers at camera.example."):
        assert part in rows["Yard"]
    assert lines[-1] == "1 of 3 online."
    assert "secret-word" not in "\n".join(lines)


def test_a_covered_camera_is_called_so_and_one_without_a_worker_says_why() -> None:
    covered, waiting = CameraFactory.create_batch(2)
    online(covered, view=View.COVERED)
    live.publish_status(waiting.pk, Status(state=State.WAITING, last_error="No camera worker runs."))
    text = run()
    assert "Covered" in text
    assert "No camera worker runs." in text


def test_without_cameras_it_says_how_to_add_one() -> None:
    assert "add_camera" in run()


def test_json_holds_everything_and_no_credentials() -> None:
    gate = CameraFactory.create(name="Gate")
    CameraFactory.create(name="Yard")
    online(gate)
    text = run("--json")
    facts = json.loads(text)
    assert [one["name"] for one in facts] == ["Gate", "Yard"]
    assert (facts[0]["state"], facts[0]["view"], facts[0]["drops"]["newer frame"]) == ("online", "clear", 2)
    assert facts[0]["since"].endswith("+00:00")
    assert (facts[1]["state"], facts[1]["since"]) == ("waiting", None)
    assert "secret-word" not in text
    assert [one["name"] for one in json.loads(run("list", "Yard", "--json"))] == ["Yard"]


def test_cameras_are_switched_by_name_or_number() -> None:
    gate, yard = CameraFactory.create(name="Gate"), CameraFactory.create(name="Yard")
    CameraFactory.create(name=str(yard.pk + 1000))
    assert run("disable", "Gate", str(yard.pk)).splitlines() == ["Gate: switched off.", "Yard: switched off."]
    assert not Camera.objects.filter(pk__in=[gate.pk, yard.pk], enabled=True).exists()
    assert "started anew. It is switched off" in run("restart", "Gate")
    run("enable", "Gate")
    gate.refresh_from_db()
    assert (gate.enabled, gate.revision) == (True, 3)
    assert AuditEvent.objects.filter(target=f"camera {gate.pk}").count() == 3


def test_nothing_is_changed_when_one_name_is_wrong() -> None:
    gate = CameraFactory.create(name="Gate")
    with pytest.raises(CommandError, match=r"There is no camera 'Gaat'\. Cameras: Gate\. Nothing was changed"):
        run("disable", "Gate", "Gaat")
    with pytest.raises(CommandError, match="Say which cameras"):
        run("disable")
    with pytest.raises(CommandError, match="above 0"):
        run("--watch", "0")
    gate.refresh_from_db()
    assert gate.enabled


def test_watching_shows_the_table_again_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = CameraFactory.create(name="Gate")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        online(gate)
        if len(pauses) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    text = run("--watch", "0.5")
    assert pauses == [0.5, 0.5]
    assert text.count("NAME") == 2
    assert text.index("0 of 1 online") < text.index("1 of 1 online")
