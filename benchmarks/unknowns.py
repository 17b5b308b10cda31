"""A million templates of unknown people: `python -m benchmarks.unknowns` prints a table. No network; some minutes.

A database of its own is filled with sealed templates, their sightings and identities, as a busy day leaves them. One
process on one core then is the linker: it loads them, links new tracks one after the other (everything from the row
that waits to the row that is linked, with the database's own work on the other core), and searches by photo.
Embeddings are made up with the length, the mean and the spread that tracks have with the pack `compact`
(benchmarks/linking.py): they test the search, not accuracy.
"""

from __future__ import annotations

import os

# Before numpy is imported: its BLAS decides once how many threads it has.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import logging
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil

from benchmarks import site
from benchmarks.text import table
from recognition.engine.types import Floats

if TYPE_CHECKING:  # nothing of Django before its settings are known
    from cameras.identities.unknowns import Unknowns

PACK, DIMENSION = "compact-1", 128
CAMERAS = 50
HOURS = 24
A_PERSON = 4  # templates of one identity
LINKS, SEARCHES = 300, 50
TOP, BY_PHOTO = 32, 400
_LENGTH, _SPREAD, _FALL = 1.331, 0.2657, -0.5  # of the mean; of what people differ by; how its spectrum falls
_WITHIN = 0.05  # squared distance from a person's mean, on average
_STEP = 50_000

LIMITS = {
    "One track linked, everything": 0.050,
    "Search for one track, the 32 most alike": 0.050,
    "Search by photo, all": 2.0,
    "Search by photo, three cameras": 2.0,
    "Search by photo, half the day": 2.0,
    "Search by photo, half of the cameras and half the day": 2.0,
}


class _Took(NamedTuple):
    """Seconds that one thing took, and those of this process's own computing among them."""

    wall: float
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What things took, and sentences on the rest."""

    seconds: dict[str, list[_Took]]
    said: list[str]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unknowns", description=__doc__.splitlines()[0])
    parser.add_argument("--templates", type=int, default=1_000_000)
    options = parser.parse_args()
    logging.getLogger("cameras").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="lynceus-unknowns-") as name:
        site.prepare(Path(name))
        os.environ["UNKNOWN_HOURS"] = str(HOURS + 2)
        with site.Database(Path(name)):
            from django.db import connection

            print(report(options.templates, measure(options.templates)))
            connection.close()


def report(templates: int, measured: Measured) -> str:
    rows = []
    for name, limit in LIMITS.items():
        wall = quantiles([one.wall for one in measured.seconds[name]], n=20, method="inclusive")
        cpu = quantiles([one.cpu for one in measured.seconds[name]], n=20, method="inclusive")
        told = [f"{cuts[9] * 1000:.1f} / {cuts[18] * 1000:.1f} ms" for cuts in (wall, cpu)]
        rows.append([name, f"{limit * 1000:,.0f} ms", *told, "kept" if wall[18] < limit else "**missed**"])
    head = [f"{templates:,} templates of {DIMENSION} numbers", "Limit", "p50 / p95", "of it computing", ""]
    return "\n".join([table(head, rows), "", *measured.said])


def measure(templates: int) -> Measured:
    """Fills the database, loads, links, searches."""
    from cameras.identities.linker import Linker
    from cameras.models import LinkerState

    began = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=HOURS)
    _say("Writing …")
    _write(templates, began)
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity(process.cpu_affinity()[:1])
    before = process.memory_info().rss
    _say("Loading …")
    linker = Linker(owner="benchmark")
    LinkerState.objects.create(pk=1, owner=linker.owner, heartbeat_at=datetime.now(UTC))
    start = time.perf_counter()
    unknowns = linker.unknowns
    loaded = time.perf_counter() - start
    if len(unknowns) != templates:
        raise SystemExit(f"{len(unknowns)} of {templates} templates were loaded; see the lines above.")
    said = [
        f"Loaded from sealed rows in {loaded:.0f} s; {unknowns.nbytes / templates:.0f} bytes a template, the process "
        f"{(process.memory_info().rss - before) / 1e6:,.0f} MB larger."
    ]
    linker.step()
    _say("Linking …")
    seconds = {"One track linked, everything": _link(linker, templates, began)}
    said.append(_linked(templates))
    _say("Searching …")
    seconds |= _searches(unknowns, templates, began)
    said += [_recall(unknowns, templates), _changes(unknowns, templates)]
    return Measured(seconds=seconds, said=said)


def _searches(unknowns: Unknowns, templates: int, began: datetime) -> dict[str, list[_Took]]:
    probes = _probes(templates, SEARCHES)
    noon, half = began + timedelta(hours=HOURS / 2), set(range(1, CAMERAS // 2 + 1))

    def timed(**limits: Any) -> list[_Took]:
        top = limits.pop("top", BY_PHOTO)
        return _times(lambda at: unknowns.search(PACK, probes[at % len(probes)], top=top, **limits), SEARCHES)

    return {
        "Search for one track, the 32 most alike": timed(top=TOP),
        "Search by photo, all": timed(),
        "Search by photo, three cameras": timed(cameras={1, 2, 3}),
        "Search by photo, half the day": timed(since=noon),
        "Search by photo, half of the cameras and half the day": timed(since=noon, cameras=half),
    }


def _link(linker: Any, templates: int, began: datetime) -> list[_Took]:
    """What a round takes in which one new track waits, for tracks of people who were here and of strangers by turns."""
    probes = _probes(templates, LINKS)
    end, spent = began + timedelta(hours=HOURS), []
    for number, probe in enumerate(probes, start=1):
        _write_rows(templates + number, [probe], [end + timedelta(seconds=number)], linked=False)
        start, computing = time.perf_counter(), time.process_time()
        done = linker.step()
        spent.append(_Took(time.perf_counter() - start, time.process_time() - computing))
        if done != 1:
            raise SystemExit(f"{done} tracks were linked where one waited.")
    return spent


def _linked(templates: int) -> str:
    from cameras.models import Link, Sighting

    last = Sighting.objects.filter(track__gt=templates)
    again = last.filter(link=Link.LINKED).count()
    return (
        f"Of {last.count()} new tracks, half of them of people who were there at some hour, {again} were linked: "
        "after thousands of others hardly any likeness is enough."
    )


def _recall(unknowns: Unknowns, templates: int) -> str:
    """How often what the search finds is what comparing everything finds."""
    probes, first, all_of_them = _probes(templates, SEARCHES), 0, 0
    best: list[list[tuple[float, int]]] = [[] for _ in probes]
    for start in range(0, templates, _STEP):
        rows = _faces(start, min(_STEP, templates - start))
        for found, probe in zip(best, probes, strict=True):
            alike = 1 - ((rows - probe) ** 2).sum(axis=1) / 2
            top = np.argpartition(alike, -TOP)[-TOP:]
            found += [(float(alike[at]), start + int(at) + 1) for at in top]
    for found, probe in zip(best, probes, strict=True):
        truth = [template for _, template in sorted(found, reverse=True)[:TOP]]
        told = [one.template for one in unknowns.search(PACK, probe, top=TOP + LINKS) if one.template <= templates]
        first += told[0] == truth[0]
        all_of_them += len(set(told[:TOP]) & set(truth))
    return (
        f"The most similar template was found for {first} of {len(probes)} probes, "
        f"and {all_of_them} of the {TOP * len(probes):,} that are the {TOP} most similar."
    )


def _changes(unknowns: Unknowns, templates: int) -> str:
    """One more, one less, and the thousand that expire within a minute."""
    rows = _probes(templates, 100)
    now = datetime.now(UTC)
    add = _times(lambda at: unknowns.add(2 * templates + at, PACK, rows[at % len(rows)], camera=1, seen=now), 100)
    one = _times(lambda at: unknowns.drop({at + 1}), 50)
    many = _times(lambda at: unknowns.drop(set(range(10_000 + 1000 * at, 11_000 + 1000 * at))), 10)
    return (
        f"One template more {_median(add):.1f} ms, one less {_median(one):.1f} ms, a thousand less "
        f"{_median(many):.1f} ms."
    )


# --- what is stored --------------------------------------------------------------------------------------------------


def _people(first: int, count: int) -> Floats:
    """The mean faces of (count) people, a row each, the same for the same number."""
    fall = np.arange(1, DIMENSION + 1, dtype=np.float32) ** _FALL
    fall *= np.sqrt((_SPREAD - _WITHIN) / (fall**2).sum())
    mean = np.full(DIMENSION, _LENGTH / np.sqrt(DIMENSION), np.float32)
    made = np.empty((count, DIMENSION), np.float32)
    block, start = _STEP // A_PERSON, first
    while start < first + count:
        number, at = divmod(start, block)
        rows = np.random.default_rng([7, number]).standard_normal((block, DIMENSION), dtype=np.float32)
        some = rows[at : at + first + count - start]
        made[start - first : start - first + len(some)] = mean + some * fall
        start += len(some)
    return made


def _faces(first: int, count: int) -> Floats:
    """The templates from a number on: A_PERSON of each person in a row, each a little different."""
    people = _people(first // A_PERSON, -(-(first + count) // A_PERSON) - first // A_PERSON)
    rows = np.repeat(people, A_PERSON, axis=0)[first % A_PERSON :][:count]
    return rows + _apart(np.random.default_rng([8, first]), count)


def _probes(templates: int, count: int) -> Floats:
    """New tracks, by turns of people who were here and of strangers."""
    random = np.random.default_rng(9)
    known = random.integers(0, templates // A_PERSON, count)
    rows = np.stack(
        [_people(int(one), 1)[0] if at % 2 == 0 else _people(10**9 + at, 1)[0] for at, one in enumerate(known)]
    )
    return rows + _apart(random, count)


def _apart(random: np.random.Generator, count: int) -> Floats:
    return random.standard_normal((count, DIMENSION), dtype=np.float32) * np.float32(np.sqrt(_WITHIN / DIMENSION))


def _write(templates: int, began: datetime) -> None:
    """Sightings, identities and sealed templates, without the triggers that single rows have."""
    from django.db import connection

    from cameras.models import Camera

    cameras = [Camera(pk=one, name=f"Camera {one}", sealed_source=b"") for one in range(1, CAMERAS + 1)]
    Camera.objects.bulk_create(cameras)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
    apart = timedelta(hours=HOURS) / templates
    for start in range(0, templates, _STEP):
        count = min(_STEP, templates - start)
        moments = [began + (start + at) * apart for at in range(count)]
        _write_rows(start + 1, list(_faces(start, count)), moments, linked=True)
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = DEFAULT")
        for name in ("cameras_identity", "cameras_unknowntemplate"):
            cursor.execute(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {10 * templates})")
        cursor.execute("ANALYZE")


def _write_rows(first: int, rows: list[Any], moments: list[datetime], *, linked: bool) -> None:
    """Rows from a number on. `linked`: with their identities; else they wait to be linked."""
    from django.db import connection

    connection.ensure_connection()
    raw: Any = connection.connection
    sealed = _sealed(first, rows, moments)
    with raw.cursor() as cursor:
        if linked:
            people = range((first - 1) // A_PERSON + 1, (first - 1 + len(rows) - 1) // A_PERSON + 2)
            cursor.execute(
                "INSERT INTO cameras_identity (id, label, created_at) SELECT one, '', now() "
                "FROM generate_series(%s::bigint, %s::bigint) AS one ON CONFLICT DO NOTHING",
                [people.start, people.stop - 1],
            )
        columns = (
            "id, camera_id, camera_name, track, epoch, first_seen, last_seen, frames, is_open, verdict, pack, quality, "
            "identity_id, link"
        )
        with cursor.copy(f"COPY cameras_sighting ({columns}) FROM STDIN") as copy:
            for number, moment in enumerate(moments, start=first):
                camera = number % CAMERAS + 1
                ended = moment + timedelta(seconds=6)
                whose = ((number - 1) // A_PERSON + 1, "linked") if linked else (None, "")
                facts = (_id(number), camera, "Camera", number, 1, moment, ended, 40, False, "unknown", PACK, 0.7)
                copy.write_row((*facts, *whose))
        columns = "id, sighting_id, pack, sealed, seen_at, expires_at, linked_at"
        with cursor.copy(f"COPY cameras_unknowntemplate ({columns}) FROM STDIN") as copy:
            for number, (moment, content) in enumerate(zip(moments, sealed, strict=True), start=first):
                expires = moment + timedelta(hours=2 * HOURS)
                copy.write_row((number, _id(number), PACK, content, moment, expires, moment if linked else None))


def _sealed(first: int, rows: list[Any], moments: list[datetime]) -> list[bytes]:
    """As `vault.seal` would seal them, with the key of each hour looked up once."""
    from uuid import UUID

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from accounts.vault import _data_key
    from cameras.models import unknown_bind, unknown_scope

    keys: dict[str, AESGCM] = {}
    sealed = []
    for number, (row, moment) in enumerate(zip(rows, moments, strict=True), start=first):
        scope = unknown_scope(moment)
        if scope not in keys:
            keys[scope] = AESGCM(_data_key(scope, create=True))
        nonce, bind = secrets.token_bytes(12), unknown_bind(UUID(_id(number)), PACK).encode()
        sealed.append(b"\x01" + nonce + keys[scope].encrypt(nonce, row.astype("<f4").tobytes(), bind))
    return sealed


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def _times(do: Callable[[int], object], count: int) -> list[_Took]:
    """What each call takes; one before them is not counted."""
    do(count)
    spent = []
    for at in range(count):
        began, computing = time.perf_counter(), time.process_time()
        do(at)
        spent.append(_Took(time.perf_counter() - began, time.process_time() - computing))
    return spent


def _median(spent: list[_Took]) -> float:
    return float(np.median([one.wall for one in spent])) * 1000


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
