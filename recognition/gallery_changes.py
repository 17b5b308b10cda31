"""What changed the gallery since a revision, read from the log that triggers of the database write (GalleryChange).

A process that knows the gallery at one revision asks what is newer and reads nothing else. Where the log does not say
it (it was pruned, a statement changed thousands of rows or emptied a table, or too much is new) the answer is that
everything has to be compared.
Errors: DatabaseError.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import connection, transaction
from django.db.models import Max

from recognition.models import GalleryChange, GalleryRevision

MOST = 10_000  # subjects; comparing everything takes no longer then
_KEPT = 100_000  # rows of the log: hours of single changes
_PRUNED = 50_000  # rows more that are worth a pruning

# One statement sees one state of the database: revision and log belong together, whoever writes or prunes meanwhile.
# A transaction that has written before may see what will never be committed.
_SINCE = """
SELECT now.revision, now.log_after, pg_current_xact_id_if_assigned() IS NULL, log.kind, log.subject
FROM (SELECT revision, log_after FROM recognition_galleryrevision ORDER BY id LIMIT 1) AS now
LEFT JOIN recognition_gallerychange AS log ON log.revision > %(known)s AND now.log_after <= %(known)s
    AND (log.kind <> 'template' OR log.pack IN ('', %(pack)s))
LIMIT %(most)s
"""


class Kind(StrEnum):
    """What a row of the log is about, and so whose id its subject is."""

    TEMPLATE = "template"
    PERSON = "person"
    ENTRY = "entry"  # of a watchlist; the subject is the person
    WATCHLIST = "watchlist"


Subjects = frozenset[int] | None  # None: everything may have changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is new at a revision.

    `is_committed`: nothing that was seen can be taken back; false inside a transaction that has written already.
    """

    revision: int
    is_committed: bool
    subjects: Mapping[Kind, Subjects]


def since(known: int | None, pack: str) -> Changes:
    """What changed after the known revision (None: nothing is known), of templates those of the pack (its version)."""
    with connection.cursor() as cursor:
        cursor.execute(_SINCE, {"known": -1 if known is None else known, "pack": pack, "most": MOST + 1})
        rows = cursor.fetchall()
    revision, log_after, is_committed = rows[0][:3] if rows else (0, 0, True)
    subjects: Mapping[Kind, Subjects] = dict.fromkeys(Kind)
    if rows and known is not None and log_after <= known <= revision and len(rows) <= MOST:
        subjects = {kind: _subjects([row[4] for row in rows if row[3] == kind]) for kind in Kind}
    return Changes(revision=revision, is_committed=is_committed, subjects=subjects)


def prune() -> int:
    """Drops the oldest rows of a log that has grown long; returns how many.

    Processes that know only older revisions compare everything. The mark goes first, in a transaction of its own: the
    row of the revision, for which all who change the gallery wait, is locked for a moment only.
    """
    newest = GalleryChange.objects.aggregate(newest=Max("id"))["newest"] or 0
    oldest = GalleryChange.objects.order_by("id").values_list("id", flat=True).first() or 0
    if newest - oldest < _KEPT + _PRUNED:
        return 0
    old = GalleryChange.objects.filter(id__lte=newest - _KEPT)
    with transaction.atomic():
        reach = old.aggregate(newest=Max("revision"))["newest"]
        GalleryRevision.objects.filter(log_after__lt=reach).update(log_after=reach)
    return old.delete()[0]


def _subjects(found: Collection[int | None]) -> Subjects:
    known = frozenset(subject for subject in found if subject is not None)
    return None if None in found else known
