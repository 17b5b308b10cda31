"""Whether any process links sightings."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.utils import timezone

from cameras.models import LinkerState

LEASE_SECONDS: Final = 8.0  # so long who links may be silent before another one goes on


def waiting_since() -> timedelta | None:
    """For how long nobody has linked; None while somebody does."""
    row = LinkerState.objects.filter(pk=1).first()
    if row is None or row.heartbeat_at is None:
        return timedelta.max
    silent = timezone.now() - row.heartbeat_at
    return silent if silent > timedelta(seconds=2 * LEASE_SECONDS) else None
