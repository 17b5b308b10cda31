"""Tells the open pages of alerts: one room a process, which reads and renders once for all who sit in it.

The group's message is only a doorbell: what to push is always read from the database, so a ring that was lost costs at
most BEAT_SECONDS, and while Redis is away DEAF_SECONDS. Rings that come close together are one. The beat is also the
pages' sign of life. Whether somebody may still see alerts is looked up anew, for all who sit here at once, before they
are told anything and at the latest every RIGHTS_SECONDS.

A page that is slow is not sent more than WINDOW sheets that it has not taken; when it has, it is caught up with
everything since then at once. All of this lives in the event loop; only that thread may call. What the database is
asked runs in one thread of the room's own, beside everybody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.db import Error as DatabaseFailure
from django.db import connection
from redis.exceptions import RedisError

from accounts.standing import Close, Standing, standings
from alerts.feed import Asked, Desk, May, Page, Sheet
from alerts.outbox import GROUP

BEAT_SECONDS = 5.0
DEAF_SECONDS = 1.0
PUSH_SECONDS = 0.2
RIGHTS_SECONDS = 3.0
WINDOW = 8
_NEEDED, _ACKNOWLEDGE, _REVIEW = "alerts.view_alert", "alerts.change_alert", "alerts.review_alert"
_AWAY = (DatabaseFailure, RedisError, OSError)
_log = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True, eq=False, kw_only=True)
class Seat:
    """One open page. What it is to be sent waits in `next`."""

    session: str
    room: Newsroom = field(repr=False)
    page: Page | None = None
    standing: Standing | None = None
    checked_at: float = float("-inf")
    told_at: float = float("-inf")
    untaken: int = 0
    _box: asyncio.Queue[str | Close] = field(default_factory=asyncio.Queue)

    def says(self, page: Page) -> None:
        """What it shows, when it connects or begins anew."""
        self.page, self.untaken, self.told_at = page, self._box.qsize(), float("-inf")
        self.room.ring()

    def seen(self, sheets: int) -> None:
        """So many more sheets have arrived there."""
        if self.page is not None and self.page.acknowledges:
            self._take(sheets)

    def dismiss(self, why: Close) -> None:
        """The last that it is told."""
        self._box.put_nowait(why)

    async def next(self) -> str | Close:
        return await self._box.get()

    def sent(self) -> None:
        """What `next` gave last was sent."""
        if self.page is not None and not self.page.acknowledges:
            self._take(1)

    def has_room(self) -> bool:
        return self.untaken < WINDOW

    def asks(self) -> Asked | None:
        """What it wants to be told now, if it may be told anything."""
        if self.page is None or self.standing is None or not self.has_room():
            return None
        had = self.standing.permissions
        return Asked(
            page=self.page,
            may=May(acknowledge=_ACKNOWLEDGE in had, review=_REVIEW in had),
            user=self.standing.user if self.page.filters is not None and self.page.filters.mine else 0,
        )

    def put(self, sheet: Sheet, now: float) -> None:
        if self.page is not None:
            self.page = replace(self.page, since=sheet.since, newest=sheet.newest)
        self.told_at = now
        self.untaken += 1
        self._box.put_nowait(sheet.html)

    def _take(self, sheets: int) -> None:
        had_room = self.has_room()
        self.untaken = max(0, self.untaken - sheets)
        if not had_room and self.has_room():
            self.room.ring()


class Newsroom:
    """Everybody who sits here, and the tasks that run while anybody does."""

    def __init__(self) -> None:
        self._seats: set[Seat] = set()
        self._bell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._channel = ""  # where the doorbell rings; "": it can not, Redis is away

    def join(self, session: str) -> Seat:
        seat = Seat(session=session, room=self)
        self._seats.add(seat)
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._listen())]
        self.ring()
        return seat

    async def leave(self, seat: Seat) -> None:
        """The last one who leaves switches off the light."""
        self._seats.discard(seat)
        if self._seats or not self._tasks:
            return
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ring(self) -> None:
        self._bell.set()

    def is_empty(self) -> bool:
        """Whether nobody sits here and nothing runs any more."""
        return not (self._seats or self._tasks or self._ending)

    async def _run(self) -> None:
        """Pushes on every ring and every beat, one round after the other."""
        desk = Desk()
        reader = ThreadPoolExecutor(1, thread_name_prefix="newsroom")
        try:
            while True:
                began = asyncio.get_running_loop().time()
                try:
                    await self._round(desk, reader)
                except Exception as error:
                    _report(error)
                    desk = Desk()
                    self._send_away()
                    with contextlib.suppress(*_AWAY):
                        await _in(reader, _close_connection)
                await self._wait(began)
        finally:
            with contextlib.suppress(*_AWAY):
                await _in(reader, _close_connection)
            reader.shutdown(wait=False)

    async def _wait(self, began: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(
                self._bell.wait(), BEAT_SECONDS if self._channel else min(BEAT_SECONDS, DEAF_SECONDS)
            )
        await asyncio.sleep(max(0.0, began + PUSH_SECONDS - asyncio.get_running_loop().time()))
        self._bell.clear()

    async def _round(self, desk: Desk, reader: ThreadPoolExecutor) -> None:
        await self._check_rights(reader)
        asking = [(seat, asked) for seat in self._seats if (asked := seat.asks()) is not None]
        if not asking:
            return
        sheets = await _in(reader, desk.sheets, [asked for _, asked in asking])
        now = asyncio.get_running_loop().time()
        for (seat, asked), sheet in zip(asking, sheets, strict=True):
            if sheet is None or seat.page is not asked.page:  # it said something new meanwhile
                self.ring()
            elif sheet.is_news or now - seat.told_at > BEAT_SECONDS - 2 * PUSH_SECONDS:
                seat.put(sheet, now)
        if desk.is_behind():
            self.ring()

    async def _check_rights(self, reader: ThreadPoolExecutor) -> None:
        """Who may not see alerts any more is told so and leaves."""
        now = asyncio.get_running_loop().time()
        if all(now - seat.checked_at < RIGHTS_SECONDS for seat in self._seats):
            return
        doubtful = [seat for seat in self._seats if now - seat.checked_at >= RIGHTS_SECONDS / 2]
        keys = {seat.session for seat in doubtful}
        found = await _in(reader, standings, keys, needed=_NEEDED, asked=(_ACKNOWLEDGE, _REVIEW))
        for seat in doubtful:
            standing = found[seat.session]
            if isinstance(standing, Close):
                self._dismiss(seat, standing)
            else:
                seat.standing, seat.checked_at = standing, now

    def _dismiss(self, seat: Seat, why: Close) -> None:
        self._seats.discard(seat)
        seat.dismiss(why)

    def _send_away(self) -> None:
        """Nothing can be told now: the pages say so, and come back."""
        for seat in list(self._seats):
            self._dismiss(seat, Close.LATER)

    async def _listen(self) -> None:
        """Hears the doorbell. While Redis is away it tries again, and pages are told on a quicker beat."""
        layer = get_channel_layer()
        while True:
            try:
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                self._channel = channel
                renewing = asyncio.create_task(self._renew(layer.group_add, channel))
                try:
                    while True:
                        await layer.receive(channel)
                        self.ring()
                finally:
                    renewing.cancel()
                    with contextlib.suppress(*_AWAY):
                        await layer.group_discard(GROUP, channel)
            except (RedisError, OSError) as error:
                _log.warning("Open pages are told of alerts on the beat until Redis is back: %s", error)
                self._channel = ""
                await asyncio.sleep(DEAF_SECONDS)

    async def _renew(self, add: Callable[[str, str], Awaitable[None]], channel: str) -> None:
        """Keeps the room in its group, which forgets members after a day, and with them all when Redis is emptied."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with contextlib.suppress(RedisError, OSError):
                await add(GROUP, channel)


async def _in(reader: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs it in the room's own thread, to its end also where the room closes meanwhile."""
    return await asyncio.wrap_future(reader.submit(function, *args, **kwargs))


def _close_connection() -> None:
    connection.close()  # the thread's own


def _report(error: Exception) -> None:
    if isinstance(error, _AWAY):
        _log.warning("Pages are asked to connect again later: %s", error)
    else:
        _log.error("Pages could not be told of alerts; they will connect again.", exc_info=error)


_rooms: WeakKeyDictionary[asyncio.AbstractEventLoop, Newsroom] = WeakKeyDictionary()


def newsroom() -> Newsroom:
    """The room of the running event loop; a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _rooms:
        _rooms[loop] = Newsroom()
    return _rooms[loop]
