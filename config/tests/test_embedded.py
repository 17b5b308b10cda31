"""The embedded servers start, heal, are shared and stop: with real processes, in a folder of their own."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import environ
import psutil
import psycopg
import pytest
import redis
from kombu import Connection

from config import embedded, redis_server
from config.embedded import EmbeddedError, Services
from config.embedded_layout import SOCKET_PATH_MAX, Layout

REPOSITORY = Path(__file__).resolve().parents[2]
USER_OF_SERVICES = """
import sys
from pathlib import Path
from config.embedded import Services
services = Services(Path(sys.argv[1]), postgres=False, redis=True, log=lambda text: None)
services.start()
print("started", flush=True)
sys.stdin.readline()
services.stop()
"""


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    # Quotes, spaces and percent signs: none of them may reach a shell or break a URL.
    folder = Path(tempfile.mkdtemp(prefix="lyn é%'\"$x "))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def services(data_dir: Path) -> Iterator[Services]:
    with Services(data_dir, postgres=True, redis=True, log=lambda text: None) as running:
        yield running


def connect(data_dir: Path) -> psycopg.Connection[tuple[object, ...]]:
    config = environ.Env.db_url_config(embedded.postgres_url(data_dir))
    return psycopg.connect(
        host=config["HOST"], port=config["PORT"], user=config["USER"], dbname=config["NAME"], autocommit=True
    )


def pid_in(path: Path) -> int:
    return int(path.read_text().split(maxsplit=1)[0])


def use_redis(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that uses the Redis of the folder until it is given a line."""
    command = [sys.executable, "-c", USER_OF_SERVICES, str(data_dir)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def kill(pid: int) -> None:
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)


def test_database_url_leads_to_the_database(services: Services, data_dir: Path) -> None:
    with connect(data_dir) as connection:
        row = connection.execute(
            "SELECT current_database(), current_setting('listen_addresses'), current_setting('TimeZone')"
        ).fetchone()
    assert row == ("lynceus", "", "UTC")


def test_redis_and_kombu_urls_lead_to_the_same_server(services: Services, data_dir: Path) -> None:
    with Connection(embedded.celery_url(data_dir)) as broker:
        queue = broker.SimpleQueue("embedded-test")
        queue.put({"camera": 1})
        client = redis.Redis.from_url(embedded.redis_url(data_dir))
        assert client.llen("embedded-test") == 1
        assert queue.get(timeout=5).payload == {"camera": 1}
        queue.close()
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    client.close()


def test_redis_refuses_without_the_password(services: Services, data_dir: Path) -> None:
    socket = Layout.of(data_dir).redis_socket
    client = redis.Redis(unix_socket_path=str(socket))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()


def test_only_the_owner_reads_sockets_and_secrets(services: Services, data_dir: Path) -> None:
    layout = Layout.of(data_dir)
    for folder in (layout.postgres_socket_dir, layout.redis_socket.parent, layout.pgdata):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for file in (layout.redis_secret, layout.redis_socket.parent / "redis.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    password = layout.redis_secret.read_text().strip()
    process = psutil.Process(pid_in(layout.redis_socket.parent / "redis.pid"))
    assert password not in " ".join(process.cmdline())


def test_statements_that_fail_leave_no_values_in_the_log(services: Services, data_dir: Path) -> None:
    with connect(data_dir) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS secretive (name text PRIMARY KEY)")
        connection.execute("INSERT INTO secretive VALUES ('Ada Confidential') ON CONFLICT DO NOTHING")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO secretive VALUES ('Ada Confidential')")
    log = (data_dir / "log" / "postgres.log").read_text()
    assert "secretive_pkey" in log
    assert "Confidential" not in log


def test_ensure_brings_postgres_back_after_kill_9_with_what_was_committed(services: Services, data_dir: Path) -> None:
    with connect(data_dir) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (42)")
        kill(pid_in(Layout.of(data_dir).pgdata / "postmaster.pid"))
    assert services.ensure() == ["PostgreSQL"]
    with connect(data_dir) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(42,)]
    assert services.ensure() == []


def test_ensure_brings_redis_back_after_kill_9(services: Services, data_dir: Path) -> None:
    kill(pid_in(Layout.of(data_dir).redis_socket.parent / "redis.pid"))
    assert services.ensure() == ["Redis"]
    with redis.Redis.from_url(embedded.redis_url(data_dir)) as client:
        assert client.ping()


def test_start_again_changes_nothing(services: Services, data_dir: Path) -> None:
    before = pid_in(Layout.of(data_dir).pgdata / "postmaster.pid")
    services.start()
    assert pid_in(Layout.of(data_dir).pgdata / "postmaster.pid") == before


def test_stale_pid_files_and_half_made_clusters_are_no_obstacle(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    (tmp_path / "postgres.new").mkdir(parents=True)
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18\n")  # an initdb that was killed
    with Services(tmp_path, postgres=True, redis=True, log=lambda text: None):
        pids = [pid_in(layout.pgdata / "postmaster.pid"), pid_in(layout.redis_socket.parent / "redis.pid")]
        postmaster_file = (layout.pgdata / "postmaster.pid").read_text()
        for pid in pids:
            kill(pid)
        # The number in the file now belongs to a living process that is no PostgreSQL: this one.
        lines = postmaster_file.splitlines()
        (layout.pgdata / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
        (layout.redis_socket.parent / "redis.pid").write_text(f"{os.getpid()}\n")
        with Services(tmp_path, postgres=True, redis=True, log=lambda text: None):
            connect(tmp_path).close()


def test_the_last_user_stops_the_servers(tmp_path: Path) -> None:
    users = [use_redis(tmp_path) for _ in range(2)]
    for user in users:
        assert user.stdout is not None
        assert user.stdout.readline() == "started\n"
    server = psutil.Process(pid_in(Layout.of(tmp_path).redis_socket.parent / "redis.pid"))
    users[0].communicate("\n", timeout=20)
    assert server.is_running()
    users[1].communicate("\n", timeout=20)
    assert not server.is_running()
    assert [user.returncode for user in users] == [0, 0]


def test_a_killed_user_does_not_keep_the_servers_alive(tmp_path: Path) -> None:
    killed = use_redis(tmp_path)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "started\n"
    server = psutil.Process(pid_in(Layout.of(tmp_path).redis_socket.parent / "redis.pid"))
    killed.kill()
    killed.communicate()
    assert server.is_running()
    with Services(tmp_path, postgres=False, redis=True, log=lambda text: None):
        assert server.is_running()  # adopted, not replaced
    assert not server.is_running()


def test_servers_that_a_killed_user_left_can_be_stopped_but_used_ones_cannot(tmp_path: Path) -> None:
    stop = [sys.executable, "-m", "config.embedded", str(tmp_path), "--stop"]
    user = use_redis(tmp_path)
    assert user.stdout is not None
    assert user.stdout.readline() == "started\n"
    server = psutil.Process(pid_in(Layout.of(tmp_path).redis_socket.parent / "redis.pid"))
    subprocess.run(stop, check=True, cwd=REPOSITORY, timeout=30)
    assert server.is_running()
    user.kill()
    user.communicate()
    subprocess.run(stop, check=True, cwd=REPOSITORY, timeout=30)
    assert not server.is_running()


def test_nothing_is_started_for_servers_elsewhere(tmp_path: Path) -> None:
    with Services(tmp_path / "absent", postgres=False, redis=False, log=lambda text: None) as services:
        assert services.ensure() == []
    assert not (tmp_path / "absent").exists()


def test_urls_start_nothing_and_stay_the_same(tmp_path: Path) -> None:
    urls = [embedded.redis_url(tmp_path), embedded.celery_url(tmp_path), embedded.postgres_url(tmp_path)]
    assert urls == [
        embedded.redis_url(tmp_path),
        embedded.celery_url(tmp_path),
        embedded.postgres_url(tmp_path),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["secrets"]


def test_a_long_data_dir_gets_short_sockets(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / ("x" * 120))
    for socket in (layout.redis_socket, layout.postgres_socket_dir / ".s.PGSQL.5432"):
        assert len(os.fsencode(socket)) <= SOCKET_PATH_MAX


def test_no_free_disk_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.embedded.MIN_FREE_BYTES", 2**62)
    with pytest.raises(EmbeddedError, match="MB are free on the disk of"):
        Services(tmp_path, postgres=True, redis=True, log=lambda text: None).start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_data_dir_is_said_in_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EmbeddedError, match="write permission"):
        Services(tmp_path / "data", postgres=True, redis=True, log=lambda text: None).start()


def test_a_data_dir_that_is_a_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(EmbeddedError, match="choose another folder with DATA_DIR"):
        Services(tmp_path / "data", postgres=True, redis=True, log=lambda text: None).start()


def test_a_cluster_of_another_version_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(EmbeddedError, match="written by PostgreSQL 16"):
        Services(tmp_path, postgres=True, redis=False, log=lambda text: None).start()


def test_no_redis_anywhere_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "SHIPPED", ())
    with pytest.raises(EmbeddedError, match="No Redis was found"):
        Services(tmp_path, postgres=False, redis=True, log=lambda text: None).start()


@pytest.mark.skipif(sys.platform != "linux", reason="syncfs is a call of Linux")
def test_after_a_crash_the_files_are_synced_in_one_call(services: Services, data_dir: Path) -> None:
    with connect(data_dir) as connection:
        assert connection.execute("SHOW recovery_init_sync_method").fetchone() == ("syncfs",)
