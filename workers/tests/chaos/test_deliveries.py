"""Thousands of messages on their way, and every process is killed at once, the servers among them; Redis is emptied.

Each message arrives. What arrives twice is what the killed worker had sent and not marked yet: its answer was lost,
and it came again under the same key.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from alerts import outbox, sending
from alerts.endpoints import add_endpoint
from alerts.models import Alert, Channel, Delivery, DeliveryState, Endpoint, Occasion, Rule, RuleStep, Severity, Trigger
from config import redis
from workers.tests.chaos.site import Site

COUNT = int(os.environ.get("LYNCEUS_CHAOS_DELIVERIES", "10000"))
PATIENCE = 120 + COUNT / 20


class Receiver:
    """A program that takes webhooks: when each key came, and about which alert."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.alerts: dict[str, set[int]] = defaultdict(set)
        self.count = 0
        self._lock = threading.Lock()

    def take(self, key: str, body: bytes) -> None:
        alert = int(json.loads(body)["facts"][0]["alert"])
        with self._lock:
            self.count += 1
            self.times[key].append(time.monotonic())
            self.alerts[key].add(alert)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """One that may send to this machine."""
    folder: Path = tmp_path_factory.mktemp("site")
    with django_db_blocker.unblock(), Site(folder, environment={"ALERT_NETWORKS": "loopback"}) as site:
        yield site


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    """The program, and where it is."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            found.take(self.headers["Idempotency-Key"], self.rfile.read(int(self.headers["Content-Length"])))
            with contextlib.suppress(OSError):  # who asked was killed
                self.send_response(204)
                self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield found, f"http://127.0.0.1:{server.server_port}/hook"
        server.shutdown()
        thread.join()


def write(place: Endpoint) -> None:
    """Many alerts at once, each with its delivery, as a rule asks for."""
    rule = Rule.objects.create(name=f"Everything {time.time_ns()}", trigger=Trigger.ABSENT)
    now = timezone.now()
    RuleStep.objects.create(rule=rule).endpoints.add(place)
    with transaction.atomic():
        made = Alert.objects.bulk_create(
            Alert(
                rule=rule,
                rule_name=rule.name,
                trigger=rule.trigger,
                severity=Severity.HIGH,
                captured_at=now,
                day=now.date(),
            )
            for _ in range(COUNT)
        )
        outbox.enqueue(made, Occasion.RAISED)
    outbox.kick()


def kill_everything(site: Site) -> None:
    """`kill -9` for every process of the site and all that they started."""
    victims = [*site.server("postgres"), *site.server("redis")]
    for process in site.processes.values():
        victims += [process, *process.children(recursive=True)]
    for victim in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            victim.kill()
    psutil.wait_procs(victims, timeout=30)
    site.processes.clear()
    connection.close()


def start_everything(site: Site) -> None:
    started = site.said("services").count("started in")
    site.start("services")
    site.until(lambda: site.said("services").count("started in") >= started + 2, "PostgreSQL and Redis are there again")
    redis.client().flushall()
    for name in ("web", "worker", "beat"):
        site.start(name)


def all_sent() -> bool:
    try:
        return not Delivery.objects.exclude(channel=Channel.LIVE).exclude(state=DeliveryState.SENT).exists()
    except DatabaseError:
        connection.close()
        return False


def test_every_message_arrives_though_everything_is_killed(site: Site, receiver: tuple[Receiver, str]) -> None:
    found, url = receiver
    place = add_endpoint(actor=None, channel=Channel.WEBHOOK, name="Program", given={"url": url}, user=None)
    write(place)
    site.until(lambda: found.count >= COUNT * 0.3, "a part has arrived", PATIENCE)

    kill_everything(site)
    time.sleep(1)  # what is in the sockets arrives
    killed = time.monotonic()
    before = found.count
    assert before < COUNT, "it was killed in the middle"
    start_everything(site)

    site.until(all_sent, "everything is sent", PATIENCE)
    keys = {str(pk) for pk in Delivery.objects.exclude(channel=Channel.LIVE).values_list("pk", flat=True)}
    assert len(keys) == COUNT
    assert set(found.times) == keys, "each has arrived"
    assert all(len(alerts) == 1 for alerts in found.alerts.values()), "a key stands for one message"
    assert Counter(alert for alerts in found.alerts.values() for alert in alerts).most_common(1)[0][1] == 1
    check_doubled([times for times in found.times.values() if len(times) > 1], killed)


def check_doubled(doubled: list[list[float]], killed: float) -> None:
    """Only what a place had on its way when everything was killed, and that was marked by nobody, came twice."""
    on_its_way = 2 * sending.A_PLACE * sending.A_BUNDLE  # sent, and sent and being marked
    assert len(doubled) <= on_its_way
    for times in doubled:
        first, *again = sorted(times)
        assert first < killed
        assert len(again) == 1
        assert again[0] > killed
