"""Cut a face out of a picture upright and at the scale the recognition network was trained on.

The network saw 150x150 chips made by dlib from its own landmarks. CHIP_POINTS is where MTCNN's five points lie
in such chips (medians over some 425 faces), so a least-squares similarity transform (Umeyama 1991, here in closed
form over complex numbers) from the detected points onto them gives nearly the same chip. Eyes and nose bottom
weigh more than the mouth, whose corners move with every word. Another detector's points lie elsewhere and may
weigh differently: a `Reference` holds what belongs to one.

Shapes: points (5, 2) pixels, transforms (2, 3) float64 mapping picture to chip pixels, chips (150, 150, 3)
uint8 BGR.
Errors: ShapeError where the points are not five finite pairs.
"""

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ShapeError
from recognition.engine.types import Floats, Image, check_image

CHIP_SIZE = 150
CHIP_POINTS: Floats = np.array([(46.6, 44.6), (100.2, 44.6), (73.7, 76.2), (48.6, 99.6), (98.9, 99.3)], np.float32)
POINT_WEIGHTS: Floats = np.array((2.0, 2.0, 1.0, 0.5, 0.5), np.float32)

# Below this scale bilinear sampling skips source pixels; the region is then shrunk by area averaging first.
_AREA_BELOW = 0.5

Transform = npt.NDArray[np.float64]


def check_points(points: Floats) -> None:
    """Raise ShapeError unless these are five finite points."""
    if points.shape != (5, 2) or not np.isfinite(points).all():
        raise ShapeError(f"points must be five finite (x, y) pairs, got {points.tolist()!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Where a detector's five points lie in a chip, and how much each of them counts."""

    points: Floats  # (5, 2) pixels of the chip
    weights: Floats  # (5,) none negative

    @classmethod
    def of(cls, *, points: Floats, weights: Floats | None = None) -> Self:
        """These points and weights (None: all count the same). Raises ShapeError for what is none."""
        check_points(points)
        weights = np.ones(5, np.float32) if weights is None else weights
        if weights.shape != (5,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() <= 0:
            raise ShapeError(f"weights must be five numbers, none negative and not all 0, got {weights.tolist()!r}")
        return cls(points=points, weights=weights)


MTCNN = Reference.of(points=CHIP_POINTS, weights=POINT_WEIGHTS)


def similarity_transform(points: Floats, reference: Reference = MTCNN) -> Transform:
    """The rotation, scale and shift that best lays five points of a picture onto the reference points.

    Five points that coincide define no scale: such a face is centred at scale 1.
    """
    check_points(points)
    weights = reference.weights.astype(np.float64) / reference.weights.sum()
    source = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    target = reference.points[:, 0].astype(np.float64) + 1j * reference.points[:, 1]
    source_mean = np.sum(weights * source)
    target_mean = np.sum(weights * target)
    centred = source - source_mean
    spread = np.sum(weights * np.abs(centred) ** 2)
    turn = np.sum(weights * np.conj(centred) * (target - target_mean)) / spread if spread > 1e-6 else 1.0 + 0j
    shift = target_mean - turn * source_mean
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def chip_to_picture(transform: Transform, chip_points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Map (n, 2) chip pixels back into the picture; NaN where the transform leaves only one point."""
    turn = complex(transform[0, 0], transform[1, 0])
    if abs(turn) < 1e-9:
        return np.full((len(chip_points), 2), np.nan)
    shift = complex(transform[0, 2], transform[1, 2])
    mapped = (chip_points[:, 0] + 1j * chip_points[:, 1] - shift) / turn
    return np.stack([mapped.real, mapped.imag], axis=1)


def cut_chip(image: Image, points: Floats, reference: Reference = MTCNN) -> Image:
    """Return the (150, 150, 3) chip of the face with these points; what lies outside the picture is black."""
    check_image(image)
    transform = similarity_transform(points, reference)
    scale = float(np.hypot(transform[0, 0], transform[1, 0]))
    if scale < _AREA_BELOW:
        image, transform = _shrunk(image, transform, scale)
    chip = cv2.warpAffine(image, transform, (CHIP_SIZE, CHIP_SIZE), flags=cv2.INTER_LINEAR)
    return np.asarray(chip, np.uint8)


def _shrunk(image: Image, transform: Transform, scale: float) -> tuple[Image, Transform]:
    """Area-average the part of the picture that the chip needs down to about the chip's scale."""
    corners = chip_to_picture(
        transform, np.array([(0, 0), (CHIP_SIZE, 0), (CHIP_SIZE, CHIP_SIZE), (0, CHIP_SIZE)], np.float64)
    )
    height, width = image.shape[:2]
    if not np.isfinite(corners).all():
        return image, transform
    left, top = np.clip(np.floor(corners.min(axis=0)) - 2, 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 2, 0, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return image, transform
    new_width, new_height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    small = cv2.resize(image[top:bottom, left:right], (new_width, new_height), interpolation=cv2.INTER_AREA)
    # A pixel's centre is at +0.5, so (p + 0.5) scales, not p.
    scale_x, scale_y = (right - left) / new_width, (bottom - top) / new_height
    back = np.array([[scale_x, 0, left + 0.5 * scale_x - 0.5], [0, scale_y, top + 0.5 * scale_y - 0.5], [0, 0, 1]])
    return np.asarray(small, np.uint8), np.asarray(transform @ back)
