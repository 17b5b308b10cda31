"""What other rooms tell the alerts room.

Every watchlist has an alert rule from the moment it exists; alerts follow when two people are merged into one; what is
wrong with a camera becomes an alert. Open alerts follow what people say of whose a sighting is, and what tells of
somebody who was erased is wiped.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models.signals import post_save
from django.dispatch import receiver

from alerts import erasing, feedback, reassigning, reporting, services
from cameras.events import Change, events_changed
from cameras.identities.signals import sightings_reassigned, somebody_erased
from cameras.models import CameraEvent
from recognition.merging import people_merged
from recognition.models import Person, Watchlist


@receiver(post_save, sender=Watchlist, dispatch_uid="alerts.rule")
def give_rule(instance: Watchlist, created: bool, raw: bool = False, **kwargs: Any) -> None:
    if created and not raw:
        services.give_rule(watchlist=instance)


@receiver(people_merged, dispatch_uid="alerts.merged")
def move_alerts(kept: Person, gone: Person, **kwargs: Any) -> None:
    services.move_alerts(kept=kept, gone=gone)
    feedback.move_mistakes(kept=kept, gone=gone)


@receiver(events_changed, dispatch_uid="alerts.events")
def report_events(changes: Sequence[tuple[CameraEvent, Change]], **kwargs: Any) -> None:
    reporting.report_events(changes)


@receiver(sightings_reassigned, dispatch_uid="alerts.reassigned")
def follow_corrections(sightings: tuple[uuid.UUID, ...], **kwargs: Any) -> None:
    reassigning.follow(sightings)


@receiver(somebody_erased, dispatch_uid="alerts.erased")
def erase(sightings: tuple[uuid.UUID, ...], person: Person | None, **kwargs: Any) -> None:
    erasing.erase(sightings=sightings, person=person)
