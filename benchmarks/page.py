"""An open page, as far as alerts go: a WebSocket client that notes when it was told of each alert.

Like the page itself it connects again when the connection breaks, and says how far it was told.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter

from websockets import Origin
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

_NEW = re.compile(r'<li class="alert [^"]*is-fresh[^"]*" id="alert-(\d+)"')
_CURSOR = re.compile(r'id="alert-cursor" value="(\d+)" data-newest="(\d+)"')
_AGAIN_SECONDS = 0.3


class OpenPage:
    """Connects on `start`; `told` maps an alert's id to the second (UTC epoch) its HTML first arrived."""

    def __init__(self, *, host: str, port: int, cookie: str) -> None:
        self.told: dict[int, float] = {}
        self.times: Counter[int] = Counter()  # how often it was told of each as a new one
        self._cursor = {"since": 0, "newest": 0}
        self.breaks: list[str] = []
        self._url, self._origin, self._cookie = (
            f"ws://{host}:{port}/ws/alerts/",
            Origin(f"http://{host}:{port}"),
            cookie,
        )
        self._stop = threading.Event()
        self._connection: ClientConnection | None = None
        self._thread = threading.Thread(target=self._listen, name="page", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._connection is not None:
            self._connection.close()
        self._thread.join()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                headers = {"Cookie": self._cookie}
                with connect(self._url, origin=self._origin, additional_headers=headers) as connection:
                    self._connection = connection
                    connection.send(json.dumps(self._cursor))
                    for message in connection:
                        self._read(str(message))
                reason = f"closed with code {connection.close_code}"
            except (OSError, WebSocketException) as error:
                reason = str(error)
            if not self._stop.is_set():
                self.breaks.append(reason)
                self._stop.wait(_AGAIN_SECONDS)

    def _read(self, html: str) -> None:
        now = time.time()
        cursor = _CURSOR.search(html)
        if cursor is not None:
            self._cursor = {"since": int(cursor[1]), "newest": int(cursor[2])}
        for found in _NEW.findall(html):
            self.told.setdefault(int(found), now)
            self.times[int(found)] += 1
