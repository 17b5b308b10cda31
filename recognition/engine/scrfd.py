"""Find faces and their five points with SCRFD (Guo et al., ICLR 2022) or RetinaFace networks in ONNX Runtime.

These are the detectors of InsightFace's packs (det_10g, det_500m, scrfd_10g_bnkps, ...). For each of its strides such
a network gives scores (N, 1), then boxes (N, 4) as distances from the anchor to the sides, then points (N, 10) as
offsets from the anchor, both in strides; N = rows * columns * anchors. Some exports carry a leading batch axis of 1.
Three strides (8, 16, 32) have two anchors a cell, five (8 ... 128) have one. Variants without points have only two
groups of outputs and cannot be used here: faces are aligned by their points.

Shapes, and what happens to a picture before the network sees it: see one_shot.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ModelError
from recognition.engine.one_shot import Normalisation, OneShotDetector, Sizes, best_of
from recognition.engine.sessions import Session
from recognition.engine.types import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    strides: tuple[int, ...]
    anchors: int
    names: tuple[str, ...]


# By the number of outputs.
_WITH_POINTS = {9: ((8, 16, 32), 2), 15: ((8, 16, 32, 64, 128), 1)}
_WITHOUT_POINTS = (6, 10)


class ScrfdDetector(OneShotDetector):
    """A `Detector` over any SCRFD or RetinaFace network that gives points."""

    kind = "SCRFD detector"

    def __init__(
        self,
        session: Session,
        *,
        score: float = 0.5,
        nms: float = 0.4,
        min_face: int | None = None,
        size: int = 640,
        smallest: float = 16.0,
        limit: int = 2560,
        coarse: int = 128,
        largest: float = 400.0,
        square: bool = False,
        mean: float = 127.5,
        std: float = 128.0,
        rgb: bool = True,
    ) -> None:
        """See `one_shot.Sizes` and `one_shot.Normalisation` for what the options mean."""
        super().__init__(
            session,
            score=score,
            nms=nms,
            pixel=1.0,
            min_face=min_face,
            sizes=Sizes(size=size, smallest=smallest, limit=limit, coarse=coarse, largest=largest, square=square),
            normalisation=Normalisation(mean=mean, std=std, rgb=rgb),
        )

    @cached_property
    def _layout(self) -> _Layout:
        names = tuple(output.name for output in self._session.get_outputs())
        if len(names) in _WITHOUT_POINTS:
            raise ModelError(
                f"This detection network gives boxes but no face points ({len(names)} outputs), and faces are aligned "
                "by their points. Use the variant with points (for SCRFD, the one with 'kps' in its name)."
            )
        if len(names) not in _WITH_POINTS:
            raise ModelError(
                f"This file is not an SCRFD detector with points: it must have 9 or 15 outputs, and has {len(names)} "
                f"({', '.join(names[:6])}{', ...' if len(names) > 6 else ''}). Install the pack's own files."
            )
        strides, anchors = _WITH_POINTS[len(names)]
        return _Layout(strides=strides, anchors=anchors, names=names)

    @property
    def _stride(self) -> int:
        return self._layout.strides[-1]

    def _run(self, feeds: dict[str, npt.NDArray[np.floating]]) -> Sequence[Floats]:
        return [np.asarray(output, np.float32) for output in self._session.run(self._layout.names, feeds)]

    def _decode(self, outputs: Sequence[Floats], width: int, height: int) -> Floats:
        layout = self._layout
        levels = len(layout.strides)
        found = []
        for at, stride in enumerate(layout.strides):
            cells = (height // stride) * (width // stride) * layout.anchors
            scores, boxes, points = (
                self._checked(outputs, at + levels * group, (cells, values)) for group, values in enumerate((1, 4, 10))
            )
            best = best_of(scores[:, 0], self._score, self.kind)
            centres = _centres(width // stride, height // stride, stride, layout.anchors)[best]
            rows = np.empty((len(best), 15), np.float32)
            rows[:, 0:2] = centres - boxes[best, :2] * stride
            rows[:, 2:4] = centres + boxes[best, 2:] * stride
            rows[:, 4] = scores[best, 0]
            rows[:, 5:] = np.tile(centres, 5) + points[best] * stride
            found.append(rows)
        return np.concatenate(found)

    def _checked(self, outputs: Sequence[Floats], at: int, shape: tuple[int, int]) -> Floats:
        """One output without its batch axis. Raises ModelError where it is not of the shape that belongs there."""
        array = outputs[at]
        if array.shape not in (shape, (1, *shape)):
            raise ModelError(
                f"This file is not an SCRFD detector: its output {self._layout.names[at]!r} must be of shape {shape}, "
                f"and is of shape {array.shape}. Install the pack's own files."
            )
        return array.reshape(shape)


@lru_cache(maxsize=64)
def _centres(columns: int, rows: int, stride: int, anchors: int) -> Floats:
    """(rows * columns * anchors, 2) x, y of the anchors in pixels of the canvas; read-only."""
    y, x = np.mgrid[:rows, :columns]
    centres = np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), anchors, axis=0).astype(np.float32) * stride
    centres.setflags(write=False)
    return centres
