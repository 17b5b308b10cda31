"""Brings the templates of the database into a gallery: all of them at the start, later only what changed.

Rows come through a server-side cursor in binary, each with its wrapped data key, are opened, and go straight into
arrays; a million templates are never a million objects. While rows are opened a thread fetches the next ones, and
another indexes the piece before.
Nothing decrypted is ever written anywhere.

A row that does not open, or is no embedding of the pack, is logged and left out. Shapes: ids and persons (n,) int64,
embeddings (n, d) float32. Errors: DatabaseError from reading.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import DatabaseError, connection, transaction

from accounts import vault
from recognition.engine import Embedding, Gallery, Templates
from recognition.engine.storage import Storage, usable
from recognition.engine.types import Floats

_log = logging.getLogger(__name__)

Ids = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]  # how many templates of how many have been read

_BATCH = 2_000  # rows that are objects at a time
_PIECE = 131_072  # rows that are indexed at a time
_SAY_EVERY = 100_000

_IDS = """
SELECT string_agg(int8send(id) || int8send(person_id), ''::bytea)
FROM (SELECT id, person_id FROM recognition_template WHERE pack = %(pack)s ORDER BY id) AS rows
"""
# The key by a subquery: a join would be hashed, and give rows in an order in which reading a large table takes twice
# as long. Its first four bytes are the version of the key-encryption key.
_ROWS = """
SELECT t.id, t.person_id, t.sealed,
    (SELECT int4send(k.kek_version) || k.wrapped FROM accounts_datakey AS k WHERE k.scope = 'person:' || t.person_id)
FROM recognition_template AS t
WHERE t.pack = %(pack)s
"""
_THESE = " AND t.id = ANY(%(ids)s)"

Row = tuple[int, int, bytes, bytes | None]  # template, person, sealed, key


class _Arrays(NamedTuple):
    ids: Ids
    persons: Ids
    embeddings: Floats


def updated(
    base: Gallery, *, pack: str, among: Collection[int] | None = None, progress: Progress | None = None
) -> Gallery:
    """The base without the templates of the pack (its version) that are gone or moved, with those that are new.

    `among`: the ids of all that may have changed, which are read anew; without it the ids of all templates are compared
    with those in the database, which does not tell when only the embedding of one was replaced.
    """
    if among is not None:
        return _renewed(base, pack, among)
    with transaction.atomic():
        ids, persons = stored_ids(pack)
        had, owners = base.owners()
        new = _missing(ids, persons, had, owners)
        gone = _missing(had, owners, ids, persons)
        if len(new) == 0 and len(gone) == 0:
            return base
        wanted = ids[new]
        if len(base) == 0:
            base = Gallery.empty(base.dimension, storage=chosen_storage(), exact=_exact(pack, base.dimension))
        if len(wanted) < _PIECE:
            read = list(_pieces(pack, base.dimension, wanted, progress)) if len(wanted) else []
            return base.changed(add=Templates(*(read[0] if read else _empty(base.dimension))), remove=had[gone])
        base = base.changed(remove=had[gone])
        pieces = _pieces(pack, base.dimension, wanted if len(base) else None, progress, len(wanted))
        return _indexed(base, pieces, len(ids))


def _renewed(base: Gallery, pack: str, among: Collection[int]) -> Gallery:
    """The base in which these templates are as the database has them now."""
    if not among:
        return base
    with transaction.atomic():
        read = list(_pieces(pack, base.dimension, np.fromiter(among, np.int64, len(among)), None))
    held = base.holding(among)
    if not read and len(held) == 0:
        return base
    if len(base) == 0:
        base = Gallery.empty(base.dimension, storage=chosen_storage(), exact=_exact(pack, base.dimension))
    new = _empty(base.dimension) if not read else _Arrays(*map(np.concatenate, zip(*read, strict=True)))
    return base.changed(add=Templates(*new), remove=held)


def read_templates(pack: str, dimension: int, ids: Ids | None = None, progress: Progress | None = None) -> Templates:
    """All templates of a pack (its version), or those with these ids, as arrays. What does not open is left out."""
    with transaction.atomic():
        wanted = stored_ids(pack)[0] if ids is None else ids
        read = list(_pieces(pack, dimension, None if ids is None else wanted, progress, len(wanted)))
    read = read or [_empty(dimension)]
    return Templates(*(read[0] if len(read) == 1 else map(np.concatenate, zip(*read, strict=True))))


def stored_ids(pack: str) -> tuple[Ids, Ids]:
    """The ids of all templates of a pack (its version), ascending, and the persons they belong to."""
    with connection.cursor() as cursor:
        cursor.execute(_IDS, {"pack": pack})
        (content,) = cursor.fetchone() or (None,)
    pairs = np.frombuffer(content or b"", dtype=">i8").reshape(-1, 2).astype(np.int64)
    return pairs[:, 0], pairs[:, 1]


def chosen_storage() -> Storage:
    """What GALLERY_STORAGE says."""
    return Storage(settings.GALLERY_STORAGE)


def template_bind(person: int, pack: str) -> str:
    """What a sealed embedding is bound to: its person and its pack."""
    return f"template|{person}|{pack}"


def _missing(ids: Ids, persons: Ids, other: Ids, owners: Ids) -> npt.NDArray[np.intp]:
    """Positions of the (id, person) that are not among the others; both sorted by id."""
    if np.array_equal(ids, other) and np.array_equal(persons, owners):
        return np.zeros(0, np.intp)
    if len(other) == 0:
        return np.arange(len(ids))
    at = np.minimum(np.searchsorted(other, ids), len(other) - 1)
    return np.flatnonzero((other[at] != ids) | (owners[at] != persons))


def _indexed(base: Gallery, pieces: Iterator[_Arrays], expected: int) -> Gallery:
    """The base with all pieces; each is indexed by a thread while the next one is read."""
    with ThreadPoolExecutor(1, "gallery-index") as pool:
        made = pool.submit(lambda: base)
        for piece in pieces:
            before = made.result()
            made = pool.submit(before.changed, add=Templates(*piece), expected=expected)
        return made.result()


def _pieces(pack: str, dimension: int, ids: Ids | None, progress: Progress | None, total: int = 0) -> Iterator[_Arrays]:
    """The templates as arrays of at most _PIECE rows."""
    total = len(ids) if ids is not None else total
    piece, count, done = _room(min(_PIECE, total), dimension), 0, 0
    for rows in _batches(pack, ids):
        opened = _opened(rows, pack, dimension)
        taken = 0
        while taken < len(opened.ids):
            if count == len(piece.ids):  # full, or more rows came than were counted
                if count:
                    yield piece
                piece, count = _room(max(_BATCH, min(_PIECE, total - done)), dimension), 0
            fit = min(len(opened.ids) - taken, len(piece.ids) - count)
            here, there = slice(count, count + fit), slice(taken, taken + fit)
            piece.ids[here], piece.persons[here] = opened.ids[there], opened.persons[there]
            piece.embeddings[here] = opened.embeddings[there]
            taken, count = taken + fit, count + fit
        done += len(rows)
        _tell(done, total, len(rows), progress)
    if count:
        yield _Arrays(piece.ids[:count], piece.persons[:count], piece.embeddings[:count])


def _batches(pack: str, ids: Ids | None) -> Iterator[list[Row]]:
    connection.ensure_connection()
    raw: Any = connection.connection  # psycopg's own: Django's server-side cursors know no binary
    with raw.cursor(name="gallery_load", binary=True) as cursor:
        cursor.execute(
            _ROWS + (_THESE if ids is not None else ""),
            {"pack": pack} | ({"ids": ids.tolist()} if ids is not None else {}),
        )
        with ThreadPoolExecutor(1, "gallery-read") as pool:
            coming = pool.submit(cursor.fetchmany, _BATCH)
            while rows := coming.result():
                coming = pool.submit(cursor.fetchmany, _BATCH)  # the server works while these are opened
                yield rows


def _opened(rows: Sequence[Row], pack: str, dimension: int) -> _Arrays:
    """The rows that open and are finite embeddings."""
    opener, size = vault.Opener(), 4 * dimension
    opened: list[Row] = []
    contents: list[bytes] = []
    for row in rows:
        template, person, sealed, key = row
        wrapped, version = (key[4:], int.from_bytes(key[:4], "big")) if key is not None else (None, None)
        try:
            content = opener.open(f"person:{person}", sealed, template_bind(person, pack), wrapped, version)
        except vault.VaultError as error:
            _log.error("Template %s is not used: %s", template, error)
            continue
        if len(content) == size:
            opened.append(row)
            contents.append(content)
        else:
            _refuse(template, person, pack)
    embeddings = np.frombuffer(b"".join(contents), "<f4").reshape(-1, dimension)
    ids = np.fromiter((row[0] for row in opened), np.int64, len(opened))
    persons = np.fromiter((row[1] for row in opened), np.int64, len(opened))
    fit = usable(embeddings)
    for template, person in zip(ids[~fit], persons[~fit], strict=True):
        _refuse(int(template), int(person), pack)
    return _Arrays(ids[fit], persons[fit], np.asarray(embeddings[fit], np.float32))


def _refuse(template: int, person: int, pack: str) -> None:
    _log.error(
        "Template %s is not used: it is no embedding of %s, so its row was damaged. Enrol a photo of person %s again.",
        template,
        pack,
        person,
    )


def _tell(done: int, total: int, more: int, progress: Progress | None) -> None:
    if progress is not None:
        progress(done, total)
    if total >= _SAY_EVERY and (done // _SAY_EVERY != (done - more) // _SAY_EVERY or done == total):
        _log.info("Loading the gallery: %s of %s templates", f"{done:,}", f"{total:,}")


def _exact(pack: str, dimension: int) -> Callable[[Sequence[int]], Mapping[int, Embedding]]:
    return partial(_as_enrolled, pack, dimension)


def _as_enrolled(pack: str, dimension: int, ids: Sequence[int]) -> Mapping[int, Embedding]:
    """These embeddings without rounding; none while the database is away, when the rounded ones have to do."""
    try:
        read = read_templates(pack, dimension, np.asarray(ids, np.int64))
    except DatabaseError:
        if connection.in_atomic_block:
            raise  # the transaction around this is lost anyway
        connection.close()
        _log.warning("The database does not answer; candidates are compared as they are stored in memory.")
        return {}
    return dict(zip(np.asarray(read.ids).tolist(), np.asarray(read.embeddings, np.float32), strict=True))


def _room(count: int, dimension: int) -> _Arrays:
    return _Arrays(np.empty(count, np.int64), np.empty(count, np.int64), np.empty((count, dimension), np.float32))


def _empty(dimension: int) -> _Arrays:
    return _room(0, dimension)
