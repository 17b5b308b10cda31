"""An open page, as far as alerts go: a WebSocket client (RFC 6455) that notes when it was told of each alert."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import socket
import struct
import threading
import time

_ALERT = re.compile(rb'id="alert-(\d+)"')
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80


class OpenPage:
    """Connects on `start`; `told` maps an alert's id to the second (UTC epoch) its HTML arrived."""

    def __init__(self, *, host: str, port: int, cookie: str) -> None:
        self.told: dict[int, float] = {}
        self.closed = ""
        self._address = (host, port)
        self._cookie = cookie
        self._thread = threading.Thread(target=self._listen, name="page", daemon=True)

    def start(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=30)
        self._shake_hands()
        self._send(_TEXT, json.dumps({"since": 0}).encode())
        self._socket.settimeout(None)
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):  # the server may have been faster
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _shake_hands(self) -> None:
        host = "{}:{}".format(*self._address)
        lines = [
            "GET /ws/alerts/ HTTP/1.1",
            f"Host: {host}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
            "Sec-WebSocket-Version: 13",
            f"Origin: http://{host}",
            f"Cookie: {self._cookie}",
        ]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):  # nothing follows before the first message is sent
            answer += self._exactly(1)
        status = answer.split(b"\r\n", 1)[0]
        if b" 101 " not in status:
            raise SystemExit(f"The WebSocket of the alerts was refused: {status.decode()}")

    def _listen(self) -> None:
        message = b""
        try:
            while True:
                kind, final, content = self._frame()
                if kind == _PING:
                    self._send(_PONG, content)
                elif kind == _CLOSE:
                    self.closed = f"The server closed it with code {int.from_bytes(content[:2])}."
                    return
                elif kind in (_TEXT, _CONTINUATION):
                    message += content
                    if final:
                        self._read(message)
                        message = b""
        except OSError:
            return

    def _read(self, html: bytes) -> None:
        now = time.time()
        for found in _ALERT.findall(html):
            self.told.setdefault(int(found), now)

    def _frame(self) -> tuple[int, bool, bytes]:
        first, second = self._exactly(2)
        length = second & ~_MASKED
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return first & 0x0F, bool(first & _FINAL), self._exactly(length)

    def _send(self, kind: int, content: bytes) -> None:
        """Sends one short frame; a client must mask what it sends."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(content))
        self._socket.sendall(bytes([_FINAL | kind, _MASKED | len(content)]) + mask + masked)

    def _exactly(self, count: int) -> bytes:
        parts = b""
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise ConnectionError("the server closed the connection")
            parts += part
        return parts
