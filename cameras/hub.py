"""Live pictures for everybody who looks, from one Redis subscription a web process.

A worker encodes a camera's picture once; it comes once to each web process whose viewers look at the camera, and is
handed to each of them from there. A viewer that is slow, or wants fewer pictures, gets the newest one and never a
queue: what came between is not kept. Nobody looks: nothing is subscribed, no connection is open, and the worker is no
longer asked. All of it lives in the event loop; only that thread may call.

While Redis is away viewers simply get nothing, and go on by themselves when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cameras import live

MOST_FPS = 10.0
LEAST_FPS = 1.0
VIEWERS_A_USER = 32
VIEWERS_A_PROCESS = 256
ASK_SECONDS = 2.0
AGAIN_SECONDS = 1.0
_LISTEN_SECONDS = 0.2  # how long a change of who looks at what may wait
_FRESH_SECONDS = 3.0  # a picture older than that is not shown to who comes anew
_PREFIX = live.channel(0).removesuffix("0")
_log = logging.getLogger(__name__)


class TooMany(Exception):
    """So many live pictures are open already that no further one is; a sentence for people."""


@dataclass(slots=True, kw_only=True)
class _Seat:
    """What a viewer wants of one camera."""

    fps: float
    newest: live.Picture | None = None
    due: float = 0.0
    free: bool = True  # False: the last picture was not acknowledged yet


@dataclass(slots=True, eq=False, kw_only=True)
class Viewer:
    """One who looks at one camera or several. With `acknowledges` a camera's next picture waits for `seen`."""

    hub: Hub
    acknowledges: bool = False
    _seats: dict[int, _Seat] = field(default_factory=dict)
    _waiter: asyncio.Future[None] | None = None

    def want(self, cameras: Mapping[int, float]) -> None:
        """Looks at these cameras from now on, each at so many pictures a second, and at no other."""
        gone, came = self._seats.keys() - cameras.keys(), cameras.keys() - self._seats.keys()
        for camera_id, fps in cameras.items():
            bounded = min(MOST_FPS, max(LEAST_FPS, fps))
            if camera_id in self._seats:
                self._seats[camera_id].fps = bounded
            else:
                self._seats[camera_id] = _Seat(fps=bounded)
        for camera_id in gone:
            del self._seats[camera_id]
        self.hub.moved(self, came=came, gone=gone)

    def wants(self) -> Mapping[int, float]:
        """The cameras that are looked at, with their rates."""
        return {camera_id: seat.fps for camera_id, seat in self._seats.items()}

    def seen(self, camera_id: int) -> None:
        """The camera's last picture arrived; the next one may come."""
        seat = self._seats.get(camera_id)
        if seat is not None and not seat.free:
            seat.free = True
            self._wake()

    def offer(self, camera_id: int, picture: live.Picture) -> None:
        """A newer picture; one that was not taken yet is forgotten."""
        seat = self._seats.get(camera_id)
        if seat is not None:
            seat.newest = picture
            if seat.free:
                self._wake()

    async def next(self, timeout: float) -> tuple[int, live.Picture] | None:
        """The camera that waited longest, and its newest picture; None when nothing came for so many seconds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while True:
            now = loop.time()
            waiting = [(seat.due, camera_id) for camera_id, seat in self._seats.items() if seat.newest and seat.free]
            due, camera_id = min(waiting, default=(math.inf, 0))
            seat = self._seats.get(camera_id)
            if due <= now and seat is not None and seat.newest is not None:
                return camera_id, self._take(seat, seat.newest, now)
            if now >= end:
                return None
            # One future and one timer: with sixteen viewers of ten pictures a second, a task for each would be felt.
            self._waiter = loop.create_future()
            timer = loop.call_at(min(due, end), self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _take(self, seat: _Seat, picture: live.Picture, now: float) -> live.Picture:
        # A little early is in time: pictures that come exactly as often as they are wanted must not be every other one.
        seat.due = max(seat.due, now - 0.5 / seat.fps) + 0.9 / seat.fps
        seat.newest = None
        seat.free = not self.acknowledges
        return picture


class Hub:
    """Everybody who looks through this process, and the one connection that feeds them."""

    def __init__(self) -> None:
        self._viewers: defaultdict[int, set[Viewer]] = defaultdict(set)
        self._last: dict[int, tuple[live.Picture, float]] = {}  # and when it came
        self._users: Counter[int] = Counter()
        self._task: asyncio.Task[None] | None = None
        self._fresh: set[int] = set()  # cameras whose worker was not asked for pictures yet

    def check_room(self, user_id: int) -> None:
        """Raises TooMany when this user, or everybody together, has as many live pictures open as there may be."""
        if self._users[user_id] >= VIEWERS_A_USER:
            raise TooMany(
                f"You have {VIEWERS_A_USER} live pictures open, which is the most for one account. "
                "Close some of the pages or tabs, then reload."
            )
        if self._users.total() >= VIEWERS_A_PROCESS:
            raise TooMany(
                f"{VIEWERS_A_PROCESS} live pictures are open on this server, which is the most it shows at once. "
                "Try again in a minute, or add another web process."
            )

    @contextlib.asynccontextmanager
    async def viewer(self, user_id: int, *, acknowledges: bool = False) -> AsyncIterator[Viewer]:
        """A viewer until the end of the block. Raises TooMany."""
        self.check_room(user_id)
        self._users[user_id] += 1
        viewer = Viewer(hub=self, acknowledges=acknowledges)
        try:
            yield viewer
        finally:
            viewer.want({})
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]
            await self._rest()

    def moved(self, viewer: Viewer, *, came: set[int], gone: set[int]) -> None:
        """A viewer looks at other cameras now."""
        for camera_id in gone:
            self._viewers[camera_id].discard(viewer)
            if not self._viewers[camera_id]:
                del self._viewers[camera_id]
                self._last.pop(camera_id, None)
        for camera_id in came:
            self._viewers[camera_id].add(viewer)
            last = self._last.get(camera_id)
            if last is not None and asyncio.get_running_loop().time() - last[1] < _FRESH_SECONDS:
                viewer.offer(camera_id, last[0])
        self._fresh |= viewer.wants().keys()
        if self._viewers and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    def is_idle(self) -> bool:
        """Whether nobody looks and no connection is open."""
        return not self._viewers and self._task is None

    async def _rest(self) -> None:
        """Closes the connection when nobody looks any more."""
        task = self._task
        if self._viewers or task is None:
            return
        self._task = None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    redis = await stack.enter_async_context(Redis.from_url(settings.REDIS, socket_connect_timeout=2))
                    await self._follow(await stack.enter_async_context(redis.pubsub(ignore_subscribe_messages=True)))
            except (RedisError, OSError) as error:
                _log.warning("Live pictures wait for Redis: %s", error)
                self._last.clear()
                await asyncio.sleep(AGAIN_SECONDS)

    async def _follow(self, pubsub: Any) -> None:
        """Hands out what comes, keeps the subscriptions to what is looked at, and the workers asked."""
        loop = asyncio.get_running_loop()
        subscribed: set[int] = set()
        ask_at = 0.0
        while True:
            wanted = set(self._viewers)
            if wanted - subscribed:
                await pubsub.subscribe(*(live.channel(camera_id) for camera_id in wanted - subscribed))
            if subscribed - wanted:
                await pubsub.unsubscribe(*(live.channel(camera_id) for camera_id in subscribed - wanted))
            subscribed = wanted
            if loop.time() >= ask_at:
                self._fresh.clear()
                ask_at = loop.time() + ASK_SECONDS
                await self._ask(wanted)
            elif self._fresh:
                fresh, self._fresh = self._fresh & wanted, set()
                await self._ask(fresh)
            if not subscribed:
                await asyncio.sleep(_LISTEN_SECONDS)
                continue
            message = await pubsub.get_message(timeout=_LISTEN_SECONDS)
            if message is not None and message["type"] == "message":
                self._hand_out(int(message["channel"].decode().removeprefix(_PREFIX)), message["data"])

    async def _ask(self, cameras: set[int]) -> None:
        """Asks the workers for as many pictures as the keenest viewer wants, and shows at once what they gave last."""
        rates = {pk: max(viewer.wants()[pk] for viewer in self._viewers[pk]) for pk in cameras if pk in self._viewers}
        unknown = rates.keys() - self._last.keys()
        for camera_id, picture in (await asyncio.to_thread(_ask, rates, unknown)).items():
            if camera_id not in self._last:
                self._offer(camera_id, picture)

    def _hand_out(self, camera_id: int, raw: bytes) -> None:
        if camera_id in self._viewers:
            self._offer(camera_id, live.read_picture(raw))

    def _offer(self, camera_id: int, picture: live.Picture) -> None:
        self._last[camera_id] = picture, asyncio.get_running_loop().time()
        for viewer in self._viewers.get(camera_id, ()):
            viewer.offer(camera_id, picture)


def _ask(rates: Mapping[int, float], unknown: set[int]) -> dict[int, live.Picture]:
    """In a thread: asks for each camera; of those that nothing is known of yet, what is kept."""
    found: dict[int, live.Picture] = {}
    for camera_id, fps in rates.items():
        if camera_id in unknown:
            picture = live.picture(camera_id, fps)
            if picture is not None:
                found[camera_id] = picture
        else:
            live.watch(camera_id, fps)
    return found


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop; a web process has one."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]
