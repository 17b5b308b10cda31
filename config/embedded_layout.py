"""Where the embedded PostgreSQL and Redis lie below DATA_DIR, and how their processes are found and ended.

Shared by config.postgres_server, config.redis_server and config.embedded. Importing it does nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

POSTGRES_PORT = 5432  # only part of the socket file's name: nothing listens on TCP
SOCKET_PATH_MAX = 103  # bytes; the shortest limit is macOS's 104 with the final zero


class EmbeddedError(Exception):
    """What went wrong with the embedded servers, said to a person: what, why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where everything of the embedded servers lies below one DATA_DIR. Computes paths, touches nothing."""

    root: Path

    @classmethod
    def of(cls, data_dir: Path) -> Layout:
        return cls(root=Path(data_dir).expanduser().resolve())

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    @property
    def pgdata(self) -> Path:
        return self.root / "postgres"

    @property
    def postgres_socket_dir(self) -> Path:
        return self._socket_dir("pg", f".s.PGSQL.{POSTGRES_PORT}")

    @property
    def redis_socket(self) -> Path:
        return self._socket_dir("redis", "redis.sock") / "redis.sock"

    @property
    def redis_secret(self) -> Path:
        return self.root / "secrets" / "redis"

    def _socket_dir(self, name: str, socket_name: str) -> Path:
        folder = self.run / name
        if len(os.fsencode(folder / socket_name)) <= SOCKET_PATH_MAX:
            return folder
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()).resolve() / f"lynceus-{name}-{digest}"


@contextlib.contextmanager
def readable_errors(layout: Layout) -> Iterator[None]:
    """Turn what the file system refuses into a sentence."""
    try:
        yield
    except OSError as error:
        what = f"{error.strerror} ({error.filename})" if error.filename else str(error)
        raise EmbeddedError(
            f"Lynceus cannot keep its data in {layout.root}: {what}. "
            f"Give this account write permission there, or choose another folder with DATA_DIR=..."
        ) from error


def private_folder(path: Path, *, owner: int | None = None) -> None:
    """Make a folder that only we (or `owner`) may enter, and refuse one that a stranger put there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner}:
        raise EmbeddedError(f"{path} belongs to somebody else. Remove it, or choose another folder with DATA_DIR=...")
    path.chmod(0o700)


def tail(log: Path, lines: int = 5) -> str:
    """The end of a server's log, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(nothing)"
    return " / ".join(text.strip().splitlines()[-lines:]) or "(nothing)"


def server_pid(pid_file: Path, *, names: Sequence[str], cwd: Path) -> int | None:
    """The process that the pid file names, if it is that server: numbers are used again after a crash."""
    try:
        process = psutil.Process(int(pid_file.read_text().split(maxsplit=1)[0]))
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    return int(process.pid) if _is_server(process, names, cwd) else None


def end_leftovers(*, names: Sequence[str], cwd: Path) -> None:
    """Kill what is left of a killed server, whatever carries its name and works in its folder.

    Without their head such processes have nothing to save; the next start recovers from the log anyway.
    """
    left = [process for process in psutil.process_iter() if _is_server(process, names, cwd)]
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=5)


def end_process(process: psutil.Process, *, patience: float) -> None:
    """Ask a process to end, and insist after `patience` seconds."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(patience)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(patience)


def _is_server(process: psutil.Process, names: Sequence[str], cwd: Path) -> bool:
    try:
        if process.name() not in names or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return Path(process.cwd()) == cwd
    except (psutil.Error, OSError):
        return False
