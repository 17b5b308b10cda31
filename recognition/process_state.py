"""What each process holds in memory right now: its models and its gallery, kept in Redis for seconds.

Every process that uses a model publishes, pages and /metrics read. A process that has not spoken lately is gone.
Times are seconds, sizes bytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from redis.exceptions import RedisError

from config.redis import client

SECONDS = 15
_PROCESSES = "lynceus:processes"  # a sorted set: the key of each process, by when it is forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """One model in one process. `state`: unloaded, loading, ready or failed. `idle`: None when it was never used."""

    pack: str
    name: str
    state: str
    error: str
    bytes: int
    loads: int
    runs: int
    idle: float | None
    load_seconds: float
    providers: tuple[str, ...]
    fallback: str  # why it does not run on the device that was asked for; else empty

    @property
    def is_loaded(self) -> bool:
        return self.state == "ready"


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryState:
    """The gallery that a process searches."""

    pack: str
    revision: int
    templates: int
    people: int
    bytes: int
    searches: int
    problem: str  # why it does not follow the database; else empty


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """One process as it sees itself. `rss`: the memory it has altogether."""

    role: str
    host: str
    pid: int
    started_at: float  # seconds since the epoch
    rss: int
    models: tuple[ModelState, ...]
    gallery: GalleryState | None

    @property
    def name(self) -> str:
        return f"{self.host}:{self.pid}"

    @property
    def loaded_bytes(self) -> int:
        return sum(model.bytes for model in self.models if model.is_loaded)


def publish(state: ProcessState) -> None:
    """Says what this process holds; forgotten after SECONDS. Raises RedisError."""
    key = f"lynceus:process:{state.name}"
    pipe = client().pipeline(transaction=False)
    pipe.set(key, json.dumps(asdict(state)), ex=SECONDS)
    pipe.zadd(_PROCESSES, {key: time.time() + SECONDS})
    pipe.zremrangebyscore(_PROCESSES, "-inf", time.time())
    pipe.execute()


def withdraw(host: str, pid: int) -> None:
    """Says that the process ends. Raises RedisError."""
    key = f"lynceus:process:{host}:{pid}"
    pipe = client().pipeline(transaction=False)
    pipe.delete(key)
    pipe.zrem(_PROCESSES, key)
    pipe.execute()


def processes() -> list[ProcessState] | None:
    """All processes that spoke lately, by role; None while Redis does not answer."""
    try:
        keys = cast("list[bytes]", client().zrangebyscore(_PROCESSES, time.time(), "+inf"))
        found = client().mget(keys) if keys else []
    except RedisError:
        return None
    states = [_read(json.loads(raw)) for raw in found if raw]
    return sorted(states, key=lambda state: (state.role, state.host, state.pid))


def _read(values: Mapping[str, Any]) -> ProcessState:
    gallery = values["gallery"]
    return ProcessState(
        **{
            **values,
            "models": tuple(
                ModelState(**{**model, "providers": tuple(model["providers"])}) for model in values["models"]
            ),
            "gallery": GalleryState(**gallery) if gallery else None,
        }
    )
