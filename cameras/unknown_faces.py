"""Faces of unknown people, kept sealed for UNKNOWN_HOURS, so that they are found to be the same elsewhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from accounts import vault
from cameras.models import Sighting, UnknownTemplate, unknown_bind, unknown_scope
from recognition.engine.types import Embedding


def seal_unknown(row: Sighting, embedding: Embedding, pack: str) -> None:
    """Keeps the face (d,) of a sighting, in place of what is kept of it. Part of the transaction that runs."""
    content = embedding.astype("<f4").tobytes()
    sealed = vault.seal(unknown_scope(row.first_seen), content, bind=unknown_bind(row.pk, pack))
    # A better look is a new template: whoever holds one in memory knows it by its id, and what it is never changes.
    UnknownTemplate.objects.filter(sighting=row).delete()
    UnknownTemplate.objects.create(
        sighting=row, pack=pack, sealed=sealed, seen_at=row.first_seen, expires_at=unknown_until(row)
    )


def unknown_until(row: Sighting) -> datetime:
    """Until when the face of a sighting may be kept."""
    return row.last_seen + timedelta(hours=settings.UNKNOWN_HOURS)
