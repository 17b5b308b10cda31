"""The WebSocket that tells open pages of alerts: /ws/alerts/.

The page says which alert it knows as the newest; it gets everything after that, and then whatever comes. The group's
message is only a doorbell: what to push is always read from the database, so a doorbell that was lost costs at most
BEAT_SECONDS and nothing is ever lost. The beat is also the page's sign of life. The user's right to see alerts is
looked up again before every push.

It is closed with a code of `accounts.standing.Close`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseFailure
from redis.exceptions import RedisError

from accounts.models import User
from accounts.standing import Close, standing
from alerts.feed import News, Page
from alerts.services import GROUP

_log = logging.getLogger(__name__)
BEAT_SECONDS = 5.0
_AWAY = (DatabaseFailure, RedisError, OSError)


class AlertsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is not typed
    """One open page."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        except _AWAY as error:  # Redis went away while the channel layer waited for a ring
            await self._go_away(error)

    async def connect(self) -> None:
        # Accepted before it may be refused: a browser sees the code of a close, but never why a handshake failed.
        await self.accept()
        self._bell = asyncio.Event()
        self._news: News | None = None
        self._task: asyncio.Task[None] | None = None
        try:
            if await self._allowed() is None:
                return
            await self.channel_layer.group_add(GROUP, self.channel_name)
        except _AWAY as error:
            await self._go_away(error)
            return
        self._task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        if self._task is not None:
            self._task.cancel()
        with contextlib.suppress(*_AWAY):
            await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The page's first message, or one that starts anew."""
        try:
            self._news = News(Page.parse(text_data or ""))
        except ValueError:
            await self.close(Close.NOT_UNDERSTOOD.value)
            return
        self._bell.set()

    async def alerts_changed(self, event: dict[str, str]) -> None:
        """The doorbell. Many rings before the next push are one."""
        self._bell.set()

    async def _run(self) -> None:
        """Pushes on every ring and every beat, one after the other, until the connection ends."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._bell.wait(), BEAT_SECONDS)
                self._bell.clear()
                if not await self._push():
                    return
        except _AWAY as error:
            await self._go_away(error)
        except Exception:
            _log.exception("A page could not be told of alerts; it will connect again.")
            await self.close(Close.LATER.value)

    async def _push(self) -> bool:
        user = await self._allowed()
        if user is None:
            return False
        if self._news is not None:
            await self.send(await database_sync_to_async(self._news.html)(user))
        return True

    async def _allowed(self) -> User | None:
        """The user, read anew; None after closing when they signed out, were locked out, or may not see alerts."""
        found = await standing(self.scope["session"].session_key, "alerts.view_alert")
        if isinstance(found, Close):
            await self.close(found.value)
            return None
        return found

    async def _go_away(self, error: Exception) -> None:
        _log.warning("A page is asked to connect again later: %s", error)
        with contextlib.suppress(RuntimeError):  # it went away itself meanwhile
            await self.close(Close.LATER.value)
