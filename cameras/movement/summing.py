"""Keeps the sums of movement (CameraDay): the only writer of them.

How changes are found without a trigger and without a look at everything:

- Slots from `settled` on are made anew in every round: it stays MARGIN behind the present, and behind what is still
  open (at most LONGEST), so that whatever is written, closed or linked in time is seen.
- Whoever changes what is older says so in the same transaction (`mark_dirty`): corrections, erasure, work that was
  left lying. A mark is a row that is only added and deleted. A round takes marks before it reads what they are about,
  in one transaction: a change that commits later has its own mark, which stays, so that no change is lost.
- The last LOOK_BACK_DAYS are made anew every hour as well, whatever was said or not.

A round goes day by day, a transaction a day, and stops after BUDGET_SECONDS; the next goes on. One at a time: whoever
comes while another is at it leaves.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from django.db.models import Min
from django.utils import timezone

from cameras.models import CameraDay, DirtySlot, Identity, Sighting, SumsState
from cameras.movement import packing
from cameras.movement.binary import fetched
from cameras.movement.slots import (
    LONGEST_SECONDS,
    SLOT_SECONDS,
    SLOTS_A_DAY,
    day_of,
    first_slot,
    slot_of,
    start_of,
)
from cameras.movement.spans import read_rows
from cameras.movement.tally import BEFORE_SECONDS, Courses, Tally, places, tally

MARGIN: Final = timedelta(minutes=30)
LOOK_BACK_DAYS: Final = 2
LOOK_BACK_EVERY: Final = timedelta(hours=1)
BUDGET_SECONDS: Final = 40.0
_TOUCHED: Final = int(BEFORE_SECONDS // SLOT_SECONDS) + 1  # slots after a sighting's own that it may matter to
_LOCK: Final = 0x4C594E53  # any constant
_AHEAD: Final = 4  # slots after the present: clocks of cameras may be ahead
_COLUMNS: Final = ["counts", "dwells", "dwells_day", "arrivals", "arrivals_day", "heat"]

_COURSES: Final = """
SELECT
    string_agg(int8send(camera_id) || float8send(extract(epoch FROM first_seen)::float8)
        || float8send(extract(epoch FROM last_seen - first_seen)::float8) || int8send(octet_length(course)), ''::bytea),
    string_agg(course, ''::bytea)
FROM (
    SELECT camera_id, first_seen, last_seen, course FROM cameras_sighting
    WHERE first_seen >= %(since)s AND first_seen < %(until)s AND camera_id IS NOT NULL AND course IS NOT NULL
    ORDER BY first_seen, id
) AS rows
"""
_COURSE_ROW: Final = np.dtype([("camera", ">i8"), ("first", ">f8"), ("seconds", ">f8"), ("length", ">i8")])
_MARK: Final = """
INSERT INTO cameras_dirtyslot (start)
SELECT DISTINCT date_bin('15 minutes', first_seen, '2000-01-01T00:00:00Z') FROM cameras_sighting WHERE {which}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What a round did. `is_done`: nothing is left to do; not so where another was at it."""

    days: int
    slots: int
    marks: int
    is_done: bool


def mark_dirty(*, sightings: Collection[UUID] = (), slots: Iterable[datetime] = ()) -> None:
    """Has the sums of these sightings, or of the quarters of an hour in which these moments lie, made anew.

    A part of the caller's transaction: to be called in it before or after the change. Adds a few rows and waits for
    nobody. Of sightings that began within the last minutes nothing needs to be said.
    """
    wanted = {start_of(slot_of(moment)) for moment in slots}
    DirtySlot.objects.bulk_create(DirtySlot(start=start) for start in sorted(wanted))
    if sightings:
        _mark("id = ANY(%s)", list(sightings))


def mark_identity(identity: Identity) -> None:
    """`mark_dirty` for all sightings of an identity, which may be many."""
    _mark("identity_id = %s", identity.pk)


def sum_up(*, budget: float = BUDGET_SECONDS, now: datetime | None = None) -> Round:
    """Brings the sums up to `now`, the present where none is given, for as long as the budget (seconds) lasts."""
    ends = time.monotonic() + budget
    days = slots = marks = 0
    while True:
        done = _step(now or timezone.now())
        if done is None:
            return Round(days=days, slots=slots, marks=marks, is_done=False)
        days, slots, marks = days + done.days, slots + done.slots, marks + done.marks
        if done.is_done or time.monotonic() >= ends:
            return Round(days=days, slots=slots, marks=marks, is_done=done.is_done)


def rebuild() -> None:
    """Forgets all sums; the next rounds make them anew, from the first sighting on."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        CameraDay.objects.all().delete()
        SumsState.objects.all().delete()


def waiting() -> int:
    """How many quarters of an hour are marked as dirty."""
    return DirtySlot.objects.values("start").distinct().count()


def _mark(which: str, value: int | list[UUID]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_MARK.format(which=which), [value])


def _step(now: datetime) -> Round | None:
    """One piece of work in one transaction: a day's marked slots, or slots that are not settled. None: another is at
    it."""
    with transaction.atomic():
        if not _is_alone():
            return None
        state = SumsState.objects.first() or _begun(now)
        if state is None:
            return Round(days=0, slots=0, marks=0, is_done=True)
        if state.looked_back_at <= now - LOOK_BACK_EVERY:
            state.settled = min(state.settled, start_of(first_slot((now - timedelta(days=LOOK_BACK_DAYS)).date())))
            state.looked_back_at = now
            state.save()
        marked = _taken(until=state.settled)
        if marked:
            done = [_make(first, end) for first, end in _runs(marked)]
            days, slots = sum(day for day, _ in done), sum(slot for _, slot in done)
            return Round(days=days, slots=slots, marks=len(marked), is_done=False)
        return _go_on(state, now)


def _is_alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        found = cursor.fetchone()
    return bool(found and found[0])


def _begun(now: datetime) -> SumsState | None:
    """The state at the beginning: nothing is settled since the first sighting. None: there is no sighting."""
    first = Sighting.objects.aggregate(first=Min("first_seen"))["first"]
    if first is None:
        return None
    return SumsState(settled=start_of(slot_of(min(first, now))), looked_back_at=now, summed_at=now)


def _taken(*, until: datetime) -> list[int]:
    """Takes out the marks of the first day that has some, and returns the slots they are about, rising. Marks of slots
    that are not settled are taken out as well: those are made anew anyway."""
    DirtySlot.objects.filter(start__gte=until).delete()
    first = DirtySlot.objects.aggregate(first=Min("start"))["first"]
    if first is None:
        return []
    ends = start_of(first_slot(first.astimezone(UTC).date()) + SLOTS_A_DAY)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM cameras_dirtyslot WHERE start < %s RETURNING start", [ends])
        return sorted({slot_of(start) for (start,) in cursor.fetchall()})


def _runs(slots: list[int]) -> list[tuple[int, int]]:
    """From where to where (not in it) slots are made anew so that all that these may touch is."""
    runs: list[tuple[int, int]] = []
    for slot in slots:
        if runs and slot <= runs[-1][1]:
            runs[-1] = (runs[-1][0], slot + _TOUCHED)
        else:
            runs.append((slot, slot + _TOUCHED))
    return runs


def _go_on(state: SumsState, now: datetime) -> Round:
    """Makes the slots from `settled` on anew: to the end of its day, or to the present where that is near."""
    first, present = slot_of(state.settled), slot_of(now) + _AHEAD
    bound = max(now - timedelta(seconds=LONGEST_SECONDS), min(now - MARGIN, _oldest_open() or now))
    tomorrow = first_slot(day_of(first)) + SLOTS_A_DAY
    end = tomorrow if tomorrow <= slot_of(bound) else present
    days, slots = _make(first, end)
    state.settled = max(state.settled, start_of(min(end, slot_of(bound))))
    is_done = end == present
    if is_done:
        state.summed_at = now
    state.save()
    return Round(days=days, slots=slots, marks=0, is_done=is_done)


def _oldest_open() -> datetime | None:
    found: datetime | None = Sighting.objects.filter(is_open=True, camera__isnull=False).aggregate(
        first=Min("first_seen")
    )["first"]
    return found


def _make(first: int, end: int) -> tuple[int, int]:
    """Makes the slots from `first` to `end` (not in it) anew for all cameras; returns how many days and slots."""
    since = start_of(first)
    spans = read_rows(since=since - timedelta(seconds=BEFORE_SECONDS), until=start_of(end))
    made = tally(spans, _courses(since, start_of(end)), first=first, slots=end - first)
    days = range(first_slot(day_of(first)), end, SLOTS_A_DAY)
    for day in days:
        _write(day, made, max(first, day), min(end, day + SLOTS_A_DAY))
    return len(days), end - first


def _courses(since: datetime, until: datetime) -> Courses:
    ((found, course),) = fetched(_COURSES, {"since": since, "until": until})
    rows = np.frombuffer(found or b"", _COURSE_ROW)
    return places(
        rows["camera"].astype(np.int64),
        rows["first"].astype(np.float64),
        rows["seconds"].astype(np.float64),
        rows["length"].astype(np.int64),
        course or b"",
    )


def _write(day: int, made: Tally, first: int, end: int) -> None:
    """Puts the slots from `first` to `end`, which are in one day, into that day's rows."""
    before = {row.camera_id: row for row in CameraDay.objects.defer(None).filter(day=day_of(day))}
    cameras = _kept({*before, *(int(camera) for camera in made.cameras)})
    changed = []
    for camera in cameras:
        old = before.get(camera)
        row = _row(day, camera, old, made, first, end)
        if old is None:
            if not _is_empty(row):
                changed.append(row)
        elif any(bytes(getattr(old, name)) != getattr(row, name) for name in _COLUMNS):
            changed.append(row)
    CameraDay.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["day", "camera"], update_fields=_COLUMNS
    )
    CameraDay.objects.filter(day=day_of(day), camera__in=[row.camera_id for row in changed if _is_empty(row)]).delete()


def _kept(cameras: set[int]) -> list[int]:
    """Those that are still there, and stay until the transaction is over: only who removes one waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM cameras_camera WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE", [sorted(cameras)])
        return [camera for (camera,) in cursor.fetchall()]


def _row(day: int, camera: int, old: CameraDay | None, made: Tally, first: int, end: int) -> CameraDay:
    """The camera's day with these slots put in."""
    counts = packing.unpack_counts(old.counts) if old else packing.unpack_counts(packing.NO_COUNTS)
    dwells = packing.unpack_dwells(old.dwells) if old else packing.unpack_dwells(packing.NO_DWELLS)
    heat = packing.unpack_heat(old.heat if old else b"")
    arrivals = packing.unpack_arrivals(old.arrivals if old else b"")
    into, out = slice(first - day, end - day), slice(first - made.first, end - made.first)
    at = int(np.searchsorted(made.cameras, camera))
    is_in = at < len(made.cameras) and made.cameras[at] == camera
    counts[into] = made.counts[at, out] if is_in else 0
    dwells[into] = made.dwells[at, out] if is_in else 0
    heat[into] = made.heat[at, out] if is_in else 0
    slots = made.arrival_slots + made.first
    chosen = (made.arrival_cameras == camera) & (slots >= first) & (slots < end)
    new = made.arrivals[chosen].copy()
    new["slot"] = slots[chosen] - day
    stay = (arrivals["slot"] < into.start) | (arrivals["slot"] >= into.stop)
    together = packing.in_order(np.concatenate([arrivals[stay], new]))
    return CameraDay(
        camera_id=camera,
        day=day_of(day),
        counts=packing.pack_counts(counts),
        dwells=packing.pack_dwells(dwells),
        dwells_day=packing.pack_dwells_day(dwells),
        heat=packing.pack_heat(heat),
        arrivals=packing.pack_arrivals(together),
        arrivals_day=packing.pack_arrivals(packing.whole_day(together)),
    )


def _is_empty(row: CameraDay) -> bool:
    return not any(row.counts) and not row.arrivals and not row.heat
