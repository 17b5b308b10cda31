"""MQTT, with Home Assistant's discovery.

`<prefix>/alerts` and `<prefix>/cameras/<id>/alert` get each alert as JSON, once, at QoS 1 and never retained: what a
broker keeps comes again to whoever connects, and a stale match that opens a door is worse than one that is missed.
What is retained says when a camera's last alert was, and nothing about whom. `key` is the same with every attempt.

The event entities of Home Assistant listen to the first, its "last alert" sensors read the second. One connection a
message, with a client name of its own: two workers that share one would throw each other out.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import paho.mqtt.client as paho
from django.conf import settings
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from alerts.channels import guard, inputs
from alerts.channels.base import SEND_SECONDS, Config, ConfigError, Facts, Field, Message, NotDelivered, Sender
from alerts.channels.records import Value, dumped, moment, record
from alerts.models import Channel, Occasion

_log = logging.getLogger(__name__)
_TOPIC: Final = re.compile(r"[^\s+#$/\x00-\x1f\x7f][^\s+#\x00-\x1f\x7f]{0,99}")
_KEEPALIVE: Final = 60
_WAIT: Final = 0.25
_TEST: Final = "test"  # an event of its own: no automation takes it for somebody at the door
_BUSY: Final = frozenset({"Server unavailable", "Server busy", "Quota exceeded", "Connection rate exceeded"})

HOST = Field(name="host", label="Broker", help="A name or a number, such as mqtt.example.org.")
PORT = Field(name="port", label="Port", default="8883", help="Usually 8883 with TLS, else 1883.")
TLS = Field(
    name="tls",
    label="Connection",
    choices=(("yes", "Encrypted (TLS)"), ("no", "Not encrypted")),
    default="yes",
    help="Not encrypted: everybody on the way reads who was seen, and the password.",
)
AUTHORITY = Field(
    name="authority",
    label="Certificate authority",
    required=False,
    long=True,
    help="With TLS: who issued the broker's certificate, as PEM. Empty: the authorities that this machine trusts.",
)
USER = Field(name="user", label="User name", required=False)
PASSWORD = Field(name="password", label="Password", required=False, secret=True)
PREFIX = Field(name="prefix", label="Topic prefix", default="lynceus", help="Alerts go to <prefix>/alerts.")
DISCOVERY = Field(
    name="discovery",
    label="Discovery prefix",
    required=False,
    help="Of Home Assistant, usually homeassistant. Empty: Home Assistant is told nothing.",
)
CLIENT = Field(
    name="client", label="Client name", default="lynceus", help="What brokers call it; each connection adds a number."
)
VERSION = Field(
    name="version",
    label="Version",
    choices=(("5", "MQTT 5"), ("3.1.1", "MQTT 3.1.1")),
    default="5",
    help="Older brokers know 3.1.1 only, and do not say when a topic is forbidden.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Publication:
    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False


class MqttSender(Sender):
    channel = Channel.MQTT
    digests = False
    templated = False
    fields = (HOST, PORT, TLS, AUTHORITY, USER, PASSWORD, PREFIX, DISCOVERY, CLIENT, VERSION)

    def clean(self, given: Config) -> dict[str, str]:
        host, port = inputs.receiver(given, HOST, PORT)
        user, password = inputs.text(given, USER, most=200), given.get(PASSWORD.name, "")
        if password and not user:
            raise ConfigError(USER.name, "There is a password without a user name. Give both, or none.")
        return {
            HOST.name: host,
            PORT.name: port,
            TLS.name: inputs.choice(given, TLS),
            AUTHORITY.name: inputs.authority(given, AUTHORITY),
            USER.name: user,
            PASSWORD.name: password,
            PREFIX.name: _topic(given, PREFIX),
            DISCOVERY.name: _topic(given, DISCOVERY),
            CLIENT.name: inputs.text(given, CLIENT, most=14),
            VERSION.name: inputs.choice(given, VERSION),
        }

    def shown(self, config: Config) -> str:
        host = f"[{config[HOST.name]}]" if ":" in config[HOST.name] else config[HOST.name]
        scheme = "mqtts" if config[TLS.name] == "yes" else "mqtt"
        own = inputs.named(config[AUTHORITY.name]) if config[TLS.name] == "yes" else ""
        return f"{scheme}://{host}:{config[PORT.name]}/{config[PREFIX.name]}{own}"

    def send(self, config: Config, message: Message) -> str:
        deadline = time.monotonic() + SEND_SECONDS
        facts = message.facts[-1] if message.facts else None
        of_camera = facts is not None and facts.camera is not None and not message.is_test
        with _Session(config, deadline) as session:
            session.publish([_Publication(topic=_status(config), payload=b"online", retain=True)])
            if facts is not None and of_camera and config[DISCOVERY.name]:
                session.publish(_entities(config, facts))
            session.publish(_alerts(config, message, facts if of_camera else None), needed=True)
            if facts is not None and of_camera:
                session.publish([_state(config, facts)])
        return ""


class _Client(paho.Client):
    """Paho's client over a connection that is made already: to a checked address, and secured."""

    def __init__(self, connection: socket.socket, **options: Any) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, reconnect_on_failure=False, **options)
        self._connection = connection

    def _create_socket(self) -> socket.socket:
        return self._connection


class _Session:
    """One connection to the broker, run by the thread that sends; everything ends at the deadline."""

    def __init__(self, config: Config, deadline: float) -> None:
        self._config, self._deadline = config, deadline
        self._host = config[HOST.name]
        self._answer: ReasonCode | None = None
        self._refused: dict[int, str] = {}
        self._open: set[int] = set()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> _Session:
        with self._stack:
            self._connect()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._client.disconnect()
            self._client.loop(_WAIT)
        self._stack.close()

    def publish(self, publications: list[_Publication], *, needed: bool = False) -> None:
        """Publishes all, and waits until the broker has each; raises NotDelivered, of refusals where it is needed."""
        topics: dict[int, str] = {}
        for each in publications:
            told = self._client.publish(each.topic, each.payload, qos=1, retain=each.retain)
            if told.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_QUEUE_SIZE):
                raise self._broken()
            topics[told.mid] = each.topic
            self._open.add(told.mid)
        while self._open:
            self._step()
        refused = {topic: self._refused[mid] for mid, topic in topics.items() if mid in self._refused}
        for topic, why in refused.items():
            if needed:
                raise NotDelivered(
                    f"The broker at {self._host} takes nothing for the topic {topic}: {why}. Allow the user to publish "
                    "there, or change the topic prefix.",
                    permanent=why not in _BUSY,
                )
            _log.warning("The broker at %s takes nothing for the topic %s: %s.", self._host, topic, why)

    def _connect(self) -> None:
        config, is_five = self._config, self._config[VERSION.name] == "5"
        connection = self._stack.enter_context(contextlib.closing(guard.connect(self._host, int(config[PORT.name]))))
        self._stack.enter_context(guard.cut_after(connection, self._left() + _WAIT))
        if config[TLS.name] == "yes":
            secured = guard.secured(connection, self._host, inputs.trusting(config[AUTHORITY.name]))
            connection = self._stack.enter_context(contextlib.closing(secured))
        self._client = _Client(
            connection,
            client_id=f"{config[CLIENT.name]}-{secrets.token_hex(4)}",
            protocol=paho.MQTTv5 if is_five else paho.MQTTv311,
            clean_session=None if is_five else True,
        )
        if config[USER.name]:
            self._client.username_pw_set(config[USER.name], config[PASSWORD.name] or None)
        # Where a message broke off, its receivers may have missed it: the next one that arrives says "online" again.
        self._client.will_set(_status(config), b"offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish
        with self._reasons():
            self._client.connect(self._host, int(config[PORT.name]), _KEEPALIVE)
        while self._answer is None:
            self._step()
        if self._answer.is_failure:
            raise self._not_let_in(str(self._answer))

    def _on_connect(self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _more: object) -> None:
        self._answer = code

    def _on_publish(self, _client: paho.Client, _data: object, mid: int, code: ReasonCode, _more: object) -> None:
        self._open.discard(mid)
        if code.is_failure:
            self._refused[mid] = str(code)

    def _step(self) -> None:
        """Lets what there is come and go; raises NotDelivered when the deadline is over or the connection is."""
        if self._left() <= 0:
            raise NotDelivered(f"The broker at {self._host} did not take the message in time. It is tried again later.")
        with self._reasons():
            result = self._client.loop(max(0.01, min(_WAIT, self._left())))
        if result != MQTTErrorCode.MQTT_ERR_SUCCESS and (self._answer is None or not self._answer.is_failure):
            raise self._broken()

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    @contextlib.contextmanager
    def _reasons(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # ValueError: packets that are none
            raise self._broken() from None

    def _broken(self) -> NotDelivered:
        return NotDelivered(
            f"The broker at {self._host} broke off the connection, or is no MQTT broker. Check the port, whether it "
            "expects TLS, and the version. It is tried again later."
        )

    def _not_let_in(self, why: str) -> NotDelivered:
        if why in _BUSY:
            return NotDelivered(f"The broker at {self._host} has no room now ({why}). It is tried again later.")
        return NotDelivered(
            f"The broker at {self._host} does not let us in ({why}). Check user name, password and version.",
            permanent=True,
        )


def _status(config: Config) -> str:
    return f"{config[PREFIX.name]}/status"


def _camera(config: Config, facts: Facts) -> str:
    """By its number: a camera that gets another name stays where automations listen."""
    return f"{config[PREFIX.name]}/cameras/{facts.camera}"


def _alerts(config: Config, message: Message, facts: Facts | None) -> list[_Publication]:
    kind = _TEST if message.is_test else message.occasion.value
    payload = dumped({"event_type": kind, **record(message)})
    topics = [f"{config[PREFIX.name]}/alerts"] + ([f"{_camera(config, facts)}/alert"] if facts else [])
    return [_Publication(topic=topic, payload=payload) for topic in topics]


def _state(config: Config, facts: Facts) -> _Publication:
    found: dict[str, Value] = {"last_alert_at": moment(facts.raised_at), "severity": facts.severity.value}
    return _Publication(topic=f"{_camera(config, facts)}/state", payload=dumped(found), retain=True)


def _entities(config: Config, facts: Facts) -> list[_Publication]:
    """What makes Home Assistant show a camera as a device, with an event for its alerts and when the last one was."""
    node = re.sub(r"[^A-Za-z0-9_-]", "_", f"{config[PREFIX.name]}_camera_{facts.camera}")
    shared: dict[str, object] = {
        "availability_topic": _status(config),
        "device": {
            "identifiers": [node],
            "name": facts.camera_name or f"Camera {facts.camera}",
            "manufacturer": "Lynceus",
            "model": "Camera",
            "configuration_url": settings.SITE_URL,
        },
        "origin": {"name": "Lynceus", "support_url": settings.SITE_URL},
    }
    event: dict[str, object] = {
        "name": "Alert",
        "unique_id": f"{node}_alert",
        "state_topic": f"{_camera(config, facts)}/alert",
        "event_types": [*Occasion.values, _TEST],
        "icon": "mdi:face-recognition",
    }
    sensor: dict[str, object] = {
        "name": "Last alert",
        "unique_id": f"{node}_last_alert",
        "state_topic": f"{_camera(config, facts)}/state",
        "value_template": "{{ value_json.last_alert_at }}",
        "device_class": "timestamp",
    }
    found = {f"event/{node}/alert": event, f"sensor/{node}/last_alert": sensor}
    return [
        _Publication(
            topic=f"{config[DISCOVERY.name]}/{place}/config", payload=json.dumps(entity | shared).encode(), retain=True
        )
        for place, entity in found.items()
    ]


def _topic(given: Config, asked: Field) -> str:
    value = inputs.text(given, asked, most=100).strip("/")
    if value and not _TOPIC.fullmatch(value):
        raise ConfigError(
            asked.name, f"{asked.label} must be a topic without spaces, + and #, such as {asked.name}/site-1."
        )
    if not value and asked.required:
        raise ConfigError(asked.name, f"{asked.label} is missing. Fill it in.")
    return value


SENDER = MqttSender()
