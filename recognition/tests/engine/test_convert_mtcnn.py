"""The converted MTCNN networks compute what their weights say, checked against plain numpy."""

import io

import joblib
import numpy as np
import numpy.typing as npt
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from recognition.engine import ModelError
from recognition.engine.convert_mtcnn import onet_to_onnx, pnet_to_onnx, rnet_to_onnx
from recognition.engine.model_cache import Source
from recognition.engine.sessions import Model
from recognition.tests.engine.small_packs import shipped_source

PNET_SOURCE, RNET_SOURCE, ONET_SOURCE = (shipped_source(f"mtcnn-{one}.onnx") for one in "pro")

Array = npt.NDArray[np.float64]


def weights_of(source: Source) -> list[npt.NDArray[np.float32]]:
    weights: list[npt.NDArray[np.float32]] = joblib.load(io.BytesIO(source.read()))
    return weights


def conv(x: Array, weights: Array, bias: Array) -> Array:
    """(h, w, in) to (h', w', out), no padding."""
    windows = sliding_window_view(x, weights.shape[:2], axis=(0, 1))
    return np.asarray(np.einsum("hwikl,klio->hwo", windows, weights) + bias)


def pool(x: Array, size: int, pad: tuple[int, int]) -> Array:
    """Maximum over size x size at a stride of 2, with `pad` rows and columns before and after."""
    padded = np.pad(x, (pad, pad, (0, 0)), constant_values=-np.inf)
    return np.asarray(sliding_window_view(padded, (size, size), axis=(0, 1))[::2, ::2].max(axis=(-2, -1)))


def prelu(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, x * slope.reshape(-1))


def normalised(picture: npt.NDArray[np.uint8]) -> Array:
    return (picture[:, :, ::-1].astype(np.float64) - 127.5) / 128


def face_share(logits: Array) -> Array:
    """Softmax over (no face, face)."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised[..., 1] / raised.sum(axis=-1))


def run(model: bytes, picture: npt.NDArray[np.uint8], *outputs: str) -> list[npt.NDArray[np.float32]]:
    return list(Model("mtcnn", lambda: model).run(list(outputs), {"pictures": picture[None]}))


def dense_trunk(picture: npt.NDArray[np.uint8], layers: list[Array], pools: list[tuple[int, tuple[int, int]]]) -> Array:
    x = normalised(picture)
    for at, (size, pad) in enumerate(pools):
        x = pool(prelu(conv(x, *layers[3 * at : 3 * at + 2]), layers[3 * at + 2]), size, pad)
    at = 3 * len(pools)
    x = prelu(conv(x, *layers[at : at + 2]), layers[at + 2])
    flat = x.transpose(1, 0, 2).reshape(-1)
    return prelu(flat @ layers[at + 3] + layers[at + 4], layers[at + 5])


@pytest.mark.parametrize(("height", "width"), [(12, 12), (31, 40), (64, 33)])
def test_pnet(height: int, width: int) -> None:
    weights = weights_of(PNET_SOURCE)
    picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    layers = [one.astype(np.float64) for one in weights]
    x = prelu(conv(normalised(picture), *layers[0:2]), layers[2])
    x = pool(x, 2, (0, 1))[: -(-x.shape[0] // 2), : -(-x.shape[1] // 2)]
    x = prelu(conv(prelu(conv(x, *layers[3:5]), layers[5]), *layers[6:8]), layers[8])
    box, score = run(pnet_to_onnx(weights), picture, "box", "score")
    assert np.abs(box[0].transpose(1, 2, 0) - conv(x, *layers[9:11])).max() < 1e-4
    assert np.abs(score[0, 0] - face_share(conv(x, *layers[11:13]))).max() < 1e-5


def test_rnet() -> None:
    weights = weights_of(RNET_SOURCE)
    picture = np.random.default_rng(3).integers(0, 256, (24, 24, 3), np.uint8)
    layers = [one.astype(np.float64) for one in weights]
    x = dense_trunk(picture, layers, [(3, (0, 1)), (3, (0, 0))])
    box, score = run(rnet_to_onnx(weights), picture, "box", "score")
    assert np.abs(box[0] - (x @ layers[12] + layers[13])).max() < 1e-4
    assert score[0, 0] == pytest.approx(face_share(x @ layers[14] + layers[15]), abs=1e-5)


def test_onet() -> None:
    weights = weights_of(ONET_SOURCE)
    picture = np.random.default_rng(4).integers(0, 256, (48, 48, 3), np.uint8)
    layers = [one.astype(np.float64) for one in weights]
    x = dense_trunk(picture, layers, [(3, (0, 1)), (3, (0, 0)), (2, (0, 0))])
    box, points, score = run(onet_to_onnx(weights), picture, "box", "points", "score")
    assert np.abs(box[0] - (x @ layers[15] + layers[16])).max() < 1e-4
    assert np.abs(points[0] - (x @ layers[17] + layers[18])).max() < 1e-4
    assert score[0, 0] == pytest.approx(face_share(x @ layers[19] + layers[20]), abs=1e-5)


def test_other_weights_are_refused() -> None:
    with pytest.raises(ModelError, match=r"P-net.*Install mtcnn again"):
        pnet_to_onnx(weights_of(RNET_SOURCE))
