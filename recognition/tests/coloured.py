"""A pack that tells people apart by the colour of their photos, and such photos: fast, exact, and easy to get wrong.

A photo that is dark all over shows nobody.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np

from recognition.engine import Image, Pack

Colour = tuple[int, int, int]
THRESHOLD = 0.99


def colour_pack(threshold: float = THRESHOLD, margin: float = 0.0) -> Pack:
    """Its embeddings are the photo's mean blue, green and red in [0, 1]."""

    def analyse(image: Image) -> list[SimpleNamespace]:
        mean = (image.reshape(-1, 3).mean(axis=0) / 255).astype(np.float32)
        return [SimpleNamespace(embedding=mean)] if mean.max() > 0.1 else []

    fake = SimpleNamespace(
        name="colour", version="colour-1", dimension=3, threshold=threshold, margin=margin, analyse=analyse
    )
    return cast(Pack, fake)


def paint(file: Path, colour: Colour) -> Path:
    """A small PNG of one colour."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((8, 8, 3), colour, np.uint8)
    file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return file
