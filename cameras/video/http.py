"""HTTP for cameras: every connection goes to a checked address, every wait has an end, every redirect is looked at.

FFmpeg's own HTTP client is not used: it follows redirects and playlists to wherever they point. Bodies are handed on as
file-like objects of bytes. Errors are SourceFailed with a sentence for people.

Certificates are verified on public addresses. On private and loopback ones any is accepted, and old TLS too, because
cameras sign their own and are hardly ever updated.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import ipaddress
import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from cameras.network import Refused, Unreachable, connect
from cameras.sources import Address, SourceError, parse_address
from cameras.video import reasons
from cameras.video.login import Login
from cameras.video.types import CaptureOptions, SourceFailed

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HOPS_MOST = 5
_CHUNK = 65536
_BYTES_PER_SECOND_LEAST = 64  # no video is that slow; who sends less keeps us waiting for nothing


class Line:
    """A socket whose every wait is limited: by `seconds`, and until `opened` by a deadline for all of them together."""

    def __init__(self, connection: socket.socket, *, seconds: float, deadline: float) -> None:
        self._socket = connection
        self._seconds = seconds
        self._deadline: float | None = deadline

    def opened(self) -> None:
        self._deadline = None

    def limit(self) -> None:
        left = self._seconds if self._deadline is None else min(self._seconds, self._deadline - time.monotonic())
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def sendall(self, data: bytes) -> None:
        self.limit()
        self._socket.sendall(data)

    def receive_into(self, buffer: Buffer) -> int:
        self.limit()
        return self._socket.recv_into(buffer)

    def makefile(self, mode: str) -> io.BufferedReader:
        if mode != "rb":
            raise ValueError(f"lines are only read here, not opened as {mode}")
        return io.BufferedReader(_Raw(self), _CHUNK)

    def close(self) -> None:
        """Nothing: http.client closes as soon as it knows the body's end; the body says when it is read."""

    def end(self) -> None:
        """Closes it; for the thread that reads, because the number of a closed socket is given to others."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Raw(io.RawIOBase):
    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer) -> int:
        return self._line.receive_into(buffer)


class Body:
    """The body of an answer, read as it comes. `address`: where it came from in the end; `kind`: its media type."""

    def __init__(self, address: Address, answer: http.client.HTTPResponse, line: Line, seconds: float) -> None:
        self.address = address
        self.kind = (answer.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        self.length: int | None = answer.length  # None where it goes on until the connection ends
        self._answer = answer
        self._line = line
        self._seconds = seconds
        self._came = 0
        self._since = time.monotonic()

    def read(self, size: int = _CHUNK, /) -> bytes:
        """What has come, `size` bytes at most; b"" at the end."""
        try:
            found = self._answer.read1(min(size, _CHUNK) if size >= 0 else _CHUNK)
        except TimeoutError:
            raise reasons.silent(self.address, self._seconds) from None
        except (OSError, ValueError, http.client.HTTPException):
            raise reasons.broke_off(self.address) from None
        self._came += len(found)
        now = time.monotonic()
        if now - self._since > self._seconds:
            if found and self._came < self._seconds * _BYTES_PER_SECOND_LEAST:
                raise reasons.silent(self.address, self._seconds)
            self._came, self._since = 0, now
        return found

    def close(self) -> None:
        self._line.end()


class Client:
    """Asks for resources as one camera's viewer: signs in where asked, at that camera only."""

    def __init__(self, home: Address, options: CaptureOptions) -> None:
        self._home = home
        self._options = options
        self._login = Login(user=home.user, password=home.password) if home.user or home.password else None

    def get(self, address: Address) -> Body:
        """The resource's body, where it is in the end: at most five redirects are followed."""
        deadline = time.monotonic() + self._options.open_seconds
        for _ in range(_HOPS_MOST + 1):
            answer, line = self._ask_signed_in(address, deadline)
            if answer.status in (301, 302, 303, 307, 308) and (where := answer.headers.get("Location")):
                line.end()
                address = _hop(address, where)
                continue
            if answer.status != 200:
                line.end()
                raise self._why(address, answer)
            line.opened()
            return Body(address, answer, line, self._options.read_seconds)
        raise reasons.too_many_hops(self._home)

    def fetch(self, address: Address, *, most: int) -> tuple[bytes, Address]:
        """A whole resource of at most `most` bytes, and where it came from in the end."""
        body = self.get(address)
        found = bytearray()
        deadline = time.monotonic() + self._options.read_seconds
        try:
            while piece := body.read():
                found += piece
                if len(found) > most:
                    raise reasons.no_video(body.address, f"more than {most // 2**20} MB at once")
                if time.monotonic() > deadline:
                    raise reasons.silent(body.address, self._options.read_seconds)
        finally:
            body.close()
        return bytes(found), body.address

    def _ask_signed_in(self, address: Address, deadline: float) -> tuple[http.client.HTTPResponse, Line]:
        answer, line = self._ask(address, deadline)
        login = self._login_for(address)
        if answer.status == 401 and login and login.learn(answer.headers.get_all("WWW-Authenticate", [])):
            line.end()
            answer, line = self._ask(address, deadline)
        return answer, line

    def _ask(self, address: Address, deadline: float) -> tuple[http.client.HTTPResponse, Line]:
        line = self._dial(address, deadline)
        connection = http.client.HTTPConnection(address.host, address.port)
        connection.sock = line  # it has all that http.client uses of a socket
        headers = {"Host": address.named, "User-Agent": "Lynceus", "Accept": "*/*", "Connection": "close"}
        if (login := self._login_for(address)) and (value := login.header("GET", address.target)):
            headers["Authorization"] = value
        try:
            connection.putrequest("GET", address.target, skip_host=True, skip_accept_encoding=True)
            for name, text in headers.items():
                connection.putheader(name, text)
            connection.endheaders()
            return connection.getresponse(), line
        except TimeoutError:
            line.end()
            raise reasons.silent(address, self._options.open_seconds) from None
        except (http.client.RemoteDisconnected, OSError):
            line.end()
            raise reasons.broke_off(address) from None
        except (http.client.HTTPException, ValueError):
            line.end()
            raise reasons.other_protocol(address) from None

    def _dial(self, address: Address, deadline: float) -> Line:
        try:
            left = max(0.1, deadline - time.monotonic())
            connection = connect(self._options.network, address, left)
            if address.scheme == "https":
                connection.settimeout(max(0.1, deadline - time.monotonic()))
                connection = wrapped(connection, address)
        except (Refused, Unreachable) as problem:
            raise SourceFailed(str(problem)) from None
        return Line(connection, seconds=self._options.read_seconds, deadline=deadline)

    def _login_for(self, address: Address) -> Login | None:
        is_home = (address.scheme, address.host, address.port) == (self._home.scheme, self._home.host, self._home.port)
        return self._login if is_home else None

    def _why(self, address: Address, answer: http.client.HTTPResponse) -> SourceFailed:
        if answer.status in (401, 403, 407):
            return reasons.asks_for_login(address, had_login=self._login_for(address) is not None)
        if answer.status in (404, 405, 410):
            return reasons.no_stream(address)
        return reasons.answers_with_error(address, answer.status, answer.reason or "")


def wrapped(connection: socket.socket, address: Address) -> socket.socket:
    """TLS over a connection; the certificate counts on public addresses. Raises SourceFailed."""
    peer = ipaddress.ip_address(str(connection.getpeername()[0]).partition("%")[0])
    context = ssl.create_default_context()
    if not peer.is_global:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    try:
        return context.wrap_socket(connection, server_hostname=address.host)
    except ssl.SSLCertVerificationError:
        problem = reasons.bad_certificate(address)
    except TimeoutError:
        problem = reasons.silent(address, connection.gettimeout() or 0.0)
    except (ssl.SSLError, OSError, ValueError):
        problem = reasons.other_protocol(address)
    connection.close()
    raise problem


def _hop(address: Address, where: str) -> Address:
    """Where a redirect points; credentials that it may name are not taken over."""
    try:
        # http.client reads header lines as Latin-1; the address is the text those bytes stand for.
        found = parse_address(urljoin(address.url, where.encode("latin-1", "replace").decode("utf-8", "replace")))
    except (SourceError, ValueError):
        raise reasons.bad_hop(address) from None
    if found.scheme not in ("http", "https"):
        raise reasons.bad_hop(address)
    return found
