"""Sightings follow when two people are merged into one."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from cameras import services
from recognition.merging import people_merged
from recognition.models import Person


@receiver(people_merged, dispatch_uid="cameras.merged")
def move_sightings(kept: Person, gone: Person, **kwargs: Any) -> None:
    services.move_sightings(kept=kept, gone=gone)
