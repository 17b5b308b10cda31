"""What a loaded model pack can do: detect, embed, and analyse a photo.

Packs are made by `load_pack`. A pack joins a detector and a recogniser that belong together with the threshold that
fits them. Embeddings are only comparable within one version of one pack; `Pack.version` changes whenever embeddings do.

Shapes: images (h, w, 3) uint8 BGR, points (n, 5, 2) pixels, embeddings (n, d) float32.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recognition.engine.errors import ShapeError
from recognition.engine.quality import Quality, assess
from recognition.engine.second_pass import SecondPass
from recognition.engine.types import (
    Detector,
    Embedding,
    FaceDetections,
    Floats,
    Image,
    Recogniser,
    check_image,
)

if TYPE_CHECKING:  # ONNX Runtime takes a while to import, and only whoever loads a pack needs it
    from recognition.engine.manifest import Manifest
    from recognition.engine.sessions import Model

# In a photo smaller faces are looked for than in a camera's frame: nobody waits for the next frame.
PHOTO_MIN_FACE = 24

# Five points as a face has them, to try a recogniser with.
_SOMEWHERE: Floats = np.array([[(140, 70), (180, 70), (160, 94), (144, 114), (176, 114)]], np.float32)


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
    manifest: "Manifest"
    models: tuple["Model", ...] = ()  # the networks, each loaded when it is first needed

    @property
    def bytes(self) -> int:
        """The size of all its networks' files, loaded or not."""
        return sum(model.bytes for model in self.models)

    def warm_up(self) -> None:
        """Load and check everything now, so that the first face does not wait. Raises ModelError."""
        for model in self.models:
            model.load()
        picture = np.full((180, 320, 3), 127, np.uint8)
        self.detect(picture)
        self.embed(picture, _SOMEWHERE)

    def detect(self, image: Image, *, min_face: int | None = None, small_faces: bool = False) -> FaceDetections:
        """Find faces of at least `min_face` pixels (None: the default for a camera's frame).

        With `small_faces` a second look at the enlarged picture finds more of those below 32 px, at three times the
        cost and more.
        """
        detector = SecondPass(self.detector) if small_faces else self.detector
        return detector.detect(image, min_face=min_face)

    def embed(self, image: Image, points: Floats) -> Floats:
        """The (n, d) embeddings of the faces with these (n, 5, 2) points."""
        check_image(image)
        if points.ndim != 3 or points.shape[1:] != (5, 2):
            raise ShapeError(f"points must have shape (n, 5, 2), got {points.shape}")
        return self.recogniser.embed([self.recogniser.align(image, five) for five in points])

    def analyse(
        self, image: Image, *, embed: bool = True, min_face: int | None = None, small_faces: bool = False
    ) -> list[Face]:
        """All faces of a photo, largest first. Without `embed` their embeddings are empty (shape (0,)).

        `min_face` None looks for faces down to 24 px, in photos above 1536 px for those of at least 1/64 of
        the longer side.
        """
        check_image(image)
        smallest = min_face if min_face is not None else max(PHOTO_MIN_FACE, max(image.shape[:2]) // 64)
        found = self.detect(image, min_face=smallest, small_faces=small_faces)
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
