"""The gallery in memory: decrypted templates and what is needed to decide, following the database.

Triggers of the database raise GalleryRevision with every change of people, templates and watchlists, whoever made it.
`gallery()` compares the revision at most every GALLERY_POLL_SECONDS and loads only what is new, so that an enrolment
or a deletion made in any process takes effect everywhere within two seconds. Searches work on an immutable snapshot
and never wait for an update. Nothing decrypted is ever written anywhere.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Min, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts import vault
from recognition.engine import Candidate, Embedding, Gallery, Pack, Templates, decide
from recognition.models import GalleryRevision, Person, Template
from recognition.packs import current_pack
from recognition.selectors import valid_entries

_log = logging.getLogger(__name__)
_CHUNK = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The gallery at one revision. Thread-safe because nothing in it changes."""

    revision: int
    pack: str
    templates: Gallery
    names: dict[int, str]
    thresholds: dict[int, float]  # only people whose watchlists say something else than the pack
    pack_threshold: float
    margin: float
    expires_at: datetime | None  # when the next watchlist entry is over, which no trigger tells

    def holds(self, revision: int, pack: str) -> bool:
        """Whether it is still what the database says at this revision."""
        over = self.expires_at is not None and self.expires_at <= timezone.now()
        return not over and (self.revision, self.pack) == (revision, pack)

    def threshold(self, person: int) -> float:
        """The similarity that is asked for before this person counts as recognised."""
        return self.thresholds.get(person, self.pack_threshold)

    def search(self, probe: Embedding, *, top: int = 5) -> list[Candidate]:
        """Ranked (person, similarity), best template of each person."""
        return self.templates.search(probe, top=top)

    def decide(self, candidates: list[Candidate]) -> Candidate | None:
        """The recognised person, or None for an unknown one."""
        return decide(candidates, threshold=self.threshold, margin=self.margin)


_snapshot: Snapshot | None = None
_checked_at = float("-inf")
_lock = threading.Lock()


def gallery() -> Snapshot:
    """The newest snapshot; while the database is away, the last one that was read."""
    global _snapshot, _checked_at
    now = time.monotonic()
    known = _snapshot
    if known is not None and (now - _checked_at < settings.GALLERY_POLL_SECONDS or not _lock.acquire(blocking=False)):
        return known
    if known is None:
        _lock.acquire()
    try:
        _checked_at = now
        _snapshot = _read(_snapshot)
        return _snapshot
    except DatabaseError:
        if not connection.in_atomic_block:
            connection.close()  # a broken one would stay broken for this thread
        if _snapshot is None:
            raise
        _log.warning("The database does not answer; the gallery stays as it was.")
        return _snapshot
    finally:
        _lock.release()


def forget() -> None:
    """Drops the snapshot; the next use reads everything anew."""
    global _snapshot, _checked_at
    with _lock:
        _snapshot, _checked_at = None, float("-inf")


def _read(known: Snapshot | None) -> Snapshot:
    pack = current_pack()
    revision = GalleryRevision.objects.values_list("revision", flat=True).first() or 0
    if known is not None and known.holds(revision, pack.version):
        return known
    with transaction.atomic(durable=not connection.in_atomic_block):
        revision = GalleryRevision.objects.values_list("revision", flat=True).first() or 0
        base = known.templates if known is not None and known.pack == pack.version else Gallery.empty(pack.dimension)
        return Snapshot(
            revision=revision,
            pack=pack.version,
            templates=_updated(base, pack),
            names=dict(Person.objects.values_list("id", "name")),
            thresholds=_thresholds(pack),
            pack_threshold=pack.threshold,
            margin=pack.margin,
            expires_at=valid_entries().aggregate(first=Min("expires_at"))["first"],
        )


def _updated(base: Gallery, pack: Pack) -> Gallery:
    """The base without the templates that are gone, with those that are new."""
    wanted = frozenset(Template.objects.filter(pack=pack.version).values_list("id", flat=True))
    new = sorted(wanted - base.templates)
    if not new and wanted == base.templates:
        return base
    ids: list[int] = []
    persons: list[int] = []
    rows: list[Embedding] = []
    for start in range(0, len(new), _CHUNK):
        found = list(Template.objects.filter(id__in=new[start : start + _CHUNK]).select_related("person"))
        opened = vault.unseal_many([(t.person.scope, t.sealed, template_bind(t.person_id, t.pack)) for t in found])
        for template, content in zip(found, opened, strict=True):
            if isinstance(content, vault.VaultError):
                _log.error("Template %s is not used: %s", template.pk, content)
                continue
            row = np.frombuffer(content, dtype="<f4") if len(content) == 4 * pack.dimension else None
            if row is None or not np.isfinite(row).all():
                _log.error("Template %s is not used: it is no embedding of %s.", template.pk, pack.version)
                continue
            ids.append(template.pk)
            persons.append(template.person_id)
            rows.append(row)
    return base.changed(
        add=Templates(ids, persons, np.array(rows, np.float32).reshape(-1, pack.dimension)),
        remove=base.templates - wanted,
    )


def _thresholds(pack: Pack) -> dict[int, float]:
    """The lowest threshold among a person's valid watchlists, where that is not the pack's own."""
    asked = Coalesce("watchlist__threshold", Value(pack.threshold))
    lowest = valid_entries().values_list("person").annotate(lowest=Min(asked))
    return {person: threshold for person, threshold in lowest if threshold != pack.threshold}


def template_bind(person: int, pack: str) -> str:
    """What a sealed embedding is bound to: its person and its pack."""
    return f"template|{person}|{pack}"
