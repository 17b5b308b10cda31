"""MQTT to a real mosquitto on loopback, watched by a subscriber as Home Assistant is one; and to brokers that fail."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from cryptography.hazmat.primitives import serialization
from paho.mqtt.enums import CallbackAPIVersion

from alerts.channels import mqtt
from alerts.channels.base import ConfigError, NotDelivered, sender
from alerts.channels.mqtt import SENDER
from alerts.models import Channel, Occasion
from alerts.tests.channels.servers import authority, facts, listening, message, names

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin")
needs_broker = pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto here (Debian's package mosquitto)")
NEAR = facts(camera_name="Gate", camera=3)


def config(port: int, **changes: str) -> dict[str, str]:
    usual = {
        "host": "127.0.0.1",
        "port": str(port),
        "tls": "no",
        "authority": "",
        "user": "",
        "password": "",
        "prefix": "lynceus",
        "discovery": "homeassistant",
        "client": "lynceus",
        "version": "5",
    }
    return usual | changes


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def broker(folder: Path, *settings: str) -> Iterator[int]:
    """A mosquitto with these lines of configuration."""
    assert MOSQUITTO is not None
    port = free_port()
    file = folder / "mosquitto.conf"
    file.write_text("\n".join([f"listener {port} 127.0.0.1", "persistence false", "user root", *settings, ""]))
    log = (folder / "mosquitto.log").open("w")
    running = subprocess.Popen([MOSQUITTO, "-c", str(file)], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert running.poll() is None, (folder / "mosquitto.log").read_text()
                time.sleep(0.05)
        yield port
    finally:
        running.terminate()
        running.wait(10)
        log.close()


@pytest.fixture
def open_broker(tmp_path: Path) -> Iterator[int]:
    with broker(tmp_path, "allow_anonymous true") as port:
        yield port


@dataclass
class Subscriber:
    """One that listens to everything, and what has come to it."""

    client: paho.Client
    came: list[paho.MQTTMessage] = field(default_factory=list)

    def topics(self) -> dict[str, Any]:
        return {each.topic: each.payload for each in self.came}

    def wait(self, topic: str) -> Any:
        """The payload of this topic, when it has come, as JSON."""
        for _ in range(200):
            if topic in self.topics():
                return json.loads(self.topics()[topic])
            time.sleep(0.025)
        raise AssertionError(f"nothing for {topic}; there was {list(self.topics())}")


@contextmanager
def subscriber(port: int) -> Iterator[Subscriber]:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    found = Subscriber(client=client)
    ready = threading.Event()

    def connected(*_: Any) -> None:
        client.subscribe("#", qos=1)

    client.on_connect = connected
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _c, _d, came: found.came.append(came)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert ready.wait(5)
        yield found
    finally:
        client.disconnect()
        client.loop_stop()


def test_it_is_the_channels_sender() -> None:
    assert sender(Channel.MQTT) is SENDER
    assert not SENDER.digests


@needs_broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_an_alert_goes_to_all_and_to_its_camera(open_broker: int, version: str) -> None:
    sent = message(facts=(NEAR,))
    with subscriber(open_broker) as home:
        assert SENDER.send(config(open_broker, version=version), sent) == ""

        found = home.wait("lynceus/cameras/3/alert")
        assert home.wait("lynceus/alerts") == found
        assert home.wait("lynceus/cameras/3/state") == {"last_alert_at": "2026-05-04T08:30:16.250Z", "severity": "high"}
    assert found["key"] == str(sent.key)
    assert found["event_type"] == "raised"
    assert found["who"] == "Ada Lovelace"
    assert found["alert"] == 41
    assert found["captured_at"] == "2026-05-04T08:30:15.250Z"
    assert {each.qos for each in home.came} == {1}


@needs_broker
def test_home_assistant_finds_the_camera(open_broker: int, settings: Any) -> None:
    settings.SITE_URL = "https://lynceus.example.org"
    with subscriber(open_broker) as home:
        SENDER.send(config(open_broker, prefix="site-1/lynceus"), message(facts=(NEAR,)))
        node = "site-1_lynceus_camera_3"
        event = home.wait(f"homeassistant/event/{node}/alert/config")
        sensor = home.wait(f"homeassistant/sensor/{node}/last_alert/config")
        alert = home.wait(event["state_topic"])
        state = home.wait(sensor["state_topic"])
        status = home.topics()[event["availability_topic"]]

    assert event["device"] == sensor["device"]
    assert event["device"]["name"] == "Gate"
    assert event["device"]["identifiers"] == [node]
    assert event["device"]["configuration_url"] == "https://lynceus.example.org"
    assert event["unique_id"] != sensor["unique_id"]
    assert alert["event_type"] in event["event_types"]
    assert set(Occasion.values) < set(event["event_types"])
    assert sensor["device_class"] == "timestamp"
    assert sensor["value_template"] == "{{ value_json.last_alert_at }}"
    assert "last_alert_at" in state
    assert status == b"online"


@needs_broker
def test_nothing_that_is_kept_is_an_alert_or_names_anybody(open_broker: int) -> None:
    """Who connects later, after a restart of Home Assistant say, gets nothing that an automation could act on."""
    SENDER.send(config(open_broker), message(facts=(NEAR,)))

    with subscriber(open_broker) as late:
        late.wait("lynceus/cameras/3/state")
        time.sleep(0.2)

    assert sorted(late.topics()) == [
        "homeassistant/event/lynceus_camera_3/alert/config",
        "homeassistant/sensor/lynceus_camera_3/last_alert/config",
        "lynceus/cameras/3/state",
        "lynceus/status",
    ]
    assert not any(b"Ada" in each.payload for each in late.came)
    assert not any("key" in each.payload.decode() for each in late.came)


@needs_broker
def test_every_attempt_has_the_same_key(open_broker: int) -> None:
    sent = message(facts=(NEAR,), key=uuid.uuid4())
    with subscriber(open_broker) as home:
        for _ in range(2):
            SENDER.send(config(open_broker), sent)
        home.wait("lynceus/alerts")

    keys = [json.loads(each.payload)["key"] for each in home.came if each.topic == "lynceus/alerts"]
    assert keys == [str(sent.key)] * 2


@needs_broker
def test_without_discovery_home_assistant_is_told_nothing(open_broker: int) -> None:
    with subscriber(open_broker) as home:
        SENDER.send(config(open_broker, discovery=""), message(facts=(NEAR,)))
        home.wait("lynceus/cameras/3/state")

    assert not [topic for topic in home.topics() if topic.startswith("homeassistant")]


@needs_broker
@pytest.mark.parametrize(
    "changes", [{"is_test": True}, {"is_test": True, "facts": ()}, {"facts": (facts(camera=None),)}]
)
def test_a_test_and_what_has_no_camera_go_to_all_only(open_broker: int, changes: dict[str, Any]) -> None:
    with subscriber(open_broker) as home:
        SENDER.send(config(open_broker), message(**changes))
        found = home.wait("lynceus/alerts")
        time.sleep(0.1)

    assert found["event_type"] == ("test" if "is_test" in changes else "raised")
    assert sorted(home.topics()) == ["lynceus/alerts", "lynceus/status"]


@needs_broker
def test_two_workers_do_not_throw_each_other_out(open_broker: int) -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(5):
                SENDER.send(config(open_broker), message(facts=(NEAR,), key=uuid.uuid4()))
        except NotDelivered as problem:
            failures.append(problem)

    with subscriber(open_broker) as home:
        workers = [threading.Thread(target=work) for _ in range(4)]
        for each in workers:
            each.start()
        for each in workers:
            each.join(30)
        time.sleep(0.3)

    assert failures == []
    assert len({json.loads(each.payload)["key"] for each in home.came if each.topic == "lynceus/alerts"}) == 20


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[int]:
    """One with a user, who may publish under lynceus/ only."""
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("no mosquitto_passwd here")
    subprocess.run([tool, "-b", "-c", str(passwords), "gate", "open sesame"], check=True, capture_output=True)
    rights.write_text("user gate\ntopic write lynceus/#\n")
    with broker(tmp_path, "allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}") as port:
        yield port


@needs_broker
def test_a_user_who_may_publish_the_alert_only_delivers_it(guarded_broker: int) -> None:
    given = config(guarded_broker, user="gate", password="open sesame")

    assert SENDER.send(given, message(facts=(NEAR,))) == ""


@needs_broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
@pytest.mark.parametrize(("user", "password"), [("gate", "wrong-one"), ("", "")])
def test_who_is_not_let_in_is_told_without_the_password(
    guarded_broker: int, version: str, user: str, password: str
) -> None:
    given = config(guarded_broker, user=user, password=password, version=version)

    with pytest.raises(NotDelivered, match="does not let us in") as told:
        SENDER.send(given, message())
    assert told.value.permanent
    assert "wrong-one" not in str(told.value)


@needs_broker
def test_a_topic_that_is_forbidden_is_told(guarded_broker: int) -> None:
    given = config(guarded_broker, user="gate", password="open sesame", prefix="elsewhere")

    with pytest.raises(NotDelivered, match=r"takes nothing for the topic elsewhere/alerts: Not authorized") as told:
        SENDER.send(given, message())
    assert told.value.permanent


@needs_broker
def test_over_tls_the_broker_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, broker=["127.0.0.1"])
    known = authority(tmp_path)
    known.server("broker.example")
    shown = next(path for path in tmp_path.glob("*.pem") if path != known.file)
    key = serialization.load_pem_private_key(shown.read_bytes(), None)
    (tmp_path / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    tls = (f"certfile {shown}", f"keyfile {tmp_path / 'key'}", f"cafile {known.file}")
    with broker(tmp_path, "allow_anonymous true", *tls) as port:
        given = config(port, tls="yes", host="broker.example", authority=known.file.read_text())
        assert SENDER.send(SENDER.clean(given), message(facts=(NEAR,))) == ""

        with pytest.raises(NotDelivered, match="is not trusted"):
            SENDER.send(given | {"host": "127.0.0.1"}, message())
        with pytest.raises(NotDelivered, match="is not trusted"):
            SENDER.send(given | {"authority": ""}, message())
        with pytest.raises(NotDelivered, match="broke off"):
            SENDER.send(given | {"tls": "no"}, message())


@needs_broker
def test_a_broker_that_speaks_no_tls_is_told(open_broker: int) -> None:
    with pytest.raises(NotDelivered, match="no secure connection on this port"):
        SENDER.send(config(open_broker, tls="yes"), message())


def test_no_broker_there() -> None:
    with pytest.raises(NotDelivered) as told:
        SENDER.send(config(free_port()), message())
    assert not told.value.permanent


def web_server(line: socket.socket, _: Any) -> None:
    line.recv(1000)
    line.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


def test_what_is_no_broker_is_told() -> None:
    with listening(web_server) as server:
        with pytest.raises(NotDelivered, match="no MQTT broker"):
            SENDER.send(config(server.port), message())
        assert server.connections == 1, "paho made a connection of its own, past the guard"


CONNECTED = {"5": b"\x20\x03\x00\x00\x00", "3.1.1": b"\x20\x02\x00\x00"}


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_acknowledges_nothing_does_not_keep_us(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "SEND_SECONDS", 0.4)
    over = threading.Event()

    def behave(line: socket.socket, _: Any) -> None:
        line.recv(1000)
        line.sendall(CONNECTED[version])
        over.wait(10)

    with listening(behave) as server:
        with pytest.raises(NotDelivered, match="in time") as told:
            SENDER.send(config(server.port, version=version), message())
        over.set()
    assert not told.value.permanent


def test_a_broker_that_never_answers_does_not_keep_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "SEND_SECONDS", 0.3)
    over = threading.Event()

    def behave(_: socket.socket, __: Any) -> None:
        over.wait(10)

    with listening(behave) as server:
        with pytest.raises(NotDelivered, match="in time"):
            SENDER.send(config(server.port), message())
        over.set()


def test_a_broker_that_is_busy_is_asked_again() -> None:
    def behave(line: socket.socket, _: Any) -> None:
        line.recv(1000)
        line.sendall(b"\x20\x03\x00\x89\x00")  # server busy

    with listening(behave) as server, pytest.raises(NotDelivered, match="has no room") as told:
        SENDER.send(config(server.port), message())
    assert not told.value.permanent


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "metadata.example"])
def test_addresses_that_are_not_allowed_are_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, metadata=["169.254.169.254"])

    with pytest.raises(NotDelivered):
        SENDER.send(config(1883, host=host), message())


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(web_server) as proxy:
        monkeypatch.setenv("mqtt_proxy", proxy.url())
        with pytest.raises(NotDelivered):
            SENDER.send(config(free_port()), message())
        assert proxy.connections == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", ""),
        ("host", "mqtt.example.org/x"),
        ("host", "169.254.169.254"),
        ("port", "99999"),
        ("tls", "maybe"),
        ("prefix", "a/#"),
        ("prefix", "+/a"),
        ("prefix", "$SYS"),
        ("prefix", "two words"),
        ("prefix", "/"),
        ("discovery", "home#"),
        ("client", ""),
        ("client", "a" * 15),
        ("version", "4"),
        ("authority", "no certificate"),
        ("user", "a\nb"),
    ],
)
def test_what_can_not_be_used_is_not_stored(field: str, value: str) -> None:
    with pytest.raises(ConfigError) as told:
        SENDER.clean(config(1883) | {field: value})
    assert told.value.field == field


def test_a_password_needs_a_user() -> None:
    with pytest.raises(ConfigError) as told:
        SENDER.clean(config(1883, password="secret"))
    assert told.value.field == "user"


def test_what_is_shown_has_no_password_and_changes_with_where_it_goes() -> None:
    given = SENDER.clean(config(1883, user="gate", password="hush-hush", prefix="/site/lynceus/"))

    assert SENDER.shown(given) == "mqtt://127.0.0.1:1883/site/lynceus"
    assert SENDER.shown(given | {"tls": "yes"}) == "mqtts://127.0.0.1:1883/site/lynceus"
