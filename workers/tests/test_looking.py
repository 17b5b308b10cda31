"""Looking only where it is worth it finds what looking everywhere finds, on real photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from recognition.engine import FaceDetections, Image, Pack, similarity
from recognition.tests.photos import crowd
from workers.looking import MIN_SIDE, NEARLY_ALL, Expected, Masks, Region, find, plan, whole

pytestmark = pytest.mark.django_db  # which pack is in use is in the database

# Two looks at one face, a few pixels apart: what the detector's own grain makes of it.
ALIKE = 0.95


@pytest.fixture(scope="module", params=[1.0, 0.6], ids=["large", "small"])
def photo(request: pytest.FixtureRequest) -> Image:
    image = cv2.imdecode(np.frombuffer(crowd(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    scale = float(request.param)
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)


def normalised(box: np.ndarray, image: Image, pad: float) -> tuple[float, float, float, float]:
    """A region around a face as the motion gate gives it."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (float(v) for v in box)
    side = max(x2 - x1, y2 - y1)
    left, top = max(0.0, x1 - pad * side), max(0.0, y1 - pad * side)
    right, bottom = min(float(width), x2 + pad * side), min(float(height), y2 + pad * side)
    return left / width, top / height, right / width, bottom / height


def nearest(found: FaceDetections, box: np.ndarray) -> int | None:
    """The face at the place of the box."""
    if not len(found):
        return None
    away = np.linalg.norm((found.boxes[:, :2] + found.boxes[:, 2:]) / 2 - (box[:2] + box[2:]) / 2, axis=1)
    at = int(away.argmin())
    return at if away[at] < 0.3 * (box[2:] - box[:2]).max() else None


def likeness(pack: Pack, image: Image, points: np.ndarray, others: np.ndarray) -> float:
    a, b = pack.embed(image, np.stack([points, others]))
    return similarity(a, b)


@pytest.mark.parametrize("pad", [0.3, 0.6, 1.0])
def test_searching_a_region_finds_the_faces_that_the_whole_frame_shows_there(
    pack: Pack, photo: Image, pad: float
) -> None:
    everywhere = find(photo, whole(photo), pack)
    assert len(everywhere) == 6
    alike = []
    for box, points in zip(everywhere.boxes, everywhere.points, strict=True):
        found = find(photo, plan(photo, search=[normalised(box, photo, pad)], follow=[]), pack)
        at = nearest(found, box)
        assert at is not None
        alike.append(likeness(pack, photo, points, found.points[at]))
    assert np.median(alike) > ALIKE
    assert min(alike) > 0.75  # never somebody else: six people of one photo are at 0.87 and less


@pytest.mark.parametrize("strayed", [0.0, 0.2, 0.4])
def test_a_face_that_is_followed_is_found_near_where_it_is_expected(pack: Pack, photo: Image, strayed: float) -> None:
    everywhere = find(photo, whole(photo), pack)
    alike = []
    for box, points in zip(everywhere.boxes, everywhere.points, strict=True):
        shift = np.float32(strayed * (box[2:] - box[:2]).max())
        expected = Expected(box=box + np.array([shift, -shift / 2, shift, -shift / 2], np.float32), unseen=0.0)
        found = find(photo, plan(photo, search=[], follow=[expected]), pack)
        at = nearest(found, box)
        assert at is not None
        alike.append(likeness(pack, photo, points, found.points[at]))
    assert np.median(alike) > ALIKE


def test_regions_together_find_each_face_once(pack: Pack, photo: Image) -> None:
    everywhere = find(photo, whole(photo), pack)
    regions = plan(
        photo,
        search=[normalised(box, photo, 0.3) for box in everywhere.boxes[:2]],
        follow=[Expected(box=box, unseen=0.0) for box in everywhere.boxes],
    )
    found = find(photo, regions, pack)
    assert len(found) == 6
    assert all(nearest(found, box) is not None for box in everywhere.boxes)


def test_a_face_that_a_regions_border_cuts_is_looked_at_again(pack: Pack, photo: Image) -> None:
    everywhere = find(photo, whole(photo), pack)
    for box in everywhere.boxes:
        x1, y1, x2, y2 = (int(v) for v in box)
        side = max(x2 - x1, y2 - y1)
        half = Region(box=(max(0, x1 - side), max(0, y1 - side), x2 - side // 8, y2 + side), min_face=32)
        found = find(photo, [half], pack)
        at = nearest(found, box)
        if at is not None:  # what is found of it is the whole face
            assert found.boxes[at, 2] > half.box[2]


def test_nothing_is_looked_at_where_nothing_is_to_be_seen(pack: Pack, photo: Image) -> None:
    assert plan(photo, search=[], follow=[]) == []
    assert len(find(photo, [], pack)) == 0
    outside = np.array([-300, 10, -200, 110], np.float32)
    assert plan(photo, search=[], follow=[Expected(box=outside, unseen=0.0)]) == []


def test_most_of_the_frame_is_looked_at_as_a_whole() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    assert plan(image, search=[(0.0, 0.0, NEARLY_ALL + 0.05, 1.0)], follow=[]) == whole(image)
    assert plan(image, search=[(0.0, 0.0, 0.35, 1.0), (0.4, 0.0, 0.75, 1.0)], follow=[]) == whole(image)
    small = plan(image, search=[(0.0, 0.0, NEARLY_ALL - 0.05, 1.0)], follow=[])
    assert [region.box for region in small] == [(0, 0, 704, 720)]


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.99, 0.99), (0.5, 0.5), (0.0, 0.99)])
def test_a_tiny_region_gets_room_inside_the_frame(place: tuple[float, float]) -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    x, y = place
    (region,) = plan(image, search=[(x, y, x + 0.01, y + 0.01)], follow=[])
    left, top, right, bottom = region.box
    assert 0 <= left <= x * 1280
    assert 0 <= top <= y * 720
    assert min(1280, (x + 0.01) * 1280) <= right <= 1280
    assert min(720, (y + 0.01) * 720) <= bottom <= 720
    assert right - left >= MIN_SIDE
    assert bottom - top >= MIN_SIDE


def test_a_frame_smaller_than_the_least_region_is_looked_at_as_it_is(pack: Pack) -> None:
    image = np.zeros((90, 120, 3), np.uint8)
    assert plan(image, search=[(0.2, 0.2, 0.3, 0.3)], follow=[]) == whole(image)
    assert len(find(image, whole(image), pack)) == 0


def test_regions_that_overlap_are_joined_until_none_do() -> None:
    image = np.zeros((2000, 2000, 3), np.uint8)
    chain = [(0.1, 0.1, 0.25, 0.25), (0.4, 0.1, 0.55, 0.25), (0.2, 0.2, 0.45, 0.3), (0.8, 0.8, 0.95, 0.95)]
    boxes = sorted(region.box for region in plan(image, search=chain, follow=[]))
    assert boxes == [(200, 200, 1101, 601), (1600, 1600, 1901, 1901)]


def test_who_is_inside_a_region_that_is_searched_is_not_looked_for_twice() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    inside = Expected(box=np.array([200, 200, 260, 260], np.float32), unseen=0.0)
    beside = Expected(box=np.array([900, 200, 960, 260], np.float32), unseen=0.0)
    regions = plan(image, search=[(0.1, 0.1, 0.4, 0.6)], follow=[inside, beside])
    assert [region.follows for region in regions] == [False, True]


def test_the_longer_a_face_was_not_seen_the_wider_it_is_looked_for() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    box = np.array([600, 300, 700, 400], np.float32)
    areas = [plan(image, search=[], follow=[Expected(box=box, unseen=t)])[0].area for t in (0.0, 0.5, 1.5)]
    assert areas == sorted(areas)
    assert areas[2] > 2 * areas[0]


def test_faces_in_a_mask_do_not_count() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    boxes = np.array([[0, 0, 20, 20], [150, 40, 170, 60], [100, 0, 120, 20]], np.float32)
    found = FaceDetections(boxes=boxes, scores=np.ones(3, np.float32), points=np.zeros((3, 5, 2), np.float32))
    masks = Masks([[[0.7, 0.3], [1.0, 0.3], [0.85, 0.9]], [[0.0, 0.0], [0.2, 0.0], [0.2, 0.4], [0.0, 0.4]]])
    left = masks.without(found, image)
    assert left.boxes.tolist() == [[100, 0, 120, 20]]
    assert Masks([]).without(found, image) is found
