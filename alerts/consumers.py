"""The WebSocket that tells open pages of alerts: /ws/alerts/.

The page says which revision of the alerts it knows; it gets everything after that, and then whatever comes
(`alerts.newsroom`). With `"acknowledges": true` it says `{"seen": n}` of what has arrived, and is then never sent
faster than it can read.

It is closed with a code of `accounts.standing.Close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Any

from autobahn.exception import Disconnected
from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer

from accounts.standing import Close
from alerts.feed import Said
from alerts.newsroom import Newsroom, Seat, newsroom

_log = logging.getLogger(__name__)
_LONGEST = 16_384  # characters of a message; filters have a few hundred


class AlertsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is not typed
    """One open page. The room listens for all of them, so that none listens to Redis itself."""

    channel_layer_alias = ""

    async def dispatch(self, message: Mapping[str, Any]) -> None:
        # Without a look at database connections before each message: nothing here has one.
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        # Accepted before it may be refused: a browser sees the code of a close, but never why a handshake failed.
        await self.accept()
        self._room: Newsroom = newsroom()
        self._seat: Seat = self._room.join(self.scope["session"].session_key or "")
        self._task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """What the page shows, or that something arrived there."""
        try:
            if len(text_data or "") > _LONGEST:
                raise ValueError("No page has so much to say.")
            said = Said.parse(text_data or "")
        except ValueError:
            self._seat.dismiss(Close.NOT_UNDERSTOOD)
            return
        if said.page is not None:
            self._seat.says(said.page)
        else:
            self._seat.seen(said.seen)

    async def _run(self) -> None:
        """Sends what the room has for it, until the connection ends."""
        try:
            while True:
                told = await self._seat.next()
                if isinstance(told, Close):
                    await self.close(told.value)
                    return
                await self.send(text_data=told)
                self._seat.sent()
        except (Disconnected, RuntimeError):
            pass  # the page was closed while something was on its way; `disconnect` comes next
        except Exception:
            _log.exception("A page could not be told of alerts; it will connect again.")
            await self.close(Close.LATER.value)
        finally:
            await self._room.leave(self._seat)
