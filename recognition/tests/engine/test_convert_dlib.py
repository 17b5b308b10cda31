"""The converted network is dlib's: same embeddings, and nothing but that file is accepted."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from recognition.engine import Image, ModelError, Pack
from recognition.engine.convert_dlib import read_layers
from recognition.tests.engine.small_packs import shipped_source

DLIB_SOURCE = shipped_source("dlib-resnet.onnx")


def dlib_embeddings(chips: list[Image]) -> npt.NDArray[np.float64]:
    dlib = pytest.importorskip("dlib", reason="dlib-bin, the reference, is not installed")
    network = dlib.face_recognition_model_v1(str(DLIB_SOURCE.find()))
    return np.array([network.compute_face_descriptor(np.ascontiguousarray(chip[:, :, ::-1])) for chip in chips])


def jittered(pack: Pack, image: Image, count: int, rng: np.random.Generator) -> list[Image]:
    """Chips of all faces of the image, turned, moved and scaled at random."""
    faces = pack.detect(image)
    chips = []
    for at in range(count):
        points = faces.points[at % len(faces)]
        middle = points.mean(axis=0)
        turn = cv2.getRotationMatrix2D((0, 0), rng.uniform(-40, 40), rng.uniform(0.6, 1.6))[:, :2]
        moved = (points - middle) @ turn.T + middle + rng.uniform(-15, 15, 2)
        chips.append(pack.recogniser.align(image, moved.astype(np.float32)))
    return chips


def test_embeddings_equal_dlibs(pack: Pack, astronaut: Image, six_people: Image) -> None:
    rng = np.random.default_rng(7)
    chips = jittered(pack, astronaut, 4, rng) + jittered(pack, six_people, 8, rng)
    chips += list(rng.integers(0, 256, (3, 150, 150, 3), np.uint8))
    chips += [np.zeros((150, 150, 3), np.uint8), np.full((150, 150, 3), 255, np.uint8)]
    ours = pack.recogniser.embed(chips)
    assert ours.dtype == np.float32
    assert np.abs(ours - dlib_embeddings(chips)).max() < 1e-5


def test_a_batch_gives_what_single_chips_give(pack: Pack) -> None:
    chips = list(np.random.default_rng(1).integers(0, 256, (19, 150, 150, 3), np.uint8))
    single = np.concatenate([pack.recogniser.embed([chip]) for chip in chips])
    assert np.abs(pack.recogniser.embed(chips) - single).max() < 1e-5


def test_no_chips_give_no_rows(pack: Pack) -> None:
    assert pack.recogniser.embed([]).shape == (0, 128)


def test_a_chip_of_the_wrong_size_is_refused(pack: Pack) -> None:
    with pytest.raises(ValueError, match=r"150, 150, 3"):
        pack.recogniser.embed([np.zeros((149, 150, 3), np.uint8)])


def test_the_file_is_read_to_its_last_byte() -> None:
    network = read_layers(DLIB_SOURCE.read())
    kinds = [layer.kind for layer in network.layers]
    assert (kinds.count("conv"), kinds.count("add_prev"), kinds[-1]) == (29, 14, "dense")
    assert network.mean == pytest.approx([122.782, 117.001, 104.298])


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"not dlib at all",
        lambda data: data[: len(data) // 2],  # cut short
        lambda data: data[:-1],
        lambda data: data + b"\0",  # something follows
        lambda data: data[:40] + b"\x7f" + data[41:],  # a version that does not exist
        lambda data: data.replace(b"affine_", b"affline", 1),  # a layer that does not exist
    ],
)
def test_any_other_file_is_refused_with_a_sentence(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(ModelError, match="dlib's network file"):
        read_layers(damage(DLIB_SOURCE.read()))
