"""What a loaded model pack can do: detect, embed, and analyse a photo.

A pack joins a detector and a recogniser that belong together with the threshold that fits them. Embeddings
are only comparable within one version of one pack; `Pack.version` changes whenever embeddings do.

Shapes: images (h, w, 3) uint8 BGR, points (n, 5, 2) pixels, embeddings (n, d) float32.
"""

from dataclasses import dataclass

import numpy as np

from recognition.engine.errors import ShapeError
from recognition.engine.quality import Quality, assess
from recognition.engine.types import (
    Detector,
    Embedding,
    FaceDetections,
    Floats,
    Image,
    Recogniser,
    check_image,
)

# In a photo smaller faces are looked for than in a camera's frame: nobody waits for the next frame.
PHOTO_MIN_FACE = 24


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """One face of a photo, with all that is known about it."""

    box: Floats  # (4,) xyxy pixels
    score: float
    points: Floats  # (5, 2)
    quality: Quality
    embedding: Embedding  # (d,), or (0,) where none was asked for


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pack:
    """A loaded model pack. Thread-safe, and deterministic: the same pixels give the same numbers."""

    name: str
    version: str
    dimension: int
    threshold: float  # similarity from which a 1:N search recognises somebody
    margin: float  # by which the best candidate must lead the second
    detector: Detector
    recogniser: Recogniser

    def detect(self, image: Image, *, min_face: int | None = None) -> FaceDetections:
        """Find faces of at least `min_face` pixels (None: the default for a camera's frame)."""
        return self.detector.detect(image, min_face=min_face)

    def embed(self, image: Image, points: Floats) -> Floats:
        """The (n, d) embeddings of the faces with these (n, 5, 2) points."""
        check_image(image)
        if points.ndim != 3 or points.shape[1:] != (5, 2):
            raise ShapeError(f"points must have shape (n, 5, 2), got {points.shape}")
        return self.recogniser.embed([self.recogniser.align(image, five) for five in points])

    def analyse(self, image: Image, *, embed: bool = True, min_face: int | None = None) -> list[Face]:
        """All faces of a photo, largest first. Without `embed` their embeddings are empty (shape (0,)).

        `min_face` None looks for faces down to 24 px, in photos above 1536 px for those of at least 1/64 of
        the longer side.
        """
        check_image(image)
        smallest = min_face if min_face is not None else max(PHOTO_MIN_FACE, max(image.shape[:2]) // 64)
        found = self.detect(image, min_face=smallest)
        embeddings = self.embed(image, found.points) if embed else np.zeros((len(found), 0), np.float32)
        areas = (found.boxes[:, 2] - found.boxes[:, 0]) * (found.boxes[:, 3] - found.boxes[:, 1])
        return [
            Face(
                box=found.boxes[at],
                score=float(found.scores[at]),
                points=found.points[at],
                quality=assess(image, found.boxes[at], found.points[at]),
                embedding=embeddings[at],
            )
            for at in np.argsort(-areas, kind="stable")
        ]
