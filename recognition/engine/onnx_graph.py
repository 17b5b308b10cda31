"""Write small feed-forward networks as ONNX, one layer a call.

Networks take uint8 BGR pictures as they lie in memory, (n, h, w, 3); `pictures` turns them into the float
planes that convolutions want, so that colour order and normalisation live in the weights and no caller
repeats them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from recognition.engine.types import Floats

# Opset 17 and IR 8 are read by every ONNX Runtime from 1.12 on.
_OPSET = 17
_IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and weights; every layer method returns the name of its output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []

    def constant(self, values: npt.NDArray[np.generic]) -> str:
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"x{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def pictures(self, height: int | None, width: int | None) -> str:
        """The input (n, height, width, 3), None for a free size, as float planes (n, 3, height, width)."""
        shape = ["n", height or "height", width or "width", 3]
        self._inputs.append(helper.make_tensor_value_info("pictures", TensorProto.UINT8, shape))
        planes = self.node("Transpose", "pictures", perm=[0, 3, 1, 2])
        return self.node("Cast", planes, to=TensorProto.FLOAT)

    def conv(
        self,
        x: str,
        weights: Floats,
        bias: Floats,
        *,
        stride: tuple[int, int] = (1, 1),
        pad: tuple[int, int] = (0, 0),
    ) -> str:
        """Convolution with (out, in, kh, kw) weights."""
        return self.node(
            "Conv",
            x,
            self.constant(weights.astype(np.float32)),
            self.constant(bias.astype(np.float32)),
            kernel_shape=list(weights.shape[2:]),
            strides=list(stride),
            pads=[*pad, *pad],
        )

    def dense(self, x: str, weights: Floats, bias: Floats | None = None, *, output: str | None = None) -> str:
        """(n, in) times (in, out) weights."""
        inputs = [x, self.constant(weights.astype(np.float32))]
        if bias is not None:
            inputs.append(self.constant(bias.astype(np.float32)))
        return self.node("Gemm", *inputs, output=output)

    def prelu(self, x: str, slope: Floats) -> str:
        """a x below 0, x above: as a x + (1 - a) relu(x), which ONNX Runtime does faster than its PRelu."""
        bent = self.node("Mul", x, self.constant(slope.astype(np.float32)))
        straight = self.node("Mul", self.node("Relu", x), self.constant((1 - slope).astype(np.float32)))
        return self.node("Add", bent, straight)

    def model(self, outputs: dict[str, list[int | str]]) -> bytes:
        """The finished file, checked against the standard; `outputs` names the outputs and their shapes."""
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
        graph = helper.make_graph(self._nodes, self._name, self._inputs, results, self._weights)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", _OPSET)],
            ir_version=_IR_VERSION,
            producer_name="lynceus",
        )
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def fold_normalisation(weights: Floats, bias: Floats, mean: Floats, scale: float) -> tuple[Floats, Floats]:
    """Weights and bias of an unpadded first convolution that takes raw BGR instead of (RGB - mean) * scale.

    Exact, because without padding every output sees only real pixels. `mean` is per RGB channel.
    """
    wide = weights.astype(np.float64)
    shifted = bias.astype(np.float64) - scale * np.einsum("oikl,i->o", wide, mean.astype(np.float64))
    return (wide * scale)[:, ::-1].astype(np.float32), shifted.astype(np.float32)
