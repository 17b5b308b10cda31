"""Find faces and their five points with YuNet (Wu et al., Machine Intelligence Research 20, 2023) in ONNX Runtime.

75 000 parameters, in OpenCV Zoo (face_detection_yunet) and libfacedetection.train. Works with files of a free and of a
fixed input size; `free_input` turns the second into the first, as OpenCV does when it reads one. The same faces as
cv2.FaceDetectorYN gives with the same file, which the tests hold.

At each stride s of 8, 16, 32 the network gives for each cell (row-major, N of them) `cls_s` (1, N, 1), `obj_s`
(1, N, 1), `bbox_s` (1, N, 4) as the middle's offset in cells and the logarithm of the sides, and `kps_s` (1, N, 10) as
offsets in cells: image-left eye, image-right eye, nose, image-left and image-right mouth corner. The score is
sqrt(cls * obj). Input: BGR 0..255.

Shapes, and what happens to a picture before the network sees it: see one_shot.py.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import ModelError
from recognition.engine.one_shot import Normalisation, OneShotDetector, Sizes, best_of
from recognition.engine.sessions import Session
from recognition.engine.types import Floats

_STRIDES = (8, 16, 32)
_GROUPS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
_NAMES = tuple(f"{group}_{stride}" for group in _GROUPS for stride in _STRIDES)
# Any size but the published one: height and width.
_OTHER_SIZE = (96, 160)
# exp of this is a box of 150 million pixels; beyond it float32 overflows with a warning.
_MAX_LOG_SIDE = 15.0


class YunetDetector(OneShotDetector):
    """A `Detector` over a YuNet file."""

    kind = "YuNet detector"

    def __init__(
        self,
        session: Session,
        *,
        score: float = 0.8,
        nms: float = 0.3,
        min_face: int | None = 40,
        size: int = 640,
        smallest: float = 24.0,
        limit: int = 2560,
        coarse: int = 256,
        largest: float = 400.0,
    ) -> None:
        """See `one_shot.Sizes` for what the options mean.

        On frames of crowds the score of .8 keeps what MTCNN finds too (41 of 42 faces) and drops most of the rest.
        Faces are found from 10 pixels of the canvas on, but their points are only good enough to align by from about
        24: on 13 faces the chips then differ from dlib's by a Euclidean distance of .21 (.27 with 12, .20 with 40).
        """
        super().__init__(
            session,
            score=score,
            nms=nms,
            pixel=0.0,
            min_face=min_face,
            sizes=Sizes(size=size, smallest=smallest, limit=limit, coarse=coarse, largest=largest),
            normalisation=Normalisation(mean=0.0, std=1.0, rgb=False),
        )

    @cached_property
    def _names(self) -> tuple[str, ...]:
        names = {output.name for output in self._session.get_outputs()}
        if names != set(_NAMES):
            raise ModelError(
                f"This file is not a YuNet detector: it must have the outputs {', '.join(_NAMES)}, "
                f"and has {', '.join(sorted(names))}. Install the pack's own files (YuNet of 2023 or later)."
            )
        return _NAMES

    @property
    def _stride(self) -> int:
        return _STRIDES[-1]

    def _run(self, feeds: dict[str, npt.NDArray[np.floating]]) -> Sequence[Floats]:
        return [np.asarray(output, np.float32) for output in self._session.run(self._names, feeds)]

    def _decode(self, outputs: Sequence[Floats], width: int, height: int) -> Floats:
        found = []
        for at, stride in enumerate(_STRIDES):
            cells = (width // stride) * (height // stride)
            classes, objects, boxes, points = (
                self._checked(outputs, at + len(_STRIDES) * group, (cells, values))
                for group, values in enumerate(_GROUPS.values())
            )
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            best = best_of(scores, self._score, self.kind)
            cell = _cells(width // stride, height // stride)[best]
            middle = cell + boxes[best, :2]
            half = np.exp(np.minimum(boxes[best, 2:], _MAX_LOG_SIDE)) / 2
            rows = np.empty((len(best), 15), np.float32)
            rows[:, 0:2] = (middle - half) * stride
            rows[:, 2:4] = (middle + half) * stride
            rows[:, 4] = scores[best]
            rows[:, 5:] = (np.tile(cell, 5) + points[best]) * stride
            found.append(rows)
        return np.concatenate(found)

    def _checked(self, outputs: Sequence[Floats], at: int, shape: tuple[int, int]) -> Floats:
        """One output without its batch axis. Raises ModelError where it is not of the shape that belongs there."""
        array = outputs[at]
        if array.shape != (1, *shape):
            raise ModelError(
                f"This file is not a YuNet detector: its output {_NAMES[at]!r} must be of shape {(1, *shape)}, "
                f"and is of shape {array.shape}. Install the pack's own files."
            )
        return array.reshape(shape)


def free_input(model: bytes) -> bytes:
    """The same network for pictures of any size, if its file fixes one and its layers do not need it; else unchanged.

    The published files say 640x640, which shows small faces of a wide picture too small, though every layer of theirs
    takes any multiple of 32.
    """
    import onnx

    try:
        network = onnx.load_model_from_string(model)
        graph = network.graph
        del graph.value_info[:]
        for output in graph.output:
            output.type.tensor_type.shape.dim[1].dim_param = f"n_{output.name}"
        height, width = (graph.input[0].type.tensor_type.shape.dim[axis] for axis in (2, 3))
        # What each output would have for a picture of another size: a layer made for one size only gives itself away.
        height.dim_value, width.dim_value = _OTHER_SIZE
        shown = onnx.shape_inference.infer_shapes(network, strict_mode=True, data_prop=True).graph.output
        cells = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in shown}
        height.dim_param, width.dim_param = "height", "width"
    except Exception:  # not a network at all, or not of this kind: what reads it next says what is wrong with it
        return model
    sizes = {stride: (_OTHER_SIZE[0] // stride) * (_OTHER_SIZE[1] // stride) for stride in _STRIDES}
    fits = cells == {f"{group}_{stride}": sizes[stride] for group in _GROUPS for stride in _STRIDES}
    return bytes(network.SerializeToString()) if fits else model


@lru_cache(maxsize=64)
def _cells(columns: int, rows: int) -> Floats:
    """(rows * columns, 2) x, y of the cells, row by row; read-only."""
    y, x = np.mgrid[:rows, :columns]
    cells = np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)
    cells.setflags(write=False)
    return cells
