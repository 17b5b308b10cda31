"""The demo makes its own cameras, people and account, once."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from django.conf import LazySettings

from accounts.models import User
from accounts.tests.factories import UserFactory
from cameras.models import Camera
from cameras.services import source_of
from recognition.engine import Pack
from recognition.models import Person, Template, Watchlist
from workers import demo
from workers.sources import FileReader, capture_options

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def short_clips(monkeypatch: pytest.MonkeyPatch, settings: LazySettings, tmp_path: Path) -> None:
    """A few frames a second are enough here; they lie in a folder of the test's own."""
    monkeypatch.setattr(demo, "FPS", 2)
    settings.DATA_DIR = tmp_path


def prepared() -> list[str]:
    told: list[str] = []
    demo.prepare(told.append)
    return told


def test_it_makes_cameras_with_clips_and_enrols_people() -> None:
    told = prepared()
    assert set(Camera.objects.values_list("name", flat=True)) == {camera.name for camera in demo.CAMERAS}
    for camera in Camera.objects.all():
        reader = FileReader(source_of(camera), options=capture_options(camera))
        frame = reader.next(0)
        reader.close()
        assert frame is not None
        assert frame.image.shape == (demo.SIZE[1], demo.SIZE[0], 3)
        assert (camera.enabled, camera.loop) == (True, True)
        assert camera.latitude is not None
    assert set(Person.objects.values_list("name", flat=True)) == {person.name for person in demo.PEOPLE}
    assert Template.objects.count() == len(demo.PEOPLE)
    assert Watchlist.objects.count() == 2
    assert any("one-time password" in line for line in told)


def rows() -> list[list[dict[str, object]]]:
    return [
        [dict(row) for row in found.order_by("pk").values()]
        for found in (Camera.objects.all(), Person.objects.all(), Template.objects.all(), Watchlist.objects.all())
    ]


def test_a_second_start_changes_nothing() -> None:
    prepared()
    before = rows()
    prepared()
    assert rows() == before


def test_a_half_made_clip_of_a_killed_start_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "main-entrance.part.mp4").write_bytes(b"half a clip")
    prepared()
    assert cv2.VideoCapture(str(tmp_path / "demo" / "main-entrance.mp4")).isOpened()
    assert not list((tmp_path / "demo").glob("*.part.mp4"))


def test_the_password_is_told_until_somebody_used_it() -> None:
    first, second = prepared()[-1], prepared()[-1]
    assert "one-time password" in first
    assert "one-time password" in second
    assert first != second
    User.objects.filter(username="demo").update(last_login=UserFactory.create().date_joined)
    assert "one-time password" not in prepared()[-1]


def test_the_people_of_the_demo_appear_on_its_cameras(pack: Pack, tmp_path: Path) -> None:
    prepared()
    for path in sorted((tmp_path / "demo").glob("*.mp4")):
        capture = cv2.VideoCapture(str(path))
        faces = 0
        for _ in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT))):
            faces += len(pack.detect(capture.read()[1].astype("uint8")))
        assert faces >= 5, f"nobody is seen on {path.name}"


def test_without_the_pictures_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)
    with pytest.raises(demo.DemoError, match=r"which is not installed\. Run `make install`"):
        prepared()


def test_with_an_unknown_pack_it_says_what_to_do(settings: LazySettings) -> None:
    settings.MODEL_PACK = "nonsense"
    with pytest.raises(demo.DemoError, match=r"no model pack 'nonsense'.*Choose one of them"):
        prepared()
    settings.MODEL_PACK = "compact"
    prepared()
    assert Person.objects.count() == len(demo.PEOPLE)
