"""SCRFD and RetinaFace networks: the same faces as InsightFace finds with the same file, on any picture."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.networks import PlantedFace, arcface, random_detector, scrfd
from recognition.engine import Image, ModelError
from recognition.engine.one_shot import Normalisation, planes
from recognition.engine.scrfd import ScrfdDetector
from recognition.engine.types import Floats
from recognition.tests.engine import networks

PLANTED = [
    PlantedFace(box=(40, 60, 72, 100), score=0.95),
    PlantedFace(box=(200, 30, 290, 150), score=0.8),
    PlantedFace(box=(330, 100, 560, 340), score=0.6),
    PlantedFace(box=(100, 200, 130, 240), score=0.3),
]


def theirs(folder: Path, model: bytes, image: Image, size: Any = (640, 640), kind: str = "SCRFD") -> tuple[Any, Any]:
    """What InsightFace's class finds: boxes (n, 5) with scores, points (n, 5, 2)."""
    zoo = networks.insightface()
    file = folder / "detector.onnx"
    file.write_bytes(model)
    detector = getattr(zoo, kind.lower() if kind != "SCRFD" else "scrfd")
    made = getattr(detector, kind)(str(file), session=None)
    made.prepare(0, input_size=size, det_thresh=0.5, nms_thresh=0.4)
    boxes, points = made.detect(image)
    order = np.lexsort((boxes[:, 0], -boxes[:, 4]))
    return boxes[order], points[order]


def noise(height: int, width: int, seed: int = 0) -> Image:
    """A picture with structure at every scale, on which the random networks find faces all over."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3), np.float64)
    for cells in (4, 16, 64):
        small = random.uniform(0, 255, (cells, cells, 3))
        picture += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture / 2 - 60, 0, 255).astype(np.uint8)


def compare(found: Any, boxes: Any, points: Any, image: Image, tolerance: float) -> None:
    """InsightFace lets boxes reach outside the picture, and boxes without an area."""
    height, width = image.shape[:2]
    clipped = np.clip(boxes[:, :4], 0, (width, height, width, height))
    sides = clipped[:, 2:] - clipped[:, :2]
    kept = (sides >= 1).all(axis=1)
    our_boxes, our_scores, our_points = networks.in_order(found)
    assert len(our_boxes) == kept.sum()
    assert our_scores == pytest.approx(boxes[kept, 4], abs=1e-6)
    assert np.abs(our_boxes - clipped[kept]).max() <= tolerance
    assert np.abs(our_points - points[kept]).max() <= tolerance


@pytest.mark.parametrize("strides", [3, 5])
@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_the_same_faces_as_insightface(tmp_path: Path, strides: int, batched: bool, fixed: bool) -> None:
    """Every layout of outputs, on a picture whose canvas is half its size, so that no rounding comes in."""
    model = random_detector(strides, size=640 if fixed else None, batched=batched, seed=strides)
    image = noise(720, 1280)
    boxes, points = theirs(tmp_path, model, image)
    assert 5 < len(boxes) < 2000
    detector = ScrfdDetector(networks.session(model), square=True, coarse=0)
    compare(detector.detect(image), boxes, points, image, 1e-3)


@pytest.mark.parametrize("shape", [(640, 640), (480, 640), (333, 517), (900, 411), (64, 700)])
def test_other_sizes_agree_within_the_rounding_of_theirs(tmp_path: Path, shape: tuple[int, int]) -> None:
    """InsightFace uses one scale for both axes, although both sides of the canvas are whole pixels."""
    model = random_detector(seed=5)
    image = noise(*shape)
    boxes, points = theirs(tmp_path, model, image)
    assert len(boxes) > 3
    detector = ScrfdDetector(networks.session(model), square=True, coarse=0, nms=1.0)
    everything = detector.detect(image)
    for box, five in zip(boxes, points, strict=True):
        clipped = np.clip(box[:4], 0, (shape[1], shape[0]) * 2)
        if (clipped[2:] - clipped[:2] < 1).any():
            continue
        apart = np.abs(everything.boxes - clipped).max(axis=1) + np.abs(everything.scores - box[4]) * 1000
        nearest = int(np.argmin(apart))
        tolerance = 1e-3 + max(shape) / (640 * min(1.0, min(shape) / max(shape)))
        assert apart[nearest] < tolerance
        assert np.abs(everything.points[nearest] - five).max() < 2 * tolerance


def test_a_coarse_pass_adds_what_insightface_finds_with_two_sizes(tmp_path: Path) -> None:
    """On a picture of 256 pixels, which the coarse pass halves and the fine one enlarges: no area averaging."""
    model = random_detector(seed=4)
    image = noise(256, 256)
    boxes, points = theirs(tmp_path, model, image, size=[(128, 128), (640, 640)])
    alone, _ = theirs(tmp_path, model, image)
    assert len(boxes) != len(alone)
    detector = ScrfdDetector(networks.session(model), square=True, largest=1e9)
    compare(detector.detect(image), boxes, points, image, 1e-3)


def test_planted_faces_are_found_as_retinaface_finds_them(tmp_path: Path) -> None:
    model = scrfd("500m", size=640, planted=PLANTED)
    image = noise(640, 640, 3)
    found = ScrfdDetector(networks.session(model)).detect(image)
    boxes, scores, points = networks.in_order(found)
    assert scores == pytest.approx([0.95, 0.8, 0.6], abs=0.01)
    for at, face in enumerate(PLANTED[:3]):
        assert np.abs(boxes[at] - face.box).max() < 0.5
        assert np.abs(points[at] - face.points()).max() < 0.5
    their_boxes, their_points = theirs(tmp_path, model, image, kind="RetinaFace")
    compare(found, their_boxes, their_points, image, 1e-3)


def test_a_tight_canvas_finds_what_a_square_one_finds_inside() -> None:
    """Before suppression every candidate of the smaller canvas is one of the larger; the rest lies in the black."""
    session = networks.session(random_detector(seed=2))
    image = noise(360, 640)
    tight = ScrfdDetector(session, coarse=0, nms=1.0).detect(image)
    square = ScrfdDetector(session, coarse=0, nms=1.0, square=True).detect(image)
    ours, others = (found.boxes[found.boxes[:, 3] < 300] for found in (tight, square))
    assert len(ours) > 20
    assert {tuple(row) for row in ours.tolist()} == {tuple(row) for row in others.tolist()}


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(0, 99), st.sampled_from([None, 1, 20, 60, 500]))
def test_boxes_are_inside_any_picture(height: int, width: int, seed: int, min_face: int | None) -> None:
    detector = ScrfdDetector(SMALL, limit=800)
    found = detector.detect(noise(height, width, seed), min_face=min_face)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= (width, height, width, height)).all()
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= max(1.0, 0.5 * (min_face or 0))).all()
    assert np.isfinite(found.points).all()
    assert (np.diff(found.scores) <= 0).all()


SMALL = networks.session(random_detector(seed=4))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 50))
def test_moving_the_picture_moves_the_faces(columns: int, rows: int, seed: int) -> None:
    """By whole cells of the coarsest stride, at scale 1 and away from the edges, the answer is the same."""
    x, y = 32 * columns, 32 * rows
    picture = np.zeros((512, 640, 3), np.uint8)
    moved = picture.copy()
    face = noise(160, 192, seed)
    picture[64:224, 96:288] = face
    moved[64 + y : 224 + y, 96 + x : 288 + x] = face
    detector = ScrfdDetector(SMALL, coarse=0)
    here, there = faces(detector, picture, 96, 64), faces(detector, moved, 96 + x, 64 + y)
    assert here == pytest.approx(there, abs=0.01)


def faces(detector: ScrfdDetector, picture: Image, left: int, top: int) -> Floats:
    """(n, 5) boxes well inside the patch at this place, relative to it, with scores, the best first."""
    found = detector.detect(picture)
    boxes = found.boxes - (left, top, left, top)
    inside = (boxes >= 0).all(axis=1) & (boxes[:, 2:] <= (192, 160)).all(axis=1)
    return np.column_stack([boxes[inside], found.scores[inside]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 3), (31, 33)])
def test_tiny_and_narrow_pictures(shape: tuple[int, int]) -> None:
    detector = ScrfdDetector(SMALL)
    for min_face in (None, 1, 24, 5000):
        found = detector.detect(np.full((*shape, 3), 200, np.uint8), min_face=min_face)
        assert (found.boxes[:, 2:] <= shape[::-1]).all()


def test_smaller_faces_ask_for_a_larger_canvas_and_never_for_more_than_the_limit() -> None:
    seen: list[tuple[int, ...]] = []

    class Watching(networks.Answers):
        def run(self, outputs: Any, feeds: Any, /) -> Any:
            seen.extend(array.shape for array in feeds.values())
            return super().run(outputs, feeds)

    detector = ScrfdDetector(Watching(SMALL, lambda array: array), limit=1000, coarse=0)
    image = noise(720, 1280)
    for min_face in (None, 80, 32, 16, 1):
        detector.detect(image, min_face=min_face)
    sides = [shape[3] for shape in seen]
    assert sides == [640, 256, 640, 1024, 1024]
    assert all(shape[2] % 32 == 0 and shape[3] % 32 == 0 for shape in seen)


def test_a_network_without_points_is_refused() -> None:
    for strides in (3, 5):
        session = networks.session(random_detector(strides, points=False))
        with pytest.raises(ModelError, match="kps"):
            ScrfdDetector(session).detect(noise(64, 64))


def test_a_network_of_another_kind_is_refused() -> None:
    with pytest.raises(ModelError, match="9 or 15 outputs, and has 1"):
        ScrfdDetector(networks.session(arcface("tiny"))).detect(noise(64, 64))


def test_outputs_of_the_wrong_shape_are_refused() -> None:
    session = networks.Answers(SMALL, lambda array: array[:-1])
    with pytest.raises(ModelError, match=r"'score_8' must be of shape \(12800, 1\).*\(12799, 1\)"):
        ScrfdDetector(session, square=True).detect(noise(640, 640))


def test_a_network_of_half_precision_finds_the_same() -> None:
    model = scrfd("500m", size=640, planted=PLANTED)
    image = noise(640, 640, 3)
    whole, half = (ScrfdDetector(networks.session(one)).detect(image) for one in (model, networks.half(model)))
    assert len(half) == len(whole) == 3
    assert np.abs(half.boxes - whole.boxes).max() < 0.5
    assert half.boxes.dtype == np.float32


@pytest.mark.parametrize("groups", [1, 4, 10])
def test_numbers_that_are_none_are_refused(groups: int) -> None:
    def spoilt(array: Any) -> Any:
        return np.full_like(array, np.nan) if array.shape[-1] == groups else array

    with pytest.raises(ModelError, match="no numbers"):
        ScrfdDetector(networks.Answers(SMALL, spoilt)).detect(noise(640, 640))


def test_planes_are_those_of_blob_from_images() -> None:
    pictures = np.stack([noise(50, 70, 1), noise(50, 70, 2)])
    for rgb, mean, std in ((True, 127.5, 128.0), (False, 0.0, 1.0), (True, 127.5, 127.5)):
        ours = planes(pictures, Normalisation(mean=mean, std=std, rgb=rgb))
        other = cv2.dnn.blobFromImages(list(pictures), 1 / std, (70, 50), (mean,) * 3, swapRB=rgb)
        assert np.abs(ours - other).max() < 1e-6 * max(1, 255 / std)


def test_the_same_from_many_threads() -> None:
    from concurrent.futures import ThreadPoolExecutor

    detector = ScrfdDetector(networks.session(random_detector(seed=1)))
    pictures = [noise(200 + 40 * at, 300, at) for at in range(6)]
    alone = [detector.detect(picture).boxes for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda at: detector.detect(pictures[at % 6]).boxes, range(36)))
    assert all(np.array_equal(boxes, alone[at % 6]) for at, boxes in enumerate(together))
