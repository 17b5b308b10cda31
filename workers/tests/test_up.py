"""`manage.py up`: what stops it is said in a sentence, what it starts comes back, and nothing is left after it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workers import up
from workers.up import Address, UpError

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def taken() -> Iterator[Address]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield Address(host="127.0.0.1", port=server.getsockname()[1])


def test_a_taken_port_is_said_with_a_way_out(taken: Address) -> None:
    with pytest.raises(UpError, match=f"Port {taken.port} .*taken.*--port {taken.port + 1}"):
        up.check_port(taken)


def test_a_host_that_is_not_ours_is_said_with_a_way_out() -> None:
    with pytest.raises(UpError, match="Choose an address of this machine with --host"):
        up.check_port(Address(host="203.0.113.7", port=8000))


def test_a_full_disk_is_said_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(up, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(UpError, match="MB are free on the disk of"):
        up.check_disk(tmp_path)


def test_a_folder_that_cannot_be_written_is_said_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UpError, match="choose another folder with DATA_DIR"):
        up.check_disk(tmp_path / "file" / "data")


def test_a_second_up_is_refused_with_the_number_of_the_first(tmp_path: Path) -> None:
    with (
        up.only_one(tmp_path, print),
        pytest.raises(UpError, match=f"already runs on .* \\(process {os.getpid()}\\)"),
        up.only_one(tmp_path, print),
    ):
        pass
    with up.only_one(tmp_path, print):
        pass


def test_addresses_are_shown_as_they_can_be_called() -> None:
    assert Address(host="0.0.0.0", port=80).reachable.url == "http://127.0.0.1:80/"
    assert Address(host="::1", port=8000).url == "http://[::1]:8000/"


@pytest.mark.parametrize(
    ("postgres", "redis", "guard"),
    [
        (True, True, []),
        (False, True, ["--no-postgres"]),
        (True, False, ["--no-redis"]),
        (False, False, None),
    ],
)
def test_only_embedded_servers_are_watched(
    tmp_path: Path, postgres: bool, redis: bool, guard: list[str] | None
) -> None:
    listed = up.commands(
        address=Address(host="127.0.0.1", port=8000), data_dir=tmp_path, postgres=postgres, redis=redis
    )
    assert {"web", "cameras", "worker", "beat"} <= set(listed)
    if guard is None:
        assert "services" not in listed
    else:
        assert listed["services"][-1 - len(guard) :] == [str(tmp_path), *guard]


class Running:
    """A real `manage.py up` on a folder of its own."""

    def __init__(self, data_dir: Path, port: int, stdout: int | None = None) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_suffix(".log")
        command = [sys.executable, "manage.py", "up", "--port", str(port)]
        self.process = psutil.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "DATA_DIR": str(data_dir)},
            stdout=self.log.open("w") if stdout is None else stdout,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_for(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 90
        while not condition():
            assert time.monotonic() < deadline, self.log.read_text()[-5000:]
            time.sleep(0.1)

    def says(self, text: str, times: int = 1) -> Callable[[], bool]:
        return lambda: self.log.read_text().count(text) >= times

    def processes(self) -> list[psutil.Process]:
        """Everything that this run has started, found by the DATA_DIR it was given or the folder it works in."""
        found = []
        for process in psutil.process_iter():
            try:
                works_there = Path(process.cwd()).is_relative_to(self.data_dir)  # Redis overwrites its environment
                if works_there or process.environ().get("DATA_DIR") == str(self.data_dir):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def named(self, *words: str) -> psutil.Process | None:
        """The process with these words in its command line; None while it is down or just starting."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if all(word in process.cmdline() for word in words):
                    return process
        return None

    def worker(self) -> int | None:
        """The number of the camera worker's process, while there is one."""
        found = self.named("manage.py", "camera_worker")
        return None if found is None else found.pid


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = Running(tmp_path / "data", port)
    yield started
    for process in started.processes():
        process.kill()


@pytest.mark.slow
def test_up_is_ready_heals_and_leaves_nothing_after_ctrl_c(running: Running) -> None:
    running.wait_for(running.says("Lynceus is ready: http://127.0.0.1:"))
    assert "createsuperuser" in running.log.read_text()

    running.wait_for(running.worker)
    worker = running.worker()
    assert worker is not None
    assert running.says(f"ready: {psutil.Process(worker).environ()['SITE_URL']}")()  # what messages link to
    os.kill(worker, signal.SIGKILL)
    os.kill(int((running.data_dir / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    os.kill(int((running.data_dir / "run" / "redis" / "redis.pid").read_text()), signal.SIGKILL)
    running.wait_for(running.says("PostgreSQL started", 2))
    running.wait_for(running.says("Redis started", 2))
    running.wait_for(lambda: running.worker() not in (None, worker))

    os.killpg(running.process.pid, signal.SIGINT)
    assert running.process.wait(60) == 0
    assert running.processes() == []


@pytest.mark.slow
def test_nothing_is_left_after_up_itself_is_killed(running: Running) -> None:
    running.wait_for(running.says("services started"))
    running.process.kill()
    running.process.wait()
    running.wait_for(lambda: not running.processes())


@pytest.mark.slow
def test_up_stops_when_nobody_reads_its_lines_any_more(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    piped = Running(tmp_path / "data", port, stdout=subprocess.PIPE)
    try:
        lines = piped.process.stdout
        assert lines is not None
        for line in lines:
            if b"services started" in line:
                break
        lines.close()
        assert piped.process.wait(60) == 0
        assert piped.processes() == []
    finally:
        for process in piped.processes():
            process.kill()
