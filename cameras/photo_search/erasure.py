"""What becomes of searches when somebody is erased, or two people turn out to be one.

A search whose photo matched them shows their face: it goes as a whole, and its key with it. From other searches, in
which they only came out as somebody less alike, the rows about them go.

All this is part of the transaction that erases, whose first deed was one_after_the_other(): whoever is writing what a
search found is through by then, or finds nobody after.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection

from django.db.models import F, Q

from accounts.services import forget_words
from cameras.models import PhotoSearch, PhotoSearchHit
from cameras.photo_search.asking import forget, target_of
from recognition.models import Person


def forget_somebody(*, sightings: Collection[uuid.UUID], person: Person | None, identities: Collection[int]) -> None:
    """Deletes what searches show of somebody: an enrolled person, identities, and the sightings that were theirs."""
    about = Q(identity__in=identities) | Q(sighting__in=sightings)
    if person is not None:
        about |= Q(person=person)
    rows = PhotoSearchHit.objects.filter(about)
    shows_them = rows.filter(Q(is_match=True) | Q(similarity__gte=F("threshold")))
    searches = list(PhotoSearch.objects.filter(faces__hits__in=shows_them).distinct())
    forget_words([target_of(search) for search in searches])
    forget(searches)
    PhotoSearchHit.objects.filter(pk__in=list(rows.values_list("pk", flat=True))).delete()


def follow_merge(*, kept: Person, gone: Person) -> None:
    """Two people were made one: what searches found of one of them is the other's."""
    PhotoSearchHit.objects.filter(person=gone).update(person=kept)
