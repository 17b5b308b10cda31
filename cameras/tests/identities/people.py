"""Identities with sightings for tests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts import vault
from cameras.models import Identity, Link, Sighting, UnknownTemplate, Verdict, unknown_bind, unknown_scope
from cameras.tests.factories import SightingFactory
from recognition.engine import Embedding
from recognition.models import Person
from recognition.tests.factories import PACK

WHY = "The faces are the same."


def unknown(count: int = 2, **values: Any) -> Identity:
    """Somebody unknown with so many sightings."""
    identity = Identity.objects.create()
    for at in range(count):
        seen(identity, link=Link.NEW if at == 0 else Link.LINKED, **values)
    return identity


def known(person: Person, count: int = 2, **values: Any) -> Identity:
    """Somebody who is enrolled, with so many sightings."""
    identity = Identity.objects.create(person=person)
    for _ in range(count):
        seen(identity, **values)
    return identity


def seen(identity: Identity, /, **values: Any) -> Sighting:
    """A sighting of this one."""
    is_known = identity.person is not None
    defaults = {
        "identity": identity,
        "person": identity.person,
        "verdict": Verdict.KNOWN if is_known else Verdict.UNKNOWN,
        "link": Link.RECOGNISED if is_known else Link.LINKED,
        "similarity": 0.93 if is_known else 0.4,
    }
    row: Sighting = SightingFactory.create(**(defaults | values))
    return row


def template(sighting: Sighting, face: Embedding, pack: str = PACK) -> UnknownTemplate:
    """The stored template of a sighting of somebody unknown."""
    sealed = vault.seal(
        unknown_scope(sighting.first_seen), face.astype("<f4").tobytes(), bind=unknown_bind(sighting.pk, pack)
    )
    return UnknownTemplate.objects.create(
        sighting=sighting,
        pack=pack,
        sealed=sealed,
        seen_at=sighting.first_seen,
        expires_at=timezone.now() + timedelta(hours=24),
        linked_at=timezone.now(),
    )


def state() -> dict[Any, Any]:
    """Whose every sighting is, and how; and who is part of whom."""
    columns = ("identity", "person", "verdict", "link", "link_similarity")
    sightings = {pk: rest for pk, *rest in Sighting.objects.values_list("pk", *columns)}
    merged = dict(Identity.objects.exclude(merged_into=None).values_list("pk", "merged_into"))
    return {"sightings": sightings, "merged": merged}
