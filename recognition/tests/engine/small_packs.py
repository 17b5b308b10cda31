"""A whole pack of small generated networks: what a user's own pack looks like on disk.

The detector is a YuNet of a fixed input that finds no face (`faces=True`: always one, in the middle); the recogniser
averages the chip's planes and multiplies them by fixed random numbers.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from recognition.engine import manifests
from recognition.engine.model_cache import Source

NAME = "own"
MANIFEST = """
name = "{name}"
version = "{name}-1"
title = "A pack of generated networks"
metric = "cosine"
dimension = {dimension}
threshold = 0.5
margin = 0.02

[licence]
name = "CC0-1.0"
commercial = true
acceptance = {acceptance}

[[files]]
name = "detector.onnx"
sha256 = "{detector}"

[[files]]
name = "recogniser.onnx"
sha256 = "{recogniser}"

[detector]
kind = "yunet"
files = ["detector.onnx"]

[recogniser]
kind = "arcface"
files = ["recogniser.onnx"]
[recogniser.options]
dimension = {dimension}
"""


def shipped_source(name: str) -> Source:
    """The package's file that a shipped pack makes this network of."""
    for manifest in manifests(Path("nowhere")).values():
        for file in manifest.files:
            if file.name == name and file.package is not None:
                return file.package
    raise AssertionError(f"no shipped pack has {name}")


def small_pack(
    cache: Path,
    *,
    name: str = NAME,
    dimension: int = 16,
    seed: int = 0,
    acceptance: bool = False,
    faces: bool = False,
) -> Path:
    """Write the pack below `cache`; returns its folder."""
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"detector": detector(faces=faces), "recogniser": recogniser(dimension=dimension, seed=seed)}
    for part, content in contents.items():
        (folder / f"{part}.onnx").write_bytes(content)
    hashes = {part: hashlib.sha256(content).hexdigest() for part, content in contents.items()}
    text = MANIFEST.format(name=name, dimension=dimension, acceptance=str(acceptance).lower(), **hashes)
    (folder / "pack.toml").write_text(text)
    return folder


def recogniser(*, dimension: int = 16, seed: int = 0) -> bytes:
    """(n, 3, 112, 112) float to (n, dimension)."""
    weights = np.random.default_rng(seed).normal(size=(3 * 49, dimension)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input"], ["means"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["embedding"]),
    ]
    return network(nodes, {"weights": weights}, ["n", 3, 112, 112], {"embedding": ["n", dimension]})


def detector(*, faces: bool = False) -> bytes:
    """YuNet's outputs for a picture of 640x640, whatever is on it."""
    outputs: dict[str, Sequence[int | str]] = {}
    constants: dict[str, npt.NDArray[np.float32]] = {}
    for stride in (8, 16, 32):
        cells = (640 // stride) ** 2
        for group, values in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items():
            outputs[f"{group}_{stride}"] = [1, cells, values]
            constants[f"{group}_{stride}"] = np.zeros((1, cells, values), np.float32)
    if faces:
        at = 10 * 20 + 10
        constants["cls_32"][0, at] = constants["obj_32"][0, at] = 1
        constants["bbox_32"][0, at] = (0, 0, np.log(4), np.log(5))
        constants["kps_32"][0, at] = (-0.8, -0.8, 0.8, -0.8, 0, 0, -0.6, 0.9, 0.6, 0.9)
    nodes = [helper.make_node("Identity", [f"value_{name}"], [name]) for name in outputs]
    return network(nodes, {f"value_{name}": one for name, one in constants.items()}, [1, 3, 640, 640], outputs)


def network(
    nodes: Sequence[onnx.NodeProto],
    constants: dict[str, npt.NDArray[np.float32]],
    takes: Sequence[int | str],
    gives: dict[str, Sequence[int | str]],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, takes)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in gives.items()],
        [numpy_helper.from_array(one, name) for name, one in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
