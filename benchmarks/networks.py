"""ONNX networks of the shapes of InsightFace's packs with random weights, and small ones that find planted faces.

The real files may not be used commercially and are not at hand everywhere; what a pipeline costs does not depend on
what the weights say. Sizes and layers follow the published configurations: SCRFD (Guo et al., ICLR 2022) 10GF and
500MF, IResNet-50 as in ArcFace (Deng et al., CVPR 2019), MobileFaceNet (Chen et al., 2018). All normalisation layers
are folded into their convolutions, as ONNX Runtime does at load.

Networks take float32 (n, 3, h, w), and are deterministic: the same seed gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Floats = npt.NDArray[np.float32]

# Strides and anchors a cell of a detector, by its number of strides.
STRIDES = {3: ((8, 16, 32), 2), 5: ((8, 16, 32, 64, 128), 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedFace:
    """A face that a network with a fixed input finds in every picture; in pixels of its input."""

    box: tuple[float, float, float, float]
    score: float = 0.9

    def points(self) -> Floats:
        """Five points at the usual places in the box, (5, 2)."""
        places = np.array([(0.3, 0.38), (0.7, 0.38), (0.5, 0.58), (0.34, 0.78), (0.66, 0.78)])
        corner, side = np.array(self.box[:2]), np.array(self.box[2:]) - np.array(self.box[:2])
        return np.asarray(corner + places * side, np.float32)


class _Graph:
    """Nodes and random weights; every method returns the name of its output."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def constant(self, values: npt.NDArray[Any]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, op: str, *inputs: str, name: str | None = None, output: str | None = None, **attributes: Any) -> str:
        output = output or f"x{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name or output, **attributes))
        return output

    def conv(
        self,
        x: str,
        inside: int,
        outside: int,
        size: int,
        stride: int = 1,
        *,
        groups: int = 1,
        gain: float = 1.0,
        padded: bool = True,
        balanced: bool = False,
    ) -> str:
        """A convolution that keeps the size (but for the stride) and, with gain 1 before a ReLU, the variance."""
        fan = inside // groups * size * size
        weights = self._random.standard_normal((outside, inside // groups, size, size), np.float32)
        if balanced:  # so that even areas, whatever their brightness, answer with 0
            weights -= weights.mean(axis=(1, 2, 3), keepdims=True)
        weights *= np.float32(gain * np.sqrt(2 / fan))
        bias = self.constant(np.zeros(outside, np.float32))
        pads = [size // 2 if padded else 0] * 4
        return self.node(
            "Conv",
            x,
            self.constant(weights),
            bias,
            kernel_shape=[size, size],
            strides=[stride] * 2,
            pads=pads,
            group=groups,
        )

    def relu(self, x: str) -> str:
        return self.node("Relu", x)

    def prelu(self, x: str, channels: int) -> str:
        return self.node("PRelu", x, self.constant(np.full((channels, 1, 1), 0.25, np.float32)))

    def separable(self, x: str, inside: int, outside: int, stride: int = 1) -> str:
        x = self.relu(self.conv(x, inside, inside, 3, stride, groups=inside))
        return self.relu(self.conv(x, inside, outside, 1))

    def batch_norm(self, x: str, channels: int) -> str:
        ones, zeros = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        return self.node("BatchNormalization", x, *(self.constant(values) for values in (ones, zeros, zeros, ones)))

    def dense(self, x: str, inside: int, outside: int, **attributes: Any) -> str:
        weights = self._random.standard_normal((inside, outside), np.float32) / np.float32(np.sqrt(inside))
        return self.node("Gemm", x, self.constant(weights), self.constant(np.zeros(outside, np.float32)), **attributes)

    def model(self, shape: Sequence[int | str], outputs: dict[str, Sequence[int | str]]) -> bytes:
        given = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, list(shape))
        results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)) for name, dims in outputs.items()]
        graph = helper.make_graph(self.nodes, "network", [given], results, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def scrfd(kind: str = "10g", *, size: int | None = None, planted: Sequence[PlantedFace] = (), seed: int = 0) -> bytes:
    """A detector of the shape of scrfd_10g_bnkps or scrfd_500m_bnkps, which are det_10g and det_500m.

    Without planted faces it finds none. Planted ones need a fixed input `size`.
    """
    graph = _Graph(seed)
    levels, width = (_backbone_10g if kind == "10g" else _backbone_500m)(graph)
    features, heads = (80, 3) if kind == "10g" else (64, 2)
    outputs: list[list[str]] = [[], [], []]
    for x in _pyramid(graph, levels, width):
        inside = width
        for _ in range(heads):
            if kind == "10g":
                x = graph.relu(graph.conv(x, inside, features, 3))
            else:
                x = graph.separable(x, inside, features)
            inside = features
        for group, values in enumerate((1, 4, 10)):
            outputs[group].append(graph.conv(x, inside, 2 * values, 3, gain=1e-3))
    return _finished(graph, outputs, size=size, planted=planted, anchors=2, batched=False)


def _backbone_10g(graph: _Graph) -> tuple[list[tuple[str, int]], int]:
    """The residual network of SCRFD-10GF: features at strides 8, 16, 32 with their widths, and the pyramid's width."""
    x = graph.relu(graph.conv("input.1", 3, 28, 3, 2))
    x = graph.relu(graph.conv(x, 28, 28, 3))
    x = graph.relu(graph.conv(x, 28, 56, 3))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inside, levels = 56, []
    for stage, (blocks, planes) in enumerate(((3, 56), (4, 88), (2, 88), (3, 224))):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            straight = x
            if stride == 2:
                straight = graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
            if inside != planes:
                straight = graph.conv(straight, inside, planes, 1)
            bent = graph.conv(graph.relu(graph.conv(x, inside, planes, 3, stride)), planes, planes, 3, gain=0.5)
            x, inside = graph.relu(graph.node("Add", straight, bent)), planes
        if stage:
            levels.append((x, planes))
    return levels, 56


def _backbone_500m(graph: _Graph) -> tuple[list[tuple[str, int]], int]:
    """The separable network of SCRFD-500MF."""
    x = graph.relu(graph.conv("input.1", 3, 16, 3, 2))
    x, inside, levels = graph.separable(x, 16, 16), 16, []
    for stage, (blocks, planes) in enumerate(((2, 40), (3, 72), (2, 152), (6, 288))):
        for block in range(blocks):
            x = graph.separable(x, inside, planes, 1 if block else 2)
            inside = planes
        if stage:
            levels.append((x, planes))
    return levels, 16


def _pyramid(graph: _Graph, levels: Sequence[tuple[str, int]], width: int) -> list[str]:
    """A path-aggregation feature pyramid: one feature map a level, all of this width."""
    maps = [graph.conv(x, inside, width, 1) for x, inside in levels]
    twice = graph.constant(np.array([1, 1, 2, 2], np.float32))
    for at in (1, 0):
        larger = graph.node(
            "Resize",
            maps[at + 1],
            "",
            twice,
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        maps[at] = graph.node("Add", maps[at], larger)
    maps = [graph.conv(x, width, width, 3) for x in maps]
    for at in (1, 2):
        maps[at] = graph.node("Add", maps[at], graph.conv(maps[at - 1], width, width, 3, 2))
    return [maps[0], *(graph.conv(x, width, width, 3) for x in maps[1:])]


def random_detector(
    strides: int = 3, *, size: int | None = None, points: bool = True, batched: bool = False, seed: int = 0
) -> bytes:
    """A tiny detector of SCRFD's or RetinaFace's outputs that finds faces wherever the picture's noise says so."""
    steps, anchors = STRIDES[strides]
    graph = _Graph(seed)
    outputs: list[list[str]] = [[] for _ in range(3 if points else 2)]
    for stride in steps:
        # Means over cells, so that the maps have the right size at any size of the picture.
        cells = graph.node("AveragePool", "input.1", kernel_shape=[stride] * 2, strides=[stride] * 2)
        for group, values in enumerate((1, 4, 10)[: len(outputs)]):
            found = graph.conv(cells, 3, anchors * values, 3, gain=(4.0, 2.0, 2.0)[group], balanced=group == 0)
            if group == 1:
                found = graph.node("Add", graph.relu(found), graph.constant(np.array(0.4, np.float32)))
            outputs[group].append(found)
    return _finished(graph, outputs, size=size, planted=(), anchors=anchors, batched=batched, bias=-4.0)


def random_yunet(*, size: int | None = None, seed: int = 0) -> bytes:
    """A tiny network of YuNet's outputs that finds faces wherever the picture's noise says so. Takes 0..255."""
    graph = _Graph(seed)
    small = graph.node("Mul", "input.1", graph.constant(np.array(1 / 128, np.float32)))
    shapes: dict[str, Sequence[int | str]] = {}
    for stride in (8, 16, 32):
        cells = graph.node("AveragePool", small, kernel_shape=[stride] * 2, strides=[stride] * 2)
        for group, values, gain in (("cls", 1, 6.0), ("obj", 1, 6.0), ("bbox", 4, 0.7), ("kps", 10, 1.0)):
            name = f"{group}_{stride}"
            x = graph.conv(cells, 3, values, 3, gain=gain, balanced=values == 1)
            rows = graph.node("Transpose", x, perm=[0, 2, 3, 1])
            shape = graph.constant(np.array([1, -1, values], np.int64))
            if values == 1:
                graph.node("Sigmoid", graph.node("Reshape", rows, shape), output=name)
            else:
                graph.node("Reshape", rows, shape, output=name)
            shapes[name] = [1, (size // stride) ** 2 if size else f"n{stride}", values]
    return graph.model([1, 3, size or "height", size or "width"], shapes)


def _finished(
    graph: _Graph,
    outputs: list[list[str]],
    *,
    size: int | None,
    planted: Sequence[PlantedFace],
    anchors: int,
    batched: bool,
    bias: float = -4.0,
) -> bytes:
    """Maps (1, anchors * k, rows, columns) as outputs (rows * columns * anchors, k), scores through a sigmoid."""
    if planted and size is None:
        raise ValueError("planted faces need a fixed input size")
    steps = STRIDES[len(outputs[0])][0]
    plants = _plants(planted, steps, anchors, size) if size else None
    shapes: dict[str, Sequence[int | str]] = {}
    for group, maps in enumerate(outputs):
        for level, x in enumerate(maps):
            values = (1, 4, 10)[group]
            rows = graph.node("Transpose", x, perm=[0, 2, 3, 1])
            shape = [1, -1, values] if batched else [-1, values]
            rows = graph.node("Reshape", rows, graph.constant(np.array(shape, np.int64)))
            name = f"{('score', 'bbox', 'kps')[group]}_{steps[level]}"
            extra = plants[level][group] if plants else np.full((1, 1), bias if group == 0 else 0, np.float32)
            if plants and group == 0:
                extra = extra + np.float32(bias)
            rows = graph.node("Add", rows, graph.constant(extra), output=None if group == 0 else name)
            if group == 0:
                graph.node("Sigmoid", rows, output=name)
            count: int | str = (size // steps[level]) ** 2 * anchors if size else f"n{steps[level]}"
            shapes[name] = [1, count, values] if batched else [count, values]
    return graph.model([1, 3, size or "height", size or "width"], shapes)


def _plants(planted: Sequence[PlantedFace], steps: Sequence[int], anchors: int, size: int) -> list[tuple[Floats, ...]]:
    """For each stride, what must be added to the outputs so that these faces are found."""
    counts = [(size // step) ** 2 * anchors for step in steps]
    made = [tuple(np.zeros((count, values), np.float32) for values in (1, 4, 10)) for count in counts]
    for face in planted:
        left, top, right, bottom = face.box
        # Each face belongs to the stride that sees it at some five cells.
        level = int(np.argmin([abs(np.log((bottom - top) / (5 * step))) for step in steps]))
        step = steps[level]
        column, row = int((left + right) / 2 / step), int((top + bottom) / 2 / step)
        at = (row * (size // step) + column) * anchors
        scores, boxes, points = made[level]
        centre = np.array((column, row), np.float32) * step
        scores[at] = np.log(face.score / (1 - face.score)) + 4
        boxes[at] = np.array((centre[0] - left, centre[1] - top, right - centre[0], bottom - centre[1])) / step
        points[at] = ((face.points() - centre) / step).ravel()
    return made


def arcface(
    kind: str = "r50",
    *,
    dimension: int = 512,
    batch: int | str = "None",
    own_normalisation: bool = False,
    seed: int = 0,
) -> bytes:
    """A recogniser of the shape of w600k_r50 ("r50"), w600k_mbf ("mbf"), or a small one for tests ("tiny").

    `own_normalisation` puts (x - 127.5) / 128 into the graph, as MXNet's exports have it.
    """
    graph = _Graph(seed)
    x = "input.1"
    if own_normalisation:
        x = graph.node("Sub", x, graph.constant(np.array(127.5, np.float32)), name="_minusscalar0")
        x = graph.node("Mul", x, graph.constant(np.array(1 / 128, np.float32)), name="_mulscalar0")
    builders: dict[str, Callable[[_Graph, str, int], str]] = {"r50": _iresnet50, "mbf": _mobilefacenet, "tiny": _tiny}
    last = builders[kind](graph, x, dimension)
    graph.node("Identity", last, output="embedding")
    return graph.model([batch, 3, 112, 112], {"embedding": [batch, dimension]})


def _iresnet50(graph: _Graph, x: str, dimension: int) -> str:
    x = graph.prelu(graph.conv(x, 3, 64, 3), 64)
    inside = 64
    for blocks, planes in ((3, 64), (4, 128), (14, 256), (3, 512)):
        for block in range(blocks):
            stride = 1 if block else 2
            straight = x if block else graph.conv(x, inside, planes, 1, 2)
            bent = graph.prelu(graph.conv(graph.batch_norm(x, inside), inside, planes, 3), planes)
            x = graph.node("Add", straight, graph.conv(bent, planes, planes, 3, stride, gain=0.5))
            inside = planes
    return graph.dense(graph.node("Flatten", graph.batch_norm(x, 512)), 512 * 49, dimension)


def _mobilefacenet(graph: _Graph, x: str, dimension: int) -> str:
    x = graph.prelu(graph.conv(x, 3, 128, 3, 2), 128)
    x = graph.prelu(graph.conv(x, 128, 128, 3, groups=128), 128)
    inside = 128
    for blocks, planes, first, middle in ((5, 128, 128, 128), (7, 256, 512, 512), (3, 256, 1024, 512)):
        for block in range(blocks):
            wide = middle if block else first
            bent = graph.prelu(graph.conv(x, inside, wide, 1), wide)
            bent = graph.prelu(graph.conv(bent, wide, wide, 3, 1 if block else 2, groups=wide), wide)
            bent = graph.conv(bent, wide, planes, 1, gain=0.5)
            x, inside = graph.node("Add", x, bent) if block else bent, planes
    x = graph.prelu(graph.conv(x, inside, 512, 1), 512)
    # One weight for each place of each channel, and no padding: the depthwise global convolution.
    x = graph.conv(x, 512, 512, 7, groups=512, padded=False)
    return graph.dense(graph.node("Flatten", x), 512, dimension)


def _tiny(graph: _Graph, x: str, dimension: int) -> str:
    x = graph.relu(graph.conv(x, 3, 8, 7, 4))
    x = graph.node("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    return graph.dense(graph.node("Flatten", x), 8 * 49, dimension)
