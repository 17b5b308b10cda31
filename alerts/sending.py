"""Sends what is due: claims it, writes the messages, hands them to their channels in threads, and marks what became.

`send_due` is asked for by a nudge whenever something was written, and by beat. It may run in many processes at once
(`alerts.claims` keeps them apart) and may be killed at any moment: what was claimed and not marked goes again under the
same key. The threads only send; the database is the caller's thread's alone. A place that hangs holds two threads at
most, and one once that is known.
"""

from __future__ import annotations

import json
import logging
import math
import time
import uuid
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db import connection
from django.utils import timezone

from accounts import vault
from accounts.vault import VaultError
from alerts import claims, messages, outbox
from alerts.channels import base
from alerts.channels.base import Config, Message, NotDelivered
from alerts.claims import Parcel
from alerts.facts import disclosure
from alerts.messages import Told, Wording
from alerts.models import Channel, Endpoint, MessageTemplate, Occasion
from alerts.models.delivery import CHANNEL_SCOPE
from cameras import shots
from cameras.models import Sighting, shot_scope
from cameras.services import shot_bind
from recognition.engine import EngineError
from recognition.packs import current_pack

_log = logging.getLogger(__name__)

THREADS: Final = 32
A_PLACE: Final = 2
# What one thread sends before it is marked: what a killed process had sent and not marked goes again.
A_BUNDLE: Final = 8
A_MOMENT: Final = 0.05
RUN_SECONDS = 20.0  # then another one goes on: a worker that is asked to end is not kept
LINGER_SECONDS = 0.4  # longer than one nudge stands for others: what was written meanwhile is seen
LOOK_SECONDS = 0.1
_SPOILT = "What is needed to send there can not be read any more: {} Enter it anew."
_WITHOUT_PICTURES = (Channel.SMS, *outbox.RECORDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    parcel: Parcel
    config: Config
    message: Message

    @property
    def may_begin(self) -> bool:
        """Whether what was checked is still fresh, and the claim outlasts an attempt."""
        return timezone.now() <= self.parcel.until - timedelta(seconds=claims.CLAIM_SECONDS - claims.START_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    """What became of a message: it was taken (`receipt`), it was not (`problem`), or it was not tried."""

    job: _Job
    receipt: str | None = None
    problem: NotDelivered | None = None


def send_due() -> int:
    """Sends what is due until nothing is, or for RUN_SECONDS; returns how many messages were taken."""
    claims.drop_homeless()
    claims.release_confirmed()
    with ThreadPoolExecutor(THREADS, thread_name_prefix="send") as pool:
        return _Run(pool).run()


class _Run:
    """One round of sending. `flying`: what threads are at; `waiting`: what is claimed and ready, by place."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._flying: dict[Future[list[_Outcome]], Endpoint] = {}
        self._waiting: dict[uuid.UUID, deque[_Job]] = {}
        self._configs: dict[uuid.UUID, Config] = {}
        self._wordings = {row.channel: row for row in MessageTemplate.objects.all()}
        self._ends_at = time.monotonic() + RUN_SECONDS
        self._looks_at = self._lingers_until = 0.0

    def run(self) -> int:
        sent = 0
        while True:
            found = self._look()
            self._start()
            if self._flying:
                sent += self._land()
            elif found:
                continue
            elif not self._waiting and time.monotonic() >= self._lingers_until:
                break
            else:
                time.sleep(LOOK_SECONDS)
        if time.monotonic() >= self._ends_at:
            outbox.nudge()
        return sent

    def _look(self) -> bool:
        """Claims for places that have nothing on its way; not all the time while there is nothing."""
        now = time.monotonic()
        if now < self._looks_at or now >= self._ends_at:
            return False
        parcels = claims.claim({place.pk for place in self._flying.values()} | set(self._waiting))
        self._looks_at = now + LOOK_SECONDS
        if parcels:
            self._linger()
        for job in self._written(parcels):
            self._waiting.setdefault(job.parcel.endpoint.pk, deque()).append(job)
        return bool(parcels)

    def _linger(self) -> None:
        self._lingers_until = time.monotonic() + LINGER_SECONDS

    def _start(self) -> None:
        """Hands over as much as places and threads have room for; lets go what has waited for too long."""
        for place, jobs in list(self._waiting.items()):
            if not jobs[0].may_begin:
                self._let_go(place)
            while (jobs := self._waiting.get(place, deque())) and self._has_room(jobs[0].parcel.endpoint):
                bundle = [jobs.popleft() for _ in range(min(A_BUNDLE, math.ceil(len(jobs) / A_PLACE)))]
                self._flying[self._pool.submit(_send, bundle)] = bundle[0].parcel.endpoint
                if not jobs:
                    del self._waiting[place]

    def _has_room(self, place: Endpoint) -> bool:
        places = list(self._flying.values())
        failing = place.failing_since is not None
        if failing and sum(one.failing_since is not None for one in places) >= THREADS // 2:
            return False
        return len(places) < THREADS and sum(one.pk == place.pk for one in places) < (1 if failing else A_PLACE)

    def _land(self) -> int:
        """Waits for some to come back, and marks what became of them; returns how many were taken."""
        done, _ = wait(self._flying, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
        outcomes: list[_Outcome] = []
        for future in done:
            del self._flying[future]
            outcomes += future.result()
        taken = [(one.job.parcel, one.receipt) for one in outcomes if one.receipt is not None]
        if taken:
            claims.mark_sent(taken)
        for one in reversed(outcomes):
            if one.receipt is None and one.problem is None:
                self._waiting.setdefault(one.job.parcel.endpoint.pk, deque()).appendleft(one.job)
        for one in outcomes:
            if one.problem is not None:
                self._fail(one.job, one.problem)
        if done:
            self._linger()
            self._looks_at = 0.0 if self._has_dry(outcomes) else self._looks_at
        return len(taken)

    def _has_dry(self, outcomes: Sequence[_Outcome]) -> bool:
        """Whether one of these places has nothing on its way any more: there may be more for it."""
        busy = {place.pk for place in self._flying.values()} | set(self._waiting)
        return any(one.job.parcel.endpoint.pk not in busy for one in outcomes)

    def _fail(self, job: _Job, problem: NotDelivered) -> None:
        claims.put_off(job.parcel, problem)
        if not problem.permanent:
            self._let_go(job.parcel.endpoint.pk)

    def _let_go(self, place: uuid.UUID) -> None:
        jobs = self._waiting.pop(place, None)
        if jobs:
            claims.let_go([job.parcel for job in jobs])

    def _written(self, parcels: Collection[Parcel]) -> Iterable[_Job]:
        """The messages; a place whose configuration can not be read gets none."""
        pictures = _pictures(parcels)
        for parcel in parcels:
            channel = Channel(parcel.endpoint.channel)
            try:
                config = self._config(parcel)
            except (VaultError, ValueError) as error:
                claims.put_off(parcel, NotDelivered(_SPOILT.format(error), permanent=True))
                continue
            told = [Told(alert=row.alert, occasion=Occasion(row.occasion)) for row in parcel.rows]
            message = messages.compose(
                told, channel, key=parcel.key, wording=self._wording(channel), picture=pictures.get(parcel.key)
            )
            yield _Job(parcel=parcel, config=config, message=message)

    def _config(self, parcel: Parcel) -> Config:
        place = parcel.endpoint
        if place.pk not in self._configs:
            opened = json.loads(vault.unseal(CHANNEL_SCOPE, place.sealed_config, bind=place.bind))
            self._configs[place.pk] = {str(name): str(value) for name, value in opened.items()}
        return self._configs[place.pk]

    def _wording(self, channel: Channel) -> Wording:
        row = self._wordings.get(channel)
        return messages.default_wording(channel) if row is None else Wording(subject=row.subject, body=row.body)


def _send(jobs: Sequence[_Job]) -> list[_Outcome]:
    """In a thread: one after the other, for A_MOMENT and until the first that is not taken; the others are left."""
    found: list[_Outcome] = []
    began = time.monotonic()
    for job in jobs:
        is_over = bool(found) and (found[-1].problem is not None or time.monotonic() - began > A_MOMENT)
        found.append(_Outcome(job=job) if is_over or not job.may_begin else _sent(job))
    connection.close()
    return found


def _sent(job: _Job) -> _Outcome:
    channel = Channel(job.parcel.endpoint.channel)
    try:
        return _Outcome(job=job, receipt=base.sender(channel).send(job.config, job.message))
    except NotDelivered as problem:
        return _Outcome(job=job, problem=problem)
    except Exception as error:
        return _Outcome(job=job, problem=base.spoilt(channel, error))


def _pictures(parcels: Collection[Parcel]) -> dict[uuid.UUID, bytes]:
    """The best shots of those messages about one alert that may carry one, by key."""
    wanted: dict[uuid.UUID, uuid.UUID] = {}
    for parcel in parcels:
        channel, alert = Channel(parcel.endpoint.channel), parcel.rows[0].alert
        if len(parcel.rows) > 1 or alert.sighting_id is None or channel in _WITHOUT_PICTURES:
            continue
        if disclosure(alert, channel).picture:
            wanted[parcel.key] = alert.sighting_id
    if not wanted:
        return {}
    sealed = {
        row.pk: (shot_scope(row.shot_day), row.sealed_shot, shot_bind(row.pk))
        for row in Sighting.objects.defer(None).filter(pk__in=set(wanted.values()))
        if row.shot_day is not None and row.sealed_shot is not None
    }
    opened = zip(sealed, vault.unseal_many(list(sealed.values())), strict=True)
    pictures = {sighting: _without_bystanders(shot) for sighting, shot in opened if isinstance(shot, bytes)}
    return {key: shot for key, sighting in wanted.items() if (shot := pictures.get(sighting)) is not None}


def _without_bystanders(jpeg: bytes) -> bytes | None:
    """The picture as it may leave the house; None where nobody can say who else is in it: then it stays."""
    try:
        return shots.to_hand_out(jpeg, current_pack())
    except EngineError as error:
        _log.warning("A message goes without its picture: %s", error)
        return None
