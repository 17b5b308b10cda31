"""How long a gallery takes from sealed rows in PostgreSQL to its first search, and what a change of one costs then.

Every template is sealed under a key of its own person, as the worst case is; the rows are written in bulk into a
database of their own, which is removed afterwards. Only what a gallery is read from is written: people, photos and
their foreign keys are left out.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import site
from benchmarks.search_ways import faces

PACK = "benchmark-1"
DIMENSION = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Seconds; bytes of memory a template."""

    templates: int
    write_seconds: float
    load_seconds: float
    peak_bytes: float  # of the process, a template, while loading
    bytes_each: float
    nothing_new_seconds: float  # to notice that only other things changed
    change_seconds: float  # to read and take in one template more and one less


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
        from recognition.engine import Gallery
        from recognition.gallery_load import updated

        migrate_if_behind()
        began = time.perf_counter()
        _write(templates)
        written = time.perf_counter() - began
        before = _peak()
        began = time.perf_counter()
        gallery = updated(Gallery.empty(DIMENSION), pack=PACK)
        loaded = time.perf_counter() - began
        if len(gallery) != templates:
            raise SystemExit(f"{len(gallery)} of {templates} templates were loaded; the lines above say why.")
        peak = _peak() - before
        began = time.perf_counter()
        if updated(gallery, pack=PACK) is not gallery:
            raise SystemExit("A gallery in which nothing changed was made anew.")
        nothing = time.perf_counter() - began
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = replica")
            cursor.execute("DELETE FROM recognition_template WHERE id = 1")
        _write(1, first=templates + 1)
        began = time.perf_counter()
        changed = updated(gallery, pack=PACK)
        change = time.perf_counter() - began
        if len(changed) != templates or changed is gallery:
            raise SystemExit("The change was not seen.")
        connection.close()
    return Loaded(
        templates=templates,
        write_seconds=written,
        load_seconds=loaded,
        peak_bytes=peak / templates,
        bytes_each=gallery.nbytes / templates,
        nothing_new_seconds=nothing,
        change_seconds=change,
    )


def _write(templates: int, *, first: int = 1) -> None:
    """Sealed templates and their keys, as `vault.seal` would make them, without a query for each."""
    from django.db import connection

    step = 50_000
    connection.ensure_connection()
    raw: Any = connection.connection
    with raw.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers: the people are not there
        for start in range(first, first + templates, step):
            count = min(step, first + templates - start)
            keys, sealed = _sealed(range(start, start + count))
            with cursor.copy("COPY accounts_datakey (scope, wrapped, kek_version, created_at) FROM STDIN") as copy:
                for person, key in keys:
                    copy.write_row((f"person:{person}", key, 1, "2026-01-01"))
            columns = "id, person_id, photo_id, pack, sealed, quality, box, created_at"
            with cursor.copy(f"COPY recognition_template ({columns}) FROM STDIN") as copy:
                for person, content in sealed:
                    copy.write_row((person, person, person, PACK, content, 0.9, "[0,0,1,1]", "2026-01-01"))
        cursor.execute("ANALYZE recognition_template")
        cursor.execute("ANALYZE accounts_datakey")


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
