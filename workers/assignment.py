"""Which worker gets which camera: pure decisions from what workers announce and what the database says.

Cameras of higher priority come first; each goes to the worker that is least full by then. How full a worker is: the
part of its slots that are taken or the part of its computing time that is in use, whichever is more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cameras.models import Camera
from workers.roster import Worker

UNEVEN = 0.25  # one worker is so much fuller than another: something should move


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A camera that is run, by whom."""

    camera_id: int
    priority: int
    worker: str
    handover: bool  # it is asked to move already


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    camera_id: int
    worker: Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Who gets what; `left`: cameras for which nobody has room."""

    given: tuple[Assignment, ...]
    left: tuple[Camera, ...]


def plan(waiting: Iterable[Camera], workers: Sequence[Worker]) -> Plan:
    """Gives cameras away, those of high priority first, each to whoever is least full."""
    crew = {worker.name: worker for worker in workers}
    given: list[Assignment] = []
    left: list[Camera] = []
    for camera in sorted(waiting, key=lambda one: (-one.priority, one.pk)):
        taker = min((one for one in crew.values() if one.room), key=fullness, default=None)
        if taker is None:
            left.append(camera)
            continue
        given.append(Assignment(camera_id=camera.pk, worker=taker))
        crew[taker.name] = _with(taker, +1)
    return Plan(given=tuple(given), left=tuple(left))


def displaced(left: Sequence[Camera], running: Iterable[Running], workers: Iterable[Worker]) -> list[int]:
    """The cameras that must make room for waiting ones of a higher priority; one for each."""
    names = {worker.name for worker in workers if not worker.draining}
    known = [one for one in running if one.worker in names]
    movable = sorted((one for one in known if not one.handover), key=lambda one: (one.priority, -one.camera_id))
    leaving = sum(one.handover for one in known)
    wanting = sorted(left, key=lambda one: -one.priority)[leaving:]
    return [one.camera_id for camera, one in zip(wanting, movable, strict=False) if one.priority < camera.priority]


def to_move(running: Iterable[Running], workers: Sequence[Worker]) -> int | None:
    """The camera that should go from the fullest worker to the emptiest; None while they are even enough."""
    crew = [worker for worker in workers if not worker.draining]
    if len(crew) < 2:
        return None
    emptiest, fullest = min(crew, key=fullness), max(crew, key=fullness)
    if not emptiest.room or fullness(fullest) - fullness(emptiest) < UNEVEN:
        return None
    if fullness(_with(fullest, -1)) < fullness(_with(emptiest, +1)):
        return None  # it would come back
    known = list(running)
    if any(one.handover for one in known):
        return None
    theirs = [one for one in known if one.worker == fullest.name]
    return min(theirs, key=lambda one: (one.priority, -one.camera_id)).camera_id if theirs else None


def fullness(worker: Worker) -> float:
    return max(worker.running / worker.slots, worker.load)


def _with(worker: Worker, more: int) -> Worker:
    """The worker with so many more cameras, each of which takes as much computing as those it has."""
    each = worker.load / worker.running if worker.running else 0.0
    return replace(worker, running=worker.running + more, load=max(0.0, worker.load + more * each))
