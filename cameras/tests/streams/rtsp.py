"""An RTSP camera in pure Python: plays H.264 over TCP or UDP (RFC 2326, RFC 6184), and does wrong what it is told."""

from __future__ import annotations

import base64
import contextlib
import random
import re
import secrets
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator

from cameras.tests.streams import clips
from cameras.tests.streams.clips import Clip, Unit
from cameras.tests.streams.faults import AT_CONNECT, Fault
from cameras.tests.streams.logins import Door

_PAYLOAD_MOST = 1200
_ERRORS = {
    Fault.UNAUTHORIZED: "401 Unauthorized",
    Fault.MISSING: "404 Not Found",
    Fault.BUSY: "503 Service Unavailable",
    Fault.REDIRECT: "302 Found",
}


class RtspCamera:
    """A camera that listens until it is closed. `fault` may be set at any time, also while somebody watches."""

    def __init__(self, clip: Clip, door: Door, *, tls: ssl.SSLContext | None = None) -> None:
        self.clip = clip
        self.door = door
        self.fault = Fault.NONE
        self.redirect_to = ""
        self.redirect_players_to = ""  # only those who come a second time: what they were told first was harmless
        self.connections = 0
        self.plays = 0
        self.requests: list[str] = []
        self.frozen = clips.still(clip)
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        scheme = "rtsps" if self._tls else "rtsp"
        return f"{scheme}://{self.door.in_url}127.0.0.1:{self.port}/live"

    def drop(self) -> None:
        """Ends all connections, as a camera does that restarts."""
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()
        self._thread.join(5)

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                _Viewer(self, connection, self._closing).serve()
            finally:
                with self._lock:
                    self._open.discard(connection)
                connection.close()


class _Viewer:
    """One connection: answers its requests, and streams to it once it asked to play."""

    def __init__(self, camera: RtspCamera, connection: socket.socket, closing: threading.Event) -> None:
        self._camera = camera
        self._connection = connection
        self._closing = closing
        self._reader = connection.makefile("rb")
        self._sending = threading.Lock()
        self._udp: socket.socket | None = None
        self._number = random.Random(3).randrange(1000)

    def serve(self) -> None:
        player: threading.Thread | None = None
        try:
            while not self._closing.is_set() and (request := self._request()) is not None:
                if self._camera.fault is Fault.SILENT:
                    continue
                status, lines, body = self._answer(*request)
                self._say(request[2].get("cseq", "0"), status, lines, body)
                if request[0] == "PLAY" and status.startswith("200"):
                    player = threading.Thread(target=self._play, daemon=True)
                    player.start()
                if request[0] == "TEARDOWN":
                    return
        finally:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            if player is not None:
                player.join(5)
            if self._udp is not None:
                self._udp.close()

    def _request(self) -> tuple[str, str, dict[str, str]] | None:
        while True:
            first = self._reader.read(1)
            if not first:
                return None
            if first == b"$":  # a receiver's report
                _, length = struct.unpack(">BH", self._reader.read(3))
                self._reader.read(length)
                continue
            line = (first + self._reader.readline()).decode().strip()
            if line:
                break
        method, url, _ = line.split(" ", 2)
        headers = {}
        while text := self._reader.readline().decode().strip():
            name, _, value = text.partition(":")
            headers[name.lower()] = value.strip()
        self._camera.requests.append(method)
        return method, url, headers

    def _answer(self, method: str, url: str, headers: dict[str, str]) -> tuple[str, list[str], bytes]:
        camera = self._camera
        if method == "OPTIONS":
            return "200 OK", ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"], b""
        if camera.fault in AT_CONNECT:
            lines = [f"Location: {camera.redirect_to}"] if camera.fault is Fault.REDIRECT else []
            if camera.fault is Fault.UNAUTHORIZED:
                lines = camera.door.challenges()
            return _ERRORS[camera.fault], lines, b""
        if not camera.door.lets_in(method, url, headers.get("authorization", "")):
            return "401 Unauthorized", camera.door.challenges(), b""
        if method == "DESCRIBE" and camera.redirect_players_to and camera.requests.count("DESCRIBE") > 1:
            return "302 Found", [f"Location: {camera.redirect_players_to}"], b""
        if method == "DESCRIBE":
            return "200 OK", [f"Content-Base: {url}/", "Content-Type: application/sdp"], _sdp(camera.clip)
        if method == "SETUP":
            return self._set_up(headers.get("transport", ""))
        return "200 OK", ["Session: 1234", "Range: npt=0.000-"], b""

    def _set_up(self, transport: str) -> tuple[str, list[str], bytes]:
        if "RTP/AVP/TCP" in transport:
            return "200 OK", ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 1234"], b""
        found = re.search(r"client_port=(\d+)", transport)
        if found is None:
            return "461 Unsupported Transport", [], b""
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self._udp.connect((self._connection.getpeername()[0], int(found[1])))
        own = self._udp.getsockname()[1]
        line = f"Transport: RTP/AVP;unicast;client_port={found[1]}-{int(found[1]) + 1};server_port={own}-{own + 1}"
        return "200 OK", [line, "Session: 1234"], b""

    def _say(self, number: str, status: str, lines: list[str], body: bytes) -> None:
        head = [f"RTSP/1.0 {status}", f"CSeq: {number}", *lines]
        if body:
            head.append(f"Content-Length: {len(body)}")
        with self._sending:
            self._connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode() + body)

    def _play(self) -> None:
        self._camera.plays += 1
        with contextlib.suppress(OSError):
            self._stream()
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def _stream(self) -> None:
        clip, at, shown = self._clip(), 0, 0.0
        began, sent = time.monotonic(), 0
        wild = random.Random(5)
        while not self._closing.wait(max(0.0, began + sent / clip.fps - time.monotonic())):
            fault = self._camera.fault
            unit = clip.units[at]
            if (unit.key or fault is not Fault.NONE) and self._clip() is not clip:
                clip, at = self._clip(), 0
                unit = clip.units[0]
            if fault is Fault.HANG:
                continue_at = self._closing.wait(0.1)
                began += 0.1
                if continue_at:
                    return
                continue
            stamp = wild.choice([0.0, 5.0, 40000.0]) + wild.random() if fault is Fault.WILD else shown + unit.pts
            self._send_unit(unit, stamp, fault, sent)
            if fault is Fault.DROP:
                return
            at, sent = at + 1, sent + 1
            if at == len(clip.units):
                at, shown = 0, shown + clip.seconds

    def _clip(self) -> Clip:
        camera = self._camera
        if camera.fault is Fault.FREEZE:
            return camera.frozen
        if camera.fault is Fault.BLACK:
            return clips.dark((camera.clip.width, camera.clip.height), camera.clip.fps)
        if camera.fault is Fault.RESIZE:
            return clips.other_size(fps=camera.clip.fps)
        return camera.clip

    def _send_unit(self, unit: Unit, stamp: float, fault: Fault, sent: int) -> None:
        damages = fault is Fault.GARBAGE and sent % 3 == 2
        packets = list(self._packets(unit, stamp, damages=damages))
        if fault is Fault.DROP:
            data = b"".join(packets)
            self._raw(data[: max(1, len(data) // 2)])
            return
        for packet in packets:
            if fault is Fault.TRICKLE and self._udp is None:
                for at in range(0, len(packet), 8):
                    self._raw(packet[at : at + 8])
                    if self._closing.wait(0.2) or self._camera.fault is not Fault.TRICKLE:
                        self._raw(packet[at + 8 :])
                        break
                continue
            if fault is Fault.NOISE:
                self._raw(secrets.token_bytes(40).replace(b"$", b"x"))
            self._raw(packet)

    def _raw(self, data: bytes) -> None:
        if self._udp is not None:
            with contextlib.suppress(ConnectionRefusedError):
                self._udp.send(data)
        else:
            with self._sending:
                self._connection.sendall(data)

    def _packets(self, unit: Unit, stamp: float, *, damages: bool) -> Iterator[bytes]:
        """RTP packets (RFC 6184), framed for the connection where they go over TCP."""
        payloads = [payload for nal in unit.nals for payload in _payloads(nal)]
        for number, payload in enumerate(payloads):
            if damages and payload[0] & 0x1F not in (7, 8):
                payload = payload[:2] + random.Random(number).randbytes(len(payload) - 2)
            marker = 0x80 if number == len(payloads) - 1 else 0
            ticks = round(stamp * 90000) & 0xFFFFFFFF
            head = struct.pack(">BBHII", 0x80, marker | 96, self._number & 0xFFFF, ticks, 0x5EED)
            self._number += 1
            packet = head + payload
            yield packet if self._udp is not None else struct.pack(">cBH", b"$", 0, len(packet)) + packet


def _payloads(nal: bytes) -> Iterator[bytes]:
    """A NAL unit whole, or in fragments (FU-A)."""
    if len(nal) <= _PAYLOAD_MOST:
        yield nal
        return
    indicator, kind = nal[0] & 0xE0 | 28, nal[0] & 0x1F
    pieces = [nal[at : at + _PAYLOAD_MOST] for at in range(1, len(nal), _PAYLOAD_MOST)]
    for number, piece in enumerate(pieces):
        edge = 0x80 if number == 0 else 0x40 if number == len(pieces) - 1 else 0
        yield bytes((indicator, edge | kind)) + piece


def _sdp(clip: Clip) -> bytes:
    sets = ",".join(base64.b64encode(each).decode() for each in clip.parameter_sets)
    lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=Test", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"]
    lines += ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", f"a=framerate:{clip.fps}"]
    lines += [f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}", "a=control:trackID=0"]
    return ("\r\n".join(lines) + "\r\n").encode()


@contextlib.contextmanager
def rtsp_camera(
    clip: Clip | None = None, *, user: str = "", password: str = "", login: str = "digest", tls: bool = False
) -> Iterator[RtspCamera]:
    """A camera that plays `clip` in a loop. `login`: digest, sha256 or basic, where there is a user."""
    from cameras.tests.streams.certificates import context

    camera = RtspCamera(
        clip or clips.usual(), Door(user=user, password=password, kind=login), tls=context() if tls else None
    )
    try:
        yield camera
    finally:
        camera.close()
