"""Films of clips: whose face is hidden in which picture, and what comes out of the encoder."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence

import av
import cv2
import numpy as np
import pytest

from cameras.drops import Drop
from cameras.masks import Polygon
from cameras.tests.factories import NOON
from recognition.engine import Image, encode_jpeg
from workers import film
from workers.clips import Clip, Look, Still
from workers.film import NoEncoder, make

SIZE = (320, 180)
SUBJECT, OTHER = 1, 2
Boxes = dict[int, tuple[float, float, float, float]]
HERE = (0.1, 0.2, 0.25, 0.5)
THERE = (0.6, 0.2, 0.75, 0.5)


def stripes() -> Image:
    """A picture in which every place has detail that a mosaic takes away."""
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    return np.repeat((((rows // 2 + columns // 2) % 2) * 200 + 20)[:, :, None], 3, axis=2).astype(np.uint8)


def clip(*looks: tuple[float, Boxes], times: Sequence[float] = (0.0,), **changes: object) -> Clip:
    """A clip of `stripes`, and where faces were seen when. A negative number: that face was in doubt."""
    jpeg = encode_jpeg(stripes(), quality=95)
    values: dict[str, object] = {
        "camera": "Gate",
        "at": NOON,
        "track": SUBJECT,
        "alerts": (1,),
        "stills": tuple(Still(t=t, jpeg=jpeg) for t in times),
        "looks": tuple(_look(t, boxes) for t, boxes in looks),
        "ignored": [],
        "drops": Counter[Drop](),
    }
    return Clip(**(values | changes))  # type: ignore[arg-type]


def _look(t: float, boxes: Boxes) -> Look:
    return Look(
        t=t,
        numbers=np.array([abs(number) for number in boxes], np.int64),
        boxes=np.array(list(boxes.values()), np.float32).reshape(-1, 4),
        sure=np.array([number > 0 for number in boxes], bool),
    )


def shown(made: Clip, t: float) -> Image:
    """The picture of time t, before it is encoded."""
    return film._hidden(stripes(), t, made, film._courses(made.looks))


def is_clear(image: Image, box: tuple[float, float, float, float]) -> bool:
    """Whether all of the box is as it was."""
    part = film._within(np.array(box, np.float32), image)
    return bool((image[part] == stripes()[part]).all())


def is_hidden(image: Image, box: tuple[float, float, float, float]) -> bool:
    """Whether nothing in the box has its detail: neighbours differ there by 200."""
    part = image[film._within(np.array(box, np.float32), image)].astype(int)[:, :, 0]
    # A border of two blocks lies between two neighbours at most every few pixels.
    return float((np.abs(np.diff(part, axis=1)) > 100).mean()) < 0.02


def test_the_subject_stays_and_others_are_hidden() -> None:
    image = shown(clip((0.0, {SUBJECT: HERE, OTHER: THERE})), 0.0)
    assert is_clear(image, HERE)
    assert is_hidden(image, THERE)
    assert is_clear(image, (0.35, 0.0, 0.5, 1.0))  # neither's
    assert is_clear(image, (0.0, 0.85, 1.0, 1.0))


@pytest.mark.parametrize("t", [0.1, 0.5, 0.9])
def test_between_two_looks_a_face_is_hidden_wherever_it_may_be(t: float) -> None:
    away = (THERE[0] + 0.2, *THERE[1:2], THERE[2] + 0.2, THERE[3])
    image = shown(clip((0.0, {SUBJECT: HERE, OTHER: THERE}), (1.0, {SUBJECT: HERE, OTHER: away})), t)
    assert is_hidden(image, THERE)
    assert is_hidden(image, away)
    assert is_clear(image, HERE)


def test_the_subject_is_shown_where_it_is_between_two_looks() -> None:
    one, other = HERE, (HERE[0] + 0.3, HERE[1], HERE[2] + 0.3, HERE[3])
    moving = clip(
        (0.0, {SUBJECT: one, OTHER: (0.3, 0.2, 0.4, 0.4)}), (1.0, {SUBJECT: other, OTHER: (0.3, 0.2, 0.4, 0.4)})
    )
    image = shown(moving, 0.5)
    assert is_hidden(image, (0.3, 0.2, 0.4, 0.4))  # the other's face lies before the subject's
    assert is_clear(image, (0.25, 0.42, 0.4, 0.5))  # the rest of the subject's face


@pytest.mark.parametrize(
    ("t", "hidden"), [(0.2, False), (0.6, True), (1.9, True), (2.0, True), (3.4, True), (3.6, False)]
)
def test_before_its_first_look_and_after_its_last_a_face_is_hidden_for_a_while(t: float, hidden: bool) -> None:
    image = shown(clip((2.0, {OTHER: THERE}), times=(t,)), t)
    assert is_hidden(image, THERE) == hidden
    if not hidden:
        assert is_clear(image, THERE)


@pytest.mark.parametrize("t", [-1.0, -0.4, 1.4, 2.0])
def test_where_the_subject_is_not_known_every_face_is_hidden(t: float) -> None:
    steady = clip((0.0, {SUBJECT: HERE, OTHER: THERE}), (1.0, {SUBJECT: HERE, OTHER: THERE}))
    image = shown(steady, t)
    assert is_hidden(image, HERE)
    assert is_hidden(image, THERE)
    assert is_clear(shown(steady, 0.5), HERE)


@pytest.mark.parametrize("t", [0.2, 0.5, 0.8, 1.0])
def test_where_the_subject_may_be_somebody_else_it_is_hidden(t: float) -> None:
    looks: list[tuple[float, Boxes]] = [(0.0, {SUBJECT: HERE}), (0.5, {-SUBJECT: HERE}), (1.0, {-SUBJECT: HERE})]
    assert is_hidden(shown(clip(*looks), t), HERE)
    assert is_clear(shown(clip(*looks), 0.0), HERE)


def test_parts_in_which_no_face_is_looked_for_are_black() -> None:
    screen: Polygon = [[0.5, 0.0], [1.0, 0.0], [1.0, 0.5], [0.5, 0.5]]
    image = shown(clip((0.0, {SUBJECT: (0.4, 0.2, 0.6, 0.5)}), ignored=[screen]), 0.0)
    assert not image[:89, 161:].any()
    assert is_clear(image, (0.4, 0.2, 0.49, 0.5))


@pytest.mark.parametrize(
    "box", [(-0.2, -0.2, 0.05, 0.1), (0.95, 0.9, 1.4, 1.3), (1.2, 0.2, 1.4, 0.4), (0.5, 0.5, 0.5, 0.5)]
)
def test_faces_at_the_border_are_no_trouble(box: tuple[float, float, float, float]) -> None:
    image = shown(clip((0.0, {SUBJECT: HERE, OTHER: box})), 0.0)
    assert image.shape == (SIZE[1], SIZE[0], 3)
    assert is_clear(image, HERE)


# --- encoding --------------------------------------------------------------------------------------------------------


def times_of(data: bytes) -> list[float]:
    with av.open(io.BytesIO(data), "r") as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == SIZE
        assert not container.streams.audio
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def test_a_film_keeps_the_times_of_its_pictures_and_begins_to_play_at_once() -> None:
    times = (100.0, 100.25, 100.5, 101.6, 101.85)
    made = make(clip((100.0, {SUBJECT: HERE}), times=times))
    assert made.suffix == "mp4"
    assert times_of(made.data) == pytest.approx([t - 100 for t in times], abs=0.01)
    assert made.data.find(b"moov") < made.data.find(b"mdat")  # the index is in front


def test_pictures_of_another_size_and_damaged_ones_are_no_trouble() -> None:
    still = Still(t=0.0, jpeg=encode_jpeg(stripes()))
    larger = Still(t=0.5, jpeg=encode_jpeg(cv2.resize(stripes(), (200, 200)).astype(np.uint8)))
    made = make(clip(stills=(still, Still(t=0.25, jpeg=b"\xff\xd8 broken"), larger)))
    assert times_of(made.data) == pytest.approx([0, 0.5], abs=0.01)


@pytest.mark.parametrize(("there", "suffix"), [({"libvpx-vp9", "libvpx"}, "webm"), ({"libvpx"}, "webm")])
def test_another_ffmpeg_writes_webm(monkeypatch: pytest.MonkeyPatch, there: set[str], suffix: str) -> None:
    film._kind.cache_clear()
    monkeypatch.setattr(av, "codecs_available", there)
    try:
        made = make(clip((0.0, {SUBJECT: HERE}), times=(0.0, 0.25, 1.5)))
        assert made.suffix == suffix
        assert times_of(made.data) == pytest.approx([0, 0.25, 1.5], abs=0.01)
        film._kind.cache_clear()
        monkeypatch.setattr(av, "codecs_available", {"mjpeg"})
        with pytest.raises(NoEncoder, match="Install the package av as a wheel"):
            make(clip())
    finally:
        film._kind.cache_clear()
