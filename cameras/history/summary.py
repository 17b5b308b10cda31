"""The figures of one identity: last seen, present, days, visits, time in view by camera.

Definitions. Doubted sightings are in none of them.
*In view*: the time in which at least one sighting of them at a camera lasted; two that overlap count once, and one that
ends before it begins, because a clock was set back, counts as none.
*Visit*: sightings at one camera with no more than VISIT_GAP between the end of one and the beginning of the next.
*Day*: that of the site's time zone in which a sighting began; its last sight is the latest end of those.

How they are fast for somebody with a hundred thousand sightings: last seen and present are one look into an index each.
The others are of a span of days, and of the newest MOST sightings in it at most, in one statement over one range of the
index of identities, in order, so that nothing is sorted twice; `is_cut` says where there were more. How many sightings
there are in all is counted up to MOST_COUNTED, in the index alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.utils import timezone

from cameras.models import Camera, Sighting
from cameras.movement.paths import JOINED

VISIT_GAP: Final = timedelta(seconds=JOINED)
MOST: Final = 5_000
MOST_COUNTED: Final = 100_000
MOST_VISITS: Final = 100  # that are listed
SPANS: Final = (1, 7, 30, 90, 365)
USUAL_SPAN: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """An identity, or an enrolled person, whose newest sightings may not be linked to their identity yet."""

    identity: int | None = None
    person: int | None = None

    @property
    def column(self) -> str:
        return "identity_id" if self.person is None else "person_id"

    @property
    def key(self) -> int | None:
        return self.identity if self.person is None else self.person

    @property
    def where(self) -> dict[str, int | None]:
        return {self.column: self.key}


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay at a camera."""

    camera: int | None
    camera_name: str
    begins: datetime
    ends: datetime
    sightings: int
    in_view: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class AtCamera:
    """What one camera saw of them."""

    camera: int | None
    camera_name: str
    sightings: int
    visits: int
    in_view: timedelta
    last: datetime

    @property
    def a_visit(self) -> timedelta:
        """The time in view of a visit, on average."""
        return self.in_view / self.visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """The first and the last sight of a day."""

    day: date
    first: datetime
    first_camera: str
    last: datetime
    last_camera: str
    sightings: int
    in_view: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasts:
    """Where and when somebody was seen last, whether they are in view now, and how often they were seen."""

    last: Sighting | None
    present: tuple[Sighting, ...]
    sightings: int

    @property
    def counted(self) -> str:
        """The number as people read it."""
        return f"more than {MOST_COUNTED:,}" if self.sightings > MOST_COUNTED else f"{self.sightings:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Of a span. `is_cut`: of the newest MOST sightings in it only, which begin at `since`."""

    since: datetime
    sightings: int
    in_view: timedelta
    cameras: tuple[AtCamera, ...]
    days: tuple[Day, ...]  # newest first
    visits: tuple[Visit, ...]  # newest first, at most MOST_VISITS
    visits_in_all: int
    is_cut: bool


def lasts(whose: Whose) -> Lasts:
    """What stands at the top of the page."""
    theirs = Sighting.objects.filter(**whose.where, is_doubted=False).order_by("-first_seen", "-id")
    return Lasts(last=theirs.first(), present=tuple(theirs.filter(is_open=True)), sightings=_counted(whose))


def _counted(whose: Whose) -> int:
    return Sighting.objects.filter(**whose.where).order_by()[: MOST_COUNTED + 1].count()


# Windows go over each camera's sightings in order: `until` is how far those before reached. A camera that was removed
# is known by the name it had.
_FIGURES = """
WITH found AS MATERIALIZED (
    SELECT id, camera_id, camera_name, CASE WHEN camera_id IS NULL THEN camera_name END AS removed, first_seen,
        GREATEST(last_seen, first_seen) AS last_seen
    FROM cameras_sighting
    WHERE {column} = %(key)s AND first_seen >= %(since)s AND NOT is_doubted
    ORDER BY first_seen DESC, id DESC LIMIT %(most)s
), marked AS (
    SELECT *, max(last_seen) OVER (PARTITION BY camera_id, removed ORDER BY first_seen, id
                                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS until
    FROM found
), stays AS MATERIALIZED (
    SELECT *,
        GREATEST(last_seen - GREATEST(first_seen, COALESCE(until, first_seen)), interval '0') AS in_view,
        count(*) FILTER (WHERE until IS NULL OR first_seen > until + %(gap)s)
            OVER (PARTITION BY camera_id, removed ORDER BY first_seen, id) AS visit
    FROM marked
), visits AS MATERIALIZED (
    SELECT camera_id, removed AS camera_name, min(first_seen) AS begins, max(last_seen) AS ends,
        count(*) AS sightings, sum(in_view) AS in_view
    FROM stays GROUP BY camera_id, removed, visit
)
SELECT 'camera' AS kind, camera_id, camera_name, NULL::date AS day, NULL::timestamptz AS begins, max(ends) AS ends,
    NULL AS other, sum(sightings)::bigint AS sightings, sum(in_view) AS in_view, count(*) AS visits
FROM visits GROUP BY camera_id, camera_name
UNION ALL
SELECT 'day', NULL, (array_agg(camera_name ORDER BY first_seen, id))[1], (first_seen AT TIME ZONE %(zone)s)::date,
    min(first_seen), max(last_seen), (array_agg(camera_name ORDER BY last_seen DESC, id DESC))[1], count(*),
    sum(in_view), 0
FROM stays GROUP BY (first_seen AT TIME ZONE %(zone)s)::date
UNION ALL
(SELECT 'visit', camera_id, camera_name, NULL, begins, ends, NULL, sightings, in_view, count(*) OVER ()
FROM visits ORDER BY begins DESC, camera_id LIMIT %(visits)s)
"""


def figures(whose: Whose, *, days: int = USUAL_SPAN, until: datetime | None = None) -> Figures:
    """The figures of the last so many days up to `until`, by default now: from the beginning of the first one on."""
    since = _since(days, until or timezone.now())
    values: dict[str, Any] = {
        "key": whose.key,
        "since": since,
        "most": MOST,
        "gap": VISIT_GAP,
        "visits": MOST_VISITS,
        "zone": str(timezone.get_current_timezone()),
    }
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES.replace("{column}", whose.column), values)
        rows = cursor.fetchall()
    names = dict(Camera.objects.filter(pk__in={row[1] for row in rows}).values_list("pk", "name"))
    rows = [(*row[:2], names.get(row[1], row[2] or ""), *row[3:]) for row in rows]
    cameras = sorted((_at_camera(row) for row in rows if row[0] == "camera"), key=lambda one: -one.sightings)
    found = sum(one.sightings for one in cameras)
    by_day = sorted((_day(row) for row in rows if row[0] == "day"), key=lambda one: one.day, reverse=True)
    visits = sorted((_visit(row) for row in rows if row[0] == "visit"), key=lambda one: one.begins, reverse=True)
    is_cut = found >= MOST
    return Figures(
        since=min(one.first for one in by_day) if is_cut else since,
        sightings=found,
        in_view=sum((one.in_view for one in cameras), timedelta()),
        cameras=tuple(cameras),
        days=tuple(by_day),
        visits=tuple(visits),
        visits_in_all=sum(one.visits for one in cameras),
        is_cut=is_cut,
    )


def _since(days: int, now: datetime) -> datetime:
    """The beginning of the first of the days; a day may have 23 or 25 hours."""
    first = timezone.localtime(now).date() - timedelta(days=days - 1)
    return datetime(first.year, first.month, first.day, tzinfo=timezone.get_current_timezone())


def _at_camera(row: tuple[Any, ...]) -> AtCamera:
    _, camera, name, _, _, ends, _, sightings, in_view, visits = row
    return AtCamera(camera=camera, camera_name=name, sightings=sightings, visits=visits, in_view=in_view, last=ends)


def _day(row: tuple[Any, ...]) -> Day:
    _, _, first_camera, day, begins, ends, last_camera, sightings, in_view, _ = row
    return Day(
        day=day,
        first=begins,
        first_camera=first_camera,
        last=ends,
        last_camera=last_camera,
        sightings=sightings,
        in_view=in_view,
    )


def _visit(row: tuple[Any, ...]) -> Visit:
    _, camera, name, _, begins, ends, _, sightings, in_view, _ = row
    return Visit(camera=camera, camera_name=name, begins=begins, ends=ends, sightings=sightings, in_view=in_view)
