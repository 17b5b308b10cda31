"""A face too poor to say anything is told to be one, and nobody is named; the second look is taken where it is set."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from pytest_django import Settings

from recognition import gallery, services
from recognition.engine import UNUSABLE, encode_jpeg
from recognition.tests.photos import astronaut, changed, upload

pytestmark = pytest.mark.django_db


def out_of_focus(data: bytes, deviation: float) -> bytes:
    """Blurred, and compressed until blocks show."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return encode_jpeg(np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8), quality=6)


@pytest.fixture(autouse=True)
def empty_gallery(settings: Settings) -> None:
    settings.GALLERY_POLL_SECONDS = 0
    gallery.forget()


def test_nobody_is_named_from_a_face_too_poor() -> None:
    services.enrol(actor=None, name="Eileen", photos=[upload(astronaut())])

    (poor,) = services.identify(actor=None, upload=upload(out_of_focus(astronaut(), 5)))
    assert poor.face.quality.score < UNUSABLE
    assert not poor.usable
    assert poor.match is None
    assert poor.candidates == ()
    (good,) = services.identify(actor=None, upload=upload(changed(astronaut())))
    assert good.usable
    assert good.match is not None


@pytest.mark.parametrize(("setting", "found"), [("off", 0), ("photos", 1), ("all", 1)])
def test_the_second_look_at_a_searched_photo(settings: Settings, setting: str, found: int) -> None:
    settings.SMALL_FACES = setting
    tiny = changed(astronaut(), scale=0.13, gain=1.0)
    assert len(services.identify(actor=None, upload=upload(tiny))) == found
