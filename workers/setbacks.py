"""Cameras that could not be run lately: why, how often in a row, and that they are left alone for a while.

Kept in Redis, because the next worker that is given the camera may be on another machine. The pause doubles from
FIRST_PAUSE to LONGEST_PAUSE seconds; a camera that ran for HEALTHY_SECONDS since, or was changed, starts anew.

Errors: redis.exceptions.RedisError where Redis is away.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cameras.live import State, Status
from cameras.models import Camera
from config.redis import client

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
HEALTHY_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """Why a camera is not run at the moment. `why` is a sentence for people."""

    why: str
    count: int
    revision: int
    since: float  # seconds since the epoch

    @property
    def pause(self) -> float:
        return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.count - 1, 10)))

    @property
    def status(self) -> Status:
        return Status(state=State.OFFLINE, last_error=self.why, restarts=self.count, since=self.since)


def note(camera: Camera, why: str) -> Setback:
    """The camera could not be run; it is left alone for the setback's pause."""
    before = _read(client().get(_key("setback", camera.pk)), camera)
    setback = Setback(
        why=why,
        count=before.count + 1 if before else 1,
        revision=camera.revision,
        since=before.since if before else time.time(),
    )
    value = json.dumps(asdict(setback))
    pipe = client().pipeline(transaction=False)
    pipe.set(_key("setback", camera.pk), value, px=int((setback.pause + HEALTHY_SECONDS) * 1000))
    pipe.set(_key("rest", camera.pk), value, px=int(setback.pause * 1000))
    pipe.execute()
    return setback


def resting(cameras: Iterable[Camera]) -> dict[int, Setback]:
    """The cameras that are left alone by now."""
    rows = list(cameras)
    found = client().mget([_key("rest", camera.pk) for camera in rows]) if rows else []
    read = {camera.pk: _read(raw, camera) for camera, raw in zip(rows, found, strict=True)}
    return {camera_id: setback for camera_id, setback in read.items() if setback is not None}


def _read(raw: object, camera: Camera) -> Setback | None:
    if not isinstance(raw, bytes | str):
        return None
    setback = Setback(**json.loads(raw))
    return setback if setback.revision == camera.revision else None


def _key(kind: str, camera_id: int) -> str:
    return f"lynceus:{kind}:{camera_id}"
