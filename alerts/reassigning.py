"""Open alerts follow what people say of whose a sighting is: an unknown face has a name now, or a name was wrong.

What was said before stays in the history, and those who were told are told again. An alert that somebody has decided
stays as it was decided.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from alerts import lifecycle, outbox
from alerts.models import Alert, AlertStep, ListPolicy, Occasion, StepKind, Trigger
from alerts.rules.raising import REVIEWERS, one_after_the_other
from cameras.models import Sighting
from recognition.models import Person
from recognition.selectors import valid_entries


def follow(sightings: Collection[uuid.UUID]) -> int:
    """Puts names right in open alerts about these sightings; returns in how many. Part of the correction's
    transaction."""
    found = Alert.objects.filter(sighting__in=sightings, state__in=lifecycle.OPEN).exclude(trigger=Trigger.CROWD)
    if not found.exists():
        return 0
    one_after_the_other()
    people = dict(Sighting.objects.filter(pk__in=sightings).values_list("pk", "person"))
    persons = Person.objects.in_bulk([pk for pk in people.values() if pk is not None])
    changed = []
    for alert in found.select_related("rule"):  # as they are now: until the commit nobody else writes alerts
        pk = people.get(alert.sighting_id) if alert.sighting_id is not None else None
        person = persons.get(pk) if pk is not None else None
        if _put_right(alert, person):
            changed.append(alert.pk)
    if changed:
        transaction.on_commit(lambda: outbox.kick(changed))
    return len(changed)


def _put_right(alert: Alert, person: Person | None) -> bool:
    """Whether the alert said something else."""
    if alert.person_id is None and not alert.person_name:
        return person is not None and _name(alert, person)
    now = person.name if person is not None else "nobody who is known"
    if alert.person_id is not None and alert.person_id == (person.pk if person is not None else None):
        text = f"The face is {alert.person_name} after all, as a person said."
        if not AlertStep.objects.filter(alert=alert, kind=StepKind.REVISED).exists():
            return False
    else:
        text = f"The face is not {alert.person_name}, a person said, but {now}."
    return _revise(alert, text)


def _name(alert: Alert, person: Person) -> bool:
    """The unknown face has a name now. By a list that asks for two people it is a lead until they have confirmed."""
    entries = list(valid_entries(person.pk))
    watchlist = entries[0].watchlist if entries else None
    lists = [entry.watchlist_id for entry in entries]
    two = ListPolicy.objects.filter(watchlist__in=lists, two_person=True).exists()
    alert.person, alert.person_name = person, person.name
    alert.watchlist, alert.watchlist_name = watchlist, watchlist.name if watchlist is not None else ""
    alert.named_at, alert.reviews_needed = timezone.now(), REVIEWERS if two else 0
    alert.version += 1
    columns = ["person", "person_name", "watchlist", "watchlist_name", "named_at", "reviews_needed", "version"]
    alert.save(update_fields=columns)
    _note(alert, StepKind.NAMED, f"{person.name}, as a person said")
    outbox.enqueue([alert], Occasion.NAMED)
    return True


def _revise(alert: Alert, text: str) -> bool:
    said = AlertStep.objects.filter(alert=alert, kind=StepKind.REVISED).order_by("-id")
    if (last := said.first()) is not None and last.text == text:
        return False
    Alert.objects.filter(pk=alert.pk).update(version=F("version") + 1)
    _note(alert, StepKind.REVISED, text)
    outbox.enqueue([alert], Occasion.REVISED, turn=said.count())
    return True


def _note(alert: Alert, kind: StepKind, text: str) -> None:
    AlertStep.objects.create(alert=alert, kind=kind, actor_name="system", text=text)
