"""Embed faces with dlib's ResNet in ONNX Runtime: a `Recogniser` of 128 numbers a face.

Where a detector's five points lie in a chip differs from detector to detector; a pack names those of its own.

Shapes: chips (150, 150, 3) uint8 BGR as `align.cut_chip` makes them, embeddings (n, 128) float32, not of unit
length.
"""

from collections.abc import Sequence

import numpy as np

from recognition.engine.align import CHIP_POINTS, CHIP_SIZE, POINT_WEIGHTS, Reference, cut_chip
from recognition.engine.convert_dlib import DIMENSION
from recognition.engine.errors import ModelError, ShapeError
from recognition.engine.sessions import Session
from recognition.engine.types import Floats, Image

# Larger batches are no faster and only take memory.
_BATCH = 16


class DlibRecogniser:
    """Holds a session and constants only, so any number of threads may share it."""

    def __init__(self, session: Session, *, points: Floats = CHIP_POINTS, weights: Floats = POINT_WEIGHTS) -> None:
        """`points` (5, 2) is where the detector's points lie in a chip, `weights` (5,) how much each counts."""
        self._session = session
        self._reference = Reference.of(points=points, weights=weights)

    @property
    def dimension(self) -> int:
        return DIMENSION

    def align(self, image: Image, points: Floats, /) -> Image:
        return cut_chip(image, points, self._reference)

    def embed(self, chips: Sequence[Image], /) -> Floats:
        rows = np.zeros((len(chips), DIMENSION), np.float32)
        for chip in chips:
            if chip.shape != (CHIP_SIZE, CHIP_SIZE, 3) or chip.dtype != np.uint8:
                raise ShapeError(f"a chip must be uint8 of shape (150, 150, 3), got {chip.dtype} {chip.shape}")
        for at in range(0, len(chips), _BATCH):
            batch = np.stack(chips[at : at + _BATCH])
            rows[at : at + _BATCH] = self._session.run(["embedding"], {"pictures": batch})[0]
        if not np.isfinite(rows).all():
            raise ModelError("dlib's network gave embeddings that are no numbers. Its file may be damaged: verify it.")
        return rows
