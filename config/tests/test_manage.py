"""manage.py brings the servers and the schema that a command needs, says so on stderr only, and cleans up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]


def manage(data_dir: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATA_DIR": str(data_dir),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def servers_below(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["name"]):
        if process.info["name"] in {"postgres", "redis-server", "valkey-server"}:
            try:
                if Path(process.cwd()).is_relative_to(folder):
                    found.append(process)
            except psutil.Error:
                continue
    return found


def test_a_command_on_an_empty_folder_finds_servers_and_tables_and_leaves_nothing(tmp_path: Path) -> None:
    script = "from django.contrib.auth import get_user_model as m; print(m().objects.count())"
    first = manage(tmp_path, "shell", "-v", "0", "-c", script)
    assert (first.returncode, first.stdout) == (0, "0\n")
    assert first.stderr == "The database was brought up to date.\n"
    assert servers_below(tmp_path) == []
    second = manage(tmp_path, "shell", "-v", "0", "-c", script)
    assert (second.returncode, second.stdout, second.stderr) == (0, "0\n", "")
    assert servers_below(tmp_path) == []


def test_a_command_that_asks_nothing_of_the_database_starts_nothing(tmp_path: Path) -> None:
    for arguments in (["help"], ["check"], ["up", "--help"], ["migrate", "--help"]):
        assert manage(tmp_path, *arguments).returncode == 0
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "run").exists()


def test_a_wrong_setting_stops_any_command_with_one_sentence(tmp_path: Path) -> None:
    done = manage(tmp_path, "check", LOG_LEVEL="LOUD")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "LOG_LEVEL" in done.stderr
    assert "INFO" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_dir_that_cannot_be_one_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = manage(tmp_path / "file" / "data", "check")
    assert done.returncode == 1
    assert "choose another folder with DATA_DIR" in done.stderr
    assert "Traceback" not in done.stderr
