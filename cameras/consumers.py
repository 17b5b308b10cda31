"""The WebSocket that brings live pictures of many cameras into one page: /ws/live/.

A browser opens only six HTTP connections to a host, so a wall of sixteen cameras shares one socket. The page says
what it shows, and says of every picture that it arrived; a camera's next picture waits for that, so that a slow page
gets fewer pictures and never old ones. The right to look is looked up again every RECHECK_SECONDS.

The page sends JSON: `{"show": {"<camera>": fps, …}}` (all that it shows now; at most MOST_CAMERAS) and
`{"seen": [<camera>, …]}`. It gets binary messages, HEADER (kind 1, camera) and a JPEG, and the text
`{"beat": 1}` after every BEAT_SECONDS without a picture.

It is closed with a code of `accounts.standing.Close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import struct
from dataclasses import dataclass

from autobahn.exception import Disconnected
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseFailure

from accounts.standing import RECHECK_SECONDS, Close, standing
from cameras import live
from cameras.hub import TooMany, Viewer, hub

BEAT_SECONDS = 5.0
MOST_CAMERAS = 64
HEADER = struct.Struct(">B7xQ")
_PICTURE = 1
_RATE_MOST = 1000.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a page said: all that it shows now with the rates it wants, or None, and what arrived."""

    show: dict[int, float] | None
    seen: list[int]

    @classmethod
    def parse(cls, text: str) -> Said:
        """Raises ValueError where it makes no sense."""
        said = json.loads(text)
        if not isinstance(said, dict) or not said.keys() & {"show", "seen"}:
            raise ValueError("a page says what it shows, or what it has seen")
        show, seen = said.get("show"), said.get("seen", [])
        if show is not None and not (isinstance(show, dict) and len(show) <= MOST_CAMERAS):
            raise ValueError("show is an object of at most so many cameras")
        if not (isinstance(seen, list) and len(seen) <= MOST_CAMERAS and all(type(each) is int for each in seen)):
            raise ValueError("seen is a list of cameras")
        return cls(show=None if show is None else {_id(each): _rate(fps) for each, fps in show.items()}, seen=seen)


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is not typed
    """One open page that shows live pictures."""

    async def connect(self) -> None:
        # Accepted before it may be refused: a browser sees the code of a close, but never why a handshake failed.
        await self.accept()
        self._viewer: Viewer | None = None
        self._show: dict[int, float] = {}
        self._task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What the page shows now, or what arrived there."""
        try:
            said = Said.parse(text_data or "")
        except (ValueError, RecursionError):
            await self.close(Close.NOT_UNDERSTOOD.value)
            return
        self._show = self._show if said.show is None else said.show
        if self._viewer is not None:
            if said.show is not None:
                self._viewer.want(said.show)
            for camera_id in said.seen:
                self._viewer.seen(camera_id)

    async def _run(self) -> None:
        """Pushes pictures until the connection ends."""
        try:
            if not await self._allowed():
                return
            async with hub().viewer(self.scope["user"].pk, acknowledges=True) as self._viewer:
                self._viewer.want(self._show)
                await self._push(self._viewer)
        except TooMany as error:
            _log.info("A page gets no live pictures: %s", error)
            await self._leave()
        except DatabaseFailure as error:
            _log.warning("A page is asked to connect again later: %s", error)
            await self._leave()
        except Disconnected:
            pass  # the page was closed while a picture was on its way; `disconnect` comes next
        except Exception:
            _log.exception("A page gets no live pictures any more; it will connect again.")
            await self._leave()

    async def _push(self, viewer: Viewer) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            found = await viewer.next(BEAT_SECONDS)
            if loop.time() - checked >= RECHECK_SECONDS:
                if not await self._allowed():
                    return
                checked = loop.time()
            if found is None:
                await self.send(text_data='{"beat": 1}')
            else:
                await self.send(bytes_data=packed(*found))

    async def _allowed(self) -> bool:
        """Whether the user may look; False after closing with the reason."""
        found = await standing(self.scope["session"].session_key, "cameras.view_camera")
        if isinstance(found, Close):
            await self.close(found.value)
        return not isinstance(found, Close)

    async def _leave(self) -> None:
        with contextlib.suppress(RuntimeError):  # it went away itself meanwhile
            await self.close(Close.LATER.value)


def packed(camera_id: int, picture: live.Picture) -> bytes:
    """The binary message of a picture."""
    return HEADER.pack(_PICTURE, camera_id) + picture.jpeg


def _id(text: str) -> int:
    camera_id = int(text)
    if not 0 < camera_id < 2**63:
        raise ValueError("no camera has this number")
    return camera_id


def _rate(fps: object) -> float:
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 <= fps <= _RATE_MOST:  # no NaN either
        raise ValueError("a rate is a number")
    return float(fps)
