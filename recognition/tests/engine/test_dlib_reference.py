"""The reference pack: to the last bit what face_recognition does, whose way is written out here with dlib alone."""

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recognition.engine import Image, ModelError, Pack, ShapeError
from recognition.engine.dlib_reference import DlibDetector, DlibEncoder, to_landmarks, to_points
from recognition.tests.engine.test_scrfd import noise

numbers = st.integers(-2000, 16_000)
five_numbers = st.lists(st.tuples(numbers, numbers), min_size=5, max_size=5)


@pytest.fixture(scope="module")
def files() -> Path:
    """The folder of dlib's models."""
    spec = importlib.util.find_spec("face_recognition_models")
    if importlib.util.find_spec("dlib") is None or spec is None or spec.origin is None:
        pytest.skip("dlib, or the package with its models, is not installed")
    return Path(spec.origin).parent / "models"


@pytest.fixture(scope="module")
def detector(files: Path) -> DlibDetector:
    return DlibDetector(files / "shape_predictor_5_face_landmarks.dat")


@pytest.fixture(scope="module")
def encoder(files: Path) -> DlibEncoder:
    return DlibEncoder(files / "dlib_face_recognition_resnet_model_v1.dat")


def face_recognition_way(files: Path, image: Image, upsample: int) -> list[tuple[tuple[int, ...], Any]]:
    """face_locations, trimmed to the picture, then face_encodings with the small model."""
    import dlib

    find = dlib.get_frontal_face_detector()
    landmarks = dlib.shape_predictor(str(files / "shape_predictor_5_face_landmarks.dat"))
    network = dlib.face_recognition_model_v1(str(files / "dlib_face_recognition_resnet_model_v1.dat"))
    rgb = np.ascontiguousarray(image[:, :, ::-1])
    height, width = image.shape[:2]
    found: list[tuple[tuple[int, ...], Any]] = []
    for box in find(rgb, upsample):
        place = (max(box.left(), 0), max(box.top(), 0), min(box.right(), width), min(box.bottom(), height))
        shape = landmarks(rgb, dlib.rectangle(*place))
        found.append((place, np.array(network.compute_face_descriptor(rgb, shape, 1))))
    return found


@pytest.mark.parametrize("upsample", [0, 1])
def test_the_encodings_of_face_recognition(
    files: Path, detector: DlibDetector, encoder: DlibEncoder, six_people: Image, upsample: int
) -> None:
    small = np.asarray(cv2.resize(six_people, (900, 623), interpolation=cv2.INTER_AREA), np.uint8)
    expected = face_recognition_way(files, small, upsample)
    found = DlibDetector(files / "shape_predictor_5_face_landmarks.dat", upsample=upsample).detect(small)
    assert len(found) == len(expected) >= 4
    rows = encoder.embed([encoder.align(small, points) for points in found.points])
    for at, (place, encoding) in enumerate(expected):
        assert found.boxes[at].tolist() == list(place)
        assert np.abs(rows[at] - encoding).max() < 1e-6
    assert ((found.scores > 0.49) & (found.scores < 1)).all()


def test_a_face_cut_by_the_edge(files: Path, detector: DlibDetector, encoder: DlibEncoder, astronaut: Image) -> None:
    """dlib's box reaches outside the picture, and is trimmed before the landmarks are found."""
    cut = np.ascontiguousarray(astronaut[66:240, 174:400])
    expected = face_recognition_way(files, cut, 1)
    found = detector.detect(cut)
    assert len(found) == len(expected) == 1
    assert (found.boxes >= 0).all()
    rows = encoder.embed([encoder.align(cut, points) for points in found.points])
    assert np.abs(rows[0] - expected[0][1]).max() < 1e-6


def test_the_points_are_where_another_detector_sees_them(detector: DlibDetector, pack: Pack, astronaut: Image) -> None:
    found = detector.detect(astronaut)
    points = found.points[np.argmax(found.scores)]
    (others,) = pack.detect(astronaut).points
    between_the_eyes = np.linalg.norm(others[1] - others[0])
    assert np.linalg.norm(points - others, axis=1).max() < 0.25 * between_the_eyes


@given(five_numbers)
def test_no_landmark_is_lost(landmarks: list[tuple[int, int]]) -> None:
    given = np.array(landmarks, np.int64)
    assert np.array_equal(to_landmarks(to_points(given)), given)


def test_landmarks_of_another_model_are_refused() -> None:
    with pytest.raises(ModelError, match="5 points, and finds 68"):
        to_points(np.zeros((68, 2), np.int64))


@pytest.mark.parametrize("points", [np.zeros((4, 2)), np.full((5, 2), np.nan), np.full((5, 2), 1e12)])
def test_wrong_points_are_refused(points: Any) -> None:
    with pytest.raises(ShapeError, match="five finite"):
        to_landmarks(points.astype(np.float32))


def test_points_of_another_detector_give_nearly_the_same(
    encoder: DlibEncoder, detector: DlibDetector, astronaut: Image
) -> None:
    found = detector.detect(astronaut)
    points = found.points[np.argmax(found.scores)]
    moved = points + np.random.default_rng(1).uniform(-1.5, 1.5, (5, 2)).astype(np.float32)
    one, other = encoder.embed([encoder.align(astronaut, points), encoder.align(astronaut, moved)])
    assert 0 < np.linalg.norm(one - other) < 0.4


def test_smaller_faces_are_found_by_enlarging_more(detector: DlibDetector, astronaut: Image) -> None:
    small = np.asarray(cv2.resize(astronaut, (205, 205), interpolation=cv2.INTER_AREA), np.uint8)
    assert len(detector.detect(small, min_face=80)) == 0
    assert len(detector.detect(small, min_face=20)) == 1


def test_the_network_finds_faces_too(files: Path, astronaut: Image) -> None:
    cnn = DlibDetector(
        files / "shape_predictor_5_face_landmarks.dat", files / "mmod_human_face_detector.dat", upsample=0
    )
    (box,) = cnn.detect(np.ascontiguousarray(astronaut[20:260, 100:340])).boxes
    assert abs((box[0] + box[2]) / 2 + 100 - 225) < 15
    assert abs((box[1] + box[3]) / 2 + 20 - 130) < 20


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (50, 60)])
def test_pictures_without_a_face(detector: DlibDetector, encoder: DlibEncoder, shape: tuple[int, int]) -> None:
    assert len(detector.detect(noise(*shape))) == 0
    assert encoder.align(noise(*shape), to_points(np.arange(10).reshape(5, 2))).shape == (150, 150, 3)
    assert encoder.embed([]).shape == (0, 128)


def test_a_missing_and_a_broken_file_are_told_apart(tmp_path: Path, files: Path) -> None:
    with pytest.raises(ModelError, match="is not at"):
        DlibEncoder(tmp_path / "gone.dat").embed([noise(150, 150)])
    broken = tmp_path / "broken.dat"
    broken.write_bytes(b"not a model")
    with pytest.raises(ModelError, match="cannot read its model"):
        DlibEncoder(broken).embed([noise(150, 150)])


def test_wrong_chips_are_refused(encoder: DlibEncoder) -> None:
    with pytest.raises(ShapeError, match="a chip must be"):
        encoder.embed([noise(112, 112)])
