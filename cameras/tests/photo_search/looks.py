"""Photos whose faces are known without any model, templates of unknown people, and searches with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
from django.utils import timezone

from accounts import vault
from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from cameras.identities.unknowns import Unknowns, opened
from cameras.models import (
    Identity,
    PhotoSearch,
    Sighting,
    UnknownTemplate,
    Verdict,
    unknown_bind,
    unknown_scope,
)
from cameras.photo_search import asking
from cameras.photo_search.asking import Wanted
from cameras.tests.factories import SightingFactory
from recognition.engine import Embedding, Face, Quality
from recognition.photos import Upload
from recognition.tests.factories import PACK, embedding, picture

WHY: dict[str, Any] = {"reason": "Bag left at the gate", "case_number": "2026/17"}
See = Callable[..., None]


def face(seed: int, *, score: float = 0.8, left: int = 8) -> Face:
    quality = Quality(score=score, size_px=120, sharpness=0.3, yaw=0, roll=0, brightness=0.5, contrast=0.2)
    box, points = np.array([left, 8, left + 20, 40], np.float32), np.zeros((5, 2), np.float32)
    return Face(box=box, score=0.99, points=points, quality=quality, embedding=embedding(seed))


def near(seed: int, variant: int = 1) -> Embedding:
    """Another look at the same face."""
    return (embedding(seed) + 0.1 * embedding(9000 + variant)).astype(np.float32)


def unknown(
    vector: Embedding, *, identity: Identity | None = None, pack: str = PACK, linked: bool = True, **values: Any
) -> UnknownTemplate:
    """A sighting of somebody unknown, with their template."""
    values.setdefault("first_seen", timezone.now() - timedelta(minutes=5))
    whose = identity or Identity.objects.create()
    row = SightingFactory.create(person=None, verdict=Verdict.UNKNOWN, identity=whose, similarity=None, **values)
    content = vector.astype("<f4").tobytes()
    return UnknownTemplate.objects.create(
        sighting=row,
        pack=pack,
        sealed=vault.seal(unknown_scope(row.first_seen), content, bind=unknown_bind(row.pk, pack)),
        seen_at=row.first_seen,
        expires_at=timezone.now() + timedelta(hours=12),
        linked_at=timezone.now() if linked else None,
    )


def in_memory() -> Unknowns:
    """All templates that are stored, as the linker holds them."""
    held = Unknowns()
    rows = UnknownTemplate.objects.defer(None).exclude(linked_at=None).select_related("sighting")
    vectors = opened(list(rows))
    for row in rows:
        held.add(row.pk, row.pack, vectors[row.pk], camera=row.sighting.camera_id, seen=row.seen_at)
    return held


def operator() -> User:
    made: User = UserFactory.create(role=Role.OPERATOR)
    return made


def search(actor: User | None = None, **wanted: Any) -> PhotoSearch:
    """A search that was asked for."""
    upload = Upload(name="a.jpg", data=picture())
    return asking.ask(actor=actor or operator(), upload=upload, wanted=Wanted(**{**WHY, **wanted}))


def sighting_of(template: UnknownTemplate) -> Sighting:
    row: Sighting = template.sighting
    return row
