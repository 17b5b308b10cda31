"""The whole of `manage.py up` with a camera and an open page, through `kill -9` of what it stands on.

Whatever is killed, new alerts arrive again by themselves, and in the end the page was told of every committed alert
exactly once.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from benchmarks.page import OpenPage
from workers.tests import scenes
from workers.tests.scenes import EILEEN, Shot
from workers.tests.test_up import REPOSITORY, Running

HOST = "127.0.0.1"
PASSWORD = "a long password for tests"
NO_COOLDOWN = "from alerts.models import Rule; Rule.objects.update(cooldown_seconds=0)"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    data = tmp_path / "data"
    clip = scenes.clip(tmp_path / "comes-and-goes.mp4", Shot(seconds=1.5, people=(EILEEN,)), Shot(seconds=4))
    photo = tmp_path / "eileen.jpg"
    photo.write_bytes(scenes.photo(EILEEN).data)
    manage(data, "enroll", EILEEN, str(photo), "--watchlist", "Crew")
    manage(data, "shell", "-v0", "-c", NO_COOLDOWN)
    manage(data, "createsuperuser", "--noinput", "--username", "admin", "--email", "admin@example.org")
    manage(data, "add_camera", "Door", str(clip), "--loop")
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    started = Running(data, port)
    started.wait_for(started.says("Lynceus is ready"))
    yield started
    os.killpg(started.process.pid, signal.SIGINT)
    started.process.wait(60)
    for process in started.processes():
        process.kill()


def manage(data_dir: Path, *words: str) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "DATA_DIR": str(data_dir),
    }
    subprocess.run([sys.executable, "manage.py", *words], cwd=REPOSITORY, env=environment, check=True)


def sign_in(url: str) -> requests.Session:
    session = requests.Session()
    session.get(f"{url}/accounts/login/")
    form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": session.cookies["csrftoken"]}
    assert session.post(f"{url}/accounts/login/", form, headers={"Referer": url}).url == f"{url}/"
    return session


def committed(session: requests.Session, url: str) -> set[int]:
    answer = session.get(f"{url}/api/v1/alerts", params={"limit": 500})
    return {alert["id"] for alert in answer.json()["results"]}


def worker(running: Running) -> int:
    found = running.worker()
    assert found is not None, "an alert has just arrived, so somebody runs the camera"
    return found


def redis(running: Running) -> int:
    return int((running.data_dir / "run" / "redis" / "redis.pid").read_text())


def postgres(running: Running) -> int:
    return int((running.data_dir / "postgres" / "postmaster.pid").read_text().split()[0])


@pytest.mark.slow
def test_alerts_go_on_after_every_kill_and_each_arrives_once(running: Running) -> None:
    port = int(running.process.cmdline()[-1])
    url = f"http://{HOST}:{port}"
    session = sign_in(url)
    page = OpenPage(host=HOST, port=port, cookie="; ".join(f"{c.name}={c.value}" for c in session.cookies))
    page.start()
    try:
        running.wait_for(lambda: page.told)
        for victim in (worker, redis, postgres):
            before = committed(session, url)
            os.kill(victim(running), signal.SIGKILL)
            running.wait_for(lambda before=before: max(page.told) > max(before))  # type: ignore[misc]
        known = committed(session, url)
        running.wait_for(lambda: known <= set(page.told))
    finally:
        page.stop()
    assert set(page.times.values()) == {1}, page.times
    assert sorted(page.told) == list(page.told), "alerts arrive in the order of their commits"
