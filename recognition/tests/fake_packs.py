"""Two packs without any network, for tests: `alpha` and `beta` see a face in the middle of every picture.

Embeddings are what the picture looks like, in 4x4 or 5x5 fields: the same picture gives the same numbers, another one
others, and those of the two packs have different lengths, so that nothing can compare them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import cv2
import numpy as np
import pytest
from pytest_django import Settings

from accounts import vault
from recognition import gallery, packs, re_embedding, services
from recognition.engine import (
    Embedding,
    FaceDetections,
    Image,
    Licence,
    Manifest,
    ModelError,
    Pack,
    Quality,
    encode_jpeg,
)
from recognition.engine import manifests as real_manifests
from recognition.engine.types import Floats
from recognition.models import PackSwitch, Person
from recognition.selectors import photo_bind
from recognition.tests.factories import PersonFactory, PhotoFactory

FIELDS = {"alpha": 4, "beta": 5, "gamma": 6}


@dataclass
class Eyes:
    """What the packs of a test see, and what happens while they look."""

    blind: set[int] = field(default_factory=set)  # widths of pictures in which `beta` finds nobody
    broken: str = ""  # why `beta` can not be used
    looks: int = 0
    before_look: dict[int, Any] = field(default_factory=dict)  # number of the look: what is done before it
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class FakeDetector:
    pack: str
    eyes: Eyes

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        height, width = image.shape[:2]
        if self.pack == "beta":
            self._look()
            if width in self.eyes.blind:
                return FaceDetections.none()
        box = np.array([[0.22 * width, 0.2 * height, 0.8 * width, 0.78 * height]], np.float32)
        points = np.array([[(0.4, 0.4), (0.6, 0.4), (0.5, 0.5), (0.42, 0.6), (0.58, 0.6)]], np.float32)
        sizes = np.array([width, height], np.float32)
        return FaceDetections(boxes=box, scores=np.array([0.99], np.float32), points=points * sizes)

    def _look(self) -> None:
        if self.eyes.broken:
            raise ModelError(self.eyes.broken)
        with self.eyes.lock:
            self.eyes.looks += 1
            due = self.eyes.before_look.pop(self.eyes.looks, None)
        if due is not None:
            due()


@dataclass(frozen=True)
class FakeRecogniser:
    fields: int

    @property
    def dimension(self) -> int:
        return self.fields * self.fields * 3

    def align(self, image: Image, points: Floats, /) -> Image:
        small = cv2.resize(image, (self.fields, self.fields), interpolation=cv2.INTER_AREA)
        return small.astype(np.uint8)

    def embed(self, chips: Sequence[Image], /) -> Floats:
        rows = np.stack([chip.astype(np.float32).ravel() for chip in chips])
        rows -= rows.mean(axis=1, keepdims=True)
        norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)
        return np.asarray(rows / norms, np.float32)


def manifest(name: str, **changes: Any) -> Manifest:
    licence = Licence(name="Test terms", url="https://licence.example/", commercial=True, acceptance=name == "gamma")
    values = {
        "name": name,
        "version": f"{name}-1",
        "title": name.title(),
        "dimension": FIELDS[name] ** 2 * 3,
        "threshold": 0.6,
        "margin": 0.02,
        "files": (),
        "licence": licence,
        "impostors": None,
    }
    return replace(real_manifests()["compact"], **{**values, **changes})


def pack(name: str, eyes: Eyes) -> Pack:
    described = manifest(name)
    return Pack(
        name=name,
        version=described.version,
        dimension=described.dimension,
        threshold=described.threshold,
        margin=described.margin,
        detector=FakeDetector(pack=name, eyes=eyes),
        recogniser=FakeRecogniser(fields=FIELDS[name]),
        manifest=described,
        models=(),
    )


def install(monkeypatch: pytest.MonkeyPatch, seen: Eyes) -> None:
    """Only the fake packs are known, also in another process."""

    def load(name: str, **options: Any) -> Pack:
        if name == "beta" and seen.broken:
            raise ModelError(seen.broken)
        return pack(name, seen)

    monkeypatch.setattr(packs, "engine_manifests", lambda cache: {name: manifest(name) for name in FIELDS})
    monkeypatch.setattr(packs, "load_pack", load)


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Any) -> Iterator[Eyes]:
    """Only the fake packs are known, and alpha is in use. The pictures are no faces: any quality will do."""
    seen = Eyes()
    install(monkeypatch, seen)
    monkeypatch.setattr(Quality, "sentences", lambda quality: [])
    monkeypatch.setattr(packs, "_loaded", cast("dict[str, Pack]", {}))
    monkeypatch.setattr(packs, "_failed", {})
    monkeypatch.setattr(packs, "_RETRY_SECONDS", 0.0)
    settings.MODEL_PACK = "alpha"
    settings.MODELS_DIR = tmp_path / "models"
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()
    yield seen
    gallery.forget()


def face(seed: int, width: int = 48) -> bytes:
    """A picture that resembles no other."""
    fields = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    picture = np.kron(fields, np.ones((width // 6, width // 6, 1), np.uint8)).astype(np.uint8)
    return encode_jpeg(picture, quality=95)


def enrolled(seed: int, *, width: int = 48, name: str = "") -> Person:
    """Somebody with one photo and the template that the pack in use makes of it."""
    person = PersonFactory.create(**({"name": name} if name else {}))
    sealed = vault.seal(person.scope, face(seed, width), bind=photo_bind(person.pk))
    photo = PhotoFactory.create(person=person, sealed=sealed)
    re_embedding.embed_photos(packs.current_pack(), [photo.pk])
    return person


def embedding(seed: int, pack: Pack) -> Embedding:
    """What a pack makes of the picture."""
    return pack.analyse(services.read_photo(upload(seed)))[0].embedding


def upload(seed: int) -> services.Upload:
    return services.Upload(name="photo.jpg", data=face(seed))


def found(seed: int) -> int | None:
    """Who it is: the probe is made by the pack of the snapshot that is searched, as everywhere."""
    snapshot = gallery.gallery()
    match = snapshot.decide(snapshot.search(embedding(seed, snapshot.pack)))
    return match.person if match else None


def reread(switch: PackSwitch) -> PackSwitch:
    return PackSwitch.objects.get(pk=switch.pk)
