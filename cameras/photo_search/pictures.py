"""Looks through the stored pictures of a span, face by face: slow, and over everybody who was seen, also those of whom
no template is kept any more.

The best shots of the span's sightings are opened one after the other, newest first, and their faces embedded anew. Only
a handful is in memory at once. After each handful the place that was reached is written with what was found, so that
whoever goes on does so from there.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, IntegrityError
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.vault import VaultError
from cameras import shots
from cameras.identities.locks import one_after_the_other
from cameras.models import PhotoSearch, SearchPart, SearchSource, Sighting
from cameras.photo_search import hits, parts
from cameras.photo_search.faces import embedding_of
from cameras.photo_search.hits import Alike
from cameras.services import shot_of
from config.transactions import brief_transaction
from recognition.engine import Embedding, EngineError, ModelError, Pack, similarity
from recognition.packs import current_pack

_log = logging.getLogger(__name__)
MOST_PICTURES: Final = 200_000
SLICE_SECONDS: Final = 20.0  # so long a worker stays with one search before others get their turn
_PIECE: Final = 16
_SECONDS_EACH: Final = 0.15  # where nothing was measured yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What looking through the stored pictures of a search would take. `is_too_much`: it is not done."""

    pictures: int
    seconds: float
    is_too_much: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Some sightings that were looked at. `last`: the one up to which all were."""

    alike: tuple[Alike, ...]
    skipped: int
    done: int
    last: Sighting


def estimate(search: PhotoSearch) -> Estimate:
    """How many pictures there are, and how long they will take as far as earlier searches tell."""
    count = how_many(search)
    return Estimate(pictures=count, seconds=count * seconds_each(), is_too_much=count > MOST_PICTURES)


def seconds_each() -> float:
    """What a picture took in the last search that looked through some."""
    worked = SearchPart.objects.filter(source=SearchSource.PICTURES, done__gte=_PIECE, seconds__gt=0)
    last = worked.order_by("-id").values_list("seconds", "done").first()
    return last[0] / last[1] if last is not None else _SECONDS_EACH


def how_many(search: PhotoSearch) -> int:
    """The stored pictures of the span; more than MOST_PICTURES are not counted."""
    return _rows(search)[: MOST_PICTURES + 1].count()


def work(part_id: int, *, seconds: float = SLICE_SECONDS) -> bool:
    """Works on a part until it is over or the time is; True when nothing is left to do here."""
    part = parts.take(SearchSource.PICTURES, part_id)
    if part is None:
        return True
    try:
        if not _work(part, until=time.monotonic() + seconds):
            parts.put_down(part)
            return False
        parts.finish(part, said=_said(part))
    except parts.NotMine:
        _log.info("Looking through pictures for search %s was stopped.", part.search_id)
    except (VaultError, ModelError) as error:
        parts.fail(part, f"Pictures can not be looked at: {error}")
    except DatabaseError:
        raise
    except Exception:
        _log.exception("Looking through pictures for search %s failed", part.search_id)
        parts.fail(part, "Lynceus made a mistake at this search. The log says more. Search again.")
    return True


def _work(part: SearchPart, *, until: float) -> bool:
    """True when all pictures were looked at. Raises parts.NotMine, VaultError, engine.ModelError."""
    search, pack = part.search, current_pack()
    if pack.version != search.pack:
        raise ModelError("the model pack was changed since the photo was sent. Search again.")
    probes = [(face.pk, embedding_of(search, face)) for face in search.faces.defer(None)]
    while time.monotonic() < until:
        began = time.monotonic()
        rows = _next(part, search)
        if not rows:
            return True
        piece = _looked_at(rows, probes, pack)
        for left in range(2, -1, -1):
            try:
                _write(part, search, piece, seconds=time.monotonic() - began)
                break
            except IntegrityError:  # a sighting was deleted between being read and written
                if not left:
                    raise
    return False


def _next(part: SearchPart, search: PhotoSearch) -> list[Sighting]:
    rows = _rows(search)
    if part.cursor_at is not None:
        rows = rows.filter(Q(first_seen__lt=part.cursor_at) | Q(first_seen=part.cursor_at, id__lt=part.cursor_id))
    return list(rows.order_by("-first_seen", "-id")[:_PIECE])


def _rows(search: PhotoSearch) -> QuerySet[Sighting]:
    found = hits.in_span(search).filter(shot_day__isnull=False)
    if search.until is None:
        found = found.filter(first_seen__lte=search.asked_at)
    return found.defer(None).only("id", "first_seen", "shot_day", "sealed_shot")


def _looked_at(rows: Sequence[Sighting], probes: Sequence[tuple[int, Embedding]], pack: Pack) -> _Piece:
    alike: list[Alike] = []
    skipped = 0
    for row in rows:
        embedding = _embedding(row, pack)
        if embedding is None:
            skipped += 1
            continue
        for face, probe in probes:
            alike.append(Alike(face=face, sighting=row.pk, similarity=similarity(probe, embedding)))
    return _Piece(alike=tuple(alike), skipped=skipped, done=len(rows), last=rows[-1])


def _embedding(row: Sighting, pack: Pack) -> Embedding | None:
    """The face that the best shot is about; None where the picture is gone or shows no usable face."""
    try:
        jpeg = shot_of(row)
        shot = shots.look(jpeg, pack, embed=True) if jpeg is not None else None
    except ModelError:
        raise
    except (VaultError, EngineError):
        return None
    if shot is None or shot.subject is None or not shot.subject.quality.usable:
        return None
    return shot.subject.embedding


@brief_transaction()
def _write(part: SearchPart, search: PhotoSearch, piece: _Piece, *, seconds: float) -> None:
    """Writes what was found and the place that was reached; `part` says so too from then on. Raises parts.NotMine."""
    one_after_the_other()
    row = parts.hold(part)
    nobody: frozenset[uuid.UUID] = frozenset()
    hits.write(row, search, piece.alike, elsewhere=nobody)
    row.done, row.skipped, row.seconds = row.done + piece.done, row.skipped + piece.skipped, row.seconds + seconds
    row.total = max(row.total, row.done)
    row.cursor_at, row.cursor_id, row.heartbeat_at = piece.last.first_seen, piece.last.pk, timezone.now()
    row.save(update_fields=["done", "total", "skipped", "seconds", "cursor_at", "cursor_id", "heartbeat_at"])
    part.cursor_at, part.cursor_id, part.skipped = row.cursor_at, row.cursor_id, row.skipped


def _said(part: SearchPart) -> list[str]:
    if not part.skipped:
        return []
    return [f"{part.skipped} of the pictures could not be compared: no usable face is in them, or their key is gone."]
