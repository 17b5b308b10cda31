"""The alert log's files forget somebody, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pytest_django import Settings

from alerts.channels import log


@pytest.fixture
def logs(settings: Settings, tmp_path: Path) -> Path:
    settings.ALERT_LOG_DIR = tmp_path
    return tmp_path


def line(alert: int | None, who: str) -> str:
    facts = {"key": "k", "alert": alert, "who": who, "subject": f"Alert: {who}", "detail": who, "person": 7}
    return json.dumps(facts) + "\n"


def test_lines_about_these_alerts_name_nobody(logs: Path) -> None:
    (logs / "alerts.jsonl").write_text(line(1, "Ada") + line(2, "Bob"))
    (logs / "alerts.jsonl.1").write_text(line(1, "Ada"))
    (logs / "other-log.jsonl").write_text(line(3, "Eve") + line(1, "Ada"))
    assert log.wipe({1}, who="Somebody") == 3

    text = "".join(path.read_text() for path in sorted(logs.glob("*.jsonl*")))
    assert "Ada" not in text
    assert "Bob" in text
    assert "Eve" in text
    first = json.loads((logs / "alerts.jsonl").read_text().splitlines()[0])
    assert (first["key"], first["alert"], first["who"], first["person"]) == ("k", 1, "Somebody", None)
    assert log.wipe({1}, who="Somebody") == 0
    assert not list(logs.glob(".*.wiped"))


def test_what_is_no_log_of_alerts_stays_as_it_is(logs: Path) -> None:
    broken = b'{"alert": 1, "who": "Ada"\n[1]\n"x"\n\xff\xfe\n' + line(None, "Ada").encode() + b'{"alert": 1'
    (logs / "alerts.jsonl").write_bytes(broken)
    (logs / "notes.txt").write_text(line(1, "Ada"))
    (logs / ".hidden.jsonl").write_text(line(1, "Ada"))
    assert log.wipe({1}, who="Somebody") == 0
    assert (logs / "alerts.jsonl").read_bytes() == broken
    assert "Ada" in (logs / "notes.txt").read_text()


def test_there_may_be_no_log_at_all(logs: Path, settings: Settings) -> None:
    settings.ALERT_LOG_DIR = logs / "nowhere"
    assert log.wipe({1}, who="Somebody") == 0
    assert log.wipe(set(), who="Somebody") == 0
