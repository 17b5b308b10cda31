"""Detection: the right faces, on any picture, always the same."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import FaceDetections, Image, ModelError, Pack, ShapeError
from recognition.engine.mtcnn import MtcnnDetector
from recognition.engine.nms import suppress
from recognition.engine.sessions import Session
from recognition.tests.engine import networks

# Middles of the six faces of the photo, found by hand.
SIX = [(958, 129), (110, 331), (517, 334), (319, 207), (793, 408), (1178, 337)]


def middles(found: FaceDetections) -> list[tuple[float, float]]:
    return [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in found.boxes]


@pytest.mark.parametrize("min_face", [40, 60])
def test_six_people(pack: Pack, six_people: Image, min_face: int) -> None:
    found = pack.detect(six_people, min_face=min_face)
    assert len(found) == 6
    for x, y in SIX:
        assert any(abs(x - at_x) < 20 and abs(y - at_y) < 20 for at_x, at_y in middles(found)), (x, y)


def test_small_faces_are_found_when_asked_for(pack: Pack, six_people: Image) -> None:
    small = cv2.resize(six_people, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    assert len(pack.detect(np.asarray(small, np.uint8), min_face=24)) == 6
    assert len(pack.detect(np.asarray(small, np.uint8), min_face=120)) == 0


def test_one_astronaut_with_points_where_they_belong(pack: Pack, astronaut: Image) -> None:
    found = pack.detect(astronaut)
    assert len(found) == 1
    (box,), (points,) = found.boxes, found.points
    assert ((points >= box[:2]) & (points <= box[2:])).all()
    left_eye, right_eye, nose, left_mouth, right_mouth = points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_face_cut_by_the_edge_stays_inside_the_picture(pack: Pack, astronaut: Image) -> None:
    height, width = 140, 170
    found = pack.detect(np.ascontiguousarray(astronaut[80 : 80 + height, 100 : 100 + width]))
    assert len(found) == 1
    assert (found.boxes >= 0).all()
    assert (found.boxes <= (width, height, width, height)).all()


def test_moving_the_picture_moves_the_boxes(pack: Pack, astronaut: Image) -> None:
    moved = cv2.copyMakeBorder(astronaut, 60, 0, 90, 0, cv2.BORDER_REFLECT)
    here, there = pack.detect(astronaut), pack.detect(np.asarray(moved, np.uint8))
    best = there.boxes[np.argmin(np.abs(there.boxes[:, 0] - here.boxes[0, 0] - 90))]
    assert np.abs(best - here.boxes[0] - (90, 60, 90, 60)).max() < 8


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (11, 11), (12, 12), (13, 2000), (40, 40)])
@pytest.mark.parametrize("value", [0, 127, 255])
def test_pictures_without_a_face(pack: Pack, shape: tuple[int, int], value: int) -> None:
    found = pack.detect(np.full((*shape, 3), value, np.uint8), min_face=12)
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
    assert found.points.shape == (0, 5, 2)


def test_noise_does_not_break_it(pack: Pack) -> None:
    noise = np.random.default_rng(5).integers(0, 256, (200, 300, 3), np.uint8)
    assert len(pack.detect(noise, min_face=1)) < 3


def test_the_same_picture_gives_the_same_numbers(pack: Pack, six_people: Image) -> None:
    first, second = pack.detect(six_people), pack.detect(six_people.copy())
    assert np.array_equal(first.boxes, second.boxes)
    assert np.array_equal(first.points, second.points)


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_numbers_that_are_none_are_refused(pack: Pack, six_people: Image, broken: int) -> None:
    """A comparison with NaN is false: without a check there would just be no faces any more."""
    sessions: list[Session] = [model for model in pack.models if "mtcnn" in model.name]
    assert len(sessions) == 3
    sessions[broken] = networks.Answers(sessions[broken], lambda array: array * np.nan)
    with pytest.raises(ModelError, match="no numbers"):
        MtcnnDetector(*sessions).detect(six_people, min_face=80)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((10, 10), np.uint8),  # gray
        np.zeros((10, 10, 4), np.uint8),  # with alpha
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_not_a_picture_is_refused(pack: Pack, wrong: Image) -> None:
    with pytest.raises(ShapeError):
        pack.detect(wrong)


def test_detections_check_their_shapes() -> None:
    with pytest.raises(ShapeError, match="boxes"):
        FaceDetections(
            boxes=np.zeros((2, 5), np.float32),
            scores=np.zeros(2, np.float32),
            points=np.zeros((2, 5, 2), np.float32),
        )
    assert len(FaceDetections.none()) == 0


def overlap(a: list[float], b: list[float], of_smaller: bool) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (min(areas) if of_smaller else sum(areas) - width * height)


box_strategy = st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)).map(
    lambda box: [float(box[0]), float(box[1]), float(box[0] + box[2]), float(box[1] + box[3])]
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(box_strategy, st.integers(0, 9)), max_size=12),
    st.sampled_from([0.3, 0.71]),
    st.booleans(),
)
def test_suppression_does_what_a_loop_would(
    rows: list[tuple[list[float], int]], threshold: float, of_smaller: bool
) -> None:
    kept: list[int] = []
    for at in sorted(range(len(rows)), key=lambda at: -rows[at][1]):
        if all(overlap(rows[at][0], rows[other][0], of_smaller) <= threshold for other in kept):
            kept.append(at)
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    scores = np.array([score for _, score in rows], np.float32)
    assert suppress(boxes, scores, threshold, of_smaller=of_smaller).tolist() == kept
