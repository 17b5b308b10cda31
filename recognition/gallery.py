"""The gallery in memory: decrypted templates and what is needed to decide, following the database.

Triggers of the database raise GalleryRevision with every change of people, templates and watchlists, whoever made it.
`gallery()` compares the revision at most every GALLERY_POLL_SECONDS and loads only what is new, which the triggers have
written down (`gallery_changes`), so that an enrolment or a deletion made in any process takes effect everywhere within
two seconds, whatever the size of the gallery. Searches work on an immutable snapshot and never wait for an update.
Nothing decrypted is ever written anywhere.

A snapshot carries the pack that made its templates. Who embeds a face and then searches takes both from one snapshot:
then a probe is never compared with templates of another pack, also at the moment in which the pack in use changes. A
new pack's snapshot is complete before it takes the place of the old one's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from recognition import gallery_people
from recognition.engine import Candidate, Embedding, EngineError, Gallery, Pack, decide
from recognition.gallery_changes import Kind, since
from recognition.gallery_load import template_bind as template_bind
from recognition.gallery_load import updated
from recognition.models import GalleryRevision
from recognition.packs import current_pack

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The gallery at one revision. Thread-safe because nothing in it changes."""

    revision: int
    pack: Pack
    templates: Gallery
    names: Mapping[int, str]
    thresholds: Mapping[int, float]  # only people whose watchlists say something else than the pack
    expires_at: datetime | None  # when the next watchlist entry begins or is over, which no trigger tells
    is_committed: bool = True  # false: read inside a transaction that had written, and may yet be taken back

    @property
    def pack_threshold(self) -> float:
        return self.pack.threshold

    def holds(self, revision: int) -> bool:
        """Whether it is still what the database says at this revision."""
        over = self.expires_at is not None and self.expires_at <= timezone.now()
        known = self.is_committed or connection.in_atomic_block  # else another transaction can have this revision
        return known and not over and self.revision == revision

    def threshold(self, person: int) -> float:
        """The similarity that is asked for before this person counts as recognised."""
        return self.thresholds.get(person, self.pack_threshold)

    def search(self, probe: Embedding, *, top: int = 5) -> list[Candidate]:
        """Ranked (person, similarity), best template of each person."""
        _count_search()
        return self.templates.search(probe, top=top)

    def decide(self, candidates: list[Candidate]) -> Candidate | None:
        """The recognised person, or None for an unknown one."""
        best = candidates[0] if candidates else None
        if best is not None and abs(best.similarity - self.threshold(best.person)) < best.error:
            _log.info(
                "Person %s is at %.5f, within %.5f of the threshold: so much storing the templates as %s rounds.",
                *(best.person, best.similarity, best.error, settings.GALLERY_STORAGE),
            )
        return decide(candidates, threshold=self.threshold, margin=self.pack.margin)


_snapshot: Snapshot | None = None
_checked_at = float("-inf")
_problem = ""
_searches = 0
_reads_for_all: int | None = None
_lock = threading.Lock()
_count_lock = threading.Lock()


def gallery() -> Snapshot:
    """The newest snapshot; while the database is away, or a new pack can not be loaded, the last one that was read."""
    global _snapshot, _checked_at, _problem
    now = time.monotonic()
    known = _snapshot
    if known is not None and _reads_for_all not in (None, threading.get_ident()):
        return known
    if known is not None and (now - _checked_at < settings.GALLERY_POLL_SECONDS or not _lock.acquire(blocking=False)):
        return known
    if known is None:
        _lock.acquire()
    is_guest = connection.connection is None  # a thread that needs no database otherwise, such as a camera loop's
    try:
        _checked_at = now
        _snapshot = _read(_snapshot)
        _problem = ""
        if is_guest and not connection.in_atomic_block:
            connection.close()  # hundreds of such threads must not hold a connection each
        return _snapshot
    except EngineError as error:
        if _snapshot is None:
            raise
        if _problem != str(error):
            _problem = str(error)
            _log.error("The gallery stays as it was, with the pack %s: %s", _snapshot.pack.version, error)
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


def read_for_all() -> None:
    """From now on only the calling thread looks for changes: no other one ever waits for the database here."""
    global _reads_for_all
    _reads_for_all = threading.get_ident()


def look_again() -> None:
    """The next use looks for changes, however short ago the last one did: for who has just made one."""
    global _checked_at
    _checked_at = float("-inf")


def forget() -> None:
    """Drops the snapshot; the next use reads everything anew."""
    global _snapshot, _checked_at, _problem
    with _lock:
        _snapshot, _checked_at, _problem = None, float("-inf"), ""


def held() -> Snapshot | None:
    """What this process has in memory, as it is: nothing is read for it."""
    return _snapshot


def problem() -> str:
    """Why the snapshot does not follow the database, or nothing when it does."""
    return _problem


def searches() -> int:
    """How many probes this process has searched."""
    return _searches


def _count_search() -> None:
    global _searches
    with _count_lock:
        _searches += 1


def _read(known: Snapshot | None) -> Snapshot:
    revision = GalleryRevision.objects.values_list("revision", flat=True).first() or 0
    if known is not None and known.holds(revision):
        return known
    with transaction.atomic(durable=not connection.in_atomic_block):
        # First of all, so that whatever changes while the rest is read is found to be new the next time.
        base = known if known is not None and known.is_committed else None
        changes = since(base.revision if base else None, base.pack.version if base else "")
        pack = current_pack()
        same = known is not None and known.pack.version == pack.version
        if known is not None and not same and any(model.state == "ready" for model in known.pack.models):
            pack.warm_up()  # whoever recognises faces here goes on with the new pack without a pause
        now, new = timezone.now(), changes.subjects
        expired_from = base.expires_at if base is not None else None
        return Snapshot(
            revision=changes.revision,
            pack=pack,
            templates=updated(
                known.templates if known is not None and same else Gallery.empty(pack.dimension),
                pack=pack.version,
                among=new[Kind.TEMPLATE] if same else None,
            ),
            names=gallery_people.names(base.names if base else {}, new[Kind.PERSON]),
            thresholds=gallery_people.thresholds(
                base.thresholds if base else {},
                pack=pack,
                listed=new[Kind.ENTRY] if base is not None and base.pack is pack else None,
                watchlists=new[Kind.WATCHLIST],
                passed=(expired_from, now) if expired_from is not None and expired_from <= now else None,
            ),
            expires_at=gallery_people.next_expiry(now),
            is_committed=changes.is_committed,
        )
