"""Sums are made anew where it changed whose sightings are whose."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models.signals import pre_delete
from django.dispatch import receiver

from cameras.identities.signals import sightings_reassigned, somebody_erased
from cameras.models import Identity
from cameras.movement import summing
from recognition.merging import people_merged
from recognition.models import Person


@receiver([sightings_reassigned, somebody_erased], dispatch_uid="movement.changed")
def mark(sightings: tuple[uuid.UUID, ...], **kwargs: Any) -> None:
    summing.mark_dirty(sightings=sightings)


@receiver(people_merged, dispatch_uid="movement.merged")
def mark_merged(kept: Person, **kwargs: Any) -> None:
    for identity in Identity.objects.filter(person=kept):
        summing.mark_identity(identity)


@receiver(pre_delete, sender=Identity, dispatch_uid="movement.deleted")
def mark_deleted(instance: Identity, **kwargs: Any) -> None:
    summing.mark_identity(instance)
