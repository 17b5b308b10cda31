"""The live picture: boxes and names on it, whatever people are called."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from cameras.models import Verdict
from recognition.engine import Image
from workers.preview import WIDTH, Mark, draw


def picture(width: int = 1280, height: int = 720) -> Image:
    return np.full((height, width, 3), 90, np.uint8)


def decoded(jpeg: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(np.uint8)


def mark(text: str = "", box: tuple[float, float, float, float] = (400, 200, 600, 500)) -> Mark:
    return Mark(box=box, text=text, verdict=Verdict.KNOWN)


def test_the_frame_itself_is_not_drawn_on() -> None:
    for image in (picture(), picture(320, 240)):
        before = image.copy()
        draw(image, [mark("Ada", (10, 10, 90, 90))])
        assert (image == before).all()


def test_a_large_frame_is_made_small_and_a_small_one_stays() -> None:
    assert decoded(draw(picture(), [])).shape == (360, WIDTH, 3)
    assert decoded(draw(picture(320, 240), [])).shape == (240, 320, 3)


@pytest.mark.parametrize("size", [(1, 1), (4000, 1), (1, 4000), (3, 70_000)])
def test_pictures_of_any_shape_can_be_shown(size: tuple[int, int]) -> None:
    shown = decoded(draw(picture(*size), [mark("Ada")]))
    assert 1 <= shown.shape[0] <= 2 * WIDTH
    assert 1 <= shown.shape[1] <= WIDTH


def test_a_face_gets_its_box_in_the_small_picture() -> None:
    shown = decoded(draw(picture(), [mark()])).astype(int)
    changed = np.argwhere(np.abs(shown - 90).max(axis=2) > 60)
    assert changed.min(axis=0) == pytest.approx([100, 200], abs=3)
    assert changed.max(axis=0) == pytest.approx([250, 300], abs=3)


@pytest.mark.parametrize("name", ["Ada", "Zoë Łukasz", "😀", "日本", "x" * 500, "a\nb\u202e"])
def test_any_name_can_be_drawn(name: str) -> None:
    without, with_name = (decoded(draw(picture(), [mark(text)])).astype(int) for text in ("", name))
    assert np.abs(without - with_name).max() > 60


@pytest.mark.parametrize(
    "box",
    [
        (-50.0, -50.0, 40.0, 40.0),
        (100.0, -9000.0, 200.0, -8000.0),
        (100.0, 900.0, 200.0, 9000.0),
        (1200.0, 600.0, 1400.0, 800.0),
        (10.0, 10.0, 10.0, 10.0),
        (0.0, 0.0, 1280.0, 720.0),
    ],
)
def test_a_box_at_the_edge_can_be_drawn(box: tuple[float, float, float, float]) -> None:
    assert decoded(draw(picture(), [mark("Somebody", box)])).shape == (360, WIDTH, 3)
