"""YuNet: the same faces as OpenCV finds with the same file, on real pictures and on generated networks."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from benchmarks.networks import arcface, random_detector, random_yunet
from recognition.engine import Image, ModelError
from recognition.engine.yunet import YunetDetector, free_input
from recognition.tests.engine import networks
from recognition.tests.engine.test_mtcnn import SIX, middles
from recognition.tests.engine.test_scrfd import noise

SMALL = networks.session(random_yunet(seed=1))


def opencv(file: Path, image: Image, score: float, nms: float = 0.3) -> Any:
    """(n, 15) of OpenCV: x, y, w, h, five points, score; best first."""
    height, width = image.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(file), "", (width, height), score, nms, 5000)
    found = detector.detect(image)[1]
    rows = found if found is not None else np.zeros((0, 15), np.float32)
    return rows[np.lexsort((rows[:, 0], -rows[:, 14]))]


def whole(file: Path, **options: Any) -> YunetDetector:
    """A detector that shows the picture as it is: a face of one pixel is asked for, and no coarse pass."""
    return YunetDetector(networks.session(file.read_bytes()), smallest=1e6, limit=10**6, coarse=0, **options)


@pytest.mark.parametrize("name", ["t1", "two_people.jpg", "portraits/obama_1.jpg", "portraits/alex_lacamoire.png"])
def test_real_pictures_give_the_faces_of_opencv(name: str, real_data: Path, six_people: Image) -> None:
    file = networks.yunet_file(real_data, "yunet_n_dynamic.onnx")
    image = six_people if name == "t1" else np.asarray(cv2.imread(str(real_data / name)), np.uint8)
    found = whole(file, score=0.7).detect(image, min_face=1)
    rows = opencv(file, image, 0.7)
    height, width = image.shape[:2]
    boxes, scores, points = networks.in_order(found)
    assert len(rows) == len(boxes) > 0
    assert scores == pytest.approx(rows[:, 14], abs=1e-5)
    expected = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    assert np.abs(boxes - np.clip(expected, 0, (width, height, width, height))).max() < 0.01
    assert np.abs(points.reshape(-1, 10) - rows[:, 4:14]).max() < 0.01


def test_a_fixed_input_gives_the_faces_of_opencv(real_data: Path, six_people: Image) -> None:
    """OpenCV wants the picture at that size; the detector brings it there by itself."""
    file = networks.yunet_file(real_data, "yunet_n_640_640.onnx")
    found = YunetDetector(networks.session(file.read_bytes())).detect(six_people)
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[:443] = cv2.resize(six_people, (640, 443))
    rows = opencv(file, canvas, 0.7)
    boxes, scores, points = networks.in_order(found)
    assert len(boxes) == len(rows) == 6
    assert scores == pytest.approx(rows[:, 14], abs=1e-4)
    assert np.abs(points.reshape(-1, 10) - rows[:, 4:14] * 2).max() < 0.1


def test_a_fixed_input_set_free_gives_the_faces_of_opencv_at_full_size(real_data: Path, six_people: Image) -> None:
    file = networks.yunet_file(real_data, "yunet_n_640_640.onnx")
    freed = networks.session(free_input(file.read_bytes()))
    found = YunetDetector(freed, smallest=1e6, limit=10**6, coarse=0).detect(six_people, min_face=1)
    _, scores, points = networks.in_order(found)
    rows = opencv(file, six_people, 0.7)
    assert len(scores) == len(rows) == 6
    assert scores == pytest.approx(rows[:, 14], abs=1e-5)
    assert np.abs(points.reshape(-1, 10) - rows[:, 4:14]).max() < 0.01


def test_only_a_fixed_size_that_no_layer_needs_is_set_free() -> None:
    image = noise(256, 320)
    fixed, free = random_yunet(size=640, seed=1), random_yunet(seed=1)
    freed = YunetDetector(networks.session(free_input(fixed))).detect(image)
    assert np.array_equal(freed.boxes, YunetDetector(networks.session(free)).detect(image).boxes)
    assert len(freed) > 0
    bound = onnx.load_model_from_string(fixed)
    for weights in bound.graph.initializer:
        if weights.dims == [3] and numpy_helper.to_array(weights).tolist() == [1, -1, 4]:
            weights.CopyFrom(numpy_helper.from_array(np.array([1, 6400, 4]), weights.name))
    for kept in (bound.SerializeToString(), b"no network at all", arcface("tiny"), random_detector(size=640)):
        assert free_input(kept) == kept


def test_six_people_with_the_usual_settings(real_data: Path, six_people: Image) -> None:
    detector = YunetDetector(networks.session(networks.yunet_file(real_data, "yunet_n_dynamic.onnx").read_bytes()))
    for min_face in (None, 24, 60):
        found = detector.detect(six_people, min_face=min_face)
        assert len(found) == 6
        for x, y in SIX:
            assert any(abs(x - at_x) < 20 and abs(y - at_y) < 20 for at_x, at_y in middles(found)), (x, y)
        for eye_left, eye_right, nose, mouth_left, mouth_right in found.points:
            assert eye_left[0] < eye_right[0]
            assert mouth_left[0] < mouth_right[0]
            assert max(eye_left[1], eye_right[1]) < max(mouth_left[1], mouth_right[1])
            assert min(eye_left[1], eye_right[1]) < nose[1]


def test_a_face_that_fills_a_large_picture_is_one_face(real_data: Path) -> None:
    """At full size the network sees parts of it as faces; the coarse pass sees the face."""
    session = networks.session(networks.yunet_file(real_data, "yunet_n_dynamic.onnx").read_bytes())
    portrait = np.asarray(cv2.imread(str(real_data / "portraits" / "lin_manuel_miranda.png")), np.uint8)
    large = np.asarray(cv2.resize(portrait, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC), np.uint8)
    assert min(large.shape[:2]) > 1500
    (box,) = YunetDetector(session).detect(large, min_face=24).boxes
    (small,) = YunetDetector(session).detect(portrait, min_face=24).boxes
    assert np.abs(box / 4 - small).max() < 0.1 * (small[2] - small[0])


@pytest.mark.parametrize("shape", [(480, 640), (333, 517), (720, 1280)])
def test_generated_networks_give_the_faces_of_opencv(tmp_path: Path, shape: tuple[int, int]) -> None:
    """OpenCV suppresses boxes in whole pixels, so what overlaps is compared before suppression."""
    file = tmp_path / "yunet.onnx"
    file.write_bytes(random_yunet(seed=shape[0]))
    image = noise(*shape)
    found = whole(file, score=0.7, nms=1.0).detect(image, min_face=1)
    rows = opencv(file, image, 0.7, nms=1.0)
    height, width = image.shape[:2]
    expected = np.clip(
        np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1), 0, (width, height, width, height)
    )
    kept = (expected[:, 2:] - expected[:, :2] >= 1).all(axis=1)
    boxes, scores, points = networks.in_order(found)
    assert len(boxes) == kept.sum() > 10
    assert scores == pytest.approx(rows[kept, 14], abs=1e-5)
    assert np.abs(boxes - expected[kept]).max() < 0.01
    assert np.abs(points.reshape(-1, 10) - rows[kept, 4:14]).max() < 0.01


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(0, 99), st.sampled_from([None, 1, 24, 80, 5000]))
def test_boxes_are_inside_any_picture(height: int, width: int, seed: int, min_face: int | None) -> None:
    found = YunetDetector(SMALL, limit=800).detect(noise(height, width, seed), min_face=min_face)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= (width, height, width, height)).all()
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= max(1.0, 0.5 * (min_face or 40))).all()
    assert ((found.scores >= 0.8 - 1e-6) & (found.scores <= 1)).all()
    assert np.isfinite(found.points).all()


@settings(deadline=None, max_examples=20)
@given(st.sampled_from([2, 4]), st.integers(0, 30))
def test_a_picture_enlarged_gives_the_same_faces_enlarged(factor: int, seed: int) -> None:
    """Pixels repeated and averaged again are the same canvas: only the coordinates may differ."""
    image = noise(256, 320, seed)
    large = np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)
    detector = YunetDetector(SMALL, coarse=0, min_face=None, size=320, nms=1.0)
    here, there = (networks.in_order(detector.detect(picture)) for picture in (image, large))
    # What the edge leaves less than three pixels of may be dropped in one and not in the other.
    plain, enlarged = (
        np.column_stack([boxes / by, scores])[((boxes[:, 2:] - boxes[:, :2]) / by >= 3).all(axis=1)]
        for by, (boxes, scores, _) in ((1, here), (factor, there))
    )
    assert len(plain) > 20
    assert enlarged == pytest.approx(plain, abs=0.01)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (3, 2), (32, 32)])
def test_tiny_and_narrow_pictures(shape: tuple[int, int]) -> None:
    for detector in (YunetDetector(SMALL), YunetDetector(networks.session(random_yunet(size=640)))):
        for min_face in (None, 1, 24, 5000):
            found = detector.detect(np.full((*shape, 3), 90, np.uint8), min_face=min_face)
            assert (found.boxes[:, 2:] <= shape[::-1]).all()


def test_a_network_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match=r"outputs cls_8.*has bbox_16"):
        YunetDetector(networks.session(random_detector())).detect(noise(64, 64))


def test_a_grey_network_is_refused() -> None:
    class Grey(networks.Answers):
        def get_inputs(self) -> Any:
            (one,) = super().get_inputs()
            return [type("Argument", (), {"name": one.name, "shape": [1, 1, "h", "w"], "type": one.type})()]

    with pytest.raises(ModelError, match=r"shape \(1, 3, height, width\), and takes input.1 \[1, 1"):
        YunetDetector(Grey(SMALL, lambda array: array)).detect(noise(64, 64))


def test_outputs_of_the_wrong_shape_are_refused() -> None:
    session = networks.Answers(SMALL, lambda array: array[:, :-2])
    with pytest.raises(ModelError, match=r"'cls_8' must be of shape \(1, 1024, 1\), and is of shape \(1, 1022, 1\)"):
        YunetDetector(session, min_face=None, size=256, coarse=0).detect(noise(256, 256))


@pytest.mark.parametrize(("values", "bad"), [(1, np.nan), (4, np.nan), (10, np.nan), (4, np.inf), (10, -np.inf)])
def test_numbers_that_are_none_are_refused(values: int, bad: float) -> None:
    def spoilt(array: Any) -> Any:
        return np.full_like(array, bad) if array.shape[-1] == values else array

    with pytest.raises(ModelError, match="no numbers"):
        YunetDetector(networks.Answers(SMALL, spoilt), min_face=None).detect(noise(320, 320))
