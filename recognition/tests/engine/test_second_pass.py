"""The second look: faces too small for the first one are found, each once, at a bounded cost."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import Image, Pack
from recognition.engine.second_pass import Closer, SecondPass, merged
from recognition.engine.types import FaceDetections


class Dots:
    """Finds white squares on black; each is a face, unless smaller than `least` pixels. Keeps what it was shown."""

    def __init__(self, least: int) -> None:
        self.least = least
        self.pixels: list[tuple[int, int]] = []
        self.asked: list[int | None] = []

    def detect(self, image: Image, /, *, min_face: int | None = None) -> FaceDetections:
        self.pixels.append(image.shape[:2])
        self.asked.append(min_face)
        count, _, stats, _ = cv2.connectedComponentsWithStats((image[:, :, 0] > 127).astype(np.uint8))
        rows = [row for row in stats[1:count] if min(row[2], row[3]) >= self.least]
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        return FaceDetections(
            boxes=boxes,
            scores=np.full(len(boxes), 0.9, np.float32),
            points=np.repeat(middles[:, None], 5, axis=1).astype(np.float32),
        )


def scene(width: int, height: int, squares: list[tuple[int, int, int]]) -> Image:
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = 255
    return image


def test_what_only_the_second_look_can_see() -> None:
    image = scene(900, 700, [(100, 100, 40), (430, 300, 14), (880, 680, 14), (0, 0, 14)])
    assert len(Dots(20).detect(image)) == 1
    found = SecondPass(Dots(20)).detect(image)
    assert len(found) == 4
    truth = np.array([(100, 100), (430, 300), (880, 680), (0, 0)])
    for corner in truth:
        assert np.abs(found.boxes[:, :2] - corner).max(axis=1).min() <= 1
    assert np.abs((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - found.points[:, 0]).max() < 1
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [900, 700, 900, 700]).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1180), st.integers(0, 780), st.integers(12, 60))
def test_a_face_anywhere_is_found_once(left: int, top: int, side: int) -> None:
    """Also on the borders of tiles."""
    found = SecondPass(Dots(20)).detect(scene(1200, 800, [(left, top, side)]))
    assert len(found) == (1 if min(side, 1200 - left, 800 - top) >= 10 else len(found))
    if len(found):
        assert np.abs(found.boxes[0, :2] - (left, top)).max() <= 1.5


@pytest.mark.parametrize(("width", "height"), [(640, 480), (1920, 1080), (7680, 4320), (20_000, 40), (1, 5000), (1, 1)])
def test_the_cost_is_bounded(width: int, height: int) -> None:
    dots, closer = Dots(20), Closer()
    SecondPass(dots, closer).detect(np.zeros((height, width, 3), np.uint8), min_face=33)
    assert dots.asked[0] == 33
    assert 1 <= len(dots.pixels) - 1 <= closer.max_tiles
    assert max(max(shape) for shape in dots.pixels[1:]) <= closer.tile


def test_of_two_looks_at_one_face_the_surer_stays() -> None:
    def look(score: float, shift: float) -> FaceDetections:
        return FaceDetections(
            boxes=np.array([[10 + shift, 10, 30 + shift, 34]], np.float32),
            scores=np.array([score], np.float32),
            points=np.full((1, 5, 2), score, np.float32),
        )

    both = merged([look(0.8, 0), look(0.95, 2)])
    assert both.scores.tolist() == pytest.approx([0.95])
    assert both.points[0, 0, 0] == pytest.approx(0.95)
    assert len(merged([look(0.8, 0), look(0.95, 50)])) == 2
    assert len(merged([FaceDetections.none(), FaceDetections.none()])) == 0


def test_real_faces_far_away(pack: Pack, six_people: Image) -> None:
    scale = 0.12  # faces of about 12 px
    small = np.asarray(cv2.resize(six_people, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    large = pack.detect(six_people)
    twice = pack.detect(small, min_face=24, small_faces=True)
    assert len(pack.detect(small, min_face=24)) < 3
    assert len(twice) >= 5
    middles = (large.boxes[:, :2] + large.boxes[:, 2:]) / 2 * scale
    for box in twice.boxes:
        assert np.abs((box[:2] + box[2:]) / 2 - middles).max(axis=1).min() < 4


def test_a_photo_of_large_faces_stays_the_same(pack: Pack, astronaut: Image, six_people: Image) -> None:
    for photo, count in ((astronaut, 1), (six_people, 6)):
        assert len(pack.detect(photo, small_faces=True)) == count
