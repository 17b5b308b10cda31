"""RTSP (RFC 2326): asks the camera before the decoder does, because the decoder only says no.

The way to the stream is walked here: to a checked address, signing in with Basic or Digest, following redirects.
What FFmpeg gets then is the address that was checked, without a name in it, so that nothing is looked up again. A
camera that redirects only FFmpeg, after it let this check pass, is followed: FFmpeg can not be told not to.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import quote

from cameras.network import Refused, Unreachable, connect
from cameras.sources import Address, SourceError, parse_address
from cameras.video import reasons
from cameras.video.http import Line, wrapped
from cameras.video.login import Login, is_for_ffmpeg
from cameras.video.types import CaptureOptions, SourceFailed

_HOPS_MOST = 5
_REDIRECTS = (301, 302, 303, 305, 307, 308)
_HEAD_BYTES_MOST = 32768
_BODY_BYTES_MOST = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Playable:
    """What FFmpeg opens. `url` holds the credentials: never to be shown."""

    url: str = field(repr=False)
    options: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    words: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]


def play(address: Address, options: CaptureOptions) -> Playable:
    """Walks to the stream; raises SourceFailed with the plain reason."""
    deadline = time.monotonic() + options.open_seconds
    home = address
    for _ in range(_HOPS_MOST + 1):
        found = _look(address, options, deadline)
        if isinstance(found, Playable):
            return found
        address = _hop(address, found, home)
    raise reasons.too_many_hops(home)


def _look(address: Address, options: CaptureOptions, deadline: float) -> Playable | str:
    """What can be played there, or where it is said to be instead; raises SourceFailed."""
    talk = _Talk(address, options, deadline)
    try:
        answer = talk.describe()
        if answer.status in _REDIRECTS and (where := answer.all("Location")):
            talk.close()
            return where[0]
        _check(address, answer)
    except BaseException as problem:
        talk.close()
        if isinstance(problem, TimeoutError):
            raise reasons.silent(address, options.open_seconds) from None
        if isinstance(problem, (_Closed, OSError)):
            raise reasons.broke_off(address) from None
        raise
    talk.close_later()
    return _playable(address, talk.ip, options)


class _Closed(Exception):
    """The server ended the connection before it answered."""


class _Talk:
    """Asks an RTSP server, over one connection unless the server closes it after a refusal, as some do."""

    def __init__(self, address: Address, options: CaptureOptions, deadline: float) -> None:
        self._address = address
        self._options = options
        self._deadline = deadline
        self._number = 0
        self._login = Login(user=address.user, password=address.password) if address.user or address.password else None
        self._dial()

    def describe(self) -> Answer:
        """The answer to DESCRIBE, signed in where that was asked for and there is a user name."""
        answer = self._ask()
        asked = answer.all("WWW-Authenticate")
        if answer.status != 401 or not self._login or not self._login.learn(asked):
            return answer
        if not is_for_ffmpeg(asked):
            raise reasons.unknown_login(self._address)
        try:
            return self._ask()
        except (_Closed, OSError):
            self.close()
            self._dial()
            return self._ask()

    def close(self) -> None:
        self._line.end()

    def close_later(self) -> None:
        """Stays a while: some servers take a stream down with its only viewer, and refuse the next until it is down."""
        closing = threading.Timer(self._options.open_seconds, self.close)
        closing.daemon = True
        closing.start()

    def _dial(self) -> None:
        connection = _connected(self._address, self._options, self._deadline)
        self.ip = str(connection.getpeername()[0])
        self._line = Line(connection, seconds=self._options.open_seconds, deadline=self._deadline)
        self._reader = self._line.makefile("rb")

    def _ask(self) -> Answer:
        self._number += 1
        url = self._address.url
        lines = [f"DESCRIBE {url} RTSP/1.0", f"CSeq: {self._number}", "User-Agent: Lynceus", "Accept: application/sdp"]
        if self._login and (value := self._login.header("DESCRIBE", url)):
            lines.append(f"Authorization: {value}")
        self._line.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self._answer()

    def _answer(self) -> Answer:
        first = self._reader.readline(_HEAD_BYTES_MOST)
        if not first:
            raise _Closed
        version, _, rest = first.decode("utf-8", "replace").strip().partition(" ")
        status, _, words = rest.partition(" ")
        if not version.startswith("RTSP/") or not re.fullmatch(r"[0-9]{3}", status):
            raise reasons.other_protocol(self._address)
        headers: list[tuple[str, str]] = []
        length = 0
        taken = len(first)
        while line := self._reader.readline(_HEAD_BYTES_MOST).strip():
            taken += len(line)
            if taken > _HEAD_BYTES_MOST:
                raise reasons.other_protocol(self._address)
            name, _, value = line.decode("utf-8", "replace").partition(":")
            headers.append((name.strip().lower(), value.strip()))
            if headers[-1][0] == "content-length" and re.fullmatch(r"[0-9]{1,9}", headers[-1][1]):
                length = min(int(headers[-1][1]), _BODY_BYTES_MOST)
        return Answer(status=int(status), words=words, headers=headers, body=self._reader.read(length))


def _connected(address: Address, options: CaptureOptions, deadline: float) -> socket.socket:
    try:
        connection = connect(options.network, address, max(0.1, deadline - time.monotonic()))
    except (Refused, Unreachable) as problem:
        raise SourceFailed(str(problem)) from None
    if address.scheme == "rtsps":
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        return wrapped(connection, address)
    return connection


def _check(address: Address, answer: Answer) -> None:
    if answer.status in (401, 403, 407):
        raise reasons.asks_for_login(address, had_login=bool(address.user or address.password))
    if answer.status in (404, 410, 454):
        raise reasons.no_stream(address)
    if answer.status != 200:
        raise reasons.answers_with_error(address, answer.status, answer.words)
    if b"m=video" not in answer.body:
        raise reasons.no_video(address, "only sound or data" if b"m=" in answer.body else "it describes nothing")


def _hop(address: Address, where: str, home: Address) -> Address:
    """Where a redirect points. Credentials go along only where it is the host that they were given for."""
    try:
        found = parse_address(where)
    except SourceError:
        raise reasons.bad_hop(address) from None
    if found.scheme not in ("rtsp", "rtsps") or (home.scheme == "rtsps" and found.scheme == "rtsp"):
        raise reasons.bad_hop(address)
    stays = (found.host, found.port) == (home.host, home.port)
    return Address(
        scheme=found.scheme,
        host=found.host,
        port=found.port,
        target=found.target,
        user=home.user if stays else "",
        password=home.password if stays else "",
    )


def _playable(address: Address, ip: str, options: CaptureOptions) -> Playable:
    login = f"{quote(address.user, safe='')}:{quote(address.password, safe='')}@"
    host = f"[{ip}]" if ":" in ip else ip
    wanted = {
        "rtsp_transport": options.transport,
        "allowed_media_types": "video",
        "timeout": str(int(options.read_seconds * 1_000_000)),
        "protocol_whitelist": "rtsp,rtsps,rtp,udp,tcp,tls,srtp",
        "user_agent": "Lynceus",
        "fpsprobesize": "0",  # the rate is not waited for: most cameras say it, and 25 is assumed of the others
    }
    if options.transport == "udp":
        wanted["buffer_size"] = str(2**20)
    return Playable(
        url=f"{address.scheme}://{login if login != ':@' else ''}{host}:{address.port}{address.target}", options=wanted
    )
