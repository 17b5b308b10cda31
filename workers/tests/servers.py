"""A camera on loopback that films the people of `scenes`; what else cameras do wrong is in cameras/tests/streams."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cameras.tests.streams import absent_camera, silent_camera
from recognition.engine import encode_jpeg
from workers.tests.scenes import Shot, frames

__all__ = ["MjpegServer", "absent_camera", "mjpeg_camera", "silent_camera"]


class MjpegServer(ThreadingHTTPServer):
    """Streams the wall of `scenes`; each connection breaks off after `pictures`. `is_up` False refuses with 503."""

    daemon_threads = True

    def __init__(self, *, pictures: int = 20) -> None:
        super().__init__(("127.0.0.1", 0), _MjpegHandler)
        self.pictures = pictures
        self.connections = 0
        self.is_up = True
        self.halt = threading.Event()
        self.jpegs = [encode_jpeg(image) for image in frames(Shot(seconds=0.5))]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/video.mjpg"


class _MjpegHandler(BaseHTTPRequestHandler):
    server: MjpegServer

    def do_GET(self) -> None:
        if not self.server.is_up:
            self.send_error(503)
            return
        self.server.connections += 1
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for number in range(self.server.pictures):
                jpeg = self.server.jpegs[number % len(self.server.jpegs)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")
                if self.server.halt.wait(0.02):
                    return

    def log_message(self, *args: object) -> None:
        """Says nothing: the output of a test belongs to the test."""


@contextlib.contextmanager
def mjpeg_camera(*, pictures: int = 20) -> Iterator[MjpegServer]:
    server = MjpegServer(pictures=pictures)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.halt.set()
        server.shutdown()
        server.server_close()
        thread.join()
