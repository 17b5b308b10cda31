"""`python -m benchmarks.history`: the database time of every page about who was seen, over many sightings.

Over the rows of `benchmarks.many` it asks for each page, by each filter with a common and with a rare value,
first and deep, and by each two filters together, and adds up what the statements of a request took. The fastest of
three, after one that warms the cache. Pictures are left out: they lie outside of the rows, and no list reads them.

*Computing* is what the database's process computed meanwhile, as Linux counts it: on a machine that does other things
as well, the rest of the time is mostly waiting for a turn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import many, site
from benchmarks.site import Database
from benchmarks.text import table

LIMIT_MS = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    what: str
    first_ms: float
    ms: float
    computing_ms: float
    statements: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--sightings", type=int, default=10_000_000)
    parser.add_argument("--data", type=Path, help="a folder that is kept; what is there already is used")
    parser.add_argument("--pairs", type=int, default=10_000, help="of so many pairs of filters, evenly spread")
    parser.add_argument("--only", default="", help="pages whose name holds this text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-history-") as name:
        folder = options.data or Path(name) / "data"
        folder.mkdir(parents=True, exist_ok=True)
        site.prepare(folder)
        with Database(folder):
            many.fill(options.sightings)
            rows = list(_measured(options.only, options.pairs))
            writes = [] if options.only not in ("", "write") else list(_written())
            print(report(rows, writes, options.sightings))
    sys.exit(0 if max((row.ms for row in rows), default=0.0) <= LIMIT_MS else 1)


def report(rows: list[Row], writes: list[tuple[str, float]], sightings: int) -> str:
    head = [f"{sightings:,} sightings", "limit", "database time", "of it computing", "the first time", "statements"]
    lines = [
        [
            row.what,
            f"{LIMIT_MS:.0f} ms",
            f"{row.ms:.1f} ms",
            f"{row.computing_ms:.1f} ms",
            f"{row.first_ms:.0f} ms",
            str(row.statements),
        ]
        for row in rows
    ]
    said = [table(head, lines)]
    if writes:
        said.append(table(["A sighting that is written", "computing"], _costs(writes)))
    return "\n\n".join(said)


def _costs(writes: list[tuple[str, float]]) -> list[list[str]]:
    return [[what, f"{each:.0f} µs"] for what, each in writes]


# --- the pages -------------------------------------------------------------------------------------------------------


def _filters() -> dict[str, str]:
    """Each filter with a common and with a rare value."""
    return {
        "everybody": "",
        "enrolled people": "who=known",
        "unknown people": "who=unknown",
        "a list of 5 rare people": "watchlist=1",
        "a list of 50 frequent people": "watchlist=2",
        "a list of 5,000 people": "watchlist=3",
        "a list of nobody": "watchlist=4",
        "the busiest camera": "camera=1",
        "a camera that sees hardly anybody": f"camera={many.RARE_CAMERA}",
        "a group of 3 cameras": "group=1",
        "a group of 40 cameras": "group=2",
        "a busy zone of a picture": "zone=1",
        "a quiet zone of a picture": "zone=2",
        "a zone on coordinates": "zone=3",
        "verdict known": "verdict=known",
        "verdict undecided": "verdict=undecided",
        "similarity ≥ 0.6": "similarity=0.6",
        "similarity ≥ 0.9999": "similarity=0.9999",
        "quality ≥ 0.5": "quality=0.5",
        "quality ≥ 0.9999": "quality=0.9999",
        "the first of an identity": "link=new",
        "said by a person": "link=hand",
        "an identity with many sightings": "identity=1",
        "an identity with few": "identity=9999",
        "doubted ones": "doubted=on",
        "still in view": "present=on",
        "one day": f"from={_day(40)}&to={_day(40)}",
        "oldest first": "order=oldest",
    }


def _day(ago: int) -> str:
    from datetime import timedelta

    from django.utils import timezone

    return (timezone.localdate() - timedelta(days=ago)).isoformat()


def _measured(only: str, most_pairs: int) -> Iterator[Row]:
    ask, named = _asker(), _filters()
    deep = _cursor(45)
    pages: list[tuple[str, str]] = []
    for what, query in named.items():
        pages += [(f"History: {what}", f"/history/?{query}"), (f"… deep: {what}", f"/history/?{query}&before={deep}")]
    for what, pk in (("many", 1), ("a hundred", 150_000), ("few", 9999)):
        pages += [
            (f"Identity with {what} sightings, {days} days", f"/identities/{pk}/?days={days}") for days in (7, 90)
        ]
    pages += [(f"Identity with many, {what}", f"/identities/1/?{query}") for what, query in named.items() if query]
    pages += [
        ("Person with many sightings", "/people/1/"),
        ("Camera, lately", "/cameras/1/"),
        ("API: identities", "/api/v1/identities?who=unknown"),
        ("API: an identity with many", "/api/v1/identities/1"),
        ("API: its sightings, 500", "/api/v1/identities/1/sightings?limit=500"),
        ("API: sightings of a list, 500", "/api/v1/sightings?watchlist=2&limit=500"),
        ("API: sightings, 500, deep", f"/api/v1/sightings?quality=0.5&limit=500&cursor={deep}"),
    ]
    for what, address in pages:
        if only in what:
            yield ask(what, address)
    if only in "Pairs":
        yield from _pairs(ask, named, most_pairs)


def _pairs(ask: Callable[[str, str], Row], named: dict[str, str], most: int) -> Iterator[Row]:
    """The slowest of the pages by two filters, and what is usual."""
    wanted = [
        (one, other)
        for one, other in combinations([name for name in named if named[name]], 2)
        if named[one].split("=")[0] != named[other].split("=")[0]
    ]
    wanted = wanted[:: max(1, -(-len(wanted) // most))]
    found = [ask(f"{one} and {other}", f"/history/?{named[one]}&{named[other]}") for one, other in wanted]
    found.sort(key=lambda row: -row.computing_ms)
    yield from (replace(row, what=f"Pairs, costliest: {row.what}") for row in found[:8])
    yield Row(
        what=f"{len(found)} pairs, median",
        first_ms=median(row.first_ms for row in found),
        ms=median(row.ms for row in found),
        computing_ms=median(row.computing_ms for row in found),
        statements=round(median(row.statements for row in found)),
    )


def _cursor(days: int) -> str:
    """Where a page ends that many days ago."""
    from datetime import timedelta

    from django.utils import timezone

    from cameras.models import Sighting
    from cameras.selectors import Cursor

    found = Sighting.objects.filter(first_seen__lt=timezone.now() - timedelta(days=days)).first()
    if found is None:
        raise SystemExit("There are no sightings that old.")
    return str(Cursor.of(found))


def _asker() -> Callable[[str, str], Row]:
    """What asks for a page as an administrator and says how long its statements took."""
    from django.conf import settings
    from django.test import Client

    from accounts.models import User

    settings.ALLOWED_HOSTS = ["*"]
    client = Client()
    user, _ = User.objects.get_or_create(username="benchmark", is_superuser=True, is_staff=True)
    client.force_login(user)

    def once(address: str) -> tuple[float, float, int]:
        before = _computed()
        with _timed() as spent:
            answer = client.get(address)
        if answer.status_code != 200:
            raise SystemExit(f"{address} gives {answer.status_code}.")
        return sum(spent) * 1000, (_computed() - before) * 1000, len(spent)

    def ask(what: str, address: str) -> Row:
        first, _, _ = once(address)
        turns = [once(address) for _ in range(3)]
        row = Row(
            what=what,
            first_ms=first,
            ms=min(ms for ms, _, _ in turns),
            computing_ms=min(ms for _, ms, _ in turns),
            statements=turns[0][2],
        )
        if row.computing_ms > LIMIT_MS or row.ms > 3 * LIMIT_MS:
            _say(f"Slow, {row.ms:.0f} ms, {row.computing_ms:.0f} of it computing: {what} {address}")
        return row

    return ask


def _computed() -> float:
    """Seconds that the database's process for this connection has computed so far; 0.0 where nobody counts them."""
    from django.db import connection

    connection.ensure_connection()
    counted = Path(f"/proc/{connection.connection.info.backend_pid}/schedstat")
    return int(counted.read_text().split()[0]) / 1e9 if counted.exists() else 0.0


@contextmanager
def _timed() -> Iterator[list[float]]:
    from django.db import connection

    spent: list[float] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        begun = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            spent.append(time.perf_counter() - begun)

    with connection.execute_wrapper(note):
        yield spent


# --- writing ---------------------------------------------------------------------------------------------------------

_NEW_INDEXES = ("sightings_by_verdict", "doubted_sightings", "sightings_by_hand")


def _written(count: int = 5_000) -> Iterator[tuple[str, float]]:
    """Inserts without and with the indexes of history; all of it is rolled back."""
    from django.db import connection, transaction

    for what, dropped in (("without the indexes of history", _NEW_INDEXES), ("with them", ())):
        costs = []
        for _ in range(3):
            with transaction.atomic(), connection.cursor() as cursor:
                for name in dropped:
                    cursor.execute(f'DROP INDEX "{name}"')
                costs.append(_cost(cursor, count))
                transaction.set_rollback(True)
        yield what, median(costs)


def _cost(cursor: Any, count: int) -> float:
    values = {
        "count": 10**9,
        "rare": 1,
        "cameras": many.CAMERAS,
        "days": 0,
        "people": many.PEOPLE,
        "identities": many.IDENTITIES,
    }
    before = _computed()
    for n in range(count):
        cursor.execute(many.SIGHTINGS, values | {"first": n, "last": n})
    return (_computed() - before) / count * 1e6


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
