"""Where cameras, and others, may be looked for: schemes, ports and address ranges, and connecting there only.

A policy is an allow-list. Whatever it says, link-local, unspecified, multicast, broadcast and metadata-service
addresses are refused, also in the IPv6 forms that carry an IPv4 address (mapped, compatible, 6to4, NAT64, Teredo). A
name is resolved once, and the connection goes to an address that was checked: an answer that changes changes nothing.

`Refused` and `Unreachable` carry sentences for people: without credentials, and, where an address is not allowed,
without saying which address a name has; a Wording makes them fit what is looked for. No Django here: `cameras.allowed`
makes the policy of the settings.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from cameras.sources import Address

IP = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

USUAL_SCHEMES = ("rtsp", "rtsps", "http", "https")
USUAL_NETWORKS = ("private", "loopback", "public")


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


WORDS: dict[str, tuple[IPNetwork, ...]] = {
    # 100.64.0.0/10 is shared address space (RFC 6598), which overlay networks use between sites.
    "private": _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
    "loopback": _networks("127.0.0.0/8", "::1/128"),
}
_NEVER = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fe80::/10",
    "ff00::/8",
    # Metadata services of clouds that are not link-local.
    "100.100.100.200/32",
    "168.63.129.16/32",
    "192.0.0.192/32",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
)
_NAT64 = _networks("64:ff9b::/96", "64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


class PolicyError(ValueError):
    """The policy itself is not well formed: `setting` names its part, the message says what is allowed."""

    def __init__(self, part: str, value: str, allowed: str) -> None:
        super().__init__(f"{value!r} is not usable. Allowed: {allowed}.")
        self.part, self.value, self.allowed = part, value, allowed


class Refused(Exception):
    """The policy does not allow this address; the message is a sentence for people."""


class Unreachable(Exception):
    """Nothing answers there; the message is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How sentences speak of what is looked for: "where cameras may be", "the camera's own"."""

    one: str
    many: str
    settings: str  # the policy's settings are called so, in front of _SCHEMES, _PORTS and _NETWORKS
    listens: str  # what to check there when nothing listens


CAMERAS = Wording(one="camera", many="cameras", settings="CAMERA", listens="the camera's streaming is switched on")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPolicy:
    """What is allowed, in the words of the settings, so that it can be handed to another process as it is."""

    schemes: tuple[str, ...] = USUAL_SCHEMES
    ports: tuple[str, ...] = ("1-65535",)
    networks: tuple[str, ...] = USUAL_NETWORKS

    def __post_init__(self) -> None:
        for scheme in self.schemes:
            if scheme not in USUAL_SCHEMES:
                raise PolicyError("schemes", scheme, ", ".join(USUAL_SCHEMES))
        for text in self.ports:
            _port_range(text)
        for text in self.networks:
            _network(text)

    def check(self, address: Address) -> None:
        """Raises Refused where scheme or port are not allowed; what a name resolves to is checked by `resolve`."""
        if address.scheme not in self.schemes:
            raise Refused(
                f"Addresses with {address.scheme}:// are not allowed here. The setting CAMERA_SCHEMES says which."
            )
        self.check_port(address.port, CAMERAS)

    def check_port(self, port: int, wording: Wording) -> None:
        """Raises Refused where the port is not allowed."""
        if not any(port in _port_range(text) for text in self.ports):
            raise Refused(
                f"The port {port} is not one where {wording.many} are looked for. Use the {wording.one}'s own, or have "
                f"an administrator add it to the setting {wording.settings}_PORTS."
            )

    def allows(self, ip: IP) -> bool:
        """Whether anything may be looked for at this address."""
        forms = _forms(ip)
        if any(form in network for form in forms for network in _NEVER if form.version == network.version):
            return False
        return all(any(_is_in(form, text) for text in self.networks) for form in forms)


def resolve(policy: NetworkPolicy, address: Address, seconds: float) -> list[IP]:
    """The addresses that a camera's host has and the policy allows; raises Refused or Unreachable."""
    policy.check(address)
    return resolve_host(policy, address.host, address.port, seconds, CAMERAS)


def connect(policy: NetworkPolicy, address: Address, seconds: float) -> socket.socket:
    """A TCP connection to one of the allowed addresses of a camera's host; raises Refused or Unreachable."""
    policy.check(address)
    return connect_host(policy, address.host, address.port, seconds, CAMERAS)


def resolve_host(policy: NetworkPolicy, host: str, port: int, seconds: float, wording: Wording) -> list[IP]:
    """The addresses that the host has and the policy allows; raises Refused or Unreachable."""
    policy.check_port(port, wording)
    found = [_plain(ip) for ip in _look_up(host, port, seconds)]
    allowed = [ip for ip in found if policy.allows(ip)]
    if not allowed:
        raise Refused(
            f"{host} is not at an address which a {wording.one} may have here. Use the {wording.one}'s own. The "
            f"setting {wording.settings}_NETWORKS says where {wording.many} are looked for; link-local and metadata "
            "addresses never are."
        )
    return allowed


def connect_host(policy: NetworkPolicy, host: str, port: int, seconds: float, wording: Wording) -> socket.socket:
    """A TCP connection to one of the host's allowed addresses; raises Refused or Unreachable."""
    deadline = time.monotonic() + seconds
    addresses = resolve_host(policy, host, port, seconds, wording)[:4]
    refused = False
    for number, ip in enumerate(addresses):
        left = max(0.2, (deadline - time.monotonic()) / (len(addresses) - number))
        try:
            connection = socket.create_connection((str(ip), port), timeout=left)
        except ConnectionRefusedError:
            refused = True
        except OSError:
            continue
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    if refused:
        raise Unreachable(
            f"{host} is there, but nothing listens on its port {port}. Check the port, and that {wording.listens}."
        )
    raise Unreachable(f"{host} does not answer on port {port}. Check the address, the cable and the firewall.")


def _look_up(host: str, port: int, seconds: float) -> list[IP]:
    """Asks the resolver in a thread of its own, because it knows no time-out."""
    answers: list[list[IP]] = []
    unknown = Unreachable(f"The name {host} is not known in this network. Check how it is written.")

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            answers.append([])
        else:
            texts = dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found)
            answers.append([ipaddress.ip_address(text) for text in texts])

    asking = threading.Thread(target=ask, name="resolve", daemon=True)
    asking.start()
    asking.join(seconds)
    if not answers:
        raise Unreachable(
            f"The network's name service does not answer for {host}. Check the network, or give its number."
        )
    if not answers[0]:
        raise unknown
    return answers[0]


def _plain(ip: IP) -> IP:
    """The IPv4 address of a mapped one, which is what a connection to it reaches."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _forms(ip: IP) -> list[IP]:
    """The address and those that it carries inside."""
    ip = _plain(ip)
    if isinstance(ip, ipaddress.IPv4Address):
        return [ip]
    inside: list[IP] = [ip]
    if ip.sixtofour is not None:
        inside.append(ip.sixtofour)
    if ip.teredo is not None:
        inside.extend(ip.teredo)
    if any(ip in network for network in _NAT64) or (ip in _COMPATIBLE and int(ip) > 1):
        inside.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return inside


def _is_in(ip: IP, text: str) -> bool:
    if text == "public":
        return ip.is_global
    return any(ip.version == network.version and ip in network for network in _network(text))


def _network(text: str) -> tuple[IPNetwork, ...]:
    if text == "public":
        return ()
    if text in WORDS:
        return WORDS[text]
    try:
        return (ipaddress.ip_network(text, strict=False),)
    except ValueError:
        allowed = "private, loopback, public, or ranges such as 10.20.0.0/16 or fd12:3456::/48"
        raise PolicyError("networks", text, allowed) from None


def _port_range(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        low, high = int(first), int(last or first)
    except ValueError:
        low, high = 0, 0
    if not 1 <= low <= high <= 65535:
        raise PolicyError("ports", text, "ports from 1 to 65535, or ranges of them such as 8000-8999")
    return range(low, high + 1)


def policy_of(*, schemes: Iterable[str], ports: Iterable[str], networks: Iterable[str]) -> NetworkPolicy:
    """A policy from lists of texts; raises PolicyError."""
    return NetworkPolicy(
        schemes=tuple(text.lower() for text in schemes),
        ports=tuple(ports),
        networks=tuple(text.lower() for text in networks),
    )
