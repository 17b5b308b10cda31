"""Is this the network that the pack means? A fixed synthetic input, and what must come out of it.

A hash shows that a file is the one that was installed; a known answer shows that it does what its pack says, also
where the file was made here (by the converter), brought by a user, or is run by other hardware. Every network is
asked once each time it is loaded, before anybody gets a result of it.

Shapes: pictures (h, w, 3) uint8 BGR, embeddings (1, d) float32. Errors: ModelError with what was expected.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recognition.engine.errors import EngineError, ModelError
from recognition.engine.manifest import Metric, Probe
from recognition.engine.sessions import Session
from recognition.engine.types import Detector, Floats, Image, Recogniser

# Hardware rounds differently (TensorFloat-32 keeps three digits); another network is off by its whole range.
_TOLERANCE = 0.02

_POINTS: Floats = np.array([(140, 100), (180, 100), (160, 124), (144, 144), (176, 144)], np.float32)


def synthetic(shape: Sequence[int], kind: str = "tensor(uint8)") -> npt.NDArray[Any]:
    """The same input every time: bytes that look like nothing, or as many numbers in [-1, 1)."""
    values = (np.arange(int(np.prod(shape)), dtype=np.int64) * 7919 + 13) % 251
    values = values.reshape(tuple(shape))
    return values.astype(np.uint8) if kind == "tensor(uint8)" else (values / 125.5 - 1).astype(np.float32)


def picture() -> Image:
    """A small picture without any face in it."""
    return np.asarray(synthetic((240, 320, 3)), np.uint8)


def answers(session: Session, shape: Sequence[int]) -> dict[str, Floats]:
    """All outputs of the network for the synthetic input of this shape, flat."""
    inputs = session.get_inputs()
    if len(inputs) != 1:
        raise ModelError(f"it takes {len(inputs)} inputs, not one")
    names = [one.name for one in session.get_outputs()]
    results = session.run(names, {inputs[0].name: synthetic(shape, inputs[0].type)})
    return {name: np.asarray(one, np.float32).ravel() for name, one in zip(names, results, strict=True)}


def check_answers(session: Session, name: str, probe: Probe) -> None:
    """Raise ModelError unless the network gives the known answers."""
    try:
        found = answers(session, probe.shape)
    except Exception as error:  # ONNX Runtime's own, for an input it does not take
        raise _wrong(name, f"it does not take the pack's input of shape {list(probe.shape)}") from error
    for output, expected in probe.answers.items():
        if output not in found:
            raise _wrong(name, f"it has no output {output!r}, only {', '.join(sorted(found))}")
        values = found[output][: len(expected)]
        allowed = _TOLERANCE * max(abs(one) for one in expected) + 1e-4
        if len(values) < len(expected) or not np.allclose(values, expected, rtol=0, atol=allowed):
            raise _wrong(name, "it gives another answer than the pack's to the same picture")


def check_recogniser(recogniser: Recogniser, name: str, dimension: int, metric: Metric) -> None:
    """Raise ModelError unless it makes one finite embedding of the right size (and length, for the cosine)."""
    try:
        found = recogniser.embed([recogniser.align(picture(), _POINTS)])
    except EngineError as error:
        raise _wrong(name, f"it can not embed a face ({error})") from error
    if recogniser.dimension != dimension or found.shape != (1, dimension):
        raise _wrong(name, f"its embeddings have {found.shape[-1]} numbers, where the pack has {dimension}")
    length = float(np.linalg.norm(found))
    if not np.isfinite(length) or length == 0:
        raise _wrong(name, "its embedding is not finite, or zero")
    if metric is Metric.COSINE and abs(length - 1) > 1e-3:
        raise _wrong(name, "its embeddings are not of unit length, as the cosine needs")


def check_detector(detector: Detector, name: str) -> None:
    """Raise ModelError unless it looks at a picture and gives finite boxes and points."""
    try:
        found = detector.detect(picture())
    except EngineError as error:
        raise _wrong(name, f"it can not look for faces ({error})") from error
    if not all(np.isfinite(array).all() for array in (found.boxes, found.scores, found.points)):
        raise _wrong(name, "its boxes or points are not finite")


def _wrong(name: str, why: str) -> ModelError:
    return ModelError(f"The model {name} is not the one its pack needs: {why}. Install the pack again.")
