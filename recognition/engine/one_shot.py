"""What detectors that find all faces in one run of one network share: sizes, the input, merging, clipping.

A picture is scaled onto a canvas whose sides are multiples of the network's coarsest stride, its top left corner at
(0, 0) and black beyond it. Networks with a fixed input get that size. Others get a canvas as small as the faces asked
for allow, and, where it is large, the picture once more on a small canvas (the coarse pass): these networks know
faces of some ten to some three hundred pixels, and would miss one that fills a large canvas.

Shapes: images (h, w, 3) uint8 BGR, the network's input (1, 3, H, W) float32 or float16. Candidates pass as rows of 15
float32: x1, y1, x2, y2, score and five points x, y.
Errors: ModelError where the network is not of the kind, or gives NaN or infinity; ShapeError for what is no picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ModelError
from recognition.engine.nms import suppress
from recognition.engine.sessions import Session
from recognition.engine.types import FaceDetections, Floats, Image, check_image

# Candidates kept a pass: bounds time and memory on pictures that look like faces all over.
_MAX_CANDIDATES = 5000
# Below this scale bilinear sampling skips pixels of the picture; it is then shrunk by area averaging.
_AREA_BELOW = 0.5
# A canvas this much larger than the coarse one is worth a coarse pass.
_COARSE_FROM = 2.5
FLOATS: Mapping[str, type[np.floating]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large a picture is shown to a network whose input size is free."""

    size: int  # the longer side of the canvas where no `min_face` is asked for
    smallest: float  # a face this high on the canvas is found
    limit: int  # no canvas has a longer side: bounds time and memory
    coarse: int  # the longer side of the coarse pass; 0 for none
    largest: float  # a face higher than this on the canvas is left to the coarse pass, where there is one
    square: bool = False  # pad to a square, as InsightFace does; costs time, finds nothing more


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """(x - mean) / std for each channel, and the order of the channels the network was trained on."""

    mean: float
    std: float
    rgb: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Input:
    name: str
    width: int | None  # None: free
    height: int | None
    dtype: type[np.floating]


class OneShotDetector:
    """Base of the one-shot detectors. Holds a session only, so any number of threads may share it."""

    # What the kind of network is called in messages.
    kind = "one-shot detector"

    def __init__(
        self,
        session: Session,
        *,
        score: float,
        nms: float,
        pixel: float,
        min_face: int | None,
        sizes: Sizes,
        normalisation: Normalisation,
    ) -> None:
        self._session = session
        self._score, self._nms, self._pixel = score, nms, pixel
        self._min_face = min_face
        self._sizes = sizes
        self._normalisation = normalisation

    @property
    def _stride(self) -> int:
        """The coarsest stride: the canvas is a multiple of it."""
        raise NotImplementedError

    def _run(self, feeds: dict[str, npt.NDArray[np.floating]]) -> Sequence[Floats]:
        """The network's outputs in the order that `_decode` wants."""
        raise NotImplementedError

    def _decode(self, outputs: Sequence[Floats], width: int, height: int) -> Floats:
        """(n, 15) candidates, in pixels of the canvas, of at least the score asked for."""
        raise NotImplementedError

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        """Find faces from about `min_face` pixels on, best first.

        Without `min_face`, here and in the constructor, the picture is scaled to the default size. A network with a
        fixed input sees every picture at that size.
        """
        check_image(image)
        smallest = min_face if min_face is not None else self._min_face
        scales = self._scales(image, smallest)
        passes = [self._pass(image, scale) for scale in scales]
        if len(passes) > 1:
            # Of a face too large for them these networks find parts, and call them faces.
            sides = passes[0][:, 3] - passes[0][:, 1]
            passes[0] = passes[0][sides * scales[0] <= self._sizes.largest]
        rows = np.concatenate(passes)
        rows = rows[suppress(rows[:, :4], rows[:, 4], self._nms, pixel=self._pixel)]
        height, width = image.shape[:2]
        boxes = np.clip(rows[:, :4], 0, np.array([width, height, width, height], np.float32))
        sides = boxes[:, 2:] - boxes[:, :2]
        # Half of what was asked for is surely not asked for; a shade less than it may be the same face next frame.
        keep = (sides >= max(1.0, 0.5 * (smallest or 0))).all(axis=1)
        rows, boxes = rows[keep], boxes[keep]
        return FaceDetections(
            boxes=boxes, scores=np.clip(rows[:, 4], 0, 1), points=rows[:, 5:].reshape(-1, 5, 2).copy()
        )

    @cached_property
    def _input(self) -> _Input:
        """What the network takes; read at the first picture, as sessions are loaded at their first use."""
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape) if inputs else []
        if len(inputs) != 1 or len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            got = "; ".join(f"{one.name} {list(one.shape)}" for one in inputs) or "none"
            raise ModelError(
                f"This file is not a {self.kind}: it must take one input of shape (1, 3, height, width), "
                f"and takes {got}. Install the pack's own files."
            )
        if inputs[0].type not in FLOATS:
            raise ModelError(f"This file is not a {self.kind}: its input must be of float32, and is {inputs[0].type}.")
        height, width = (int(side) if isinstance(side, int) and side > 0 else None for side in shape[2:])
        return _Input(name=inputs[0].name, width=width, height=height, dtype=FLOATS[inputs[0].type])

    def _scales(self, image: Image, min_face: int | None) -> list[float]:
        """The scales at which the picture is shown, the finest first."""
        height, width = image.shape[:2]
        fixed = [side / full for side, full in ((self._input.width, width), (self._input.height, height)) if side]
        if fixed:
            return [min(fixed)]
        longer, sizes = max(height, width), self._sizes
        if min_face is None:
            finest = sizes.size / longer
        else:
            finest = min(1.0, sizes.smallest / max(1, min_face), sizes.limit / longer)
        coarse = sizes.coarse / longer
        return [finest, coarse] if sizes.coarse and finest >= _COARSE_FROM * coarse else [finest]

    def _pass(self, image: Image, scale: float) -> Floats:
        """(n, 15) candidates at one scale, in pixels of the picture."""
        canvas, scale_x, scale_y = self._canvas(image, scale)
        outputs = self._run({self._input.name: self._blob(canvas)})
        rows = self._decode(outputs, canvas.shape[1], canvas.shape[0])
        if not np.isfinite(rows).all():
            raise ModelError(f"The {self.kind} gave boxes that are no numbers. Its file may be damaged: verify it.")
        if len(rows) > _MAX_CANDIDATES:
            rows = rows[np.argsort(-rows[:, 4], kind="stable")[:_MAX_CANDIDATES]]
        rows[:, 0:4:2] /= scale_x
        rows[:, 1:4:2] /= scale_y
        rows[:, 5::2] /= scale_x
        rows[:, 6::2] /= scale_y
        return rows

    def _canvas(self, image: Image, scale: float) -> tuple[Image, float, float]:
        """The scaled picture on its canvas, and the scales that whole pixels leave of the one asked for."""
        height, width = image.shape[:2]
        # Cut as InsightFace does, so that a canvas of the wanted size is never overrun; the hundredth is for floats.
        new_width, new_height = max(1, int(width * scale + 0.01)), max(1, int(height * scale + 0.01))
        side = max(new_width, new_height) if self._sizes.square else 0
        step = self._stride
        full_width = self._input.width or -(-max(new_width, side) // step) * step
        full_height = self._input.height or -(-max(new_height, side) // step) * step
        if (new_width, new_height) == (width, height) == (full_width, full_height):
            return image, 1.0, 1.0
        canvas = np.zeros((full_height, full_width, 3), np.uint8)
        area = canvas[:new_height, :new_width]
        if (new_width, new_height) == (width, height):
            area[:] = image
        else:
            way = cv2.INTER_AREA if scale < _AREA_BELOW else cv2.INTER_LINEAR
            cv2.resize(image, (new_width, new_height), dst=area, interpolation=way)
        return canvas, new_width / width, new_height / height

    def _blob(self, canvas: Image) -> npt.NDArray[np.floating]:
        """The canvas as the network wants it, in one pass a channel."""
        return planes(canvas[None], self._normalisation).astype(self._input.dtype, copy=False)


def planes(pictures: npt.NDArray[np.uint8], normalisation: Normalisation) -> Floats:
    """(n, h, w, 3) uint8 BGR as (n, 3, h, w) float32, normalised and in the order of channels asked for.

    The same numbers as cv2.dnn.blobFromImages, in a third of its time.
    """
    count, height, width, _ = pictures.shape
    blob = np.empty((count, 3, height, width), np.float32)
    gain, offset = 1 / normalisation.std, -normalisation.mean / normalisation.std
    for picture, into in zip(pictures, blob[:, ::-1] if normalisation.rgb else blob, strict=True):
        for channel, plane in zip(cv2.split(picture), into, strict=True):
            cv2.addWeighted(channel, gain, channel, 0.0, offset, dst=plane, dtype=cv2.CV_32F)
    return blob


def best_of(scores: Floats, threshold: float, kind: str) -> npt.NDArray[np.intp]:
    """Where (n,) scores reach the threshold. Raises ModelError where one is NaN."""
    highest = scores.max(initial=0.0)
    if np.isnan(highest):
        raise ModelError(f"The {kind} gave scores that are no numbers (NaN). Its file may be damaged: verify it.")
    return np.flatnonzero(scores >= threshold) if highest >= threshold else np.zeros(0, np.intp)
