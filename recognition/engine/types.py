"""The words the engine's modules speak: array types, detections, and the two protocols a model fills.

Shapes: images are (h, w, 3) uint8 in BGR order, embeddings (d,) float32, boxes xyxy pixels of the decoded
frame, points (5, 2) pixels in the order image-left eye, image-right eye, nose, left mouth corner, right mouth
corner.
Errors: ShapeError where an array does not look like that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError

Image = npt.NDArray[np.uint8]
Embedding = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceDetections:
    """The faces found in one image, in no particular order."""

    boxes: Floats  # (n, 4) xyxy pixels, inside the image
    scores: Floats  # (n,) in [0, 1]
    points: Floats  # (n, 5, 2) pixels, may lie outside the image

    def __post_init__(self) -> None:
        count = len(self.scores)
        expected = {"boxes": (count, 4), "scores": (count,), "points": (count, 5, 2)}
        for name, shape in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ShapeError(f"{name} must be float32 of shape {shape}, got {array.dtype} of shape {array.shape}")

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def none(cls) -> "FaceDetections":
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            points=np.zeros((0, 5, 2), np.float32),
        )


class Detector(Protocol):
    """Finds faces and their five points."""

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        """Find faces at least `min_face` pixels high (None: the detector's own default)."""


class Recogniser(Protocol):
    """Turns an aligned face into an embedding."""

    @property
    def dimension(self) -> int: ...

    def align(self, image: Image, points: Floats, /) -> Image:
        """Cut out the face with these five points, upright and at the size the network wants."""

    def embed(self, chips: Sequence[Image], /) -> Floats:
        """Return (n, dimension) float32, one row a chip."""


def check_image(image: Image) -> None:
    """Raise ShapeError unless this is a BGR image with at least one pixel."""
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        got = f"{image.dtype} of shape {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise ShapeError(f"an image must be uint8 of shape (h, w, 3) in BGR order, got {got}")
    if image.size == 0:
        raise ShapeError(f"an image must have at least one pixel, got shape {image.shape}")
