"""Tries a camera's source: one frame of it, or in one sentence why there is none.

What opens a stranger's address or file is a process of its own, which lives for seconds and is killed at
the time limit: a decoder that hangs or crashes takes nothing with it. The source, which may hold a password,
goes there on stdin, never on the command line, and comes back in no message.

Private and loopback addresses are allowed, because that is where cameras live; addresses of link-local
networks, where clouds keep their metadata services, are not. The child imports no Django.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from cameras.sources import Kind, Source, parse_source

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_METADATA = {ipaddress.ip_address("fd00:ec2::254")}
_CONNECT_SECONDS = 3.0
_DIAGNOSE_SECONDS = 1.5
_SHOWN_SIDE = 1280

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """One frame as JPEG with the source's size and rate, or `jpeg` None and the problem as a sentence."""

    jpeg: bytes | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0  # 0 where the source does not say
    problem: str = ""


class UnusableError(Exception):
    """Why the source gives no picture, as a sentence for people."""


def probe(source: Source, timeout: float = 8.0) -> ProbeResult:
    """One frame, or the reason why there is none; the time-out (seconds) holds for everything together."""
    request = json.dumps({"source": source.text, "seconds": max(1.0, timeout - 1.0)})
    try:
        child = subprocess.run(
            [sys.executable, "-m", "cameras.probe"],
            input=request.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=Path(__file__).resolve().parent.parent,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult(problem=_too_slow(source, timeout))
    head, _, jpeg = child.stdout.partition(b"\n")
    if child.returncode != 0 or not head:
        return ProbeResult(problem=f"{source.shown} could not be decoded; its video may be damaged.")
    return ProbeResult(jpeg=jpeg or None, **json.loads(head))


def main() -> int:
    """The child: a JSON request on stdin; on stdout a line of JSON, then the JPEG."""
    request = json.load(sys.stdin)
    deadline = time.monotonic() + request["seconds"]
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # FFmpeg's messages repeat the address
    source = parse_source(request["source"])
    try:
        _reach(source)
        result = _picture(source, deadline)
    except UnusableError as problem:
        result = ProbeResult(problem=str(problem))
    head = {"width": result.width, "height": result.height, "fps": result.fps, "problem": result.problem}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + (result.jpeg or b""))
    return 0


def _reach(source: Source) -> None:
    """Finds the plain reasons, before a decoder is asked, which would only say no."""
    if source.kind is Kind.FILE:
        _check_file(source)
    elif source.kind is Kind.STREAM:
        _connect(source, urlsplit(source.text))
    elif sys.platform == "linux" and not Path(f"/dev/video{int(source.text)}").exists():
        raise UnusableError(
            f"There is no {source.shown} on this machine. Plug it in, or give another number; the first is 0."
        )


def _check_file(source: Source) -> None:
    path = Path(source.text)
    try:
        if path.is_dir():
            raise UnusableError(f"{source.shown} is a folder. Name a video file in it.")
        with path.open("rb") as file:
            empty = not file.read(1)
    except FileNotFoundError:
        raise UnusableError(f"There is no file {source.shown} on the machine that runs Lynceus.") from None
    except PermissionError:
        raise UnusableError(f"Lynceus may not read {source.shown}. Give its account the right to.") from None
    except OSError as error:
        raise UnusableError(f"{source.shown} can not be read: {error.strerror}.") from None
    if empty:
        raise UnusableError(f"{source.shown} is empty (0 bytes). Copy the video again.")


def _connect(source: Source, parts: SplitResult) -> None:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise UnusableError(f"The name {host} is not known in this network. Check how it is written.") from None
    for address in {ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found}:
        if is_refused(address):
            raise UnusableError(f"{host} has the address {address}, which no camera may have. Use the camera's own.")
    try:
        socket.create_connection((host, port), timeout=_CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        raise UnusableError(
            f"{host} is there, but nothing listens on its port {port}. Check the port, and that the camera's "
            "streaming is switched on."
        ) from None
    except OSError:
        raise UnusableError(
            f"{host} does not answer on port {port}. Check the address, the cable and the firewall."
        ) from None


def is_refused(address: Address) -> bool:
    """Whether cameras may not be looked for here: link-local, unspecified, multicast, metadata services."""
    plain = (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
    return plain.is_link_local or plain.is_unspecified or plain.is_multicast or plain in _METADATA


def _picture(source: Source, deadline: float) -> ProbeResult:
    """One decoded frame. The import is here because it takes long, and most mistakes are found without it."""
    import cv2

    left_ms = max(500, int((deadline - time.monotonic() - _DIAGNOSE_SECONDS) * 1000))
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, left_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, left_ms]
    if source.kind is Kind.USB:
        capture = cv2.VideoCapture(int(source.text))
    elif source.kind is Kind.STREAM:
        capture = cv2.VideoCapture(source.text, cv2.CAP_FFMPEG, limits)
    else:
        capture = cv2.VideoCapture(source.text, cv2.CAP_FFMPEG)
    done, frame = capture.read() if capture.isOpened() else (False, None)
    if not done or frame is None:
        raise UnusableError(_why_not(source))
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    height, width = frame.shape[:2]
    scale = _SHOWN_SIDE / max(width, height)
    if scale < 1:
        frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    encoded, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not encoded:
        raise UnusableError(f"The picture of {source.shown} could not be written as JPEG.")
    return ProbeResult(jpeg=bytes(jpeg), width=width, height=height, fps=round(fps, 2) if 0 < fps <= 1000 else 0.0)


def _why_not(source: Source) -> str:
    """The reason for no picture: what a camera answers to one who does not sign in says most."""
    if source.kind is Kind.FILE:
        return f"{source.shown} is not a video that can be read. Use MP4, MKV, AVI or WebM."
    if source.kind is Kind.USB:
        return f"{source.shown} gives no picture. Another program may be using it."
    parts = urlsplit(source.text)
    try:
        status = _rtsp_status(parts) if parts.scheme.lower() == "rtsp" else _http_status(parts)
    except (OSError, ValueError, http.client.HTTPException):
        status = 0
    if status in (401, 403):
        if parts.username:
            return f"{source.shown} refuses the user name or the password. Check both (rtsp://user:password@…)."
        return f"{source.shown} asks for a user name and a password: rtsp://user:password@host/path."
    if status in (404, 454):
        return f"The camera answers, but it has no stream at {source.shown}. Check the path in its manual."
    return f"{source.shown} answers, but gives no video. Check the path and the kind of the stream."


def _rtsp_status(parts: SplitResult) -> int:
    """The status of a DESCRIBE without credentials (RFC 2326, 10.2)."""
    host, port = parts.hostname or "", parts.port or _PORTS["rtsp"]
    name = f"[{host}]" if ":" in host else host
    url = f"rtsp://{name}:{port}{parts.path}" + (f"?{parts.query}" if parts.query else "")
    with socket.create_connection((host, port), timeout=_DIAGNOSE_SECONDS) as connection:
        connection.settimeout(_DIAGNOSE_SECONDS)
        connection.sendall(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n".encode())
        answer = connection.recv(200).split(b" ", 2)
    return int(answer[1]) if len(answer) > 1 and answer[0].startswith(b"RTSP/") else 0


def _http_status(parts: SplitResult) -> int:
    """The status of a GET without credentials; redirects are not followed."""
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()]
    connection: http.client.HTTPConnection
    if parts.scheme.lower() == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # cameras sign their own
        connection = http.client.HTTPSConnection(host, port, timeout=_DIAGNOSE_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_DIAGNOSE_SECONDS)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return connection.getresponse().status
    finally:
        connection.close()


def _too_slow(source: Source, timeout: float) -> str:
    return (
        f"{source.shown} gave no picture within {timeout:.0f} seconds. Check that it is switched on and that "
        "the network is fast enough."
    )


if __name__ == "__main__":
    sys.exit(main())
