"""Where cameras may be looked for, in whatever form an address is written, and that a name is looked up once."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from cameras.allowed import camera_network
from cameras.network import NetworkPolicy, PolicyError, Refused, Unreachable, connect, policy_of, resolve
from cameras.sources import parse_address
from config.env import SettingError

ANYWHERE = NetworkPolicy()

NEVER = [
    "169.254.169.254",
    "169.254.0.1",
    "0.0.0.0",
    "0.1.2.3",
    "224.0.0.1",
    "239.255.255.250",
    "255.255.255.255",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "::",
    "fe80::1",
    "ff02::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
]
USUAL = [
    "127.0.0.1",
    "10.0.0.7",
    "172.16.3.4",
    "192.168.1.9",
    "100.64.0.9",
    "::1",
    "fd00::7",
    "8.8.8.8",
    "2606:4700::1",
]


@contextmanager
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("address", NEVER)
def test_addresses_where_no_camera_lives(address: str) -> None:
    assert not ANYWHERE.allows(ipaddress.ip_address(address))
    everything = NetworkPolicy(networks=("private", "loopback", "public", "0.0.0.0/0", "::/0"))
    assert not everything.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", USUAL)
def test_addresses_where_cameras_may_live(address: str) -> None:
    assert ANYWHERE.allows(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (("private",), ["10.1.2.3", "fd12::1", "::ffff:192.168.0.4"], ["127.0.0.1", "8.8.8.8", "::1", "2606:4700::1"]),
        (("loopback",), ["127.9.9.9", "::1", "::ffff:127.0.0.1"], ["10.1.2.3", "8.8.8.8"]),
        (("public",), ["8.8.8.8"], ["10.1.2.3", "127.0.0.1", "2002:a00:1::1", "64:ff9b::10.0.0.1", "203.0.113.9"]),
        (("10.20.0.0/16", "fd12:3456::/48"), ["10.20.9.1", "fd12:3456::9"], ["10.21.0.1", "fd12:3457::1", "8.8.8.8"]),
    ],
)
def test_words_and_ranges(networks: tuple[str, ...], inside: list[str], outside: list[str]) -> None:
    policy = NetworkPolicy(networks=networks)

    assert [text for text in inside if not policy.allows(ipaddress.ip_address(text))] == []
    assert [text for text in outside if policy.allows(ipaddress.ip_address(text))] == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "0xA9.254.0251.254",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:169.254.169.254]",
        "user:pass@169.254.169.254",
        "10.0.0.1@169.254.169.254",
    ],
)
def test_no_way_of_writing_an_address_gets_past(host: str) -> None:
    with pytest.raises(Refused) as refused:
        resolve(ANYWHERE, parse_address(f"http://{host}/latest/meta-data"), 5)

    assert "which a camera may have" in str(refused.value)
    assert "CAMERA_NETWORKS" in str(refused.value)


def test_schemes_and_ports() -> None:
    policy = NetworkPolicy(schemes=("rtsp",), ports=("554", "8000-8999"), networks=("loopback",))
    policy.check(parse_address("rtsp://127.0.0.1/live"))
    policy.check(parse_address("rtsp://127.0.0.1:8554/live"))

    with pytest.raises(Refused, match="CAMERA_SCHEMES"):
        policy.check(parse_address("http://127.0.0.1:8000/live"))
    for port in (22, 553, 555, 7999, 9000, 65535):
        with pytest.raises(Refused, match="CAMERA_PORTS"):
            policy.check(parse_address(f"rtsp://127.0.0.1:{port}/live"))


def test_a_refused_port_is_refused_before_the_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("it was looked up"))

    with pytest.raises(Refused):
        connect(NetworkPolicy(ports=("554",)), parse_address("rtsp://camera.example:22/"), 5)


def test_the_usual_settings() -> None:
    with override_settings(CAMERA_PORTS=["554", "8000-8999"], CAMERA_NETWORKS=["Private"], CAMERA_SCHEMES=["RTSP"]):
        policy = camera_network()

    assert policy == NetworkPolicy(ports=("554", "8000-8999"), networks=("private",), schemes=("rtsp",))


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("CAMERA_SCHEMES", "file", "rtsp"),
        ("CAMERA_PORTS", "0", "ports from 1 to 65535"),
        ("CAMERA_PORTS", "9000-80", "ports from 1 to 65535"),
        ("CAMERA_PORTS", "http", "ports from 1 to 65535"),
        ("CAMERA_NETWORKS", "lan", "private, loopback, public"),
        ("CAMERA_NETWORKS", "10.0.0.0/99", "private, loopback, public"),
    ],
)
def test_a_wrong_setting_is_named_with_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with override_settings(**{name: [value]}), pytest.raises(SettingError) as error:
        camera_network()

    assert name in str(error.value)
    assert allowed in str(error.value)


def test_a_policy_is_checked_when_it_is_made() -> None:
    with pytest.raises(PolicyError):
        policy_of(schemes=["rtsp"], ports=["80-"], networks=["private", "nowhere"])


def test_the_usual_ports_let_usual_cameras_in_and_services_of_a_machine_not() -> None:
    """The default is read where it is told to people: this run's own setting lets cameras of tests listen anywhere."""
    example = (Path(__file__).resolve().parents[2] / ".env.example").read_text()
    policy = NetworkPolicy(ports=tuple(example.split("# CAMERA_PORTS=")[1].split("\n")[0].split(",")))

    for port in (80, 443, 322, 554, 8080, 8554, 8443, 10554):
        policy.check(parse_address(f"http://10.0.0.7:{port}/"))
    for port in (21, 22, 25, 53, 111, 389, 445, 2375, 3306, 5432, 6379, 9200, 11211, 27017):
        with pytest.raises(Refused):
            policy.check(parse_address(f"http://10.0.0.7:{port}/"))


def test_the_usual_ports_are_told_as_they_are() -> None:
    root = Path(__file__).resolve().parents[2]
    code = "import config.settings as s; print(','.join(s.CAMERA_PORTS))"
    without = {name: value for name, value in os.environ.items() if name != "CAMERA_PORTS"}
    real = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=without, capture_output=True, text=True, check=True
    )

    assert f"# CAMERA_PORTS={real.stdout.strip()}\n" in (root / ".env.example").read_text()


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers differently the second time gets no second time."""
    answers = iter(["127.0.0.1", "169.254.169.254"])

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        address = host if host[0].isdigit() else next(answers)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with listening() as port:
        with connect(ANYWHERE, parse_address(f"http://camera.example:{port}/"), 5) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)
        with pytest.raises(Refused):
            connect(ANYWHERE, parse_address(f"http://camera.example:{port}/"), 5)


def test_of_several_addresses_only_allowed_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that announces itself by its name has a link-local address too."""
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1%eth0", 80, 0, 2))]
    found.append((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.9", 80)))  # type: ignore[arg-type]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)

    assert resolve(ANYWHERE, parse_address("http://camera.local/"), 5) == [ipaddress.ip_address("192.168.1.9")]


def test_the_refusal_does_not_say_which_address_a_name_has(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.99.88.77", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: answer)

    with pytest.raises(Refused) as refused:
        resolve(NetworkPolicy(networks=("public",)), parse_address("http://intranet.example/"), 5)
    assert "10.99" not in str(refused.value)


def test_nobody_there() -> None:
    with listening() as port:
        pass
    with pytest.raises(Unreachable, match="nothing listens on its port"):
        connect(ANYWHERE, parse_address(f"rtsp://127.0.0.1:{port}/"), 5)
    with pytest.raises(Unreachable, match="is not known in this network"):
        connect(ANYWHERE, parse_address("rtsp://camera.invalid/"), 5)


def test_a_name_service_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: release.wait(30) and [])

    with pytest.raises(Unreachable, match="name service does not answer"):
        resolve(ANYWHERE, parse_address("rtsp://camera.example/"), 0.2)
    release.set()
