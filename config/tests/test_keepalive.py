"""The keeper restarts what dies and leaves nothing behind, however its own parent ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from config.keepalive import FIRST_PAUSE, LONGEST_PAUSE, next_pause

REPOSITORY = Path(__file__).resolve().parents[2]
# Writes its number, starts a child of its own that does the same, and sleeps.
SLEEPER = """
import os, pathlib, subprocess, sys, time
folder = pathlib.Path(sys.argv[1])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / f"{os.getpid()}").write_text(str(child.pid))
time.sleep(600)
"""
STUBBORN = """
import os, pathlib, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
(pathlib.Path(sys.argv[1]) / f"{os.getpid()}").write_text("")
time.sleep(600)
"""


def keep(folder: Path, script: str = SLEEPER, *, parent: int | None = None, grace: float = 5) -> psutil.Popen:
    options = ["--parent", str(parent or os.getpid()), "--grace", str(grace)]
    command = [sys.executable, "-c", script, str(folder)]
    return psutil.Popen(
        [sys.executable, "-m", "config.keepalive", *options, "--", *command], stderr=subprocess.DEVNULL, cwd=REPOSITORY
    )


def until(answers: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not answers():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)


def children(folder: Path) -> list[psutil.Process]:
    """Every process that the sleepers in the folder ever were."""
    files = list(folder.iterdir())
    numbers = [int(path.name) for path in files] + [int(text) for path in files if (text := path.read_text())]
    return [psutil.Process(number) for number in numbers if psutil.pid_exists(number)]


def started(folder: Path, count: int) -> Callable[[], bool]:
    return lambda: len([path for path in folder.iterdir() if path.stat().st_size]) == count


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def test_a_killed_command_runs_again_and_its_children_do_not_pile_up(tmp_path: Path) -> None:
    keeper = keep(tmp_path)
    until(started(tmp_path, 1))
    first = children(tmp_path)
    assert len(first) == 2
    os.kill(int(next(tmp_path.iterdir()).name), signal.SIGKILL)
    until(started(tmp_path, 2))
    assert gone(first)
    second = children(tmp_path)
    keeper.terminate()
    assert keeper.wait(20) == 0
    assert gone(second)


def test_nothing_is_left_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    keeper = keep(tmp_path, parent=parent.pid)
    until(started(tmp_path, 1))
    running = children(tmp_path)
    parent.kill()
    parent.wait()
    assert keeper.wait(20) == 0
    assert gone(running)


def test_the_cleanup_runs_when_the_parent_is_gone_and_only_then(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    done = tmp_path / "done"
    cleanup = [sys.executable, "-c", f"open({str(done)!r}, 'w')"]
    environment = {**os.environ, "LYNCEUS_KEEPALIVE_CLEANUP": json.dumps(cleanup)}
    for parent_lives in (True, False):
        parent = psutil.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        command = [sys.executable, "-m", "config.keepalive", "--parent", str(parent.pid), "--", sys.executable, "-c"]
        keeper = psutil.Popen([*command, SLEEPER, str(tmp_path / "runs")], env=environment, cwd=REPOSITORY)
        until(started(tmp_path / "runs", 1 if parent_lives else 2))
        if parent_lives:
            keeper.terminate()
        else:
            parent.kill()
            parent.wait()
        assert keeper.wait(20) == 0
        assert done.exists() is not parent_lives
        if parent_lives:
            parent.kill()
            parent.wait()


def test_a_parent_that_is_gone_already_means_no_start(tmp_path: Path) -> None:
    parent = psutil.Popen([sys.executable, "-c", ""])
    parent.wait()
    assert keep(tmp_path, parent=parent.pid).wait(20) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_ignores_sigterm_is_killed_after_the_grace(tmp_path: Path) -> None:
    keeper = keep(tmp_path, STUBBORN, grace=0.2)
    until(lambda: list(tmp_path.iterdir()))
    running = children(tmp_path)
    keeper.send_signal(signal.SIGINT)
    assert keeper.wait(20) == 0
    assert gone(running)


def test_a_command_that_does_not_exist_is_an_error() -> None:
    command = [sys.executable, "-m", "config.keepalive", "--", "/no/such/program"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=REPOSITORY)
    assert done.returncode == 2
    assert "cannot start /no/such/program" in done.stderr


def test_the_command_may_come_from_the_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f"import os; open({str(out)!r}, 'w').write(str(os.environ.get('LYNCEUS_KEEPALIVE_COMMAND')))"
    environment = {**os.environ, "LYNCEUS_KEEPALIVE_COMMAND": json.dumps([sys.executable, "-c", script])}
    keeper = psutil.Popen(
        [sys.executable, "-m", "config.keepalive"], env=environment, stderr=subprocess.DEVNULL, cwd=REPOSITORY
    )
    until(lambda: out.exists() and out.read_text() == "None")
    keeper.terminate()
    assert keeper.wait(20) == 0


def test_pauses_double_to_a_limit_and_start_over_after_a_healthy_run() -> None:
    pause = FIRST_PAUSE
    seen = []
    for _ in range(7):
        seen.append(pause)
        pause = next_pause(pause, ran_seconds=1)
    assert seen == [0.5, 1, 2, 4, 8, LONGEST_PAUSE, LONGEST_PAUSE]
    assert next_pause(LONGEST_PAUSE, ran_seconds=31) == FIRST_PAUSE
