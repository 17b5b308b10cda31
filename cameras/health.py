"""What is wrong with cameras, and what they did in each hour: written down from what their workers say.

`watch_cameras` looks every few seconds at what Redis holds of every camera, and goes on from what the last look found
(`CameraWatch`): it opens and closes events (`cameras.events`) and sums up hours (`cameras.hours`). One look is made at
a time, by whichever worker; running it twice changes nothing, and time in which nobody looked counts for nothing:
neither as online nor as down. While Redis is away nothing is said of any camera. Times are the database's; how far the
clocks of workers are from that one stands in their leases, and a clock that is wrong is an event of their cameras.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import IntegrityError, connection
from django.utils import timezone
from redis.exceptions import RedisError

from cameras import live
from cameras.events import Events
from cameras.hours import COUNTS, Hours, remember
from cameras.leases import is_live
from cameras.live import State, Status, View
from cameras.models import Camera, CameraEvent, CameraHour, CameraLease, CameraWatch, EventKind
from cameras.schedule import is_scheduled
from config.log import redact
from config.transactions import brief_transaction

_log = logging.getLogger(__name__)

GAP_SECONDS: Final = 30.0  # longer between two looks, and nobody knows what was in between
UP_SECONDS: Final = 5.0  # for so long it must give pictures until it counts as up again
CLOCK_SECONDS: Final = 2.0  # a clock that is off by more is wrong

_LOCK: Final = 0x4C594E02  # any constant: one look at a time
_VIEWS: Final = frozenset(EventKind(view.value) for view in View if view is not View.CLEAR)


def watch_cameras() -> bool:
    """One look at all cameras; False where it was none: somebody else looks right now, or Redis is away."""
    try:
        return _look_alone()
    except IntegrityError:
        return False  # a camera was removed at this moment; the next look does not find it any more


@brief_transaction()
def _look_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s), now()", [_LOCK])
        alone, now = cursor.fetchone()
    if not alone:
        return False
    cameras = list(Camera.objects.all())
    try:
        statuses = live.read_statuses(cameras)
    except RedisError as error:
        _log.warning("What cameras do is not known while Redis is away: %s", error)
        return False
    look(cameras, statuses, now=now)
    return True


def look(cameras: Iterable[Camera], statuses: Mapping[int, Status], *, now: datetime) -> None:
    """Writes down what has changed since the last look. Call it in a transaction, one at a time."""
    watches = CameraWatch.objects.in_bulk()
    anybody = any(status.worker for status in statuses.values())
    hours, events, clocks = Hours(now), Events(now), _clocks()
    looked, unwanted = list[CameraWatch](), list[int]()
    for camera in cameras:
        status = statuses[camera.pk]
        if not is_wanted(camera, status, now):
            events.close(camera.pk, list(EventKind), ended_at=now)
            if camera.pk in watches:
                unwanted.append(camera.pk)
            continue
        watch = watches.get(camera.pk) or CameraWatch(camera=camera, looked_at=now)
        seconds = (now - watch.looked_at).total_seconds()
        if 0 <= seconds <= GAP_SECONDS:
            hours.add(watch, status, seconds)
        else:
            watch.looked_at, watch.missing_since, watch.online_since = now, None, None
        _follow(watch, status, now)
        looked.append(watch)
        _judge(events, camera, watch, status, anybody)
        _judge_clock(events, camera, clocks.get(camera.pk), now)
    CameraWatch.objects.filter(camera__in=unwanted).delete()  # it begins anew when it is wanted again
    _save(looked)
    hours.save()
    events.close_orphans()
    events.tell()


def is_wanted(camera: Camera, status: Status, now: datetime) -> bool:
    """Whether the camera should give pictures now."""
    if not camera.enabled or status.state in (State.OFF, State.SLEEPING, State.ENDED):
        return False
    return is_scheduled(camera.schedule, now)


def prune(*, now: datetime | None = None) -> int:
    """Deletes what is older than CAMERA_HEALTH_DAYS, its alerts included; returns how many rows."""
    before = (now or timezone.now()) - timedelta(days=settings.CAMERA_HEALTH_DAYS)
    gone = CameraHour.objects.filter(start__lt=before).delete()[0]
    return gone + CameraEvent.objects.filter(ended_at__lt=before).delete()[0]


def _follow(watch: CameraWatch, status: Status, now: datetime) -> None:
    """Since when the camera gives pictures, or gives none. One that gives some again counts as missing for a while."""
    if status.state is State.ONLINE:
        watch.online_since = watch.online_since or now
        if (now - watch.online_since).total_seconds() >= UP_SECONDS:
            watch.missing_since = None
    else:
        watch.online_since = None
        watch.missing_since = watch.missing_since or watch.looked_at
    watch.looked_at = now
    remember(watch, status)


def _save(watches: Iterable[CameraWatch]) -> None:
    CameraWatch.objects.bulk_create(
        watches,
        update_conflicts=True,
        unique_fields=["camera"],
        update_fields=["looked_at", "missing_since", "online_since", "began", "drops", *COUNTS],
    )


def _judge(events: Events, camera: Camera, watch: CameraWatch, status: Status, anybody: bool) -> None:
    """Opens and closes what the look says. Of the view of a camera that gives no pictures nothing is known."""
    now = watch.looked_at
    if status.state is not State.ONLINE:
        since = watch.missing_since or now
        if (now - since).total_seconds() >= settings.CAMERA_DOWN_SECONDS:
            events.open(camera, EventKind.DOWN, since=since, detail=_why_down(status, anybody))
        return
    if watch.missing_since is None:
        events.close(camera.pk, [EventKind.DOWN], ended_at=watch.online_since or now)
    shown = None if status.view is View.CLEAR else EventKind(status.view.value)
    events.close(camera.pk, _VIEWS - {shown}, ended_at=now)
    if shown is not None:
        events.open(camera, shown, since=now)


def _clocks() -> dict[int, CameraLease]:
    """The leases of cameras whose workers' clocks were measured, by camera."""
    return CameraLease.objects.filter(is_live(), clock_offset__isnull=False).in_bulk()


def _judge_clock(events: Events, camera: Camera, lease: CameraLease | None, now: datetime) -> None:
    """Whether what the camera sees gets the right time. Of one that nobody runs nothing new is known."""
    if lease is None or lease.clock_offset is None:
        return
    if abs(lease.clock_offset) <= CLOCK_SECONDS:
        events.close(camera.pk, [EventKind.CLOCK], ended_at=now)
        return
    events.open(camera, EventKind.CLOCK, since=now, detail=_what_clock(lease.worker, lease.clock_offset))


def _what_clock(worker: str, offset: float) -> str:
    """What is wrong with a clock, what follows, and what to do, in sentences for people."""
    whose = f"the camera worker {worker}" if worker else "the camera's worker"
    seconds = abs(offset)
    span = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    return (
        f"The clock of {whose} is {span} {'ahead of' if offset > 0 else 'behind'} the database's. What the camera sees "
        "is stored with a wrong time, and whoever passes other cameras too seems to be in two places. Let that "
        "machine set its clock by NTP (chrony, or “timedatectl set-ntp true”); this ends by itself then."
    )


def _why_down(status: Status, anybody: bool) -> str:
    """Why there are no pictures, as far as it is known, in a sentence for people."""
    if status.last_error:
        return redact(status.last_error)
    if status.state is State.WAITING and not anybody:
        return "No camera worker is running: no camera of this site is watched. Start one (manage.py camera_worker)."
    if status.state is State.WAITING:
        return "No worker runs it: the one that did has stopped, or all are full. Start another camera worker."
    if status.state is State.CONNECTING:
        return "It has been connecting since then and has not given a picture yet."
    return "It is connected and gives no pictures."
