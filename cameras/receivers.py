"""What cameras saw follows when two people are merged into one, and goes when somebody is deleted."""

from __future__ import annotations

import uuid
from typing import Any

from django.dispatch import receiver

from cameras.identities import erasure, people
from cameras.identities.locks import one_after_the_other
from cameras.identities.signals import somebody_erased
from cameras.photo_search import erasure as searches
from recognition.merging import people_merged
from recognition.models import Person
from recognition.signals import people_will_change, person_deleted


@receiver(people_will_change, dispatch_uid="cameras.people_change")
def take_turns(**kwargs: Any) -> None:
    one_after_the_other()


@receiver(people_merged, dispatch_uid="cameras.merged")
def follow_merge(kept: Person, gone: Person, **kwargs: Any) -> None:
    people.follow_merge(kept=kept, gone=gone)
    searches.follow_merge(kept=kept, gone=gone)


@receiver(person_deleted, dispatch_uid="cameras.deleted")
def erase(person: Person, **kwargs: Any) -> None:
    erasure.erase_person(person)


@receiver(somebody_erased, dispatch_uid="cameras.erased")
def forget_searches(
    sightings: tuple[uuid.UUID, ...], person: Person | None, identities: tuple[int, ...], **kwargs: Any
) -> None:
    searches.forget_somebody(sightings=sightings, person=person, identities=identities)
