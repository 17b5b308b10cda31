"""Sightings as a file: CSV, JSON or GeoJSON (RFC 7946), written as it is read, the oldest first.

Only a page of sightings is in memory at a time, and of a path its corners. Each page is read anew, so that whoever is
deleted meanwhile is in no later part of it; the end of the file says so, and whether it is all there. A sighting whose
match is only a lead does not say who it may be (`cameras.release`); what is asked for by who it is, leaves leads out.

That somebody exports is in the audit trail before the first byte leaves, and how much left after the last.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from channels.db import database_sync_to_async

from accounts.models import User
from accounts.services import record
from cameras import release
from cameras.history.filters import Filters
from cameras.history.geo import Path
from cameras.history.reading import sightings_page
from cameras.history.words import doubts_of
from cameras.models import REASON_LENGTH, Identity, Sighting
from cameras.selectors import Cursor
from recognition.errors import RecognitionError

PAGE: Final = 1000
SHORTEST_REASON: Final = 5
COLUMNS: Final = (
    "sighting",
    "first_seen",
    "last_seen",
    "seconds",
    "open",
    "camera",
    "camera_name",
    "latitude",
    "longitude",
    "identity",
    "identity_name",
    "person",
    "verdict",
    "similarity",
    "threshold",
    "quality",
    "link",
    "link_similarity",
    "doubted",
    "doubted_because",
    "lead",
)
_OF_LEADS: Final[dict[str, object]] = {
    "identity": None,
    "identity_name": None,
    "person": None,
    "similarity": None,
    "threshold": None,
    "link": "",
    "link_similarity": None,
    "doubted": None,
    "doubted_because": "",
}
TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "geojson": "application/geo+json",
}
_FORMULA: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four are the fullwidth forms of the first
_ENDED_EARLY: Final = "The export was cut: {why} What is above is not all."
_GONE_WHO: Final = "whom it is about was deleted, or made one with another, while it was written."
_GONE_SOME: Final = "{count} of those it names were deleted while it was written; delete what it says of them."


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An export that may begin: it is in the audit trail."""

    actor: User
    kind: str
    filters: Filters
    target: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.target.replace(' ', '-')}.{self.kind}"


@dataclass(slots=True, kw_only=True)
class _Tally:
    """What has been written so far."""

    rows: int = 0
    identities: set[int]
    is_cut: bool = False
    note: str = ""
    is_over: bool = False


def begin(*, actor: User, kind: str, filters: Filters, reason: str) -> Export:
    """Puts on record who exports what and why. Raises RecognitionError with a sentence."""
    why = " ".join(reason.replace("\0", "").split())
    if len(why) < SHORTEST_REASON:
        raise RecognitionError("Say for what the export is needed, in a few words; it goes into the audit trail.")
    target = f"identity {filters.identity}" if filters.identity is not None else "history"
    said = [f"{name}={value}" for name, value in filters.said().items()]
    record(actor=actor, verb="exported", target=target, format=kind, filters=said, reason=why[:REASON_LENGTH])
    return Export(actor=actor, kind=kind, filters=replace(filters, oldest_first=True), target=target)


async def written(export: Export, *, page: int = PAGE) -> AsyncIterator[bytes]:
    """The file, piece by piece; sightings are read in between, so that the server goes on with other things."""
    tally = _Tally(identities=set())
    writer = _WRITERS[export.kind](with_path=export.filters.identity is not None)
    try:
        yield writer.head().encode()
        async for rows in _pages(export, tally, page):
            yield "".join(writer.row(row) for row in rows).encode()
        yield writer.tail(tally.rows, tally.note).encode()
        tally.is_over = True
    finally:
        await database_sync_to_async(_end)(export, tally)


async def _pages(export: Export, tally: _Tally, size: int) -> AsyncIterator[list[dict[str, Any]]]:
    cursor: Cursor | None = None
    while True:
        rows, cursor = await database_sync_to_async(_next)(export, cursor, tally, size)
        if rows:
            yield rows
        if cursor is None:
            break
    await database_sync_to_async(_look_back)(export, tally)


def _next(
    export: Export, cursor: Cursor | None, tally: _Tally, size: int
) -> tuple[list[dict[str, Any]], Cursor | None]:
    found = sightings_page(export.filters, cursor, size=size, look=20 * size)
    rows = rows_of(found.rows, leads_too=not export.filters.tells_who)
    tally.rows += len(rows)
    tally.identities |= {row["identity"] for row in rows if row["identity"] is not None}
    return rows, found.next


def _look_back(export: Export, tally: _Tally) -> None:
    """Whether somebody who is in the file, or whom it is about, was deleted meanwhile."""
    whom = export.filters.identity
    if whom is not None and not Identity.objects.filter(pk=whom, merged_into=None).exists():
        tally.is_cut, tally.note = True, _ENDED_EARLY.format(why=_GONE_WHO)
        return
    named = sorted(tally.identities)
    there = 0
    for start in range(0, len(named), 10_000):
        there += Identity.objects.filter(pk__in=named[start : start + 10_000]).count()
    if there < len(named):
        tally.is_cut, tally.note = True, _ENDED_EARLY.format(why=_GONE_SOME.format(count=len(named) - there))


def _end(export: Export, tally: _Tally) -> None:
    """Puts on record how much left. Whoever stopped it, or whose connection broke, has what was sent until then."""
    record(
        actor=export.actor,
        verb="export ended",
        target=export.target,
        sightings=tally.rows,
        complete=tally.is_over and not tally.is_cut,
    )


def rows_of(sightings: Sequence[Sighting], *, leads_too: bool) -> list[dict[str, Any]]:
    """What a file says of these sightings, by column."""
    ids = [row.pk for row in sightings]
    released = release.released(Sighting.objects.filter(pk__in=ids)).order_by()
    leads = set(ids) - set(released.values_list("pk", flat=True))
    doubts = doubts_of(row.pk for row in sightings if row.is_doubted)
    kept = [row for row in sightings if leads_too or row.pk not in leads]
    return [_row(row, doubts.get(row.pk, ()), is_lead=row.pk in leads) for row in kept]


def _row(sighting: Sighting, doubts: Sequence[str], *, is_lead: bool) -> dict[str, Any]:
    values: dict[str, Any] = {
        "sighting": str(sighting.pk),
        "first_seen": iso(sighting.first_seen),
        "last_seen": iso(sighting.last_seen),
        "seconds": round(max(0.0, (sighting.last_seen - sighting.first_seen).total_seconds()), 3),
        "open": sighting.is_open,
        "camera": sighting.camera_id,
        "camera_name": sighting.camera_name,
        "latitude": sighting.latitude,
        "longitude": sighting.longitude,
        "identity": sighting.identity_id,
        "identity_name": str(sighting.identity) if sighting.identity is not None else None,
        "person": sighting.person_id,
        "verdict": sighting.verdict,
        "similarity": sighting.similarity,
        "threshold": sighting.threshold,
        "quality": sighting.quality,
        "link": sighting.link,
        "link_similarity": sighting.link_similarity,
        "doubted": sighting.is_doubted,
        "doubted_because": " ".join(doubts),
        "lead": is_lead,
    }
    return values | _OF_LEADS if is_lead else values


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# --- the formats -----------------------------------------------------------------------------------------------------


class _Csv:
    """A line for each; the last one, of a cut file, has the note in its first cell alone."""

    def __init__(self, *, with_path: bool) -> None:
        pass

    def head(self) -> str:
        return _line(COLUMNS)

    def row(self, row: dict[str, Any]) -> str:
        return _line([_cell(row[name]) for name in COLUMNS])

    def tail(self, count: int, note: str) -> str:
        return _line([note]) if note else ""


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> str:
    """The cell; text that a spreadsheet would take for a formula begins with an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(tuple(_FORMULA)) else text


class _Json:
    """{"sightings": [...], "count": n, "complete": true or false, "note": ""}"""

    opening, separator = '{"sightings": [\n', ",\n"

    def __init__(self, *, with_path: bool) -> None:
        self._is_first = True

    def head(self) -> str:
        return self.opening

    def row(self, row: dict[str, Any]) -> str:
        return self._item({name: row[name] for name in COLUMNS})

    def tail(self, count: int, note: str) -> str:
        return f'\n], "count": {count}, "complete": {json.dumps(not note)}, "note": {json.dumps(note)}}}\n'

    def _item(self, value: dict[str, Any]) -> str:
        before, self._is_first = "" if self._is_first else self.separator, False
        return before + json.dumps(value, ensure_ascii=False, allow_nan=False)


class _GeoJson(_Json):
    """A point for each sighting, without a geometry where its camera had no place; of one identity also their path."""

    opening = '{"type": "FeatureCollection", "features": [\n'

    def __init__(self, *, with_path: bool) -> None:
        super().__init__(with_path=with_path)
        self._path = Path() if with_path else None

    def row(self, row: dict[str, Any]) -> str:
        lat, lon = row["latitude"], row["longitude"]
        point = None if lat is None or lon is None else {"type": "Point", "coordinates": [lon, lat]}
        if self._path is not None and point is not None and not row["doubted"]:
            self._path.go_to(lon, lat, row["first_seen"])
        values = {name: row[name] for name in COLUMNS if name not in ("latitude", "longitude")}
        return self._item({"type": "Feature", "id": row["sighting"], "geometry": point, "properties": values})

    def tail(self, count: int, note: str) -> str:
        path = "".join(self._item(feature) for feature in self._paths())
        return f"{path}{super().tail(count, note)}"

    def _paths(self) -> Iterator[dict[str, Any]]:
        geometry = self._path.geometry() if self._path is not None else None
        if self._path is not None and geometry is not None:
            kind = {"path": True, "times": self._path.times}
            yield {"type": "Feature", "geometry": geometry, "properties": kind}


_WRITERS: Final[dict[str, type[_Csv | _Json]]] = {"csv": _Csv, "json": _Json, "geojson": _GeoJson}
