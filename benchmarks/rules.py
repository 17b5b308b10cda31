"""`python -m benchmarks.rules`: what a thousand rules cost a sighting, and how many alerts a second are written.

CPU seconds are this process's own (`time.process_time`), of one thread. The first table evaluates compiled rules of
every kind on one sighting, all of which may apply to its camera: the worst case. The second writes sightings that cause
an alert each through `alerts.reporting`, one after the other, on a real PostgreSQL and Redis.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import site
from benchmarks.site import Database
from benchmarks.text import table

RULES = 1000
LIMIT_MS = 5.0
SCHEDULES = ("", "Mon-Fri 20:00-06:00", "Sat,Sun 00:00-24:00", "07:00-19:00")


@dataclass(slots=True, kw_only=True)
class Row:
    what: str
    fired: int
    cpu_ms: float


@dataclass(slots=True, kw_only=True)
class Written:
    what: str
    a_second: float
    cpu_ms: float
    statements: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rules", description=__doc__)
    parser.add_argument("--rules", type=int, default=RULES)
    parser.add_argument("--sightings", type=int, default=300, help="how many are written (default 300)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-rules-") as name:
        folder = Path(name) / "data"
        folder.mkdir()
        site.prepare(folder)
        with Database(folder):
            rows = evaluated(options.rules)
            written = list(_written(options.sightings, options.rules))
    print(report(rows, written, options.rules))
    sys.exit(0 if max(row.cpu_ms for row in rows) <= LIMIT_MS else 1)


def report(rows: list[Row], written: list[Written], rules: int) -> str:
    head = [f"{rules} rules, one sighting", "rules that fire", "CPU, limit", "CPU"]
    first = table(head, [[row.what, str(row.fired), f"{LIMIT_MS:.0f} ms", f"{row.cpu_ms:.2f} ms"] for row in rows])
    head = ["Sightings that cause an alert each, one process", "a second", "CPU each", "statements each"]
    lines = [[row.what, f"{row.a_second:.0f}", f"{row.cpu_ms:.1f} ms", f"{row.statements:.1f}"] for row in written]
    return f"{first}\n\n{table(head, lines)}"


# --- evaluation ------------------------------------------------------------------------------------------------------


def evaluated(count: int) -> list[Row]:
    """The median of 200 evaluations of each."""
    from cameras.models import Verdict

    facts = _facts()
    nobody: dict[str, Any] = {"person": None, "lists": {}, "member_of": frozenset()}
    everywhere = _book(count, cameras=None)
    return [
        _timed("known, rules of all kinds, everywhere", everywhere, facts),
        _timed("unknown", everywhere, replace(facts, verdict=Verdict.UNKNOWN, **nobody)),
        _timed("not decided yet", everywhere, replace(facts, verdict=Verdict.UNDECIDED, **nobody)),
        _timed("known, each rule about one of 100 cameras", _book(count, cameras=100), facts),
        _timed("known, a hundred of them fire", _book(count, cameras=None, firing=100), facts),
    ]


class _Nothing:
    """A past in which nobody was seen: asking the database is measured apart."""

    def before(self, facts: object, *, since: datetime) -> tuple[Any, ...]:
        return ()

    def together(self, facts: Any, *, cameras: object) -> tuple[Any, ...]:
        return (facts,)


def _timed(what: str, book: Any, facts: Any) -> Row:
    from alerts.rules.evaluate import fired

    costs, number = [], 0
    for turn in range(200):
        # Another moment each time: what was found out of schedules for the last one is of no use.
        now = replace(facts, at=facts.at + timedelta(seconds=turn))
        begun = time.process_time()
        number = len(fired(book, now, _Nothing()))
        costs.append(time.process_time() - begun)
    return Row(what=what, fired=number, cpu_ms=median(costs) * 1000)


def _book(count: int, *, cameras: int | None, firing: int = 0) -> Any:
    """Rules of all kinds about ten lists, unknown faces and anybody; the first `firing` ones fire in any case."""
    from alerts.models import Direction, Rule, Trigger, Who
    from alerts.rules.book import RuleBook, compile_parts
    from alerts.rules.when import When
    from alerts.rules.where import Where
    from cameras.schedule import parse_schedule

    kinds = [kind for kind in Trigger if kind not in (Trigger.ABSENT, Trigger.CAMERA)]
    rules = []
    for n in range(count):
        fires = n < firing
        trigger = Trigger.APPEARS if fires else kinds[n % len(kinds)]
        who = Who.LISTED if fires else list(Who)[n // len(kinds) % len(Who)]
        row = Rule(pk=n + 1, trigger=trigger, who=who, direction=Direction.EITHER, seconds=300, count=50)
        where = Where(anywhere=cameras is None, cameras=frozenset({n % (cameras or 1)}))
        rules.append(
            compile_parts(
                row,
                when=When(schedule=parse_schedule("" if fires else SCHEDULES[n % len(SCHEDULES)]), zone=UTC),
                watchlists=frozenset({1 if fires else n % 10}),
                people=frozenset(),
                never_people=frozenset({n + 1000}),
                where=where,
                before=Where(anywhere=True),
            )
        )
    return RuleBook(rules, {}, 1)


def _facts() -> Any:
    from alerts.rules.facts import SightingFacts
    from cameras.models import Verdict

    noon = datetime(2026, 3, 14, 12, tzinfo=UTC)
    return SightingFacts(
        id=uuid.UUID(int=1),
        camera=0,
        camera_name="Gate",
        latitude=47.0,
        longitude=8.0,
        first_seen=noon,
        last_seen=noon + timedelta(seconds=4),
        verdict=Verdict.KNOWN,
        person=1,
        similarity=0.9,
        quality=0.6,
        frames=20,
        at=noon + timedelta(seconds=2),
        lists={1: "Wanted"},
        member_of=frozenset({1}),
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _written(sightings: int, rules: int) -> Iterator[Written]:
    from alerts.models import Rule, Trigger

    write = _writer()
    yield _measured("a watchlist's own rule", write, sightings)
    Rule.objects.bulk_create(
        [Rule(name=f"Rule {n}", who="listed", trigger=Trigger.APPEARS, schedule=SCHEDULES[n % 4]) for n in range(rules)]
    )
    yield _measured(f"and {rules} other rules", write, sightings)


def _writer() -> Callable[[], None]:
    """What writes the next sighting of a person on a watchlist whose rule tells of each."""
    from alerts.models import Rule
    from alerts.reporting import report_sighting
    from cameras.leases import renew_leases, take_lease
    from cameras.models import Verdict
    from cameras.services import SightingRecord, add_camera
    from recognition.models import Person, WatchlistEntry
    from recognition.packs import version_in_use
    from recognition.watchlist_services import create_watchlist

    camera = add_camera(actor=None, name="Gate", source="pattern:")
    lease = take_lease(camera_id=camera.pk, owner="benchmark")
    if lease is None:
        raise SystemExit("The camera of the benchmark is run by somebody else.")
    watchlist = create_watchlist(actor=None, name="Benchmark")
    Rule.objects.filter(own_list=watchlist).update(cooldown_seconds=0)
    person = Person.objects.create(name="Ada")
    WatchlistEntry.objects.create(watchlist=watchlist, person=person)
    pack, shot, numbers = version_in_use(), b"\xff\xd8" + bytes(6000), iter(range(10**9))

    def write() -> None:
        now = datetime.now(UTC)
        renew_leases([lease])
        sighting = SightingRecord(
            id=uuid.uuid4(),
            lease=lease,
            camera_name="Gate",
            latitude=None,
            longitude=None,
            track=next(numbers),
            first_seen=now,
            last_seen=now,
            frames=10,
            is_open=True,
            verdict=Verdict.KNOWN,
            person_id=person.pk,
            similarity=0.95,
            threshold=0.9,
            pack=pack,
            quality=0.7,
            shot=shot,
        )
        if len(report_sighting(sighting=sighting, captured_at=now).alerts) != 1:
            raise SystemExit("A sighting of the benchmark caused no alert.")

    return write


def _measured(what: str, write: Callable[[], None], count: int) -> Written:
    for _ in range(20):
        write()
    with _counted() as statements:
        for _ in range(20):
            write()
    cpu, begun = time.process_time(), time.perf_counter()
    for _ in range(count):
        write()
    took = time.perf_counter() - begun
    used = (time.process_time() - cpu) / count * 1000
    return Written(what=what, a_second=count / took, cpu_ms=used, statements=len(statements) / 20)


@contextmanager
def _counted() -> Iterator[list[str]]:
    """The statements that are sent to the database meanwhile."""
    from django.db import connection

    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


if __name__ == "__main__":
    main()
