"""Photos whose faces are known without any model: for what happens around the looking, not for the looking itself."""

from __future__ import annotations

import numpy as np
import pytest

from recognition import pending, services
from recognition.engine import Embedding, Face, PhotoError, Quality
from recognition.photos import Upload, UsablePhoto, read_photo
from recognition.tests.factories import PACK, embedding, picture

_seeds: dict[bytes, tuple[int, int]] = {}


def shot(seed: int, variant: int = 0) -> bytes:
    """A photo of the person with this seed; variants are other photos of them."""
    data = picture(1000 * seed + variant)
    _seeds[data] = (seed, variant)
    return data


def seen(seed: int, variant: int = 0) -> Embedding:
    """The embedding of that photo: variants are some 0.2 apart, other people more than 1."""
    if not variant:
        return embedding(seed)
    aside = embedding(100_000 + variant)
    return (embedding(seed) + 0.14 * aside).astype(np.float32)


def look(upload: Upload) -> UsablePhoto:
    """Like check_photo, for photos that `shot` made; any other shows nobody."""
    image = read_photo(upload)
    if upload.data not in _seeds:
        raise PhotoError("no_face", "No face was found. Use another photo.")
    quality = Quality(score=0.8, size_px=120, sharpness=0.5, yaw=0, roll=0, brightness=0.5, contrast=0.2)
    box, points = np.array([8, 8, 40, 40], np.float32), np.zeros((5, 2), np.float32)
    face = Face(box=box, score=0.99, points=points, quality=quality, embedding=seen(*_seeds[upload.data]))
    return UsablePhoto(image=image, face=face, pack=PACK)


@pytest.fixture
def fake_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever enrols looks at photos with `look`."""
    monkeypatch.setattr(services, "check_photo", look)
    monkeypatch.setattr(pending, "check_photo", look)
