"""Make a poor enrolment photo easier to use: larger, less noisy, with more contrast. Always marked, never silent.

`enhance` chooses its steps from the measured quality of the face and says which it took; the caller shows them
and keeps them with the photo. It adds no detail: nothing here has seen another face (no super-resolution
network, which would invent one). docs/quality.md has what each step does to similarities: enlarging helps with
very small faces, denoising with very grainy ones; lighter and more contrast help the eye, not the recogniser.

Shapes: images are (h, w, 3) uint8 BGR. Methods, all of OpenCV: Lanczos resampling, non-local means (Buades et
al., CVPR 2005), contrast-limited adaptive histogram equalisation (Zuiderveld, Graphics Gems IV, 1994) of the
lightness of CIE L*a*b*.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from recognition.engine.quality import MIN_CONTRAST, MIN_SIZE_PX, Problem, Quality
from recognition.engine.types import Image, check_image

MAX_SCALE = 4.0  # more pixels than that out of one show nothing but the resampling
MAX_SIDE = 2048  # of the enhanced picture; also bounds the time of non-local means


class Step(StrEnum):
    """What was done to a photo, in the order it is done."""

    DENOISED = "denoised"
    LIGHTENED = "lightened"
    DARKENED = "darkened"
    CONTRAST = "contrast"
    ENLARGED = "enlarged"

    @property
    def sentence(self) -> str:
        """For people who look at the picture."""
        return _SENTENCES[self]


_SENTENCES = {
    Step.DENOISED: "Noise was smoothed away, and some fine detail with it.",
    Step.LIGHTENED: "The picture was made lighter.",
    Step.DARKENED: "The picture was made darker.",
    Step.CONTRAST: "Contrast was raised, more in flat areas than elsewhere.",
    Step.ENLARGED: "The picture was enlarged; this adds pixels, not detail.",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Enhanced:
    """The new picture, and what was done to the old one; no steps: it is the old one."""

    image: Image
    steps: tuple[Step, ...]
    scale: float  # of the new picture to the old one: points and boxes grow by it

    @property
    def text(self) -> str:
        """The steps in one line, to be stored with the photo; `""` when nothing was done."""
        return ", ".join(self.steps)

    def sentences(self) -> list[str]:
        return [step.sentence for step in self.steps]


def enhance(image: Image, quality: Quality) -> Enhanced:
    """The photo, improved where the quality of its face is poor and a filter can do something about it.

    Blur, a turned or covered face and missing parts stay: nothing brings back what was not recorded.
    """
    check_image(image)
    steps: list[Step] = []
    picture = image
    if Problem.NOISY in quality.problems:
        picture = _denoised(picture, quality)
        steps.append(Step.DENOISED)
    if Problem.TOO_DARK in quality.problems:
        picture = _gamma(picture, quality.brightness, 0.4)
        steps.append(Step.LIGHTENED)
    elif Problem.TOO_BRIGHT in quality.problems:
        picture = _gamma(picture, quality.brightness, 0.7)
        steps.append(Step.DARKENED)
    if quality.contrast < MIN_CONTRAST:
        picture = _equalised(picture)
        steps.append(Step.CONTRAST)
    scale = _scale(image, quality)
    if scale > 1:
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4), np.uint8)
        steps.append(Step.ENLARGED)
    return Enhanced(image=picture, steps=tuple(steps), scale=scale)


def _scale(image: Image, quality: Quality) -> float:
    """What makes the face as large as enrolment asks for, within bounds; 1 where it is large enough."""
    if not 0 < quality.size_px < MIN_SIZE_PX:
        return 1.0
    # A little more than needed: the face found in the larger picture may be some pixels narrower.
    wanted = 1.15 * MIN_SIZE_PX / quality.size_px
    return float(max(1.0, min(wanted, MAX_SCALE, MAX_SIDE / max(image.shape[:2]))))


def _denoised(image: Image, quality: Quality) -> Image:
    # Quality measures noise against the contrast; the filter wants grey levels.
    strength = float(np.clip(255 * quality.noise * quality.contrast, 3, 25))
    if max(image.shape[:2]) > MAX_SIDE:  # non-local means would take many seconds
        return np.asarray(cv2.bilateralFilter(image, 7, 3 * strength, 3), np.uint8)
    return np.asarray(cv2.fastNlMeansDenoisingColored(image, None, strength, strength, 5, 15), np.uint8)


def _gamma(image: Image, brightness: float, wanted: float) -> Image:
    """The power curve that brings the face's mean brightness near what is wanted; black and white stay."""
    power = float(np.clip(np.log(wanted) / np.log(np.clip(brightness, 0.02, 0.98)), 0.3, 3.0))
    table = (255 * (np.arange(256) / 255) ** power).round().astype(np.uint8)
    return np.asarray(cv2.LUT(image, table), np.uint8)


def _equalised(image: Image) -> Image:
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
    lab[:, :, 0] = cv2.createCLAHE(clipLimit=2.0, tileGridSize=(8, 8)).apply(lab[:, :, 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)
