"""Gives cameras that nobody runs to workers, makes room for important ones, and evens out what became uneven.

Called every DISPATCH_SECONDS by beat and whenever a worker gives cameras away. Calls may be doubled or left out without
harm: what is sent is only a hint, the lease decides.

Errors: redis.exceptions.RedisError where Redis is away; then nothing is given away, and what runs goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from django.conf import settings
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError as BrokerError
from redis.exceptions import RedisError

from cameras import live
from cameras.leases import ask_handover
from cameras.live import State, Status
from cameras.models import Camera, CameraLease
from cameras.selectors import attended, unattended
from config.celery import app
from config.redis import client
from workers import roster, setbacks
from workers.assignment import Assignment, Plan, Running, displaced, plan, to_move
from workers.roster import Worker

_log = logging.getLogger(__name__)

TASK = "workers.tasks.run_camera"
CALL_TASK = "workers.tasks.answer_call"
DISPATCH_TASK = "workers.tasks.dispatch_cameras"
UNEVEN_SECONDS = 30.0  # so long workers may be unevenly full
MOVE_SECONDS = 10.0  # between two cameras that move
_UNEVEN_LIVES = 60
_UNEVEN, _NUDGED = "lynceus:uneven", "lynceus:nudged"


def dispatch() -> Plan:
    """One round; what was given to whom."""
    workers = roster.workers()
    cameras = _given_up(unattended(), {worker.name for worker in workers})
    failed = setbacks.resting(cameras)
    lately = roster.given_lately(camera.pk for camera in cameras)
    found = plan([camera for camera in cameras if camera.pk not in failed and camera.pk not in lately], workers)
    statuses = {camera_id: setback.status for camera_id, setback in failed.items()}
    statuses |= _waiting(found.left, workers)
    if statuses:
        live.publish_statuses(statuses)
    running = _running()
    if found.left:
        ask_handover(displaced(found.left, running, workers))
    elif not found.given:
        _even_out(running, workers)
    send(found.given)
    call(workers)
    _tidy()
    return found


def _given_up(cameras: Sequence[Camera], present: AbstractSet[str]) -> list[Camera]:
    """Those whose loops are gone for certain. `present`: the names of the workers that are there.

    When the database was away, or the clock was set, the leases of all loops are over at first. The loops go on and
    renew them within a second, or within some on a loaded machine; meanwhile nobody shall take from them what they have
    seen and could not write yet.
    """
    over = list(CameraLease.objects.filter(camera__in=cameras, expires_at__isnull=False) if cameras else ())
    known = roster.over_for((lease.camera_id, lease.epoch) for lease in over)
    kept = {
        lease.camera_id
        for lease in over
        if known[lease.camera_id] < (roster.ALIVE_SECONDS if lease.worker in present else roster.OVER_SECONDS)
    }
    return [camera for camera in cameras if camera.pk not in kept]


def send(given: Sequence[Assignment]) -> None:
    """Tells each worker, through its own queue, which cameras it shall take.

    Messages have no time to expire by, which clocks of two machines would see differently; an old one does no harm.
    """
    if not given:
        return
    roster.note_sent({one.worker.name for one in given})
    roster.note_given(one.camera_id for one in given)
    # A new connection declares the queues anew: also after Redis lost them, messages arrive.
    with app.connection_for_write() as connection:
        for one in given:
            app.send_task(TASK, (one.camera_id,), queue=one.worker.queue, connection=connection)


def call(workers: Sequence[Worker]) -> None:
    """Calls workers that did not take what was sent to them, to learn whether they hear at all."""
    deaf = [worker for worker in workers if worker.waits > roster.SLOW_SECONDS]
    if deaf:
        with app.connection_for_write() as connection:
            for worker in deaf:
                app.send_task(CALL_TASK, queue=worker.queue, connection=connection)


def nudge() -> None:
    """Asks for a round at once, because cameras became free; at most a few a second."""
    try:
        if client().set(_NUDGED, 1, nx=True, px=300):
            app.send_task(DISPATCH_TASK, expires=settings.DISPATCH_SECONDS, retry=False)
    except (RedisError, BrokerError) as error:
        _log.warning("Other workers take over what became free a little later: %s", error)


def _waiting(left: Sequence[Camera], workers: Sequence[Worker]) -> dict[int, Status]:
    """What is said of cameras for which there is no room."""
    if not left:
        return {}
    able = [worker for worker in workers if not worker.draining]
    if not able:
        why = "No camera worker runs. Start one: manage.py camera_worker"
    elif any(worker.waits > roster.SLOW_SECONDS for worker in able):
        why = "The camera workers do not take new cameras at the moment. Their logs say why; it is tried again."
    else:
        slots = sum(worker.slots for worker in able)
        who = "The only camera worker is" if len(able) == 1 else f"All {len(able)} camera workers are"
        why = (
            f"{who} full: {slots} of {slots} places are taken, by cameras of the same or a higher priority. "
            "Start another worker, raise CAMERA_SLOTS, or switch a camera off."
        )
    status = Status(state=State.WAITING, last_error=why, since=time.time())
    return {camera.pk: status for camera in left}


def _running() -> list[Running]:
    return [
        Running(camera_id=lease.camera_id, priority=lease.camera.priority, worker=lease.worker, handover=lease.handover)
        for lease in attended()
    ]


def _even_out(running: Sequence[Running], workers: Sequence[Worker]) -> None:
    """Moves one camera when one worker has been much fuller than another for a while."""
    camera_id = to_move(running, workers)
    if camera_id is None:
        client().delete(_UNEVEN)
        return
    client().set(_UNEVEN, 1, nx=True, ex=_UNEVEN_LIVES)
    left: int = client().pttl(_UNEVEN)
    if _UNEVEN_LIVES - left / 1000 < UNEVEN_SECONDS:
        return
    client().set(_UNEVEN, 1, px=int((_UNEVEN_LIVES - UNEVEN_SECONDS + MOVE_SECONDS) * 1000))
    ask_handover([camera_id])
    _log.info("Camera %s moves to a worker that has more room.", camera_id)


def _tidy() -> None:
    """Removes the queues of workers that are gone."""
    gone = roster.forget_gone()
    if not gone:
        return
    with app.connection_for_write() as connection:
        for name in gone:
            known = Queue(roster.queue_of(name), Exchange(roster.queue_of(name)), roster.queue_of(name))
            queue = known(connection.default_channel)
            queue.declare()  # kombu deletes what it knows only
            queue.delete()
