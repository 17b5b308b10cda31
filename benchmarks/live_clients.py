"""Many open pages in one process: WebSocket clients that note when each alert arrives. A part of `benchmarks.live`.

`python -m benchmarks.live_clients PORT COOKIES COUNT`: connects COUNT clients with the session cookies of the JSON
file COOKIES, in turns, and writes `ready` when all of them were greeted. Then it reads one line, the path of a JSON
file {"begins": {alert id: epoch second}}, waits until every client has all of these or PATIENCE is over, and writes
what it found as JSON. Clients behave as pages do: they say what has arrived, and where they were when they connect
again.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from websockets import Origin
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.site import HOST

PATIENCE = 30.0
_SEEN_SECONDS = 0.3
_AGAIN_SECONDS = 0.5
_NEW = re.compile(r'<li class="alert [^"]*is-fresh[^"]*" id="alert-(\d+)"')
_CURSOR = re.compile(r'id="alert-cursor" value="(\d+)" data-newest="(\d+)"')


@dataclass(slots=True)
class Client:
    """One page. `told` and `at` are as long as each other: the alerts in the order in which they came."""

    since: int = 0
    newest: int = 0
    told: list[int] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    breaks: int = 0
    greeted: asyncio.Event = field(default_factory=asyncio.Event)
    _unsaid: int = 0
    _said_at: float = 0.0

    async def run(self, port: int, cookie: str) -> None:
        while True:
            try:
                await self._follow(port, cookie)
            except (OSError, WebSocketException):
                self.breaks += 1
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _follow(self, port: int, cookie: str) -> None:
        where, headers = f"ws://{HOST}:{port}/ws/alerts/", {"Cookie": cookie}
        origin = Origin(f"http://{HOST}:{port}")
        async with connect(
            where, origin=origin, additional_headers=headers, compression=None, open_timeout=60, max_size=None
        ) as socket:
            hello = {"since": self.since, "newest": self.newest, "feed": {}, "acknowledges": True}
            await socket.send(json.dumps(hello))
            async for message in socket:
                self._read(str(message))
                if time.monotonic() - self._said_at >= _SEEN_SECONDS:
                    await socket.send(json.dumps({"seen": self._unsaid}))
                    self._unsaid, self._said_at = 0, time.monotonic()

    def _read(self, html: str) -> None:
        now = time.time()
        new = [int(pk) for pk in _NEW.findall(html)]
        self.told += new
        self.at += [now] * len(new)
        self._unsaid += 1
        cursor = _CURSOR.search(html)
        if cursor is not None:
            self.since, self.newest = int(cursor[1]), int(cursor[2])
        self.greeted.set()


def found(clients: Sequence[Client], begins: dict[int, float]) -> dict[str, object]:
    """What arrived where: delays in seconds, sorted, and what went wrong."""
    delays: list[float] = []
    lost = doubled = unordered = 0
    for client in clients:
        told = [pk for pk in client.told if pk in begins]
        lost += len(begins.keys() - set(told))
        doubled += len(told) - len(set(told))
        unordered += sum(after < before for before, after in itertools.pairwise(told))
        delays += [at - begins[pk] for pk, at in zip(client.told, client.at, strict=True) if pk in begins]
    return {
        "delays": [round(delay, 4) for delay in sorted(delays)],
        "lost": lost,
        "doubled": doubled,
        "unordered": unordered,
        "breaks": sum(client.breaks for client in clients),
    }


async def main(port: int, cookies: Sequence[str], count: int) -> None:
    clients = [Client() for _ in range(count)]
    tasks = [asyncio.create_task(each.run(port, cookies[n % len(cookies)])) for n, each in enumerate(clients)]
    await asyncio.gather(*(each.greeted.wait() for each in clients))
    print("ready", flush=True)
    path = await asyncio.to_thread(sys.stdin.readline)
    begins = {int(pk): float(at) for pk, at in json.loads(Path(path.strip()).read_text())["begins"].items()}
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and any(len(begins.keys() - set(each.told)) for each in clients):
        await asyncio.sleep(0.25)
    print(json.dumps(found(clients, begins)), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3])))
