"""How much can a recogniser make of this picture of a face, and is it good enough to enrol?

Every measure comes from the face's pixels, box and five points, without a model. `Quality.score` in [0, 1] predicts
recognition error: it is `exp(-drop / 0.1)`, where `drop` estimates by how much this picture's similarity to a good
photo of the same person falls short of 1, as a weighted sum of one penalty for each measure (`WEIGHTS`, fitted on one
half of the people of a benchmark and checked on the other; docs/quality.md). Below `UNUSABLE` a face is too poor to
say anything: most searches of people who are enrolled would fail there. Problems are what a person can do something
about.

Units: size in pixels; angles in degrees, 0 upright and frontal, yaw and roll positive where the face looks (tilts)
towards the right of the picture, pitch where it looks up; all else in [0, 1] but for `noise` and `blocks`, which are
ratios. The measures follow components of ISO/IEC 29794-5:2025 that need no model: size, sharpness, pose, under- and
over-exposure, dynamic range, crop of the face, compression; noise after Immerkær (CVIU 64(2), 1996). Scores that
need a network (SER-FIQ, CVPR 2020; CR-FIQA, CVPR 2023) see more, such as odd expressions, and cost an embedding.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from recognition.engine.align import CHIP_SIZE, check_points, chip_to_picture, similarity_transform
from recognition.engine.errors import ShapeError
from recognition.engine.types import Floats, Image, check_image

# Below, no decision rests on a face.
UNUSABLE = 0.1

# What enrolment asks for. Probes from cameras are not refused for these, only ranked.
MIN_SIZE_PX = 60
MIN_SHARPNESS = 0.3
MAX_YAW = 45.0
MAX_PITCH = 35.0  # from five points it is known within some ten degrees
MIN_BRIGHTNESS = 0.15
MAX_BRIGHTNESS = 0.88
MIN_CONTRAST = 0.03
MAX_NOISE = 0.25
MAX_BLOCKS = 2.5
MIN_FEATURES = 0.12
MIN_INSIDE = 0.9

# From here on more (or less) does not help.
_GOOD_SHARPNESS = 0.5
_GOOD_SIZE_PX = 48.0
_GOOD_CONTRAST = 0.1
_GOOD_FEATURES = 0.4
_GOOD_PITCH = 10.0  # where noses sit differs that much between people
_GOOD_NOISE = 0.05
_GOOD_BLOCKS = 0.1
# The nose tip stands out of the plane of eyes and mouth by about half the distance between the eyes; seen from the
# front it is 0.56 of the way from the eyes to the mouth, which is as far below the eyes as these are apart.
_NOSE_OUT = 0.5
_NOSE_DOWN = 0.56
# The side of the picture of a face that is measured: all sizes compare, and enlarged ones count as blurred.
_PATCH = 96
_BLACK, _WHITE = 5, 250
_LEAST_STEP = 0.025  # grey levels of 255
_BLOCK = 8  # pixels a side of a JPEG's or a video codec's blocks
# Steps of less than a hundredth are no detail; the addition keeps flat areas from passing for any.
_FLAT = 1e-3
_SECOND_DIFFERENCES = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_DROP_UNIT = 0.1


class Problem(StrEnum):
    """Why a photo should not be enrolled."""

    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    TURNED = "turned"
    NODDED = "nodded"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    FLAT = "flat"
    NOISY = "noisy"
    COMPRESSED = "compressed"
    COVERED = "covered"
    CUT_OFF = "cut_off"

    @property
    def sentence(self) -> str:
        """What is wrong and what to do; `Quality.sentences` says it with the measured numbers."""
        return _SENTENCES[self]


_SENTENCES = {
    Problem.TOO_SMALL: f"The face is too small; use a photo where it is at least {MIN_SIZE_PX} px wide.",
    Problem.BLURRED: "The face is blurred; use a sharper photo.",
    Problem.TURNED: "The face is turned away; use a photo that looks into the camera.",
    Problem.NODDED: "The face looks up or down; use a photo taken from the height of the eyes.",
    Problem.TOO_DARK: "The face is too dark; use a photo with more light on the face.",
    Problem.TOO_BRIGHT: "The face is overexposed; use a photo with less light on the face.",
    Problem.FLAT: "The face has hardly any contrast; use a photo without haze or back light.",
    Problem.NOISY: "The face is grainy; use a photo taken in better light.",
    Problem.COMPRESSED: "The photo was compressed too much; use a version saved in better quality.",
    Problem.COVERED: "An eye or the mouth seems to be covered; use a photo that shows the whole face.",
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
    pitch: float = 0.0
    clipped: float = 0.0  # share of pixels that are black or white
    noise: float = 0.0  # of the contrast
    blocks: float = 0.0  # by how much steps at the borders of a codec's blocks exceed the others
    features: float = 1.0  # the least contrast around an eye or the mouth, as a ratio to the face's
    inside: float = 1.0  # share of the face inside the picture

    @property
    def usable(self) -> bool:
        """Whether a decision may rest on this picture."""
        return self.score >= UNUSABLE

    def sentences(self) -> list[str]:
        """For each problem, what is wrong and what to do about it."""
        numbers = {
            Problem.TOO_SMALL: f"The face is only {self.size_px:.0f} px wide; "
            f"use a photo where it is at least {MIN_SIZE_PX} px.",
            Problem.TURNED: f"The face is turned away by about {abs(self.yaw):.0f} degrees; "
            "use a photo that looks into the camera.",
            Problem.NODDED: f"The face looks {'up' if self.pitch > 0 else 'down'} by about {abs(self.pitch):.0f} "
            "degrees; use a photo taken from the height of the eyes.",
            Problem.CUT_OFF: f"About {100 * (1 - self.inside):.0f} % of the face lies outside the photo; "
            "use a photo that shows the whole face.",
        }
        return [numbers.get(problem, problem.sentence) for problem in self.problems]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pixels:
    """What the pixels of the box say; a box without a pixel says the worst."""

    sharpness: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    clipped: float = 1.0
    noise: float = 0.0
    blocks: float = 0.0
    features: float = 0.0


def assess(image: Image, box: Floats, points: Floats) -> Quality:
    """Measure one detected face: its (4,) box and (5, 2) points, in pixels of the image."""
    check_image(image)
    check_points(points)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ShapeError(f"a box must be four finite numbers, got {box.tolist()!r}")
    size = float(max(0.0, min(box[2] - box[0], box[3] - box[1])))
    pixels = _pixels(image, box, points)
    yaw, pitch, roll = _pose(points)
    inside = _share_inside(image, points)
    return Quality(
        score=_score(size, pixels, yaw, pitch, inside),
        size_px=size,
        sharpness=pixels.sharpness,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        brightness=pixels.brightness,
        contrast=pixels.contrast,
        clipped=pixels.clipped,
        noise=pixels.noise,
        blocks=pixels.blocks,
        features=pixels.features,
        inside=inside,
        problems=_problems(size, pixels, yaw, pitch, inside),
    )


def _problems(size: float, pixels: _Pixels, yaw: float, pitch: float, inside: float) -> tuple[Problem, ...]:
    there = {
        Problem.TOO_SMALL: size < MIN_SIZE_PX,
        Problem.BLURRED: pixels.sharpness < MIN_SHARPNESS,
        Problem.TURNED: abs(yaw) > MAX_YAW,
        Problem.NODDED: abs(pitch) > MAX_PITCH,
        Problem.TOO_DARK: pixels.brightness < MIN_BRIGHTNESS,
        Problem.TOO_BRIGHT: pixels.brightness > MAX_BRIGHTNESS,
        Problem.FLAT: pixels.contrast < MIN_CONTRAST and MIN_BRIGHTNESS <= pixels.brightness <= MAX_BRIGHTNESS,
        Problem.NOISY: pixels.noise > MAX_NOISE,
        Problem.COMPRESSED: pixels.blocks > MAX_BLOCKS,
        Problem.COVERED: pixels.features < MIN_FEATURES,
        Problem.CUT_OFF: inside < MIN_INSIDE,
    }
    return tuple(problem for problem, is_there in there.items() if is_there)


# The drop in similarity that one unit of a penalty of `penalties` costs.
WEIGHTS = {
    "blur": 1.7,
    "size": 0.011,
    "yaw": 0.04,
    "pitch": 0.013,
    "cut off": 0.93,
    "contrast": 0.03,
    "clipped": 0.14,
    "noise": 0.4,
    "blocks": 0.047,
    "covered": 0.15,
}


def _score(size: float, pixels: _Pixels, yaw: float, pitch: float, inside: float) -> float:
    if size <= 0 or pixels.contrast <= 0:
        return 0.0
    found = penalties(
        size=size,
        sharpness=pixels.sharpness,
        yaw=yaw,
        pitch=pitch,
        inside=inside,
        contrast=pixels.contrast,
        clipped=pixels.clipped,
        noise=pixels.noise,
        blocks=pixels.blocks,
        features=pixels.features,
    )
    return math.exp(-sum(WEIGHTS[name] * penalty for name, penalty in found.items()) / _DROP_UNIT)


def penalties(
    *,
    size: float,
    sharpness: float,
    yaw: float,
    pitch: float,
    inside: float,
    contrast: float,
    clipped: float,
    noise: float,
    blocks: float,
    features: float,
) -> dict[str, float]:
    """What is wrong in each respect: 0 where more would not help, rising from there. Size and contrast above 0."""
    return {
        "blur": max(0.0, _GOOD_SHARPNESS - sharpness) ** 2,
        "size": max(0.0, math.log2(_GOOD_SIZE_PX / size)) ** 2,
        "yaw": (yaw / 30) ** 2,
        "pitch": (max(0.0, abs(pitch) - _GOOD_PITCH) / 10) ** 2,
        "cut off": (1 - inside) ** 2,
        "contrast": max(0.0, math.log2(_GOOD_CONTRAST / contrast)),
        "clipped": clipped,
        "noise": max(0.0, noise - _GOOD_NOISE),
        "blocks": max(0.0, blocks - _GOOD_BLOCKS),
        "covered": max(0.0, _GOOD_FEATURES - features),
    }


def _pixels(image: Image, box: Floats, points: Floats) -> _Pixels:
    height, width = image.shape[:2]
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    right, bottom = min(width, math.ceil(box[2])), min(height, math.ceil(box[3]))
    if right <= left or bottom <= top:
        return _Pixels()
    face = np.asarray(cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_BGR2GRAY), np.uint8)
    scale = _PATCH / max(face.shape)
    size = (max(1, round(face.shape[1] * scale)), max(1, round(face.shape[0] * scale)))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(face, size, interpolation=way).astype(np.float32) / np.float32(255)
    contrast = float(pixels.std())
    return _Pixels(
        sharpness=_sharpness(pixels),
        brightness=float(pixels.mean()),
        contrast=contrast,
        clipped=float(((face <= _BLACK) | (face >= _WHITE)).mean()),
        noise=_noise(pixels) / max(contrast, _FLAT),
        blocks=_blocks(face, left, top),
        features=_features(pixels, (points - np.array([left, top], np.float32)) * np.float32(scale), contrast),
    )


def _sharpness(pixels: Floats) -> float:
    """How much detail is lost when the face is blurred once more (Crete-Roffet et al., SPIE 6492, 2007).

    Near 0 where it was blurred already, up to about 0.7 for a crisp face. Rows and columns are measured apart
    and the less sharp ones count, so that motion shows. Contrast cancels out.
    """
    along = []
    for axis, kernel in ((0, (1, 9)), (1, (9, 1))):
        steps = np.abs(np.diff(pixels, axis=axis))
        blurred_steps = np.abs(np.diff(cv2.blur(pixels, kernel), axis=axis))
        total = float(steps.sum()) + steps.size * _FLAT
        along.append(float(np.maximum(steps - blurred_steps, 0).sum()) / total if steps.size else 0.0)
    return min(along)


def _noise(pixels: Floats) -> float:
    """Standard deviation of the noise: what second differences in both directions leave of a picture."""
    rest = cv2.filter2D(pixels, -1, _SECOND_DIFFERENCES)
    return float(np.abs(rest).mean()) * math.sqrt(math.pi / 2) / 6


def _blocks(face: Image, left: int, top: int) -> float:
    """Mean step where blocks meet, over the mean of all others, less 1; blocks begin at the picture's corner.

    A photo that was scaled after it was compressed shows none.
    """
    ratios = []
    for axis, start in ((0, top), (1, left)):
        steps = cv2.absdiff(face[1:], face[:-1]) if axis == 0 else cv2.absdiff(face[:, 1:], face[:, :-1])
        if steps is None or not steps.size:
            return 0.0
        means = cv2.reduce(steps, 1 - axis, cv2.REDUCE_AVG, dtype=cv2.CV_32F).ravel()
        at_border = (np.arange(len(means)) + start) % _BLOCK == _BLOCK - 1
        if at_border.all() or not at_border.any():
            return 0.0
        # What is added keeps the last steps of a flat picture from passing for compression.
        ratios.append(float((means[at_border].mean() + _LEAST_STEP) / (means[~at_border].mean() + _LEAST_STEP)))
    return sum(ratios) / 2 - 1


def _features(pixels: Floats, points: Floats, contrast: float) -> float:
    """The least contrast in a window around either eye or the mouth, as a ratio to the face's."""
    reach = max(2.0, 0.3 * math.hypot(*(points[1] - points[0]).tolist()))
    least = math.inf
    for x, y in (points[0].tolist(), points[1].tolist(), ((points[3] + points[4]) / 2).tolist()):
        rows, columns = _span(y, reach, pixels.shape[0]), _span(x, reach, pixels.shape[1])
        window = pixels[rows, columns]
        least = min(least, float(window.std()) if window.size else 0.0)
    return min(1.0, least / max(contrast, _FLAT))


def _span(middle: float, reach: float, limit: int) -> slice:
    return slice(int(min(limit, max(0.0, middle - reach))), int(min(limit, max(0.0, middle + reach))))


def _pose(points: Floats) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, from where the nose lies between the eyes and the mouth."""
    five = points.astype(np.float64)
    across = five[1] - five[0]
    roll = math.degrees(math.atan2(across[1], across[0]))
    eyes = math.hypot(*across)
    if eyes < 1e-6:
        return 0.0, 0.0, 0.0
    right = across / eyes
    down = np.array([-right[1], right[0]])
    between_eyes, mouth = (five[0] + five[1]) / 2, (five[3] + five[4]) / 2
    aside = float((five[2] - (between_eyes + mouth) / 2) @ right) / eyes
    yaw = math.degrees(math.atan(aside / _NOSE_OUT))
    to_mouth = float((mouth - between_eyes) @ down)
    if to_mouth < 1e-6:
        return yaw, 0.0, roll
    share = float((five[2] - between_eyes) @ down) / to_mouth
    return yaw, math.degrees(math.atan((_NOSE_DOWN - share) / _NOSE_OUT)), roll


def _share_inside(image: Image, points: Floats) -> float:
    """Share of the face that lies inside the picture, the face being what the network looks at."""
    spots = chip_to_picture(similarity_transform(points), _SPOTS)
    height, width = image.shape[:2]
    inside = (spots >= 0).all(axis=1) & (spots[:, 0] <= width) & (spots[:, 1] <= height)
    return float(inside.mean())


_STEPS = np.linspace(0.15, 0.85, 15) * CHIP_SIZE
_SPOTS = np.stack(np.meshgrid(_STEPS, _STEPS), axis=-1).reshape(-1, 2)
