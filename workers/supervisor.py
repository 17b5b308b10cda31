"""Sees that every enabled camera is run by exactly one loop.

Beat asks every DISPATCH_SECONDS for the cameras whose lease nobody holds and sends a message for each; whichever worker
gets it tries to take the lease. A message for a camera that is taken already ends at once, so that messages may be
doubled or lost without harm. A killed worker's leases run out and its cameras are dispatched again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from accounts.vault import VaultError
from cameras import live
from cameras.live import State, Status
from cameras.models import Camera
from cameras.selectors import unattended
from cameras.services import Lease, end_camera, release_lease, renew_lease, source_of, take_lease
from cameras.sources import SourceError
from config.log import redact
from recognition.engine import EngineError, Pack
from recognition.gallery import gallery
from workers.camera_loop import CameraLoop
from workers.sightings import Tell
from workers.sources import FileReader, LiveReader, SourceFailed, check

_log = logging.getLogger(__name__)

stopping = threading.Event()
"""Set when this process shall end: every loop closes its sightings and gives its lease back."""


_told: dict[int, str] = {}
"""Why each camera could not be run the last time, as the log has it."""


class CameraBusy(Exception):
    """Another loop holds the camera's lease; the message says so, for people."""


class CameraFailed(Exception):
    """The camera can not be run at all; the message says why, for people."""


def dispatch() -> list[int]:
    """The ids of the cameras that nobody runs; each is sent to the camera workers by the caller."""
    return list(unattended().values_list("id", flat=True))


def attend(camera_id: int) -> None:
    """Runs the camera if nobody else does, until it ends, changes or the process stops."""
    try:
        camera = Camera.objects.filter(pk=camera_id, enabled=True).first()
        if camera is not None and not stopping.is_set():
            _attend(camera)
    except DatabaseError as error:
        _log.warning("Camera %s is taken up again when the database answers: %s", camera_id, error)
    finally:
        connection.close()


def _attend(camera: Camera) -> None:
    try:
        run(camera, stop=stopping)
    except CameraBusy:
        return
    except CameraFailed as failure:
        if _told.get(camera.pk) != str(failure):  # it is tried again every few seconds, and said once
            _told[camera.pk] = str(failure)
            _log.error("%s can not be run: %s", camera.name, failure)
        status = Status(state=State.OFFLINE, last_error=redact(str(failure)), since=time.time())
        with contextlib.suppress(RedisError):
            live.publish_status(camera.pk, status)


def run(
    camera: Camera, *, stop: threading.Event, paced: bool = True, tell: Tell | None = None, give_up: bool = False
) -> None:
    """Takes the lease and loops until the source ends, `stop` is set, or the camera is changed or removed.

    With `give_up` a source that can not be opened raises CameraFailed; without, it is tried again and again.
    Raises CameraBusy when another loop runs the camera.
    """
    lease = take_lease(camera_id=camera.pk, owner=f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}")
    if lease is None:
        raise CameraBusy(
            f"{camera.name} is run by a worker already. Disable it first, or wait {settings.LEASE_SECONDS} s."
        )
    try:
        source = source_of(camera)
        # From here on the loop has a gallery to go on with while the database is away.
        _warm_up(gallery().pack, camera, lease, stop)
        if give_up:
            check(source)
        reader = LiveReader(source, loop=camera.loop) if paced else FileReader(source)
        loop = CameraLoop(camera=camera, lease=lease, reader=reader, stop=stop, tell=tell)
        _told.pop(camera.pk, None)
        loop.run()
        _when_over(camera, loop)
    except (EngineError, SourceError, SourceFailed, VaultError) as error:
        raise CameraFailed(str(error)) from error
    finally:
        try:
            release_lease(lease)
        except DatabaseError as error:
            connection.close()
            _log.warning("The lease of %s runs out by itself: %s", camera.name, error)


def _warm_up(pack: Pack, camera: Camera, lease: Lease, stop: threading.Event) -> None:
    """Loads the models before the camera counts as online, and keeps the lease for as long as that takes.

    Raises engine.ModelError when they can not be loaded.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="warm-up") as thread:
        work = thread.submit(pack.warm_up)
        while True:
            with contextlib.suppress(RedisError):
                live.publish_status(camera.pk, Status(state=State.CONNECTING, worker=lease.owner, since=time.time()))
            try:
                return work.result(timeout=settings.HEARTBEAT_SECONDS)
            except TimeoutError:
                if stop.is_set() or not renew_lease(lease):
                    raise CameraBusy(
                        f"{camera.name} was stopped, or taken by another worker, while the models loaded."
                    ) from None


def _when_over(camera: Camera, loop: CameraLoop) -> None:
    """A file that came to its end is switched off, or it would be watched again from its start."""
    if loop.ended and camera.enabled and not camera.loop:
        end_camera(camera=camera, note="The file came to its end. Enable the camera to watch it again.")
    with contextlib.suppress(RedisError):
        live.clear_status(camera.pk)
