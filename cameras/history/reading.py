"""Reads a page of sightings by any filters within a bounded time, however many sightings there are.

Each page goes through the index of one filter, or through several indexes at once whose sightings are merged by time;
the other filters are tested on what comes. It looks at LOOK rows at most. What is rare and has no index of its own,
such as “similarity at least 0.99, by this camera”, may so give a page that is not full, or empty, and yet has a next
one: `looked_until` says how far it has looked. Order and cursor are (first_seen, id).

Which index: `_sources` reads from the most telling filter to the least.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet
from psycopg.sql import SQL, Composed

from cameras.history.filters import KNOWN, UNKNOWN, Filters, Place, place_of
from cameras.models import Link, Sighting, Verdict
from cameras.selectors import Cursor
from recognition.models import WatchlistEntry

LOOK: Final = 20_000  # rows a page, that lie beside each other because they came one after the other
_SCATTERED, _ELSEWHERE = 4, 8  # so many times less, where each row lies on a page of its own, or costs a second look
MOST_KEYS: Final = 300  # of a filter: so many people or cameras are read one by one and merged
_Sql = SQL | Composed
_COLUMNS: Final = SQL(
    "s.id, s.first_seen, s.camera_id, s.person_id, s.identity_id, s.verdict, s.similarity, s.quality, s.link,"
    " s.is_doubted, s.is_open"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of sightings. `next`: where the next one begins, None: there is none. `looked_until`: this one is not full
    because it looked at LOOK rows; older ones than this were not looked at (newer ones, with the oldest first)."""

    rows: tuple[Sighting, ...]
    next: Cursor | None
    looked_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A piece of SQL with what stands for its `%s`."""

    sql: _Sql
    values: tuple[object, ...] = ()
    cost: int = 1  # of a row, against one that is just read in the order of time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What gives sightings in order. `keys`: so many indexed runs are merged; `column` is compared with each of them.
    `zone`: those that passed it. Neither: all for which `condition` holds, which has an index in this order."""

    condition: str = "TRUE"
    column: str = ""
    keys: tuple[object, ...] = ()
    zone: int | None = None
    cost: int = 1

    @property
    def runs(self) -> int:
        return len(self.keys) if self.column else 1


def sightings_page(filters: Filters, cursor: Cursor | None, *, size: int, look: int = LOOK) -> Page:
    """The sightings after the cursor, at most `size`; from the newest or the oldest one without it."""
    ids, after, cut = _ids(filters, cursor, size=size, look=look)
    found = {row.pk: row for row in listed().filter(pk__in=ids)}
    rows = tuple(found[pk] for pk in ids if pk in found)
    return Page(rows=rows, next=after, looked_until=after.first_seen if cut and after is not None else None)


def listed() -> QuerySet[Sighting]:
    """Sightings with what lists show of them, and without their pictures' bytes."""
    return Sighting.objects.select_related("person", "identity", "identity__person").order_by()


def _ids(
    filters: Filters, cursor: Cursor | None, *, size: int, look: int
) -> tuple[list[uuid.UUID], Cursor | None, bool]:
    """The page's ids, its next cursor, and whether that is where looking ended."""
    place = place_of(filters)
    if place.cameras is not None and not place.cameras:
        return [], None, False
    sources, rest = _sources(filters, place)
    if not sources:
        return [], None, False
    if rest:
        look = max(1, look // max(*(source.cost for source in sources), *(part.cost for part in rest)))
    span = _span(filters, cursor)
    # Without anything to test, so many of each run are enough.
    runs = sum(source.runs for source in sources)
    each = size + 1 if not rest else max(size + 1, look // runs)
    found = _rows(sources, rest, span, filters.oldest_first, each=each, limit=size + 1)
    end = None
    if rest and (len(found) <= size or runs > 1):
        end = _end(sources, span, filters.oldest_first, each=each)
    if end is not None:
        found = [one for one in found if not _is_beyond(one, end, oldest_first=filters.oldest_first)]
    if len(found) > size:
        return [one.id for one in found[:size]], found[size - 1], False
    return [one.id for one in found], end, end is not None


def _is_beyond(one: Cursor, end: Cursor, *, oldest_first: bool) -> bool:
    mine, last = (one.first_seen, one.id), (end.first_seen, end.id)
    return mine > last if oldest_first else mine < last


# --- which index -----------------------------------------------------------------------------------------------------


def _sources(filters: Filters, place: Place) -> tuple[list[_Source], list[_Part]]:
    """What gives the sightings, and what is left to be tested; no source at all: nothing can fit."""
    people = _people(filters.watchlist) if filters.watchlist is not None else None
    if people is not None and not people:
        return [], []
    rest = _rest(filters, place)
    for name, sources in _candidates(filters, place, people):
        return sources, [part for key, part in rest.items() if key != name]
    return [_Source()], list(rest.values())


def _candidates(filters: Filters, place: Place, people: list[int] | None) -> list[tuple[str, list[_Source]]]:
    """Filters with an index, the most telling first. The name says which test it saves; empty: none."""
    found: list[tuple[str, list[_Source]]] = []
    if filters.identity is not None:
        found.append(("identity", [_keys("identity_id", [filters.identity])]))
    if filters.person is not None:
        found.append(("person", [_keys("person_id", [filters.person])]))
    if filters.present:
        found.append(("present", [_Source(condition="s.is_open")]))
    if filters.doubted:
        found.append(("doubted", [_Source(condition="s.is_doubted")]))
    if filters.link == Link.HAND:
        found.append(("link", [_HAND]))
    if people is not None and len(people) <= MOST_KEYS:
        found.append(("watchlist", [_keys("person_id", people)]))
    if place.zone is not None:
        found.append(("zone", [_Source(zone=place.zone, cost=_ELSEWHERE)]))
    if place.cameras is not None and len(place.cameras) <= MOST_KEYS:
        found.append(("cameras", [_keys("camera_id", sorted(place.cameras))]))
    if people is not None or filters.who == KNOWN:
        # Whoever is enrolled was recognised, or somebody said that it is they.
        found.append(("", [_verdict(Verdict.KNOWN), _OTHERS_BY_HAND]))
    if filters.verdict:
        found.append(("verdict", [_verdict(filters.verdict)]))
    return found


def _keys(column: str, keys: Sequence[object]) -> _Source:
    return _Source(column=column, keys=tuple(keys), cost=_SCATTERED)


def _verdict(verdict: str) -> _Source:
    return _Source(column="verdict", keys=(verdict,))


_HAND: Final = _Source(condition="s.link = 'hand'")
_OTHERS_BY_HAND: Final = _Source(condition="s.link = 'hand' AND s.verdict <> 'known'")


def _people(watchlist: int) -> list[int]:
    """Who is on the list now, whether or not their entry is in effect; more than MOST_KEYS are not all read."""
    rows = WatchlistEntry.objects.filter(watchlist=watchlist).values_list("person", flat=True)
    return list(rows[: MOST_KEYS + 1])


def _rest(filters: Filters, place: Place) -> dict[str, _Part]:
    """What each filter asks of a sighting, by name."""
    found: dict[str, _Part] = {}
    if filters.identity is not None:
        found["identity"] = _Part(sql=SQL("c.identity_id = %s"), values=(filters.identity,))
    if filters.person is not None:
        found["person"] = _Part(sql=SQL("c.person_id = %s"), values=(filters.person,))
    if filters.watchlist is not None:
        found["watchlist"] = _Part(sql=_ON_LIST, values=(filters.watchlist,))
    if place.zone is not None:
        found["zone"] = _Part(sql=_PASSED, values=(place.zone,), cost=_ELSEWHERE)
    if place.cameras is not None:
        found["cameras"] = _Part(sql=SQL("c.camera_id = ANY(%s)"), values=(sorted(place.cameras),))
    for name in ("verdict", "link"):
        if value := getattr(filters, name):
            found[name] = _Part(sql=SQL("c.{} = %s").format(SQL(name)), values=(value,))
    for name in ("similarity", "quality"):
        least = getattr(filters, name)
        if least is not None:
            found[name] = _Part(sql=SQL("c.{} >= %s").format(SQL(name)), values=(least,))
    if filters.who:
        found["who"] = _Part(sql=_WHO[filters.who])
    if filters.doubted:
        found["doubted"] = _Part(sql=SQL("c.is_doubted"))
    if filters.present:
        found["present"] = _Part(sql=SQL("c.is_open"))
    return found


# Written so that the list is read once, and passages sighting by sighting: for a join the planner may read them all.
_ON_LIST: Final = SQL(
    "(c.person_id IN (SELECT person_id FROM recognition_watchlistentry WHERE watchlist_id = %s)) IS TRUE"
)
_PASSED: Final = SQL(
    "(SELECT TRUE FROM cameras_passage p WHERE p.sighting_id = c.id AND p.zone_id = %s LIMIT 1) IS TRUE"
)
_WHO: Final[dict[str, _Sql]] = {
    KNOWN: SQL("c.person_id IS NOT NULL"),
    UNKNOWN: SQL("c.person_id IS NULL AND c.identity_id IS NOT NULL"),
}


# --- the statements --------------------------------------------------------------------------------------------------


def _span(filters: Filters, cursor: Cursor | None) -> list[_Part]:
    """When the sightings began, and after which one the page goes on; {t} is the table that has the order."""
    found = []
    if filters.begins is not None:
        found.append(_Part(sql=SQL("{t}.first_seen >= %s"), values=(filters.begins,)))
    if filters.ends is not None:
        found.append(_Part(sql=SQL("{t}.first_seen < %s"), values=(filters.ends,)))
    if cursor is not None:
        beyond = SQL("({t}.first_seen, {t}.{id}) > (%s, %s)") if filters.oldest_first else _EARLIER
        found.append(_Part(sql=beyond, values=(cursor.first_seen, cursor.id)))
    return found


_EARLIER: Final = SQL("({t}.first_seen, {t}.{id}) < (%s, %s)")


def _run(source: _Source, span: Sequence[_Part], oldest_first: bool, columns: _Sql, tail: _Sql) -> _Part:
    """The sightings of a source in order, of each of its runs as many as `tail` says."""
    where = SQL(" AND ").join([SQL(source.condition), *(_at(part.sql, SQL("s"), SQL("id")) for part in span)])
    inner = tuple(value for part in span for value in part.values)
    order = _order(SQL("s"), SQL("id"), oldest_first)
    if source.zone is not None:
        where = SQL(" AND ").join([SQL("p.zone_id = %s"), *(_at(p.sql, SQL("p"), SQL("sighting_id")) for p in span)])
        order = _order(SQL("p"), SQL("sighting_id"), oldest_first)
        sql = SQL(
            "SELECT {columns} FROM (SELECT DISTINCT ON (p.first_seen, p.sighting_id) p.first_seen, p.sighting_id"
            " FROM cameras_passage p WHERE {where} ORDER BY {order} {tail}) p JOIN cameras_sighting s"
            " ON s.id = p.sighting_id ORDER BY {order}"
        ).format(columns=columns, where=where, order=order, tail=tail)
        return _Part(sql=sql, values=(source.zone, *inner))
    if not source.column:
        sql = SQL("SELECT {columns} FROM cameras_sighting s WHERE {where} ORDER BY {order} {tail}").format(
            columns=columns, where=where, order=order, tail=tail
        )
        return _Part(sql=sql, values=inner)
    if len(source.keys) == 1:
        sql = SQL(
            "SELECT {columns} FROM cameras_sighting s WHERE s.{column} = %s AND {where} ORDER BY {order} {tail}"
        ).format(columns=columns, column=SQL(source.column), where=where, order=order, tail=tail)
        return _Part(sql=sql, values=(source.keys[0], *inner))
    sql = SQL(
        "SELECT r.* FROM unnest(%s::bigint[]) AS k(key) CROSS JOIN LATERAL (SELECT {columns} FROM cameras_sighting s"
        " WHERE s.{column} = k.key AND {where} ORDER BY {order} {tail}) r"
    ).format(columns=columns, column=SQL(source.column), where=where, order=order, tail=tail)
    return _Part(sql=sql, values=(list(source.keys), *inner))


def _at(sql: _Sql, table: _Sql, key: _Sql) -> _Sql:
    return SQL(sql.as_string(None)).format(t=table, id=key)


def _order(table: _Sql, key: _Sql, oldest_first: bool) -> _Sql:
    direction = SQL("ASC") if oldest_first else SQL("DESC")
    return SQL("{t}.first_seen {d}, {t}.{id} {d}").format(t=table, id=key, d=direction)


def _all_runs(sources: Sequence[_Source], span: Sequence[_Part], oldest_first: bool, columns: _Sql, tail: str) -> _Part:
    parts = [_run(source, span, oldest_first, columns, SQL(tail)) for source in sources]
    if len(parts) == 1:
        return parts[0]
    sql = SQL(" UNION ALL ").join(SQL("({})").format(part.sql) for part in parts)  # they have nothing in common
    return _Part(sql=sql, values=tuple(value for part in parts for value in part.values))


def _rows(
    sources: Sequence[_Source],
    rest: Sequence[_Part],
    span: Sequence[_Part],
    oldest_first: bool,
    *,
    each: int,
    limit: int,
) -> list[Cursor]:
    """The first sightings for which the rest holds, of those that the runs give."""
    runs = _all_runs(sources, span, oldest_first, _COLUMNS, f"LIMIT {each}")
    where = SQL(" AND ").join([part.sql for part in rest]) if rest else SQL("TRUE")
    sql = SQL("SELECT c.first_seen, c.id FROM ({runs}) c WHERE {where} ORDER BY {order} LIMIT %s").format(
        runs=runs.sql, where=where, order=_order(SQL("c"), SQL("id"), oldest_first)
    )
    values = (*runs.values, *(value for part in rest for value in part.values), limit)
    return _asked(sql, values)


def _end(sources: Sequence[_Source], span: Sequence[_Part], oldest_first: bool, *, each: int) -> Cursor | None:
    """The first place at which a run was cut: beyond it nothing is certain. None: none was."""
    runs = _all_runs(sources, span, oldest_first, SQL("s.first_seen, s.id"), f"OFFSET {each - 1} LIMIT 1")
    sql = SQL("SELECT c.first_seen, c.id FROM ({runs}) c ORDER BY {order} LIMIT 1").format(
        runs=runs.sql, order=_order(SQL("c"), SQL("id"), oldest_first)
    )
    found = _asked(sql, runs.values)
    return found[0] if found else None


def _asked(sql: _Sql, values: Sequence[Any]) -> list[Cursor]:
    with connection.cursor() as cursor:
        cursor.execute(sql.as_string(None), list(values))
        return [Cursor(first_seen=first_seen, id=pk) for first_seen, pk in cursor.fetchall()]
