"""Convert the three networks of MTCNN (Zhang et al. 2016; weights of the package `mtcnn`, MIT) to ONNX.

The package keeps each network as a pickled list of arrays in the order of its layers: convolutions as (kh,
kw, in, out) with their bias and PReLU slopes, dense layers as (in, out). Nothing is unpickled here: callers
check the file first (see model_cache.py).

All three take uint8 BGR pictures; (x - 127.5) / 128 on RGB is folded into the first convolution, and the
softmax over (no face, face) into a sigmoid of their difference.
    P-net: (n, h, w, 3) -> `box` (n, 4, h', w'), `score` (n, 1, h', w') with h' = ceil((h - 2) / 2) - 4
    R-net: (n, 24, 24, 3) -> `box` (n, 4), `score` (n, 1)
    O-net: (n, 48, 48, 3) -> `box` (n, 4), `points` (n, 10) as x1..x5, y1..y5, `score` (n, 1)
"""

from collections.abc import Sequence

import numpy as np

from recognition.engine.errors import ModelError
from recognition.engine.onnx_graph import GraphBuilder, fold_normalisation
from recognition.engine.types import Floats

_MEAN: Floats = np.full(3, 127.5, np.float32)
_SCALE = 1 / 128
_BLOCK = 16

Weights = Sequence[Floats]


class _Layers:
    """Hands out the arrays of a network in order, in ONNX's layout."""

    def __init__(self, network: str, weights: Weights, count: int) -> None:
        if len(weights) != count or not all(isinstance(one, np.ndarray) for one in weights):
            raise ModelError(f"{network} of the package mtcnn is not the one expected. Install mtcnn again.")
        self._left = iter(weights)
        self._first = True

    def conv(self) -> tuple[Floats, Floats]:
        weights, bias = next(self._left).transpose(3, 2, 0, 1), next(self._left)
        if self._first:
            self._first = False
            return fold_normalisation(weights, bias, _MEAN, _SCALE)
        return weights, bias

    def dense(self) -> tuple[Floats, Floats]:
        return next(self._left), next(self._left)

    def slope(self, *, planes: bool) -> Floats:
        slope = next(self._left).reshape(-1)
        return slope[:, None, None] if planes else slope


def pnet_to_onnx(weights: Weights) -> bytes:
    """The proposal network, fully convolutional: one box and score for each 12x12 window at a stride of 2."""
    layers = _Layers("P-net", weights, 13)
    graph = GraphBuilder("mtcnn_pnet")
    x = graph.pictures(None, None)
    x = graph.prelu(graph.conv(x, *layers.conv()), layers.slope(planes=True))
    x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    x = graph.prelu(graph.conv(x, *layers.conv()), layers.slope(planes=True))
    x = graph.prelu(graph.conv(x, *layers.conv()), layers.slope(planes=True))
    box_weights, box_bias = layers.conv()
    graph.node("Identity", graph.conv(x, box_weights, box_bias), output="box")
    face_weights, face_bias = layers.conv()
    logit = graph.conv(x, face_weights[1:] - face_weights[:1], face_bias[1:] - face_bias[:1])
    graph.node("Sigmoid", logit, output="score")
    return graph.model({"box": ["n", 4, "rows", "columns"], "score": ["n", 1, "rows", "columns"]})


def rnet_to_onnx(weights: Weights) -> bytes:
    """The refinement network."""
    layers = _Layers("R-net", _filled_up(weights), 16)
    graph = GraphBuilder("mtcnn_rnet")
    x = _trunk(graph, layers, graph.pictures(24, 24), pools=2)
    _heads(graph, layers, x, points=False)
    return graph.model({"box": ["n", 4], "score": ["n", 1]})


def _filled_up(weights: Weights) -> Weights:
    """R-net's arrays with 32 first channels instead of 28: the new ones are 0, and so is what they add.

    ONNX Runtime's blocked convolutions want multiples of 16; the network then takes a third less time.
    """
    if len(weights) < 4 or not all(isinstance(one, np.ndarray) for one in weights) or weights[0].ndim != 4:
        return weights
    more = -weights[0].shape[3] % _BLOCK
    filled = list(weights)
    for at, axis in ((0, 3), (1, 0), (2, 2), (3, 2)):
        filled[at] = np.pad(weights[at], [(0, more if axis == one else 0) for one in range(weights[at].ndim)])
    return filled


def onet_to_onnx(weights: Weights) -> bytes:
    """The output network, which also finds the five points."""
    layers = _Layers("O-net", weights, 21)
    graph = GraphBuilder("mtcnn_onet")
    x = _trunk(graph, layers, graph.pictures(48, 48), pools=3)
    _heads(graph, layers, x, points=True)
    return graph.model({"box": ["n", 4], "points": ["n", 10], "score": ["n", 1]})


def _trunk(graph: GraphBuilder, layers: _Layers, x: str, *, pools: int) -> str:
    """Convolutions with a pool behind all but the last, then a dense layer."""
    for at in range(pools + 1):
        x = graph.prelu(graph.conv(x, *layers.conv()), layers.slope(planes=True))
        if at == 0:
            x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
        elif at == 1:
            x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2])
        elif at < pools:
            x = graph.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    # The dense weights were trained on columns before rows before channels.
    flat = graph.node("Flatten", graph.node("Transpose", x, perm=[0, 3, 2, 1]))
    return graph.prelu(graph.dense(flat, *layers.dense()), layers.slope(planes=False))


def _heads(graph: GraphBuilder, layers: _Layers, x: str, *, points: bool) -> None:
    graph.dense(x, *layers.dense(), output="box")
    if points:
        graph.dense(x, *layers.dense(), output="points")
    weights, bias = layers.dense()
    logit = graph.dense(x, weights[:, 1:] - weights[:, :1], bias[1:] - bias[:1])
    graph.node("Sigmoid", logit, output="score")
