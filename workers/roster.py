"""Who runs cameras: every camera worker says once a second what it runs and how much more it can take.

Kept in Redis for ROSTER_SECONDS, so that a worker that is killed leaves by itself. Ages are told by Redis (how long a
key still lives), so that the clocks of machines may differ. Nothing here decides who may run a camera: that is the
lease's doing.

Errors: redis.exceptions.RedisError where Redis is away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from config.redis import client

ROSTER_SECONDS = 5
DEAF_SECONDS = 20.0  # a worker that takes no message for so long will take none any more
SLOW_SECONDS = 5.0  # and one that takes none for so long is sent no others
_DRAIN_SECONDS = 120
_SENT_SECONDS = 60
OVER_SECONDS = 1.5  # a lease that is over may still be renewed for so long by its loop, which goes on,
ALIVE_SECONDS = 5.0  # and for so long where its worker says that it is there: that has much to catch up with
_OVER_LIVES = 10
_GIVEN_MS = 3800  # shorter than two rounds of dispatching
_NAMES = "lynceus:workers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A camera worker as it announces itself. `load`: the part of its computing time that is in use, in [0, 1]."""

    name: str
    host: str
    pid: int
    slots: int
    running: int
    hanging: int = 0
    load: float = 0.0
    draining: bool = False
    since: float = 0.0  # seconds since the epoch
    waits: float = 0.0  # seconds for which a message that was sent to it has not been taken

    @property
    def room(self) -> int:
        """How many more cameras it may be given."""
        return 0 if self.draining or self.waits > SLOW_SECONDS else max(0, self.slots - self.running)

    @property
    def queue(self) -> str:
        return queue_of(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker learns when it announces itself."""

    drain: bool  # it is asked to hand over and end
    waits: float  # seconds for which a message to it has not been taken


def queue_of(worker: str) -> str:
    """The worker's own Celery queue."""
    return f"cameras.{worker}"


def announce(worker: Worker) -> Answer:
    """Says that the worker is there; forgotten after ROSTER_SECONDS."""
    values = {key: value for key, value in asdict(worker).items() if key != "waits"}
    pipe = client().pipeline(transaction=False)
    pipe.sadd(_NAMES, worker.name)
    pipe.set(_key("worker", worker.name), json.dumps(values), ex=ROSTER_SECONDS)
    pipe.exists(_key("drain", worker.name))
    pipe.pttl(_key("sent", worker.name))
    *_, drain, left = pipe.execute()
    return Answer(drain=bool(drain), waits=_age(left))


def leave(name: str) -> None:
    """The worker is given nothing more."""
    client().delete(_key("worker", name), _key("drain", name), _key("sent", name))


def workers() -> list[Worker]:
    """The camera workers that are there, by name."""
    names = sorted(_text(name) for name in client().smembers(_NAMES))
    if not names:
        return []
    pipe = client().pipeline(transaction=False)
    for name in names:
        pipe.get(_key("worker", name))
        pipe.pttl(_key("sent", name))
    found = iter(pipe.execute())
    return [Worker(**json.loads(raw), waits=_age(left)) for raw, left in zip(found, found, strict=True) if raw]


def forget_gone() -> list[str]:
    """The names of workers that are there no more, each told once."""
    present = {worker.name for worker in workers()}
    gone = [name for name in map(_text, client().smembers(_NAMES)) if name not in present]
    return [name for name in gone if client().srem(_NAMES, name)]


def note_sent(names: Iterable[str]) -> None:
    """A message is on its way to each of these workers."""
    pipe = client().pipeline(transaction=False)
    for name in names:
        pipe.set(_key("sent", name), 1, nx=True, ex=_SENT_SECONDS)
    pipe.execute()


def note_taken(name: str) -> None:
    """The worker took a message."""
    client().delete(_key("sent", name))


def given_lately(cameras: Iterable[int]) -> set[int]:
    """The cameras that somebody was told to take, and has had no time to take yet."""
    ids = list(cameras)
    found = client().mget([_key("given", str(camera)) for camera in ids]) if ids else []
    return {camera for camera, value in zip(ids, found, strict=True) if value}


def over_for(leases: Iterable[tuple[int, int]]) -> dict[int, float]:
    """For how many seconds it has been known of leases (camera, epoch) that they are over, by camera."""
    named = list(leases)
    pipe = client().pipeline(transaction=False)
    for camera, epoch in named:
        pipe.set(_key("over", f"{camera}:{epoch}"), 1, nx=True, ex=_OVER_LIVES)
        pipe.pttl(_key("over", f"{camera}:{epoch}"))
    found = pipe.execute()[1::2] if named else []
    return {camera: max(0.0, _OVER_LIVES - left / 1000) for (camera, _), left in zip(named, found, strict=True)}


def note_given(cameras: Iterable[int]) -> None:
    """Somebody is told to take these cameras."""
    pipe = client().pipeline(transaction=False)
    for camera in cameras:
        pipe.set(_key("given", str(camera)), 1, px=_GIVEN_MS)
    pipe.execute()


def ask_to_drain(names: Iterable[str]) -> None:
    """Asks workers, on whatever machine, to hand their cameras over and to end."""
    pipe = client().pipeline(transaction=False)
    for name in names:
        pipe.set(_key("drain", name), 1, ex=_DRAIN_SECONDS)
    pipe.execute()


def _age(left: int) -> float:
    """How long ago a key of _SENT_SECONDS was set, from the milliseconds it still lives; negative: there is none."""
    return max(0.0, _SENT_SECONDS - left / 1000) if left >= 0 else 0.0


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


def _key(kind: str, name: str) -> str:
    return f"lynceus:{kind}:{name}"
