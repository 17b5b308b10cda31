"""Going out to addresses that people gave, without being turned against the house (server-side request forgery).

A name is looked up once and the connection goes to an address that ALERT_NETWORKS and ALERT_PORTS allow, never to a
link-local or metadata one (`cameras.network`). Certificates are always verified, against the system's authorities
(OpenSSL's SSL_CERT_FILE and SSL_CERT_DIR name others). Redirects are not followed, proxies of the environment are not
used, and one deadline holds for all of it: looking up, connecting, TLS, sending, and the answer, however it trickles.

Everything that goes wrong is a NotDelivered; what an address may not be, a NotAllowed, when it is entered.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.utils import timezone

from alerts.channels.base import SEND_SECONDS, NotDelivered
from cameras.network import (
    IP,
    NetworkPolicy,
    PolicyError,
    Refused,
    Unreachable,
    Wording,
    connect_host,
    policy_of,
    resolve_host,
)
from cameras.sources import DEFAULT_PORTS, Address
from config.env import SettingError

MOST: Final = 64 * 1024  # of an answer's body; nobody has more to say that matters
RETRY_MOST: Final = 24 * 3600.0  # who asks for a longer pause is asked again after a day
LONGEST: Final = 2000
RECEIVERS: Final = Wording(one="receiver", many="receivers", settings="ALERT", listens="the service is running there")


class NotAllowed(ValueError):
    """The address can not be used; the message is a sentence for people, without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: names of headers in lower case, the body as far as it came and no longer than was asked for."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


def network() -> NetworkPolicy:
    """The policy of ALERT_NETWORKS and ALERT_PORTS; raises SettingError where one can not be used."""
    return _policy(tuple(settings.ALERT_PORTS), tuple(settings.ALERT_NETWORKS))


def parse(url: str) -> Address:
    """An http(s) address in its parts, at a place that is allowed as far as its name tells; raises NotAllowed."""
    address = split(url)
    check(address.host, address.port)
    return address


def split(url: str) -> Address:
    """An http(s) address in its parts, wherever it leads; raises NotAllowed where it is not well formed."""
    url = url.strip()
    if not url or len(url) > LONGEST or any(ord(character) <= 32 or ord(character) == 127 for character in url):
        raise NotAllowed("The address is empty, too long, or has spaces or characters that no address has.")
    try:
        parts = urlsplit(url)
        scheme, port = parts.scheme.lower(), parts.port
        host = _ascii_host(parts.hostname or "")
    except ValueError:
        raise NotAllowed(_MALFORMED) from None
    if scheme not in ("http", "https"):
        raise NotAllowed("The address must start with https:// (or http:// inside a network that you trust).")
    if port == 0 or not host:
        raise NotAllowed(_MALFORMED)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(
        scheme=scheme,
        host=host,
        port=port or DEFAULT_PORTS[scheme],
        target="".join(c if c.isascii() else "".join(f"%{byte:02X}" for byte in c.encode()) for c in target),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


_MALFORMED = "The address is not well formed. It looks like https://host.example.org/path, or https://host:8443/path."


def check(host: str, port: int) -> None:
    """Raises NotAllowed where port or number are not allowed; a name shows what it is only when it is looked up."""
    policy = network()
    number = _number(host)
    try:
        policy.check_port(port, RECEIVERS)
        if number is not None:
            resolve_host(policy, str(number), port, SEND_SECONDS, RECEIVERS)
    except (Refused, Unreachable) as problem:
        raise NotAllowed(str(problem)) from None


def resolve(host: str, port: int, seconds: float = SEND_SECONDS) -> list[IP]:
    """The allowed addresses of a host, for who can not take a connection that was made; raises NotDelivered."""
    with _as_not_delivered(host):
        return resolve_host(network(), host, port, seconds, RECEIVERS)


def connect(host: str, port: int, seconds: float = SEND_SECONDS) -> socket.socket:
    """A TCP connection to an allowed address of the host, with a time-out on every wait; raises NotDelivered."""
    with _as_not_delivered(host):
        connection = connect_host(network(), host, port, seconds, RECEIVERS)
    connection.settimeout(seconds)
    return connection


def secured(connection: socket.socket, host: str, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """TLS over a connection, verified for that host; raises NotDelivered, and closes the connection then."""
    try:
        return (context or tls()).wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as problem:
        connection.close()
        raise NotDelivered(not_trusted(host, problem)) from None
    except TimeoutError:
        connection.close()
        raise NotDelivered(f"{host} does not answer the call for a secure connection. Try again later.") from None
    except (OSError, ValueError):
        connection.close()
        raise NotDelivered(
            f"{host} makes no secure connection on this port. Check the port, and that TLS 1.2 or newer is spoken."
        ) from None


def tls() -> ssl.SSLContext:
    """What verifies certificates: one for all connections, because the authorities' list is long."""
    paths = ssl.get_default_verify_paths()
    return _context(paths.cafile, paths.capath)


def not_trusted(host: str, problem: ssl.SSLCertVerificationError) -> str:
    why = (problem.verify_message or "it can not be verified").rstrip(".")
    return (
        f"The certificate of {host} is not trusted: {why}. Have one issued for this name by an authority that this "
        "machine trusts."
    )


@contextlib.contextmanager
def cut_after(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Ends a plain connection, whatever is made of it by then (TLS too), after so many seconds; the event says so.

    A time-out holds for each wait alone, and who sends a byte before each runs out would keep us for ever.
    """
    other = connection.dup()  # stays what it is when the connection is wrapped or closed
    late = threading.Event()

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, seconds), cut)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
        timer.join()
        other.close()


def post(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float = SEND_SECONDS,
    most: int = MOST,
    method: str = "POST",
) -> Answer:
    """Sends one request and returns the answer, whatever its status but a redirect; raises NotDelivered.

    Who has sent a status has answered, however the rest comes: after a yes, another attempt would make it twice.
    Credentials in the address go into an Authorization header, if there is none.
    """
    deadline = time.monotonic() + seconds
    try:
        address = parse(url)
    except NotAllowed as problem:
        raise NotDelivered(str(problem), permanent=True) from None
    sent = _headers(address, headers, len(body))
    connection = connect(address.host, address.port, seconds)
    with contextlib.closing(connection), cut_after(connection, deadline - time.monotonic()) as late:
        try:
            answer = _exchange(address, connection, method, sent, body, most)
        except NotDelivered:
            if late.is_set():
                raise _silent(address, seconds) from None
            raise
        except (OSError, ValueError, http.client.HTTPException) as problem:
            if late.is_set() or isinstance(problem, TimeoutError):
                raise _silent(address, seconds) from None
            raise _broken(address, problem) from None
    if 300 <= answer.status < 400:
        raise NotDelivered(
            f"{address.host} answers with a redirect ({answer.status}). Redirects are not followed, because they may "
            "lead anywhere: give the address where it ends.",
            permanent=answer.status in (301, 308),
        )
    return answer


def refusal(answer: Answer, host: str) -> NotDelivered:
    """What an answer other than success means: which ones a later attempt may change."""
    pause = retry_after(answer)
    status = answer.status
    if status == 410:
        why = f"{host} says that this address is gone (410). Remove it, or give a new one."
        return NotDelivered(why, permanent=True)
    if status == 429:
        return NotDelivered(f"{host} takes no more for the moment (429). It is tried again later.", retry_after=pause)
    if status in (401, 403, 407):
        why = f"{host} does not let us in ({status}). Check the user name, the password or the token."
        return NotDelivered(why, permanent=True)
    if 400 <= status < 500 and status not in (408, 409, 425):
        why = f"{host} refuses the message ({status}). Check the address, and what the service expects there."
        return NotDelivered(why, permanent=True)
    why = f"{host} answers that something is wrong there ({status}). It is tried again later."
    return NotDelivered(why, retry_after=pause)


def retry_after(answer: Answer) -> float | None:
    """The seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3); None without one."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), RETRY_MOST)
    try:
        when = email.utils.parsedate_to_datetime(text)
        left = (when - timezone.now()).total_seconds()
    except (TypeError, ValueError, OverflowError):  # nothing, no date, or one without a time zone
        return None
    return min(max(left, 0.0), RETRY_MOST)


def _exchange(
    address: Address, connection: socket.socket, method: str, headers: Mapping[str, str], body: bytes, most: int
) -> Answer:
    line = secured(connection, address.host) if address.scheme == "https" else connection
    with contextlib.closing(line):
        client = http.client.HTTPConnection(address.host, address.port)
        client.sock, client.auto_open = line, 0  # it never connects by itself
        client.putrequest(method, address.target, skip_host=True, skip_accept_encoding=True)
        for name, text in headers.items():
            client.putheader(name, text)
        # Who refuses early, a picture that is too large, says so and closes before everything is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            client.endheaders(body or None)
        with contextlib.closing(client.getresponse()) as answer:
            found = {name.lower(): text for name, text in reversed(answer.headers.items())}
            return Answer(status=answer.status, headers=found, body=_body(answer, most))


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    """What comes of the body. The status was read already, and holds, also where the body breaks off or never ends."""
    found = bytearray()
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        while len(found) < most and (piece := answer.read1(most - len(found))):
            found += piece
    return bytes(found)


def _headers(address: Address, given: Mapping[str, str], length: int) -> dict[str, str]:
    headers = {"Host": address.named, "User-Agent": "Lynceus", "Accept": "*/*", "Connection": "close"}
    headers |= {"Content-Length": str(length)}
    if (address.user or address.password) and "authorization" not in {name.lower() for name in given}:
        headers["Authorization"] = basic(address.user, address.password)
    headers |= given
    for name, text in headers.items():
        if any(not " " <= character <= "~" for character in name + text):
            raise NotDelivered(f"The header {name!r} has characters that no header has. Change it.", permanent=True)
    return headers


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _silent(address: Address, seconds: float) -> NotDelivered:
    return NotDelivered(
        f"{address.host} did not answer within {seconds:g} seconds. It is tried again later; check that the service is "
        "running and quick."
    )


def _broken(address: Address, problem: Exception) -> NotDelivered:
    if isinstance(problem, OSError):  # http.client.RemoteDisconnected is one too
        return NotDelivered(f"{address.host} broke off the connection before it answered. It is tried again later.")
    return NotDelivered(f"What answers at {address.host} is no web service. Check the address and the port.")


@contextlib.contextmanager
def _as_not_delivered(host: str) -> Iterator[None]:
    try:
        yield
    except Refused as problem:
        # The answer of a name service may be another tomorrow; a number stays what it is.
        raise NotDelivered(str(problem), permanent=_number(host) is not None) from None
    except Unreachable as problem:
        raise NotDelivered(str(problem)) from None


def _number(host: str) -> IP | None:
    """The address that a host is written as, in the old forms too (0x7f.1); None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def _ascii_host(host: str) -> str:
    """The name as it goes into requests and certificates; raises ValueError."""
    found = host.encode("idna").decode("ascii").lower().rstrip(".") if not host.isascii() else host.rstrip(".")
    if not all(character.isalnum() or character in "-._:" for character in found):
        raise ValueError
    return found


@lru_cache(maxsize=4)
def _context(cafile: str | None, capath: str | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=cafile, capath=capath)


@lru_cache(maxsize=8)
def _policy(ports: tuple[str, ...], networks: tuple[str, ...]) -> NetworkPolicy:
    try:
        return policy_of(schemes=("http", "https"), ports=ports, networks=networks)
    except PolicyError as error:
        raise SettingError(f"ALERT_{error.part.upper()}", error.value, error.allowed) from None
