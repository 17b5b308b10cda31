"""Sees that a camera is run by exactly one loop, from taking its lease to giving it back.

`attend` is what a worker does with a camera that it is given; `run` is the loop's life, also for a camera that is run
by hand. Which worker is given what is decided in `workers/dispatch.py`. A message for a camera that is taken already
ends at once, so that messages may be doubled or lost without harm. A killed worker's leases run out and its cameras
are given to others.

No camera keeps a connection to the database: a worker needs a handful of them, however many cameras it runs.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import uuid

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from redis.exceptions import RedisError

from accounts.vault import VaultError
from cameras import live
from cameras.leases import take_lease
from cameras.live import State, Status
from cameras.models import Camera
from cameras.services import detail_of, end_camera, source_of
from cameras.sources import Source, SourceError
from config.log import redact
from recognition.engine import EngineError, Pack
from recognition.gallery import gallery
from workers import setbacks
from workers.camera_loop import CameraLoop
from workers.dispatch import nudge
from workers.leases import HANG_SECONDS, Ending, Holding, keeper
from workers.presence import presence
from workers.reporter import reporter
from workers.sightings import Tell
from workers.sources import SourceFailed, capture_options, check, open_reader
from workers.starting import starter
from workers.studio import studio
from workers.warmth import warmth
from workers.zones import zone_book

_log = logging.getLogger(__name__)

stopping = threading.Event()
"""Set when this process shall end: every loop closes its sightings and gives its lease back."""

_told: dict[int, str] = {}
"""Why each camera could not be run the last time, as the log has it."""


class CameraBusy(Exception):
    """Another loop holds the camera's lease; the message says so, for people."""


class CameraFailed(Exception):
    """The camera can not be run at all; the message says why, for people."""


def attend(camera_id: int) -> None:
    """Runs the camera if nobody else does, until it ends, changes or the process stops."""
    if stopping.is_set() or not presence().enter(camera_id):
        return
    try:
        camera = starter().do(Camera.objects.filter(pk=camera_id, enabled=True).first, urgent=True)
        if camera is not None:
            _attend(camera)
    except DatabaseError as error:
        _log.warning("Camera %s is taken up again when the database answers: %s", camera_id, error)
    finally:
        presence().leave(camera_id)
        connection.close()


def _attend(camera: Camera) -> None:
    try:
        ending = run(camera, stop=stopping)
    except CameraBusy:
        return
    except CameraFailed as failure:
        _set_back(camera, redact(str(failure)))
    except DatabaseError:
        raise
    except Exception as error:
        why = f"Its loop broke ({type(error).__name__}); the log of the camera worker says where."
        if _told.get(camera.pk) != why:
            _log.exception("The loop of %s broke.", camera.name)
        _set_back(camera, why)
    else:
        if ending in {Ending.STOPPING, Ending.HANDED_OVER}:
            nudge()


def _set_back(camera: Camera, why: str) -> None:
    """The camera is tried again after a pause; that it failed is said once a reason."""
    if _told.get(camera.pk) != why:
        _told[camera.pk] = why
        _log.error("%s can not be run: %s", camera.name, why)
    with contextlib.suppress(RedisError):
        live.publish_status(camera.pk, setbacks.note(camera, why).status)


def run(
    camera: Camera, *, stop: threading.Event, paced: bool = True, tell: Tell | None = None, give_up: bool = False
) -> Ending | None:
    """Takes the lease and loops until the source ends, `stop` is set, or the camera is changed or removed.

    With `give_up` (by hand) a source that can not be opened raises CameraFailed, and neither the schedule nor another
    worker's room ends it; without, it is tried again and again. Raises CameraBusy when another loop runs the camera.
    Why it ended; None when its source did.
    """
    holding = _take(camera, by_hand=give_up)
    try:
        source, detail, pack = _prepare(camera)
        _warm_up(pack, camera, holding, stop)
        if give_up:
            check(source, capture_options(camera))
        reader = open_reader(camera, source, detail, paced=paced)
        loop = CameraLoop(camera=camera, holding=holding, reader=reader, stop=stop, tell=tell)
        loop.run()
        _told.pop(camera.pk, None)
        if stop.is_set():
            holding.end(Ending.STOPPING)
        _when_over(camera, loop, holding, stop)
    except (EngineError, SourceError, SourceFailed, VaultError) as error:
        raise CameraFailed(str(error)) from error
    finally:
        if not connection.in_atomic_block:
            connection.close()  # this thread may live for days in another camera's service
        if not keeper().give_back(holding):
            _log.warning("The lease of %s runs out by itself: the database does not answer.", camera.name)
        if stop.is_set() or give_up:  # the process may end after this
            studio().drain()
    return None if loop.ended else holding.ending


def _take(camera: Camera, *, by_hand: bool) -> Holding:
    """The camera's lease, kept from here on; raises CameraBusy."""
    worker = presence().name
    owner = f"{worker}:{uuid.uuid4().hex[:8]}"
    there = "" if by_hand else worker
    lease = starter().do(lambda: take_lease(camera_id=camera.pk, owner=owner, worker=there), urgent=True)
    if lease is None:
        raise CameraBusy(
            f"{camera.name} is run by a worker already. Disable it first, or wait {settings.LEASE_SECONDS} s."
        )
    return keeper().hold(lease, camera, by_hand=by_hand, on_hang=_hung)


def _prepare(camera: Camera) -> tuple[Source, Source | None, Pack]:
    """What the loop begins with; from here on it has a gallery and zones to go on with while the database is away."""

    def read() -> tuple[Source, Source | None, Pack]:
        zone_book().read()
        return source_of(camera), detail_of(camera), gallery().pack

    return starter().do(read)


def _warm_up(pack: Pack, camera: Camera, holding: Holding, stop: threading.Event) -> None:
    """Loads the models before the camera counts as online. Raises engine.ModelError when they can not be loaded."""
    work, since = warmth().warm(pack), time.time()
    while True:
        reporter().say(camera.pk, Status(state=State.CONNECTING, worker=holding.lease.owner, began=since, since=since))
        try:
            return work.result(timeout=1.0)
        except TimeoutError:
            if work.done():
                raise
            holding.beat()
            if stop.is_set() or holding.ending is not None:
                reporter().leave(camera.pk)
                why = holding.why or Ending.STOPPING
                raise CameraBusy(f"{camera.name} is not run here: {why} while the models loaded.") from None


def _when_over(camera: Camera, loop: CameraLoop, holding: Holding, stop: threading.Event) -> None:
    if loop.ended and camera.enabled and not camera.loop:
        _switch_off(camera, holding, stop)
    elif holding.ending is not None:
        _log.info("%s is not run here any more: %s.", camera.name, holding.why)
    # Of one that was lost, somebody else speaks by now.
    if loop.ended or holding.ending not in {None, Ending.LOST, Ending.HANGING}:
        with contextlib.suppress(RedisError):
            live.clear_status(camera.pk)


def _switch_off(camera: Camera, holding: Holding, stop: threading.Event) -> None:
    """A file that came to its end is switched off, however long it takes: else it is watched again from its start."""
    while True:
        try:
            end_camera(camera=camera, note="The file came to its end. Enable the camera to watch it again.")
            return
        except (OperationalError, InterfaceError):
            connection.close()
            if stop.wait(1.0) or not holding.is_held():
                raise


def _hung(holding: Holding) -> None:
    """A loop hangs: nothing can end its thread, but its camera goes elsewhere."""
    why = f"Its loop did not move for {HANG_SECONDS:.0f} s; another one takes it over."
    camera = Camera.objects.filter(pk=holding.lease.camera_id).first()
    if camera is not None:
        _set_back(camera, why)
