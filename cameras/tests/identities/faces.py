"""Made-up faces: embeddings as alike as a test wants, and sightings of unknown people as workers write them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import numpy as np

from accounts import vault
from cameras.models import Camera, Sighting, UnknownTemplate, Verdict, unknown_bind, unknown_scope
from cameras.tests.factories import CameraFactory, SightingFactory
from recognition.engine import Embedding, similarity
from recognition.tests.factories import PACK, embedding


def like(face: Embedding, wanted: float, *, seed: int = 0) -> Embedding:
    """An embedding that resembles the face by about so much."""
    dice = np.random.default_rng(seed).standard_normal(len(face)).astype(np.float32)
    dice -= face * (dice @ face) / (face @ face)
    step = np.sqrt(2 * (1 - wanted)) / np.linalg.norm(dice)
    made = np.asarray(face + dice * np.float32(step), np.float32)
    assert abs(similarity(made, face) - wanted) < 1e-3
    return made


def seen(
    face: Embedding | None,
    *,
    at: datetime,
    seconds: float = 8.0,
    camera: Camera | None = None,
    pack: str = PACK,
    is_open: bool = False,
) -> Sighting:
    """A sighting of somebody unknown, with the template that waits to be linked (None: without)."""
    row: Sighting = SightingFactory.create(
        id=uuid.uuid4(),
        camera=camera or CameraFactory.create(),
        first_seen=at,
        last_seen=at + timedelta(seconds=seconds),
        verdict=Verdict.UNKNOWN,
        person=None,
        similarity=0.5,
        pack=pack,
        is_open=is_open,
    )
    if face is not None:
        template_of(row, face)
    return row


def template_of(row: Sighting, face: Embedding) -> UnknownTemplate:
    """The sealed template of a sighting, as a worker writes it; in place of the one before."""
    UnknownTemplate.objects.filter(sighting=row).delete()
    sealed = vault.seal(
        unknown_scope(row.first_seen), face.astype("<f4").tobytes(), bind=unknown_bind(row.pk, row.pack)
    )
    return UnknownTemplate.objects.create(
        sighting=row,
        pack=row.pack,
        sealed=sealed,
        seen_at=row.first_seen,
        expires_at=row.last_seen + timedelta(hours=24),
    )


def face(seed: int) -> Embedding:
    """Somebody's face; another seed is somebody else, whom nobody takes for them."""
    return embedding(seed)
