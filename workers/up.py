"""What `manage.py up` is made of: checks before the start, the processes, running them in one terminal.

The order of the whole is in workers/management/commands/up.py. Every process runs under config.keepalive,
which starts it again when it dies and ends it when `up` is gone; honcho joins their lines in one terminal.
One of them, config.embedded, watches over the embedded PostgreSQL and Redis in the same way.

Errors: UpError, a sentence for the person at the terminal.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import http.client
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import honcho.manager
import psutil
from honcho.printer import Message, Printer

from config.keepalive import CLEANUP_VARIABLE, COMMAND_VARIABLE

MIN_FREE_BYTES = 500 * 2**20
DRAIN_SECONDS = 8  # what a process gets to finish its work after SIGTERM
PREVIOUS_RUN_SECONDS = 20  # what is left of a killed `up` ends within that
READY_SECONDS = 90


class UpError(Exception):
    """Why `up` cannot start, said to a person: what, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the pages are served."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    @property
    def reachable(self) -> Address:
        """The same server as seen from this machine: 0.0.0.0 and :: are no addresses to call."""
        return Address(host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), port=self.port)  # noqa: S104


class Lines(Printer):  # type: ignore[misc]
    """honcho's printer, for readers that may go away (`manage.py up | head`): then it is silent and asks for a stop."""

    def write(self, message: Message) -> None:
        try:
            super().write(message)
        except OSError:
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, self.output.fileno())  # what is still to be said on the way down is not missed
            os.close(silence)
            os.kill(os.getpid(), signal.SIGTERM)


class Terminal(honcho.manager.Manager):  # type: ignore[misc]
    """honcho's manager with a stop that works at any moment, and lines of our own among the others."""

    def __init__(self) -> None:
        super().__init__(Lines(sys.stdout))
        self._printer.width = len("services")  # the longest name, before it is known
        self._running = False

    def say(self, text: str, *, name: str = "lynceus") -> None:
        """Print a line like those of the processes. From any thread."""
        message = Message(type="line", data=text, time=datetime.now(), name=name, colour=None)
        if self._running:
            self.events.put(message)
        else:
            self._printer.write(message)

    def loop(self) -> None:
        self._running = True
        super().loop()
        self._running = False

    def terminate(self) -> None:
        """A stop that arrives while processes are being started waits until all of them have a number."""
        if all("pid" in process for process in self._processes.values()):
            super().terminate()
        else:
            retry = threading.Timer(0.2, self.terminate)
            retry.daemon = True
            retry.start()


def check_disk(data_dir: Path) -> None:
    """DATA_DIR can be written and has room."""
    probe = data_dir / f".write-{os.getpid()}"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise UpError(
            f"Lynceus cannot write to {data_dir}: {error.strerror}. "
            "Give this account write permission there, or choose another folder with DATA_DIR=..."
        ) from error
    free = shutil.disk_usage(data_dir).free
    if free < MIN_FREE_BYTES:
        raise UpError(
            f"Only {free // 2**20} MB are free on the disk of {data_dir}; Lynceus needs "
            f"{MIN_FREE_BYTES // 2**20} MB. Free some space, or choose another folder with DATA_DIR=..."
        )


def check_port(address: Address) -> None:
    """The pages can be served there."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                why = f"is taken by another program. Stop it, or choose another: --port {address.port + 1}"
            elif error.errno == errno.EACCES:
                why = "may only be used by root. Choose one above 1023, for example --port 8000"
            else:
                why = f"cannot be used: {error.strerror}. Choose an address of this machine with --host"
            raise UpError(f"Port {address.port} on {address.host} {why}.") from error


@contextlib.contextmanager
def only_one(data_dir: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One `up` for each DATA_DIR. What is left of a killed one is waited for; a living one is an error."""
    folder = data_dir / "run"
    folder.mkdir(exist_ok=True)
    lock = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + PREVIOUS_RUN_SECONDS
        told = False
        while not _try_lock(lock):
            owner = os.pread(lock, 32, 0).decode().strip()
            if (owner.isdigit() and psutil.pid_exists(int(owner))) or time.monotonic() > deadline:
                raise UpError(
                    f"`up` already runs on {data_dir} (process {owner or 'unknown'}). Stop it first with "
                    f"Ctrl-C in its terminal or `kill {owner}`, or choose another folder with DATA_DIR=..."
                )
            if not told:
                say("The run before this one was killed; waiting for the last of its processes to end.")
                told = True
            time.sleep(0.2)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def commands(*, address: Address, data_dir: Path, postgres: bool, redis: bool) -> dict[str, list[str]]:
    """Every process by the name before its lines; `postgres`, `redis`: is the embedded one used?"""
    python = sys.executable
    celery = [python, "-m", "celery", "--quiet", "-A", "config"]
    listed = {
        "web": [
            *(python, "-m", "daphne", "-v", "0", "-b", address.host, "-p", str(address.port)),
            "config.asgi:application",
        ],
        "cameras": [python, "manage.py", "camera_worker"],
        "linker": [python, "manage.py", "linker"],
        "worker": [
            *(*celery, "worker", "-Q", "celery", "--pool=threads", "--concurrency=8", "-n", "worker@%h"),
            "--without-gossip",
            "--without-mingle",
        ],
        "beat": [*celery, "beat", "-s", str(data_dir / "run" / "beat")],
    }
    if postgres or redis:
        absent = [flag for flag, used in (("--no-postgres", postgres), ("--no-redis", redis)) if not used]
        listed["services"] = [python, "-m", "config.embedded", str(data_dir), *absent]
    return listed


def run(terminal: Terminal, listed: Mapping[str, Sequence[str]], *, folder: Path) -> int:
    """Run the processes until one keeper gives up or somebody asks us to stop; 0 for the latter."""
    keeper = [
        sys.executable,
        "-m",
        "config.keepalive",
        "--parent",
        str(os.getpid()),
        "--grace",
        str(DRAIN_SECONDS),
    ]
    for name, command in listed.items():
        environment = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            "LYNCEUS_SERVICES": "external",
            COMMAND_VARIABLE: json.dumps(list(command)),
        }
        if name == "services":
            environment[CLEANUP_VARIABLE] = json.dumps([*command, "--stop"])
        terminal.add_process(name, f"exec {shlex.join(keeper)}", env=environment, cwd=str(folder))
    # honcho kills what is left this many seconds after the first process has ended: later than keepers do.
    honcho.manager.KILL_WAIT = DRAIN_SECONDS + 4
    terminal.loop()
    asked = {info["rc"] for info in honcho.manager.SIGNALS.values()}
    return 0 if terminal.returncode in asked else 1


def announce_when_ready(terminal: Terminal, address: Address, hints: Sequence[str]) -> threading.Thread:
    """Say the address as soon as a page is served there, and then what to do first."""

    def watch() -> None:
        deadline = time.monotonic() + READY_SECONDS
        time.sleep(1)  # the processes are forked meanwhile, best from a process that does nothing else
        while not _answers(address.reachable):
            if time.monotonic() > deadline:
                terminal.say("The page is not served yet; the lines of `web` above say why.")
                deadline = float("inf")
            time.sleep(0.25)
        terminal.say(f"Lynceus is ready: {address.reachable.url}")
        for hint in hints:
            terminal.say(hint)

    thread = threading.Thread(target=watch, name="ready", daemon=True)
    thread.start()
    return thread


def _answers(address: Address) -> bool:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=10)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop_on_signals() -> None:
    """Until the processes run, a stop is a KeyboardInterrupt; a closed terminal is a stop at any time."""

    def interrupt(*_signal: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))


def ignore_signals() -> None:
    """The way down is short; an impatient second Ctrl-C must not leave it half-walked."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
