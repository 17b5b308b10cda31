"""What programs may be told of a sighting: while a match is only a lead, neither who it may be nor the picture.

Which sightings are leads is known to the room that has them reviewed; it says so here (`hold_back`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce

from cameras.models import Sighting

_leads: Final[list[Callable[[], Q]]] = []


def hold_back(leads: Callable[[], Q]) -> None:
    """From now on sightings for which this holds are leads."""
    if leads not in _leads:
        _leads.append(leads)


def marked(found: QuerySet[Sighting]) -> QuerySet[Sighting]:
    """Each with `is_lead`."""
    return found.annotate(is_lead=_is_lead())


def released(found: QuerySet[Sighting]) -> QuerySet[Sighting]:
    """Without leads, for who asks for a person's: what is found tells who it may be."""
    return found.annotate(is_lead=_is_lead()).filter(is_lead=False)


def is_lead(sighting: Sighting) -> bool:
    return not released(Sighting.objects.filter(pk=sighting.pk)).exists()


def _is_lead() -> Coalesce:
    wanted = Q(pk__in=[])
    for one in _leads:
        wanted |= one()
    return Coalesce(wanted, Value(False))
