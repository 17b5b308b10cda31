"""A file server on loopback that misbehaves on request: the network as it is.

`Behaviour` says how the next answers go; each request takes the first that is left, the last one stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How one request is answered."""

    status: int = 200
    ranges: bool = True  # honours Range
    stop_after: int | None = None  # bytes of the body, then the connection is cut
    says_length: int | None = None  # instead of the true one
    without_length: bool = False
    stall: float = 0.0  # seconds before the body
    location: str = ""
    etag: str = '"one"'
    shift: int = 0  # the answer to a range begins so many bytes too late
    retry_after: str = ""


@dataclass(slots=True)
class FileServer:
    """What is served, how, and what was asked for."""

    content: bytes
    behaviours: list[Behaviour] = field(default_factory=lambda: [Behaviour()])
    asked: list[str] = field(default_factory=list)  # the Range of each request, or ""
    url: str = ""

    def next_behaviour(self) -> Behaviour:
        return self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]


@contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, server)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is theirs)
            """Tests print nothing."""

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server.url = f"http://127.0.0.1:{listener.server_port}/model.onnx"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    how = server.next_behaviour()
    wanted = handler.headers.get("Range", "")
    server.asked.append(wanted)
    handler.close_connection = True
    if how.status != 200:
        handler.send_response(how.status)
        for name, value in (("Location", how.location), ("Retry-After", how.retry_after)):
            if value:
                handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = _start(handler, how, wanted)
    body = server.content[start + how.shift if start else 0 :]
    if start > len(server.content):
        handler.send_response(416)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header(
            "Content-Range", f"bytes {start + how.shift}-{len(server.content) - 1}/{len(server.content)}"
        )
    if how.etag:
        handler.send_header("ETag", how.etag)
    if not how.without_length:
        handler.send_header("Content-Length", str(how.says_length if how.says_length is not None else len(body)))
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(how.stall)
    try:
        handler.wfile.write(body if how.stop_after is None else body[: how.stop_after])
    except ConnectionError:
        return


def _start(handler: BaseHTTPRequestHandler, how: Behaviour, wanted: str) -> int:
    """Where the answer begins: 0 without a Range, or where If-Range names another version of the file."""
    if not wanted or not how.ranges or handler.headers.get("If-Range", how.etag) != how.etag:
        return 0
    return int(wanted.removeprefix("bytes=").removesuffix("-"))


class Silent:
    """Progress that nobody sees."""

    def begin(self, name: str, *, total: int | None, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def end(self) -> None: ...

    def say(self, text: str) -> None: ...
