"""What a camera does right now: its state and its live picture, kept in Redis for seconds.

Workers publish, pages read. A camera's picture is made only while somebody watches, and as often as the keenest of them
wants: a reader says so with every read, or with `watch` while it listens on the camera's `channel`, where every new
picture is sent once to each web process. A reader that finds nothing fresh gets an honest answer: nobody runs the
camera, or its worker has not spoken lately.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from redis.exceptions import RedisError

from cameras.models import Camera
from cameras.schedule import is_scheduled
from config.redis import client

STATUS_SECONDS = 10
PICTURE_SECONDS = 10
WATCH_SECONDS = 6
WATCH_RATES = (1, 2, 3, 5, 10)  # live pictures a second that can be asked for; others are rounded up


class State(StrEnum):
    OFF = "off"  # not enabled
    SLEEPING = "sleeping"  # enabled, and off by its schedule now
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
    State.SLEEPING: "Off by its schedule",
    State.WAITING: "Waiting for a worker",
    State.CONNECTING: "Connecting",
    State.ONLINE: "Online",
    State.OFFLINE: "Offline",
    State.ENDED: "Ended",
}


class View(StrEnum):
    """What can be said of the picture itself while it comes; the values but CLEAR are those of `EventKind`."""

    CLEAR = "clear"
    FROZEN = "frozen"
    BLACK = "black"
    COVERED = "covered"
    DEFOCUSED = "defocused"
    MOVED = "moved"

    @property
    def label(self) -> str:
        return _VIEWS[self]


_VIEWS = {
    View.CLEAR: "",
    View.FROZEN: "Frozen",
    View.BLACK: "Black",
    View.COVERED: "Covered",
    View.DEFOCUSED: "Out of focus",
    View.MOVED: "Moved",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A camera's state as its worker sees it.

    Rates in frames a second; lag in ms, from capture to decision; decode_ms: mean time to decode a picture. Counts
    (frames, drops, restarts) are since the loop began, which `began` (seconds since the epoch) tells. `fps_wanted` is
    how often faces are looked for by now, less than the camera asks for while the machine is short of time; of the
    `frames_wanted` so far `frames_missed` could not be looked at (their reasons are among the drops).
    """

    state: State
    view: View = View.CLEAR
    fps_in: float = 0.0
    fps_wanted: float = 0.0
    fps_processed: float = 0.0
    lag_ms: float = 0.0
    decode_ms: float = 0.0
    width: int = 0
    height: int = 0
    frames_in: int = 0
    frames_wanted: int = 0
    frames_missed: int = 0
    frames_processed: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    restarts: int = 0  # how often the source was opened again
    last_error: str = ""
    worker: str = ""
    began: float = 0.0
    since: float = 0.0  # seconds since the epoch, when this state began

    @property
    def label(self) -> str:
        """The state in words: that of the picture where pictures come."""
        return self.view.label if self.state is State.ONLINE and self.view is not View.CLEAR else self.state.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An encoded live picture. `tag` changes with every new one."""

    jpeg: bytes
    tag: str


def publish_status(camera_id: int, status: Status) -> None:
    """Says what the camera does; forgotten after STATUS_SECONDS."""
    publish_statuses({camera_id: status})


def publish_statuses(by_camera: Mapping[int, Status], *, ask: Iterable[int] = ()) -> dict[int, int]:
    """The same for any number of cameras in one round trip, which also says what `watched` says of those in `ask`."""
    pipe = client().pipeline(transaction=False)
    for camera_id, status in by_camera.items():
        pipe.set(_key("status", camera_id), json.dumps(asdict(status)), ex=STATUS_SECONDS)
    wanted = [(camera_id, rate) for camera_id in ask for rate in WATCH_RATES]
    if not wanted:
        pipe.execute()
        return {}
    pipe.mget([_watch_key(camera_id, rate) for camera_id, rate in wanted])
    found = pipe.execute()[-1]
    # Rates rise within a camera, so that the highest one stays.
    return {camera_id: rate for (camera_id, rate), value in zip(wanted, found, strict=True) if value}


def clear_status(camera_id: int) -> None:
    """Says that nobody runs the camera any more."""
    client().delete(_key("status", camera_id), _key("picture", camera_id))


def statuses(cameras: Iterable[Camera]) -> dict[int, Status]:
    """The state of each camera, by id; one round trip for all. While Redis is away nobody speaks for any."""
    rows = list(cameras)
    try:
        return read_statuses(rows)
    except RedisError:
        return {camera.pk: _status(camera, None) for camera in rows}


def read_statuses(cameras: Iterable[Camera]) -> dict[int, Status]:
    """The same, for those who must know the difference: raises RedisError."""
    rows = list(cameras)
    found = client().mget([_key("status", camera.pk) for camera in rows]) if rows else []
    return {camera.pk: _status(camera, raw) for camera, raw in zip(rows, found, strict=True)}


def publish_picture(camera_id: int, jpeg: bytes) -> None:
    """Offers a live picture: sent to whoever listens on its channel, and kept for PICTURE_SECONDS."""
    raw = f"{time.time_ns():x}".encode() + b"\n" + jpeg
    pipe = client().pipeline(transaction=False)
    pipe.set(_key("picture", camera_id), raw, ex=PICTURE_SECONDS)
    pipe.publish(channel(camera_id), raw)
    pipe.execute()


def channel(camera_id: int) -> str:
    """The Redis channel on which the camera's new pictures are sent; `read_picture` reads its messages."""
    return _key("pictures", camera_id)


def read_picture(raw: bytes) -> Picture:
    """A picture as it is kept, or comes over its channel."""
    tag, _, jpeg = raw.partition(b"\n")
    return Picture(jpeg=jpeg, tag=tag.decode())


def watch(camera_id: int, fps: float = 3.0) -> None:
    """Asks the camera's worker for so many live pictures a second, for WATCH_SECONDS; more often is no harm."""
    client().set(_watch_key(camera_id, fps), 1, ex=WATCH_SECONDS)


def watched(camera_ids: Iterable[int]) -> dict[int, int]:
    """Which of the cameras somebody watches, and how many pictures a second are wanted."""
    return publish_statuses({}, ask=camera_ids)


def picture(camera_id: int, fps: float = 3.0) -> Picture | None:
    """The newest live picture, if the camera gave one lately; asks the worker for so many a second."""
    pipe = client().pipeline(transaction=False)
    pipe.set(_watch_key(camera_id, fps), 1, ex=WATCH_SECONDS)
    pipe.get(_key("picture", camera_id))
    try:
        raw = pipe.execute()[1]
    except RedisError:
        return None
    return read_picture(bytes(raw)) if raw else None


def _watch_key(camera_id: int, fps: float) -> str:
    rate = next((rate for rate in WATCH_RATES if rate >= fps), WATCH_RATES[-1])
    return f"{_key('watch', camera_id)}:{rate}"


def _status(camera: Camera, raw: bytes | str | None) -> Status:
    if raw:
        values = json.loads(raw)
        return Status(**{**values, "state": State(values["state"]), "view": View(values["view"])})
    if camera.enabled:
        return Status(state=State.WAITING if is_scheduled(camera.schedule) else State.SLEEPING)
    return Status(state=State.ENDED if camera.note else State.OFF, last_error=camera.note)


def _key(kind: str, camera_id: int) -> str:
    return f"lynceus:{kind}:{camera_id}"
