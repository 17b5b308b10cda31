"""HTTP cameras of the tests: one that streams JPEG pictures, and one that gives one at a time."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

from cameras.tests.streams.certificates import context
from cameras.tests.streams.clips import FPS, SIZE, Pixels, moving
from cameras.tests.streams.faults import AT_CONNECT, Fault
from cameras.tests.streams.logins import Door

_ERRORS = {Fault.UNAUTHORIZED: 401, Fault.MISSING: 404, Fault.BUSY: 503, Fault.REDIRECT: 302}


class HttpCamera(ThreadingHTTPServer):
    """What HTTP cameras have in common. `answer` says what a GET of a path gets."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, answer: Callable[[Handler], None], door: Door, *, path: str, tls: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.door = door
        self.path = path
        self.fault = Fault.NONE
        self.redirect_to = ""
        self.connections = 0
        self.requests: list[str] = []
        self.logins: list[str] = []
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._tls: ssl.SSLContext | None = context() if tls else None

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.door.in_url}127.0.0.1:{self.port}{self.path}"

    def drop(self) -> None:
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self.connections += 1
        with contextlib.suppress(OSError):
            connection = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            self._open.add(connection)
            try:
                Handler(connection, client_address, self)
            finally:
                self._open.discard(connection)
                if self._tls:
                    connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request. The protocol version is the oldest, as that of many cameras."""

    server: HttpCamera

    def do_GET(self) -> None:
        camera = self.server
        camera.requests.append(self.path)
        camera.logins.append(self.headers.get("Authorization", ""))
        if camera.fault is Fault.SILENT:
            camera.closing.wait(60)
        elif camera.fault in AT_CONNECT:
            lines = camera.door.challenges() if camera.fault is Fault.UNAUTHORIZED else []
            if camera.fault is Fault.REDIRECT:
                lines = [f"Location: {camera.redirect_to}"]
            self.say(_ERRORS[camera.fault], lines)
        elif not camera.door.lets_in("GET", self.path, camera.logins[-1]):
            self.say(401, camera.door.challenges())
        else:
            camera.answer(self)

    def say(self, status: int, lines: Iterable[str], body: bytes | None = None) -> None:
        """A whole answer; without a body the head alone, after which the caller sends what it likes."""
        self.send_response(status)
        for line in lines:
            name, _, value = line.partition(": ")
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None:
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Says nothing: the output of a test belongs to the test."""


@contextlib.contextmanager
def serving(camera: HttpCamera) -> Iterator[HttpCamera]:
    thread = threading.Thread(target=camera.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        camera.closing.set()
        camera.drop()
        camera.shutdown()
        camera.server_close()
        thread.join()


class _Film:
    """JPEG pictures one after the other, as the camera's fault wants them."""

    def __init__(self, images: Iterable[Pixels], fps: float) -> None:
        self.fps = fps
        self.jpegs = [jpeg(image) for image in images]
        first = cv2.imdecode(np.frombuffer(self.jpegs[0], np.uint8), cv2.IMREAD_COLOR)
        assert first is not None
        height, width = first.shape[:2]
        self._black = jpeg(np.zeros((height, width, 3), np.uint8))
        self._large = jpeg(np.full((height * 3 // 2, width * 3 // 2, 3), 90, np.uint8))

    def picture(self, number: int, fault: Fault) -> bytes:
        if fault is Fault.BLACK:
            return self._black
        if fault is Fault.RESIZE:
            return self._large
        found = self.jpegs[0 if fault is Fault.FREEZE else number % len(self.jpegs)]
        if fault is Fault.GARBAGE and number % 3 == 2:
            return found[: len(found) // 3] + secrets.token_bytes(20).replace(b"\xff", b"x")
        return found


def jpeg(image: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", image)
    assert done
    return data.tobytes()


@contextlib.contextmanager
def mjpeg_camera(
    images: Iterable[Pixels] | None = None,
    *,
    fps: float = FPS,
    pictures: int | None = None,
    lengths: bool = True,
    user: str = "",
    password: str = "",
    login: str = "digest",
    tls: bool = False,
) -> Iterator[HttpCamera]:
    """Streams `images` in a loop; connections break off after `pictures`. `lengths`: parts say how long they are."""
    film = _Film(images if images is not None else moving(size=SIZE, fps=fps), fps)

    def answer(request: Handler) -> None:
        request.say(200, ["Content-Type: multipart/x-mixed-replace; boundary=frame"])
        number = 0
        while (pictures is None or number < pictures) and not request.server.closing.wait(1 / film.fps):
            if request.server.fault is not Fault.HANG:
                if not _sent(request, film.picture(number, request.server.fault), lengths=lengths):
                    return
                number += 1

    door = Door(user=user, password=password, kind=login)
    with serving(HttpCamera(answer, door, path="/video.mjpg", tls=tls)) as camera:
        yield camera


def _sent(request: Handler, data: bytes, *, lengths: bool) -> bool:
    """Sends a part with a picture, as the camera's fault wants it; False where the connection is to end."""
    fault = request.server.fault
    head = "--frame\r\nContent-Type: image/jpeg\r\n" + (f"Content-Length: {len(data)}\r\n" if lengths else "")
    part = head.encode() + b"\r\n" + data + b"\r\n"
    if fault is Fault.NOISE:
        part = secrets.token_bytes(50) + part
    if fault is Fault.DROP:
        part = part[: len(part) // 2]
    if fault is not Fault.TRICKLE:
        request.wfile.write(part)
        return fault is not Fault.DROP
    for at in range(0, len(part), 8):
        request.wfile.write(part[at : at + 8])
        if request.server.closing.wait(0.2) or request.server.fault is not Fault.TRICKLE:
            return False
    return True


@contextlib.contextmanager
def snapshot_camera(
    images: Iterable[Pixels] | None = None,
    *,
    lengths: bool = True,
    user: str = "",
    password: str = "",
    login: str = "digest",
    tls: bool = False,
) -> Iterator[HttpCamera]:
    """Gives the next of `images` at every request."""
    film = _Film(images if images is not None else moving(), 1.0)
    counter = iter(range(10**9))

    def answer(request: Handler) -> None:
        data = film.picture(next(counter), request.server.fault)
        if request.server.fault is Fault.DROP:
            request.say(200, ["Content-Type: image/jpeg", f"Content-Length: {len(data)}"])
            request.wfile.write(data[: len(data) // 2])
        elif lengths:
            request.say(200, ["Content-Type: image/jpeg"], data)
        else:
            request.say(200, ["Content-Type: image/jpeg"])
            request.wfile.write(data)

    door = Door(user=user, password=password, kind=login)
    with serving(HttpCamera(answer, door, path="/snapshot.jpg?channel=1", tls=tls)) as camera:
        yield camera


@contextlib.contextmanager
def http_camera(answer: Callable[[Handler], None], *, path: str = "/", tls: bool = False) -> Iterator[HttpCamera]:
    """Answers as the test says."""
    with serving(HttpCamera(answer, Door(), path=path, tls=tls)) as camera:
        yield camera


@contextlib.contextmanager
def silent_camera() -> Iterator[str]:
    """The address (host:port) of something that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def absent_camera() -> str:
    """The address (host:port) of nobody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
