"""What a camera does right now: its state and its live picture, kept in Redis for seconds.

Workers publish, pages read. A camera's picture is made only while somebody watches: a reader says so with every read.
A reader that finds nothing fresh gets an honest answer: nobody runs the camera, or its worker has not spoken lately.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from redis.exceptions import RedisError

from cameras.models import Camera
from config.redis import client

STATUS_SECONDS = 10
PICTURE_SECONDS = 10
WATCH_SECONDS = 6


class State(StrEnum):
    OFF = "off"  # not enabled
    WAITING = "waiting"  # enabled, and no worker runs it yet
    CONNECTING = "connecting"
    ONLINE = "online"
    OFFLINE = "offline"  # the source gives no pictures; the loop tries again
    ENDED = "ended"  # a file that came to its end

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    State.OFF: "Off",
    State.WAITING: "Waiting for a worker",
    State.CONNECTING: "Connecting",
    State.ONLINE: "Online",
    State.OFFLINE: "Offline",
    State.ENDED: "Ended",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A camera's state as its worker sees it. Rates in frames a second; lag in ms, from capture to decision."""

    state: State
    fps_in: float = 0.0
    fps_processed: float = 0.0
    lag_ms: float = 0.0
    width: int = 0
    height: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    last_error: str = ""
    worker: str = ""
    since: float = 0.0  # seconds since the epoch, when this state began


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An encoded live picture. `tag` changes with every new one."""

    jpeg: bytes
    tag: str


def publish_status(camera_id: int, status: Status) -> None:
    """Says what the camera does; forgotten after STATUS_SECONDS."""
    client().set(_key("status", camera_id), json.dumps(asdict(status)), ex=STATUS_SECONDS)


def clear_status(camera_id: int) -> None:
    """Says that nobody runs the camera any more."""
    client().delete(_key("status", camera_id), _key("picture", camera_id))


def statuses(cameras: Iterable[Camera]) -> dict[int, Status]:
    """The state of each camera, by id; one round trip for all."""
    rows = list(cameras)
    if not rows:
        return {}
    try:
        found = client().mget([_key("status", camera.pk) for camera in rows])
    except RedisError:
        found = [None] * len(rows)
    return {camera.pk: _status(camera, raw) for camera, raw in zip(rows, found, strict=True)}


def publish_picture(camera_id: int, jpeg: bytes) -> None:
    """Offers a live picture; forgotten after PICTURE_SECONDS."""
    client().set(_key("picture", camera_id), f"{time.time_ns():x}".encode() + b"\n" + jpeg, ex=PICTURE_SECONDS)


def is_watched(camera_id: int) -> bool:
    """Whether somebody looked at the live picture in the last WATCH_SECONDS."""
    return bool(client().exists(_key("watch", camera_id)))


def picture(camera_id: int) -> Picture | None:
    """The newest live picture, if the camera gave one lately; asks the worker for more."""
    pipe = client().pipeline(transaction=False)
    pipe.set(_key("watch", camera_id), 1, ex=WATCH_SECONDS)
    pipe.get(_key("picture", camera_id))
    try:
        raw = pipe.execute()[1]
    except RedisError:
        return None
    if not raw:
        return None
    tag, _, jpeg = bytes(raw).partition(b"\n")
    return Picture(jpeg=jpeg, tag=tag.decode())


def _status(camera: Camera, raw: bytes | str | None) -> Status:
    if raw:
        values = json.loads(raw)
        return Status(**{**values, "state": State(values["state"])})
    if camera.enabled:
        return Status(state=State.WAITING)
    return Status(state=State.ENDED if camera.note else State.OFF, last_error=camera.note)


def _key(kind: str, camera_id: int) -> str:
    return f"lynceus:{kind}:{camera_id}"
