"""Learns how long people take from camera to camera, from those who are surely the same at both.

A transition is two sightings of one identity that follow each other, at two cameras, at most LONGEST apart; its time
is from the last sight at the one to the first at the other, negative where both had them in view. It counts where both
are sure: recognised, said by a person, the first of its identity, or linked by a face so alike that the link would have
been made even if the time spoke against it (`Limits.unlikely`): what was linked because travel times made it likely
teaches none. Doubted sightings are no part of anything.

Of each person the newest PER_PERSON transitions of a pair count, so that nobody who walks there all day speaks for all;
from fewer than LEAST_COUNT transitions of LEAST_PEOPLE people nothing is learned. What is read each time is bounded:
the newest MOST sightings of the last DAYS. Pairs of which those say nothing keep what was learned, until that is DAYS
old.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from cameras.identities.linking import SLACK, Limits
from cameras.models import Camera, Link, TravelTime
from config.transactions import brief_transaction
from recognition.packs import manifests

DAYS: Final = 30
MOST: Final = 300_000
LONGEST: Final = timedelta(hours=1)  # who comes later was somewhere else in between
PER_PERSON: Final = 20
LEAST_COUNT: Final = 5
LEAST_PEOPLE: Final = 3

_SURE_ALONE: Final = (Link.RECOGNISED.value, Link.HAND.value, Link.NEW.value)
_LEARN = """
WITH newest AS (
    SELECT id, identity_id, camera_id, first_seen, last_seen, is_doubted, (link = ANY(%(sure)s)
        OR (link = %(linked)s AND link_similarity >= (%(limits)s::jsonb ->> pack)::float8)) IS TRUE AS sure
    FROM cameras_sighting WHERE first_seen >= %(since)s AND first_seen <= %(now)s
    ORDER BY first_seen DESC, id DESC LIMIT %(most)s
), walked AS (
    SELECT identity_id, camera_id, first_seen, sure AND lag(sure) OVER before AS sure,
        lag(camera_id) OVER before AS start_id,
        extract(epoch FROM first_seen - lag(last_seen) OVER before)::float8 AS seconds
    FROM newest WHERE identity_id IS NOT NULL AND NOT is_doubted
    WINDOW before AS (PARTITION BY identity_id ORDER BY first_seen, id)
), numbered AS (
    SELECT identity_id, start_id, camera_id AS end_id, seconds,
        row_number() OVER (PARTITION BY identity_id, start_id, camera_id ORDER BY first_seen DESC) AS number
    FROM walked WHERE sure AND start_id <> camera_id AND seconds <= %(longest)s
)
SELECT start_id, end_id, count(*), count(DISTINCT identity_id), count(*) FILTER (WHERE seconds < -%(slack)s),
    percentile_cont(ARRAY[0.05, 0.5, 0.95]) WITHIN GROUP (ORDER BY seconds)
FROM numbered WHERE number <= %(per_person)s
GROUP BY start_id, end_id HAVING count(*) >= %(least)s AND count(DISTINCT identity_id) >= %(people)s
"""
_KEPT = ("count", "people", "at_once", "p05", "p50", "p95", "learned_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What was found of the way from one camera to another. Times in seconds: 5, 50 and 95 % were faster."""

    start: int
    end: int
    count: int
    people: int
    at_once: int
    times: tuple[float, float, float]


def learn_travel_times(*, now: datetime | None = None) -> int:
    """Learns anew; of how many ways."""
    at = now or timezone.now()
    found = read(now=at)
    _save(found, at)
    return len(found)


def read(*, now: datetime) -> list[Learned]:
    """What the newest sightings say, of each way that enough people went."""
    values: dict[str, Any] = {
        "sure": list(_SURE_ALONE),
        "linked": Link.LINKED.value,
        "limits": json.dumps(_limits()),
        "since": now - timedelta(days=DAYS),
        "now": now,
        "most": MOST,
        "longest": LONGEST.total_seconds(),
        "slack": SLACK,
        "per_person": PER_PERSON,
        "least": LEAST_COUNT,
        "people": LEAST_PEOPLE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LEARN, values)
        rows = cursor.fetchall()
    return [
        Learned(start=start, end=end, count=count, people=people, at_once=at_once, times=tuple(times))
        for start, end, count, people, at_once, times in rows
    ]


def _limits() -> dict[str, float]:
    """From which similarity on a link needs nothing else, by pack."""
    return {one.version: Limits.of(one.threshold).unlikely for one in manifests().values()}


@brief_transaction()
def _save(found: list[Learned], at: datetime) -> None:
    named = {one.start for one in found} | {one.end for one in found}
    # Cameras that were removed meanwhile have no ways; those that are there stay until this is over.
    there = set(
        Camera.objects.select_for_update(no_key=True).filter(pk__in=named).order_by("pk").values_list("pk", flat=True)
    )
    rows = [
        TravelTime(
            start_id=one.start,
            end_id=one.end,
            count=one.count,
            people=one.people,
            at_once=one.at_once,
            p05=round(one.times[0], 2),
            p50=round(one.times[1], 2),
            p95=round(one.times[2], 2),
            learned_at=at,
        )
        for one in found
        if {one.start, one.end} <= there
    ]
    TravelTime.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["start", "end"], update_fields=list(_KEPT)
    )
    TravelTime.objects.filter(learned_at__lt=at - timedelta(days=DAYS)).delete()
