"""Real faces for tests, from photos that installed packages carry; and a gallery that starts empty."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from recognition.engine import Image, encode_jpeg
from recognition.services import Upload


@cache
def astronaut() -> bytes:
    """A JPEG with one face, 512x512."""
    rgb: Image = skimage.data.astronaut()  # type: ignore[no-untyped-call]
    return encode_jpeg(np.ascontiguousarray(rgb[:, :, ::-1]), quality=95)


@cache
def crowd() -> bytes:
    """A JPEG with six faces, 1280x886."""
    spec = importlib.util.find_spec("insightface")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package insightface, which carries the photo, is not installed")
    return (Path(spec.submodule_search_locations[0]) / "data" / "images" / "t1.jpg").read_bytes()


@cache
def nobody() -> bytes:
    """A JPEG without a face."""
    return encode_jpeg(np.full((240, 320, 3), 130, np.uint8))


@cache
def changed(data: bytes, *, scale: float = 0.8, gain: float = 0.85) -> bytes:
    """The same picture as another camera might have taken it: smaller, darker, compressed more."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    smaller = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    darker = np.clip(smaller.astype(np.float32) * gain, 0, 255).astype(np.uint8)
    return encode_jpeg(darker, quality=75)


def upload(data: bytes, name: str = "photo.jpg", face: int | None = None) -> Upload:
    return Upload(name=name, data=data, face=face)
