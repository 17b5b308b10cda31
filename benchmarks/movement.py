"""`python -m benchmarks.movement`: the sums and figures of movement over many sightings.

The sightings are those of benchmarks/many.py: ninety days, fifty cameras of which some see much more than others,
two hundred thousand identities who appear anywhere at any time: every pair of cameras has transitions (a million of
them), which makes as many different ones as far more of people who walk. Sums them up from nothing, then as the beat
does every minute, after corrections, and after an hour. Then makes every figure of a page, over all cameras and ninety
days, the fastest of three after the first: the sum of all is what the limit is about.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import many, site
from benchmarks.site import Database
from benchmarks.text import NONE, table

if TYPE_CHECKING:  # Django is set up first
    from cameras.movement.spans import Spans
    from cameras.movement.sums import Sums

LIMIT_MS = 1000.0
ROUND_LIMIT_MS = 5000.0  # of the minute that it may take
RUNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    what: str
    first_ms: float
    ms: float
    rests_on: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.movement", description=__doc__)
    parser.add_argument("--sightings", type=int, default=10_000_000)
    parser.add_argument("--data", type=Path, help="a folder that is kept; what is there already is used")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lynceus-movement-") as name:
        folder = options.data or Path(name) / "data"
        folder.mkdir(parents=True, exist_ok=True)
        site.prepare(folder)
        with Database(folder):
            many.fill(options.sightings)
            sums = list(_summed())
            figures = list(_figures())
    page = Row(
        what="All of them: a page",
        first_ms=sum(row.first_ms for row in figures),
        ms=sum(row.ms for row in figures),
        rests_on=NONE,
    )
    print(report(sums, [*figures, page], options.sightings))
    sys.exit(0 if page.ms <= LIMIT_MS and all(row.ms <= ROUND_LIMIT_MS for row in sums[1:2]) else 1)


def report(sums: list[Row], figures: list[Row], sightings: int) -> str:
    made = [[row.what, _time(row.ms), row.rests_on] for row in sums]
    lines = [
        [
            row.what,
            f"{LIMIT_MS:.0f} ms" if row is figures[-1] else NONE,
            _time(row.ms),
            _time(row.first_ms),
            row.rests_on,
        ]
        for row in figures
    ]
    head = ["Figure, all cameras", "limit", "time", "the first time", "rests on"]
    return "\n\n".join(
        [
            table([f"Sums of {sightings:,} sightings", "time", "of"], made),
            table(head, lines),
            f"Memory at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB.",
        ]
    )


def _time(ms: float) -> str:
    return f"{ms:,.0f} ms" if ms < 60_000 else f"{ms / 60_000:.1f} min"


# --- the sums --------------------------------------------------------------------------------------------------------


def _summed() -> Iterator[Row]:
    from django.db import connection
    from django.utils import timezone

    from cameras.models import Identity, Sighting, SumsState
    from cameras.movement import summing

    begun = time.perf_counter()
    if not SumsState.objects.exists():
        while not (done := summing.sum_up(budget=10.0)).is_done:
            _say(f"{time.perf_counter() - begun:.0f} s: {done.days} days more")
    took = time.perf_counter() - begun
    count = Sighting.objects.filter(camera__isnull=False).count()
    yield _row("From nothing", took, f"{count:,} sightings, {count / took:,.0f} a second")

    def a_round(what: str, about: str) -> Row:
        begun = time.perf_counter()
        slots = 0
        while True:
            done = summing.sum_up()
            slots += done.slots
            if done.is_done:
                return _row(what, time.perf_counter() - begun, f"{about}{slots:,} quarters of an hour")

    yield a_round("The round of every minute", "")
    yield a_round("The same, when nothing has changed since", "")
    summing.mark_dirty(slots=[timezone.now() - timedelta(days=30)])
    yield a_round("A sighting of a month ago was corrected", "")
    candidates = range(many.PEOPLE + 1, many.IDENTITIES, 97)
    pk = next((pk for pk in candidates if 50 <= Sighting.objects.filter(identity=pk).count() <= 150), None)
    if pk is not None:
        begun = time.perf_counter()
        summing.mark_identity(Identity.objects.get(pk=pk))
        _say(f"marked in {time.perf_counter() - begun:.3f} s")
        yield a_round("An identity with about a hundred sightings was merged", "")
    SumsState.objects.update(looked_back_at=timezone.now() - timedelta(hours=2))
    yield a_round("The look back of every hour", "two days: ")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_size_pretty(pg_total_relation_size('cameras_cameraday')), count(*) FROM cameras_cameraday"
        )
        size, rows = cursor.fetchone() or ("", 0)
        cursor.execute("VACUUM ANALYZE cameras_cameraday")
    yield Row(what="Their size", first_ms=0, ms=0, rests_on=f"{rows:,} rows, {size}")


def _row(what: str, seconds: float, rests_on: str) -> Row:
    _say(f"{what}: {seconds:.2f} s, {rests_on}")
    return Row(what=what, first_ms=seconds * 1000, ms=seconds * 1000, rests_on=rests_on)


# --- the figures -----------------------------------------------------------------------------------------------------


class _Read:
    """What is read once and used by several figures."""

    sums: Sums
    spans: Spans


def _figures() -> Iterator[Row]:
    for what, make, about in _to_do():
        times = []
        for _ in range(RUNS + 1):
            begun = time.perf_counter()
            found = make()
            times.append((time.perf_counter() - begun) * 1000)
        basis = getattr(found, "basis", None)
        said = f"{basis.sightings:,} sightings, {about}" if basis is not None else about
        _say(f"{what}: {times[0]:.0f} ms, then {min(times[1:]):.0f} ms; {said}")
        yield Row(what=what, first_ms=times[0], ms=min(times[1:]), rests_on=said)


def _to_do() -> list[tuple[str, Callable[[], object], str]]:
    """Each figure: what it is, how it is made, and of what."""
    from cameras.movement import presence
    from cameras.movement.dwell import dwell
    from cameras.movement.heat import picture_heat, plan_heat
    from cameras.movement.hours import nights, timeline, visits
    from cameras.movement.next import next_after
    from cameras.movement.place import everywhere, last_days
    from cameras.movement.spans import read_spans
    from cameras.movement.sums import read_sums
    from cameras.movement.transitions import transitions
    from cameras.movement.unusual import unusual_hours, unusual_visits

    place, period, day, read = everywhere(), last_days(many.DAYS), last_days(1), _Read()

    def counts() -> object:
        read.sums = read_sums(place, period)
        return read.sums.counts, read.sums.wall  # both are read when they are first asked for

    def spans() -> None:
        read.spans = read_spans(place, day)

    def fresh(make: Callable[[Sums], object]) -> Callable[[], object]:
        """With what the figure itself reads, the counts being there."""

        def made() -> object:
            for name in ("dwells", "arrivals"):
                read.sums.__dict__.pop(name, None)
            return make(read.sums)

        return made

    ninety, one = f"{many.DAYS} days", "a day"
    return [
        ("Reading the counts", counts, ninety),
        ("Hours of the week", fresh(visits), ninety),
        ("Over time, by hour", fresh(timeline), ninety),
        ("At night", fresh(nights), ninety),
        ("Dwell times", fresh(dwell), ninety),
        ("Transition matrix", fresh(transitions), ninety),
        ("Heat of a plan", fresh(plan_heat), ninety),
        ("Heat of the busiest camera's picture", lambda: picture_heat(1, period), ninety),
        ("What comes next after a camera", lambda: next_after(1, at=period.until), ninety),
        ("What comes next for somebody", lambda: next_after(1, at=period.until, identity_id=5), ninety),
        ("Unusual hours", lambda: unusual_hours(place, last_days(7)), "a week, and 8 weeks before"),
        ("Reading single sightings", spans, one),
        ("How many at once", lambda: presence.occupancy(read.spans), one),
        ("Long visits", lambda: presence.loitering(read.spans), one),
        ("Who came back", lambda: presence.revisits(read.spans), one),
        ("To and fro", lambda: presence.back_and_forth(read.spans), one),
        ("Unusual visits", lambda: unusual_visits(read.spans), f"{one}, and 90 before"),
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
