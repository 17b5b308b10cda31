"""The generated networks as sessions, and InsightFace's own classes over the same files, for tests."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from recognition.engine.sessions import Session
from recognition.engine.types import FaceDetections, Floats


def session(model: bytes) -> Session:
    """One thread, as everything runs here."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    made: Session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return made


def half(model: bytes) -> bytes:
    """The same network, taking and giving float16."""
    network = onnx.load_model_from_string(model)
    graph = network.graph
    given = graph.input[0]
    inner = given.name
    given.name, given.type.tensor_type.elem_type = "half", onnx.TensorProto.FLOAT16
    graph.node.insert(0, onnx.helper.make_node("Cast", ["half"], [inner], to=onnx.TensorProto.FLOAT))
    for output in graph.output:
        wide = f"{output.name}_wide"
        for node in graph.node:
            node.output[:] = [wide if name == output.name else name for name in node.output]
        graph.node.append(onnx.helper.make_node("Cast", [wide], [output.name], to=onnx.TensorProto.FLOAT16))
        output.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    return bytes(network.SerializeToString())


def insightface() -> Any:
    """InsightFace's model_zoo; skips where it is not installed."""
    if importlib.util.find_spec("insightface") is None:
        pytest.skip("the package insightface, which the networks are compared with, is not installed")
    from insightface import model_zoo

    return model_zoo


def yunet_file(real_data: Path, name: str) -> Path:
    """One of the real YuNet files beside the real photos; skips where it is not there."""
    file = real_data.parent / "models" / "yunet" / name
    if not file.is_file():
        pytest.skip(f"the real YuNet is not at {file}")
    return file


class Answers:
    """A `Session` that gives the same outputs whatever it is shown, changed as a test likes."""

    def __init__(self, inner: Session, change: Any) -> None:
        self._inner, self._change = inner, change

    def run(self, outputs: Any, feeds: Any, /) -> Any:
        return [self._change(array) for array in self._inner.run(outputs, feeds)]

    def get_inputs(self) -> Any:
        return self._inner.get_inputs()

    def get_outputs(self) -> Any:
        return self._inner.get_outputs()


def in_order(found: FaceDetections) -> tuple[Floats, Floats, Floats]:
    """Boxes, scores and points sorted by score, then left edge, for comparing with others'."""
    order = np.lexsort((found.boxes[:, 0], -found.scores))
    return found.boxes[order], found.scores[order], found.points[order]
