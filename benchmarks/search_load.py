"""How long a gallery takes from sealed rows in PostgreSQL to its first search, and what a change of one costs then.

Every template is sealed under a key of its own person, as the worst case is; the rows are written in bulk into a
database of their own, which is removed afterwards. The changes after that go through the database's triggers, and are
followed as every process does it.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

from benchmarks import site
from benchmarks.search_ways import faces

if TYPE_CHECKING:  # nothing of Django before its settings are known
    from recognition.gallery import Snapshot

PACK = "benchmark-1"
DIMENSION = 512
_ROUNDS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Seconds; bytes of memory a template."""

    templates: int
    write_seconds: float
    load_seconds: float
    peak_bytes: float  # of the process, a template, while loading
    bytes_each: float
    rename_seconds: float  # to follow a new name; the median, as below
    change_seconds: float  # to follow one person and template more and one less
    shortest_change_seconds: float


def measure(templates: int) -> Loaded:
    """In a database that is made for it and removed."""
    with tempfile.TemporaryDirectory(prefix="lynceus-load-") as name:
        site.prepare(Path(name))
        return _measure(templates, Path(name))


def _measure(templates: int, folder: Path) -> Loaded:
    import django

    from config.embedded import Services

    with Services(folder, postgres=True, redis=False, log=lambda text: None):
        django.setup()
        from django.db import connection

        from config.schema import migrate_if_behind
        from recognition import gallery

        migrate_if_behind()
        began = time.perf_counter()
        _write(templates)
        written = time.perf_counter() - began
        pack = SimpleNamespace(version=PACK, dimension=DIMENSION, threshold=0.5, margin=0.0, models=())
        with mock.patch.object(gallery, "current_pack", return_value=pack):
            before = _peak()
            loaded, first = _looked()
            if len(first.templates) != templates:
                raise SystemExit(f"{len(first.templates)} of {templates} templates were loaded; see the lines above.")
            peak = _peak() - before
            renamed, change = _followed(templates)
        connection.close()
    return Loaded(
        templates=templates,
        write_seconds=written,
        load_seconds=loaded,
        peak_bytes=peak / templates,
        bytes_each=first.templates.nbytes / templates,
        rename_seconds=median(renamed),
        change_seconds=median(change),
        shortest_change_seconds=min(change),
    )


def _followed(templates: int) -> tuple[list[float], list[float]]:
    """Seconds until a new name, and another person and template instead of one, are in memory."""
    from django.db import connection

    from recognition.gallery import held

    renamed, change = [], []
    for at in range(1, _ROUNDS + 1):
        before = held()
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = DEFAULT")
            cursor.execute("UPDATE recognition_person SET name = %s WHERE id = %s", [f"Renamed {at}", templates])
        spent, after = _looked()
        if before is None or after.names[templates] != f"Renamed {at}" or after.templates is not before.templates:
            raise SystemExit("A new name was not followed.")
        renamed.append(spent)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM recognition_template WHERE id = %s", [at])
        _write(1, first=templates + at, triggers=True)
        spent, after = _looked()
        if templates + at not in after.names or len(after.templates) != templates:
            raise SystemExit("The change was not seen.")
        if [len(after.templates.holding([one])) for one in (at, templates + at)] != [0, 1]:
            raise SystemExit("The change was not followed.")
        change.append(spent)
    return renamed, change


def _looked() -> tuple[float, Snapshot]:
    """Seconds from the moment in which a process looks to the gallery it then has."""
    from recognition import gallery

    gallery.look_again()
    began = time.perf_counter()
    found = gallery.gallery()
    return time.perf_counter() - began, found


def _write(templates: int, *, first: int = 1, triggers: bool = False) -> None:
    """People, sealed templates and their keys, as `vault.seal` would make them, without a query for each."""
    from django.db import connection

    step = 50_000
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.cursor() as cursor:
        cursor.execute(f"SET session_replication_role = {'DEFAULT' if triggers else 'replica'}")
        for start in range(first, first + templates, step):
            count = min(step, first + templates - start)
            keys, sealed = _sealed(range(start, start + count))
            with cursor.copy("COPY accounts_datakey (scope, wrapped, kek_version, created_at) FROM STDIN") as copy:
                for person, key in keys:
                    copy.write_row((f"person:{person}", key, 1, "2026-01-01"))
            with cursor.copy("COPY recognition_person (id, name, notes, created_at) FROM STDIN") as copy:
                for person, _ in keys:
                    copy.write_row((person, f"Person {person}", "", "2026-01-01"))
            photo = "id, person_id, sealed, sealed_portrait, enhanced, for_matching, created_at"
            with cursor.copy(f"COPY recognition_photo ({photo}) FROM STDIN") as copy:
                for person, _ in keys:
                    copy.write_row((person, person, b"", b"", "", True, "2026-01-01"))
            columns = "id, person_id, photo_id, pack, sealed, quality, box, created_at"
            with cursor.copy(f"COPY recognition_template ({columns}) FROM STDIN") as copy:
                for person, content in sealed:
                    copy.write_row((person, person, person, PACK, content, 0.9, "[0,0,1,1]", "2026-01-01"))
        if templates > 1:
            cursor.execute("ANALYZE")


def _sealed(people: range) -> tuple[list[tuple[int, bytes]], list[tuple[int, bytes]]]:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from accounts.vault import key_ring
    from recognition.gallery_load import template_bind

    kek = AESGCM(key_ring().keys[1])
    keys, sealed = [], []
    for person, row in zip(people, faces(len(people), DIMENSION, seed=people.start), strict=True):
        key, nonce, other = secrets.token_bytes(32), os.urandom(12), os.urandom(12)
        keys.append((person, other + kek.encrypt(other, key, f"datakey:person:{person}".encode())))
        bind = template_bind(person, PACK).encode()
        sealed.append((person, b"\x01" + nonce + AESGCM(key).encrypt(nonce, row.astype("<f4").tobytes(), bind)))
    return keys, sealed


def _peak() -> int:
    """The most memory this process had at any time, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
