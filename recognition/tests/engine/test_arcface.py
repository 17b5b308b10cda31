"""ArcFace and SFace: chips and embeddings as InsightFace and OpenCV make them from the same file."""

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.networks import arcface, random_detector
from recognition.engine import Image, ModelError, ShapeError
from recognition.engine.arcface import ARCFACE_POINTS, ArcFaceRecogniser, normalisation_of, reference_points
from recognition.engine.types import Floats
from recognition.tests.engine import networks
from recognition.tests.engine.test_scrfd import noise

TINY = arcface("tiny", dimension=64)
SESSION = networks.session(TINY)


def recogniser(**options: Any) -> ArcFaceRecogniser:
    return ArcFaceRecogniser(SESSION, dimension=64, **options)


def placed(angle: float, scale: float, x: float, y: float, shake: int | None = 0) -> Floats:
    """The reference points turned, scaled and moved into a picture, and shaken (but for None) by up to a tenth."""
    cosine, sine = scale * math.cos(angle), scale * math.sin(angle)
    points = (ARCFACE_POINTS - 56) @ np.array([[cosine, sine], [-sine, cosine]]) + (x, y)
    if shake is not None:
        points = points + np.random.default_rng(shake).uniform(-6, 6, (5, 2)) * scale
    return np.asarray(points, np.float32)


faces = st.builds(
    placed,
    st.floats(-math.pi, math.pi),
    st.floats(0.3, 6),
    st.floats(-50, 700),
    st.floats(-50, 500),
    st.integers(0, 10_000),
)


@pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")
@settings(deadline=None, max_examples=80)
@given(faces, st.sampled_from([112, 128, 224]))
def test_the_chips_of_insightface(points: Floats, size: int) -> None:
    """The transforms agree to rounding; a pixel of the chip then differs by one step at most."""
    networks.insightface()
    from insightface.utils import face_align

    image = noise(480, 640, 7)
    theirs = face_align.norm_crop(image, points, image_size=size)
    ours = recogniser(size=size).align(image, points)
    assert ours.shape == (size, size, 3)
    apart = np.abs(ours.astype(int) - theirs)
    assert np.quantile(apart, 0.999) <= 1
    assert apart.mean() < 0.02


@settings(deadline=None, max_examples=60)
@given(faces)
def test_the_chips_of_opencv(tmp_path_factory: pytest.TempPathFactory, points: Floats) -> None:
    image = noise(480, 640, 7)
    row = np.concatenate([[0, 0, 1, 1], points.ravel(), [1]]).astype(np.float32)[None]
    theirs = sface(tmp_path_factory).alignCrop(image, row)
    apart = np.abs(recogniser().align(image, points).astype(int) - theirs)
    # OpenCV computes the transform in float32, and its mean points to four decimals.
    assert apart.mean() < 0.5


_opened: dict[str, Any] = {}


def sface(factory: pytest.TempPathFactory) -> Any:
    """OpenCV's recogniser over the generated network; opened once."""
    if "sface" not in _opened:
        file = factory.mktemp("sface") / "sface.onnx"
        file.write_bytes(arcface("tiny", dimension=64, batch=1))
        _opened["sface"] = cv2.FaceRecognizerSF.create(str(file), "")
    return _opened["sface"]


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("own", [False, True])
def test_the_embeddings_of_insightface(tmp_path: Path, batch: int | str, own: bool) -> None:
    """With networks that take one chip or many, and with and without the normalisation in the graph."""
    networks.insightface()
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    model = arcface("tiny", dimension=64, batch=batch, own_normalisation=own, seed=3)
    file = tmp_path / "arcface.onnx"
    file.write_bytes(model)
    theirs = ArcFaceONNX(str(file))
    mean, std = normalisation_of(file)
    assert (mean, std) == (theirs.input_mean, theirs.input_std) == ((0.0, 1.0) if own else (127.5, 127.5))
    ours = ArcFaceRecogniser(networks.session(model), dimension=64, mean=mean, std=std)
    chips = [noise(112, 112, seed) for seed in range(19)]
    rows = ours.embed(chips)
    expected = np.stack([theirs.get_feat(chip).ravel() for chip in chips])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(rows - expected).max() < 1e-6
    raw = ArcFaceRecogniser(networks.session(model), dimension=64, mean=mean, std=std, normalise=False)
    assert np.abs(raw.embed(chips[:3]) / np.linalg.norm(raw.embed(chips[:3]), axis=1)[:, None] - rows[:3]).max() < 1e-6


def test_the_embeddings_of_sface(tmp_path_factory: pytest.TempPathFactory) -> None:
    """OpenCV feeds SFace with RGB 0..255 and divides by the length when it compares."""
    theirs = sface(tmp_path_factory)
    ours = ArcFaceRecogniser(networks.session(arcface("tiny", dimension=64, batch=1)), dimension=64, mean=0.0, std=1.0)
    chips = [noise(112, 112, seed) for seed in range(4)]
    rows = ours.embed(chips)
    features = [theirs.feature(chip).copy() for chip in chips]
    for row, feature in zip(rows, features, strict=True):
        assert np.abs(row - feature.ravel() / np.linalg.norm(feature)).max() < 1e-5
    cosine = theirs.match(features[0], features[1], cv2.FaceRecognizerSF_FR_COSINE)
    assert float(rows[0] @ rows[1]) == pytest.approx(cosine, abs=1e-5)


def test_a_network_of_half_precision_gives_nearly_the_same() -> None:
    chips = [noise(112, 112, seed) for seed in range(5)]
    half = ArcFaceRecogniser(networks.session(networks.half(TINY)), dimension=64).embed(chips)
    assert half.dtype == np.float32
    assert (np.sum(half * recogniser().embed(chips), axis=1) > 0.999).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40))
def test_a_batch_gives_what_single_chips_give(count: int) -> None:
    chips = [noise(112, 112, seed) for seed in range(count)]
    rows = recogniser().embed(chips)
    assert rows.shape == (count, 64)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1.0, abs=1e-5)
    if count:
        assert np.abs(rows[-1] - recogniser().embed(chips[-1:])[0]).max() < 1e-5


@settings(deadline=None, max_examples=40)
@given(st.floats(-3, 3), st.floats(0.5, 3), st.floats(250, 650), st.floats(250, 650))
def test_the_points_land_on_the_reference(angle: float, scale: float, x: float, y: float) -> None:
    """A dot painted at the nose of the face is at the nose's place in the chip."""
    points = placed(angle, scale, x, y, shake=None)
    image = np.zeros((900, 900, 3), np.uint8)
    cv2.circle(image, [round(at) for at in points[2].tolist()], max(3, round(3 * scale)), (255, 255, 255), -1)
    rows, columns = np.nonzero(recogniser().align(image, points)[:, :, 0] > 127)
    assert abs(columns.mean() - ARCFACE_POINTS[2, 0]) < 1.6
    assert abs(rows.mean() - ARCFACE_POINTS[2, 1]) < 1.6


@pytest.mark.parametrize("points", [np.zeros((4, 2), np.float32), np.full((5, 2), np.nan, np.float32)])
def test_wrong_points_are_refused(points: Floats) -> None:
    with pytest.raises(ShapeError, match="five finite"):
        recogniser().align(noise(50, 50), points)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1)])
def test_tiny_and_narrow_pictures_give_chips(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 9, np.uint8)
    for points in (placed(0.3, 1, 5, 5), np.full((5, 2), 3, np.float32), placed(0, 1e4, 0, 0)):
        assert recogniser().align(image, points).shape == (112, 112, 3)


@pytest.mark.parametrize("chip", [np.zeros((111, 112, 3), np.uint8), np.zeros((112, 112, 3), np.float32)])
def test_wrong_chips_are_refused(chip: Image) -> None:
    with pytest.raises(ShapeError, match="a chip must be"):
        recogniser().embed([chip])


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_vectors_without_a_direction_are_refused(value: float) -> None:
    broken = ArcFaceRecogniser(networks.Answers(SESSION, lambda array: array * 0 + value), dimension=64)
    with pytest.raises(ModelError, match="zero or no number"):
        broken.embed([noise(112, 112)])


def test_another_dimension_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\(2, 512\), and gives \(2, 64\)"):
        ArcFaceRecogniser(SESSION).embed([noise(112, 112)] * 2)


def test_a_detector_is_no_recogniser() -> None:
    with pytest.raises(ModelError, match=r"not an ArcFace network.*gives score_8"):
        ArcFaceRecogniser(networks.session(random_detector())).embed([noise(112, 112)])


def test_a_network_for_another_size_of_chips_is_refused() -> None:
    with pytest.raises(ModelError, match=r"shape \(n, 3, 128, 128\).*\[.*3, 112, 112\]"):
        ArcFaceRecogniser(SESSION, dimension=64, size=128).embed([noise(128, 128)])


def test_a_network_for_exactly_four_chips_is_refused() -> None:
    session = networks.session(arcface("tiny", dimension=64, batch=4))
    with pytest.raises(ModelError, match="4 chips at once"):
        ArcFaceRecogniser(session, dimension=64).embed([noise(112, 112)])


def test_sizes_that_have_no_reference_points_are_refused() -> None:
    assert reference_points(224) == pytest.approx(ARCFACE_POINTS * 2)
    for size in (0, -112, 100):
        with pytest.raises(ShapeError, match="multiple of 112 or 128"):
            reference_points(size)


def test_only_steps_before_the_first_layer_count_as_normalisation() -> None:
    """A Sub and a Mul behind a convolution belong to the network, whatever they are called."""
    model = onnx.load_model_from_string(TINY)
    node = model.graph.node[0]
    extra = [
        onnx.helper.make_node("Sub", ["inner", model.graph.initializer[1].name], ["less"], name="Sub_0"),
        onnx.helper.make_node("Mul", ["less", "less"], [node.output[0]], name="Mul_1"),
    ]
    node.output[0] = "inner"
    for at, one in enumerate(extra):
        model.graph.node.insert(1 + at, one)
    assert normalisation_of(model.SerializeToString()) == (127.5, 127.5)


def test_what_is_no_onnx_file_has_no_normalisation() -> None:
    with pytest.raises(ModelError, match="not an ONNX file"):
        normalisation_of(b"\xff\xfe not onnx")
