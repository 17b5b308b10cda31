"""Runs searches by photo over unknown people, in the process that holds their templates in memory.

Somebody unknown of whom the span holds no template any more is found by another sighting of theirs: the templates of
all times and cameras are searched, and who has a sighting in the span counts.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError, IntegrityError
from django.utils import timezone

from accounts.vault import VaultError
from cameras.identities.locks import one_after_the_other
from cameras.identities.unknowns import Found, Unknowns
from cameras.models import PhotoSearch, SearchPart, SearchSource, UnknownTemplate
from cameras.photo_search import hits, parts
from cameras.photo_search.faces import embedding_of
from cameras.photo_search.hits import Alike
from config.transactions import brief_transaction
from recognition.engine import Embedding

_log = logging.getLogger(__name__)
_TOP: Final = 400  # templates for each face: of one person there are many
_TRIES: Final = 3


def run_waiting(unknowns: Unknowns) -> bool:
    """Runs a search that waits, if there is one; whether there was."""
    part = parts.take(SearchSource.FACES)
    if part is None:
        return False
    try:
        _run(part, unknowns)
    except parts.NotMine:
        _log.info("Search %s was stopped or deleted.", part.search_id)
    except VaultError as error:
        parts.fail(part, f"The faces of the photo can not be opened any more: {error}")
    except DatabaseError:
        raise
    except Exception:
        _log.exception("Search %s failed", part.search_id)
        parts.fail(part, "Lynceus made a mistake at this search. The log says more. Search again.")
    return True


def _run(part: SearchPart, unknowns: Unknowns) -> None:
    search, began = part.search, timezone.now()
    found: dict[int, list[Found]] = {}
    beyond: dict[int, list[Found]] = {}
    for face in search.faces.defer(None):
        probe = embedding_of(search, face)
        found[face.pk] = _within(search, probe, unknowns)
        if hits.is_limited(search):
            beyond[face.pk] = unknowns.search(search.pack, probe, top=_TOP)
    said, held = not_searched(search), unknowns.count(search.pack)
    for left in range(_TRIES - 1, -1, -1):
        try:
            _write(part, found, beyond, held=held, seconds=(timezone.now() - began).total_seconds())
            break
        except IntegrityError:  # a sighting was deleted between being read and written
            if not left:
                raise
    parts.finish(part, said=said)


def _within(search: PhotoSearch, probe: Embedding, unknowns: Unknowns) -> list[Found]:
    cameras = search.cameras or None
    return unknowns.search(search.pack, probe, top=_TOP, cameras=cameras, since=search.since, until=search.until)


@brief_transaction()
def _write(
    part: SearchPart,
    found: dict[int, list[Found]],
    beyond: dict[int, list[Found]],
    *,
    held: int,
    seconds: float,
) -> None:
    """Writes the candidates, of what is there still, after all who change whose a sighting is."""
    one_after_the_other()
    row = parts.hold(part)
    templates = {one.template for group in (found, beyond) for some in group.values() for one in some}
    whose: dict[int, uuid.UUID] = dict(
        UnknownTemplate.objects.filter(pk__in=templates).values_list("pk", "sighting_id")
    )
    alike = _alike(found, whose)
    inside = {one.sighting for one in alike}
    outside = [one for one in _alike(beyond, whose) if one.sighting not in inside]
    hits.write(row, part.search, [*alike, *outside], elsewhere={one.sighting for one in outside})
    row.total, row.done, row.seconds = held, held, row.seconds + seconds
    row.save(update_fields=["total", "done", "seconds"])


def _alike(found: dict[int, list[Found]], whose: dict[int, uuid.UUID]) -> list[Alike]:
    return [
        Alike(face=face, sighting=whose[one.template], similarity=one.similarity)
        for face, some in found.items()
        for one in some
        if one.template in whose
    ]


def not_searched(search: PhotoSearch) -> list[str]:
    """Sentences on which faces of unknown people can not be among those that are searched now."""
    if not settings.UNKNOWN_HOURS:
        return [
            "Faces of unknown people are not kept here, so none were searched. Stored pictures can be looked through."
        ]
    said = []
    if search.since is None or search.since < timezone.now() - timedelta(hours=settings.UNKNOWN_HOURS):
        said.append(
            f"Faces of unknown people are kept for {settings.UNKNOWN_HOURS} hours. Who was seen only before that is "
            "not found by their face; who was seen again since is found with their earlier sightings."
        )
    kept = UnknownTemplate.objects.all()
    if kept.exclude(pack=search.pack).exists():
        said.append("Some faces were seen with another model pack; they can not be compared and were not searched.")
    if kept.filter(linked_at=None).exists():
        said.append("Some faces of the last seconds were not in memory yet, and were not searched.")
    return said
