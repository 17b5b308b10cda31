"""Is this picture of a face good enough to enrol, and which of two pictures of a face is the better one?

Every measure comes from the face's pixels, box and five points, without a model. `Quality.score` in [0, 1] is
the product of six parts, each in [0, 1] and rising with its measure until the face is good enough in that
respect: size, sharpness, frontality, exposure, contrast, and the share of the face inside the picture.
Problems are what a person can do something about.

Units: size in pixels; sharpness in [0, 1] (see `_sharpness`); yaw and roll in degrees, 0 upright and frontal,
positive where the face looks (tilts) towards the right of the picture; brightness and contrast in [0, 1]. The
attributes measured are those of ISO/IEC 29794-5 that need no model.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from recognition.engine.align import CHIP_SIZE, check_points, chip_to_picture, similarity_transform
from recognition.engine.errors import ShapeError
from recognition.engine.types import Floats, Image, check_image

# What enrolment asks for. Probes from cameras are not refused, only ranked.
MIN_SIZE_PX = 60
MIN_SHARPNESS = 0.3
MAX_YAW = 45.0
MIN_BRIGHTNESS = 0.15
MAX_BRIGHTNESS = 0.88
MIN_INSIDE = 0.9

# From here on more does not help.
_GOOD_SIZE_PX = 120.0
_GOOD_SHARPNESS = 0.45
_GOOD_CONTRAST = 0.12
_DARK, _BRIGHT = 0.3, 0.75
# The nose tip stands out of the plane of eyes and mouth by about half the distance between the eyes.
_NOSE_OUT = 0.5
_PATCH = 96


class Problem(StrEnum):
    """Why a photo should not be enrolled."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED = "turned"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    CUT_OFF = "cut_off"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do; `Quality.sentences` says it with the measured numbers."""
        return _SENTENCES[self]


_SENTENCES = {
    Problem.TOO_SMALL: f"The face is too small; use a photo where it is at least {MIN_SIZE_PX} px wide.",
    Problem.BLURRED: "The face is blurred; use a sharper photo.",
    Problem.TURNED: "The face is turned away; use a photo that looks into the camera.",
    Problem.TOO_DARK: "The face is too dark; use a photo with more light on the face.",
    Problem.TOO_BRIGHT: "The face is overexposed; use a photo with less light on the face.",
    Problem.CUT_OFF: "Part of the face lies outside the photo; use a photo that shows the whole face.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good one picture of a face is."""

    score: float
    size_px: float  # the shorter side of the box
    sharpness: float
    yaw: float
    roll: float
    brightness: float
    contrast: float
    problems: tuple[Problem, ...] = ()

    def sentences(self) -> list[str]:
        """For each problem, what is wrong and what to do about it."""
        numbers = {
            Problem.TOO_SMALL: f"The face is only {self.size_px:.0f} px wide; "
            f"use a photo where it is at least {MIN_SIZE_PX} px.",
            Problem.TURNED: f"The face is turned away by about {abs(self.yaw):.0f} degrees; "
            "use a photo that looks into the camera.",
        }
        return [numbers.get(problem, problem.sentence) for problem in self.problems]


def assess(image: Image, box: Floats, points: Floats) -> Quality:
    """Measure one detected face: its (4,) box and (5, 2) points, in pixels of the image."""
    check_image(image)
    check_points(points)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ShapeError(f"a box must be four finite numbers, got {box.tolist()!r}")
    size = float(max(0.0, min(box[2] - box[0], box[3] - box[1])))
    brightness, contrast, sharpness = _light(image, box)
    yaw, roll = _pose(points)
    inside = _share_inside(image, points)
    parts = (
        _rise(size, 0, _GOOD_SIZE_PX),
        _rise(sharpness, 0, _GOOD_SHARPNESS),
        max(0.0, 1 - abs(yaw) / 90),
        min(_rise(brightness, 0, _DARK), _rise(1 - brightness, 0, 1 - _BRIGHT)),
        _rise(contrast, 0, _GOOD_CONTRAST),
        inside,
    )
    problems = {
        Problem.TOO_SMALL: size < MIN_SIZE_PX,
        Problem.BLURRED: sharpness < MIN_SHARPNESS,
        Problem.TURNED: abs(yaw) > MAX_YAW,
        Problem.TOO_DARK: brightness < MIN_BRIGHTNESS,
        Problem.TOO_BRIGHT: brightness > MAX_BRIGHTNESS,
        Problem.CUT_OFF: inside < MIN_INSIDE,
    }
    return Quality(
        score=math.prod(parts),
        size_px=size,
        sharpness=sharpness,
        yaw=yaw,
        roll=roll,
        brightness=brightness,
        contrast=contrast,
        problems=tuple(problem for problem, there in problems.items() if there),
    )


def _rise(value: float, low: float, high: float) -> float:
    """0 at `low`, 1 at `high`, straight between, clipped beyond."""
    return min(1.0, max(0.0, (value - low) / (high - low)))


def _light(image: Image, box: Floats) -> tuple[float, float, float]:
    """Brightness, contrast and sharpness of the box; all 0 for a box without a pixel."""
    height, width = image.shape[:2]
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    right, bottom = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    if right <= left or bottom <= top:
        return 0.0, 0.0, 0.0
    face = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY)
    scale = _PATCH / max(face.shape)
    if scale < 1:
        size = (max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale)))
        face = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
    pixels = face.astype(np.float32) / np.float32(255)
    return float(pixels.mean()), float(pixels.std()), _sharpness(pixels)


def _sharpness(pixels: Floats) -> float:
    """How much detail is lost when the face is blurred once more (Crete-Roffet et al., SPIE 6492, 2007).

    Near 0 where it was blurred already, up to about 0.7 for a crisp face. Rows and columns are measured apart
    and the less sharp ones count, so that motion shows. Contrast cancels out; large faces come shrunk to 96
    px, so all sizes compare.
    """
    along = []
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        steps = np.abs(np.diff(pixels, axis=axis))
        blurred_steps = np.abs(np.diff(cv2.blur(pixels, kernel), axis=axis))
        # The small addition keeps the noise of a flat area from passing for detail.
        total = float(steps.sum()) + steps.size * 1e-3
        along.append(float(np.maximum(steps - blurred_steps, 0).sum()) / total if steps.size else 0.0)
    return min(along)


def _pose(points: Floats) -> tuple[float, float]:
    """Yaw and roll in degrees, from where the nose lies between the middle of the eyes and of the mouth."""
    five = points.astype(np.float64)
    across = five[1] - five[0]
    roll = math.degrees(math.atan2(across[1], across[0]))
    eyes = math.hypot(*across)
    if eyes < 1e-6:
        return 0.0, 0.0
    right = across / eyes
    middle = (five[0] + five[1] + five[3] + five[4]) / 4
    aside = float((five[2] - middle) @ right) / eyes
    return math.degrees(math.atan(aside / _NOSE_OUT)), roll


def _share_inside(image: Image, points: Floats) -> float:
    """Share of the face that lies inside the picture, the face being what the network looks at."""
    steps = np.linspace(0.15, 0.85, 15) * CHIP_SIZE
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    spots = chip_to_picture(similarity_transform(points), grid)
    height, width = image.shape[:2]
    inside = (spots >= 0).all(axis=1) & (spots[:, 0] <= width) & (spots[:, 1] <= height)
    return float(inside.mean())
