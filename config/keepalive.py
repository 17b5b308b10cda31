"""Keeps one command running: `python -m config.keepalive --parent PID -- COMMAND...`

Starts the command in a process group of its own, starts it again when it dies (at once at first, then slower)
and ends the whole group when asked to (SIGTERM, SIGINT) or when the parent process is gone, however that
went: after a `kill -9` of the parent nothing is left. Without a COMMAND it is read as a JSON list from the
variable LYNCEUS_KEEPALIVE_COMMAND: then the command's name stands in the command line of one process only,
and whoever kills by name hits that one and not its keeper. A second list, LYNCEUS_KEEPALIVE_CLEANUP, is run
once when the parent is gone: what the parent would have tidied up itself.

Needs the standard library and psutil. Exit code 0 after an ordered stop, 2 when the command does not exist.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

COMMAND_VARIABLE = "LYNCEUS_KEEPALIVE_COMMAND"
CLEANUP_VARIABLE = "LYNCEUS_KEEPALIVE_CLEANUP"
CLEANUP_SECONDS = 60
TICK_SECONDS = 0.5
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 10.0
HEALTHY_SECONDS = 30.0
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one run of the command ended."""

    returncode: int
    seconds: float
    ordered: bool  # we ended it, because of a signal or because the parent is gone


def next_pause(pause: float, *, ran_seconds: float) -> float:
    """How long to wait before the next start: doubles while the command keeps dying early."""
    return FIRST_PAUSE if ran_seconds >= HEALTHY_SECONDS else min(pause * 2, LONGEST_PAUSE)


class Keeper:
    """Runs the command again and again until it is told to stop or its parent is gone."""

    def __init__(self, command: Sequence[str], *, parent: int | None, grace: float) -> None:
        self._command = list(command)
        self._grace = grace
        self._stop = threading.Event()
        self.parent_lives = _watch(parent)

    def stop(self, *_signal: object) -> None:
        self._stop.set()

    def run(self) -> None:
        pause = FIRST_PAUSE
        while not self._wanted_to_end():
            outcome = self._run_once()
            if outcome.ordered:
                return
            if outcome.seconds >= HEALTHY_SECONDS:
                pause = FIRST_PAUSE
            _say(f"ended ({_reason(outcome.returncode)}) after {outcome.seconds:.0f} s; again in {pause:g} s")
            self._wait(pause)
            pause = next_pause(pause, ran_seconds=outcome.seconds)

    def _run_once(self) -> Outcome:
        began = time.monotonic()
        child = subprocess.Popen(
            self._command,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_follow_parent_into_death() if sys.platform == "linux" else None,
        )
        ordered = False
        while child.poll() is None:
            if self._wanted_to_end():
                ordered = True
                _signal_group(child.pid, signal.SIGTERM)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(self._grace)
                break
            self._stop.wait(0.05 if time.monotonic() - began < 1 else TICK_SECONDS)
        _signal_group(child.pid, signal.SIGKILL)  # what the command started itself, and the command if it hangs
        return Outcome(returncode=child.wait(), seconds=time.monotonic() - began, ordered=ordered)

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._wanted_to_end() and (left := until - time.monotonic()) > 0:
            self._stop.wait(min(left, TICK_SECONDS))

    def _wanted_to_end(self) -> bool:
        return self._stop.is_set() or not self.parent_lives()


def _environment() -> dict[str, str]:
    ours = {COMMAND_VARIABLE, CLEANUP_VARIABLE}
    return {key: value for key, value in os.environ.items() if key not in ours}


def _watch(pid: int | None) -> Callable[[], bool]:
    """A question that answers whether the process still lives; a later one with its number does not count."""
    if pid is None:
        return lambda: True
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return lambda: False

    def lives() -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
        return False

    return lives


def _follow_parent_into_death() -> Callable[[], None]:
    """For the child, before it becomes the command: let Linux end it when this keeper itself is killed."""
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _reason(returncode: int) -> str:
    if returncode >= 0:
        return f"exit code {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever read our output may be gone
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def main() -> int:
    """Keep a command running until SIGTERM, SIGINT or the end of the parent."""
    parser = argparse.ArgumentParser(prog="python -m config.keepalive", description=main.__doc__)
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when this process is gone")
    parser.add_argument("--grace", type=float, default=8.0, help="seconds between SIGTERM and SIGKILL")
    parser.add_argument("command", nargs="*", help=f"default: the JSON list in {COMMAND_VARIABLE}")
    options = parser.parse_args()
    command = options.command or json.loads(os.environ.get(COMMAND_VARIABLE, "[]"))
    if not command:
        parser.error(f"no command given, neither after -- nor in {COMMAND_VARIABLE}")
    keeper = Keeper(command, parent=options.parent, grace=options.grace)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, keeper.stop)
    try:
        keeper.run()
        cleanup = json.loads(os.environ.get(CLEANUP_VARIABLE, "[]"))
        if cleanup and not keeper.parent_lives():
            subprocess.run(cleanup, env=_environment(), check=False, timeout=CLEANUP_SECONDS)
    except (FileNotFoundError, PermissionError) as error:
        _say(f"cannot start {command[0]}: {error.strerror}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
