"""Embed faces with ArcFace networks (Deng et al., CVPR 2019) and their kin in ONNX Runtime: a `Recogniser`.

One class for all networks that take a chip of 112x112 pixels aligned on ArcFace's five reference points and give one
vector: InsightFace's packs (w600k_r50, w600k_mbf, glintr100, ...: 512 numbers, (x - 127.5) / 127.5, RGB), exports of
MXNet (which normalise in their graph: mean 0, std 1), and OpenCV Zoo's SFace (128 numbers, RGB 0..255: mean 0, std 1).
The chips equal `insightface.utils.face_align.norm_crop` and `cv2.FaceRecognizerSF.alignCrop`, which sample the picture
bilinearly at any scale: the networks were trained on such chips.

Shapes: points (5, 2) pixels, chips (112, 112, 3) uint8 BGR, embeddings (n, d) float32 of length 1 (as the network gives
them where `normalise` is off).
Errors: ShapeError where chips or points do not look like that; ModelError where the network is not of the kind, or
gives a vector that has no direction (all zero, NaN or infinite).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from recognition.engine.align import Reference, similarity_transform
from recognition.engine.errors import ModelError, ShapeError
from recognition.engine.one_shot import FLOATS, Normalisation, planes
from recognition.engine.sessions import Session
from recognition.engine.types import Floats, Image, check_image

# Where the points lie in a chip of 112x112 (image-left eye, right eye, nose, left and right mouth corner).
ARCFACE_POINTS: Floats = np.array(
    [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)], np.float32
)
# Larger batches are no faster on a CPU and only take memory.
_BATCH = 16

# Shorter than this, a vector is zero as far as float32 is concerned.
_SHORTEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contract:
    name: str
    output: str
    batch: int  # how many chips a run may have
    dtype: type[np.floating]


class ArcFaceRecogniser:
    """Holds a session only, so any number of threads may share it."""

    def __init__(
        self,
        session: Session,
        *,
        dimension: int = 512,
        size: int = 112,
        mean: float = 127.5,
        std: float = 127.5,
        rgb: bool = True,
        normalise: bool = True,
    ) -> None:
        """`size` is the side of the chips, a multiple of 112 or 128; see `normalisation_of` for mean and std."""
        self._session = session
        self._dimension = dimension
        self._size = size
        self._reference = Reference.of(points=reference_points(size))
        self._normalisation = Normalisation(mean=mean, std=std, rgb=rgb)
        self._normalise = normalise

    @property
    def dimension(self) -> int:
        return self._dimension

    def align(self, image: Image, points: Floats, /) -> Image:
        check_image(image)
        transform = similarity_transform(points, self._reference)
        chip = cv2.warpAffine(image, transform, (self._size, self._size), flags=cv2.INTER_LINEAR)
        return np.asarray(chip, np.uint8)

    def embed(self, chips: Sequence[Image], /) -> Floats:
        shape = (self._size, self._size, 3)
        for chip in chips:
            if chip.shape != shape or chip.dtype != np.uint8:
                raise ShapeError(f"a chip must be uint8 of shape {shape}, got {chip.dtype} {chip.shape}")
        if not chips:
            return np.zeros((0, self._dimension), np.float32)
        batch = self._contract.batch
        rows = np.concatenate([self._run(chips[at : at + batch]) for at in range(0, len(chips), batch)])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(lengths) & (lengths > _SHORTEST)).all():
            raise ModelError(
                "The recognition network gave a vector that is zero or no number, which says nothing about a face. "
                "Its file may be damaged: verify it."
            )
        return np.asarray(rows / lengths, np.float32) if self._normalise else rows

    def _run(self, chips: Sequence[Image]) -> Floats:
        contract = self._contract
        blob = planes(np.stack(chips), self._normalisation).astype(contract.dtype, copy=False)
        rows = np.asarray(self._session.run([contract.output], {contract.name: blob})[0], np.float32)
        if rows.size != len(chips) * self._dimension or len(rows) != len(chips):
            raise ModelError(
                f"This file is not the recognition network expected: for {len(chips)} chips it must give an array of "
                f"shape {(len(chips), self._dimension)}, and gives {rows.shape}. Install the pack's own files."
            )
        return rows.reshape(len(chips), self._dimension)

    @cached_property
    def _contract(self) -> _Contract:
        """What the network takes and gives; read at the first face, as sessions are loaded at their first use."""
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        wanted = (3, self._size, self._size)
        shape = list(inputs[0].shape) if inputs else []
        fits = len(shape) == 4 and all(
            not isinstance(got, int) or got in (want, 0) for got, want in zip(shape[1:], wanted, strict=True)
        )
        if len(inputs) != 1 or len(outputs) != 1 or not fits or inputs[0].type not in FLOATS:
            takes = "; ".join(f"{one.name} {list(one.shape)} {one.type}" for one in inputs)
            gives = "; ".join(f"{one.name} {list(one.shape)}" for one in outputs)
            raise ModelError(
                f"This file is not an ArcFace network: it must take one float input of shape (n, 3, {self._size}, "
                f"{self._size}) and give one output. It takes {takes or 'none'}, and gives {gives or 'none'}. "
                "Install the pack's own files."
            )
        fixed = isinstance(shape[0], int) and shape[0] > 0
        if fixed and shape[0] != 1:
            raise ModelError(
                f"This network takes {shape[0]} chips at once, no more and no less. Use one with a free batch."
            )
        return _Contract(
            name=inputs[0].name, output=outputs[0].name, batch=1 if fixed else _BATCH, dtype=FLOATS[inputs[0].type]
        )


def reference_points(size: int) -> Floats:
    """ArcFace's five points in a chip of this side. Chips of 128 have a margin of 8 at the left and right."""
    if size <= 0 or (size % 112 and size % 128):
        raise ShapeError(f"the side of a chip must be a multiple of 112 or 128, got {size}")
    if size % 112 == 0:
        return ARCFACE_POINTS * np.float32(size / 112)
    scale = np.float32(size / 128)
    return ARCFACE_POINTS * scale + np.array((8 * scale, 0), np.float32)


def normalisation_of(model: bytes | Path) -> tuple[float, float]:
    """The (mean, std) an ArcFace file wants, read from its graph: for writing a manifest, not for every start.

    A graph that first shifts and scales its input by constants (MXNet's exports) normalises by itself and wants
    (0, 1); all others want (127.5, 127.5). Raises ModelError for what is no ONNX file.
    """
    import onnx

    try:
        content = model.read_bytes() if isinstance(model, Path) else model
        graph = onnx.load_model_from_string(content).graph
    except Exception as error:  # onnx raises whatever protobuf does
        raise ModelError(f"This is not an ONNX file: {error}") from error
    steps = _first_steps(graph)
    shifts, scales = bool(steps & {"Sub", "Add"}), bool(steps & {"Mul", "Div"})
    return (0.0, 1.0) if shifts and scales else (127.5, 127.5)


def _first_steps(graph: Any) -> set[str]:
    """The kinds of nodes through which the input goes, one by one, before the first real layer."""
    constants = {one.name for one in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    inputs = [one.name for one in graph.input if one.name not in constants]
    at, steps = inputs[0] if inputs else "", set()
    while at:
        users = [node for node in graph.node if at in node.input]
        arithmetic = {"Sub", "Add", "Mul", "Div", "Cast", "Identity", "Transpose"}
        if len(users) != 1 or users[0].op_type not in arithmetic:
            break
        if any(name not in constants and name != at for name in users[0].input):
            break
        steps.add(users[0].op_type)
        at = users[0].output[0]
    return steps
