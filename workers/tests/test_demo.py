"""The demo makes its own cameras, people and account, once."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import pytest
from django.conf import LazySettings

from accounts.models import User
from accounts.tests.factories import UserFactory
from cameras.models import Camera, CameraPlace, Route, SitePlan
from cameras.services import change_camera, remove_camera, source_of
from recognition.engine import Pack
from recognition.models import Person, Template, Watchlist
from workers import demo
from workers.demo_film import PASSAGE_SECONDS, SECONDS, SIZE, WALKERS
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
        assert frame.image.shape == (SIZE[1], SIZE[0], 3)
        assert (camera.enabled, camera.loop) == (True, True)
        assert camera.latitude is not None
    assert set(Person.objects.values_list("name", flat=True)) == {person.name for person in demo.PEOPLE}
    assert Template.objects.count() == len(demo.PEOPLE)
    assert Watchlist.objects.count() == 2
    plan = SitePlan.objects.get()
    assert (plan.name, CameraPlace.objects.filter(plan=plan).count()) == (demo.PLAN, len(demo.CAMERAS))
    assert plan.metres_wide is not None
    assert Route.objects.count() == len(demo.ROUTES)
    assert any("one-time password" in line for line in told)


def rows() -> list[list[dict[str, object]]]:
    kinds = (Camera, Person, Template, Watchlist, SitePlan, CameraPlace, Route)
    return [[dict(row) for row in kind._default_manager.order_by("pk").values()] for kind in kinds]


def test_a_second_start_changes_nothing() -> None:
    prepared()
    before = rows()
    prepared()
    assert rows() == before


def test_a_half_made_clip_of_a_killed_start_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / f"main-entrance-{demo.CLIPS}.part.mp4").write_bytes(b"half a clip")
    prepared()
    assert cv2.VideoCapture(str(tmp_path / "demo" / f"main-entrance-{demo.CLIPS}.mp4")).isOpened()
    assert not list((tmp_path / "demo").glob("*.part.mp4"))


def test_a_demo_that_an_earlier_version_made_gets_the_new_clips(tmp_path: Path) -> None:
    prepared()
    old, own = tmp_path / "demo" / "car-park.mp4", tmp_path / "own.mp4"
    for path in (old, own):
        path.write_bytes(b"a clip")
    park, platform = Camera.objects.get(name="Car park"), Camera.objects.get(name="Platform 2")
    change_camera(actor=None, camera=park, source=str(old))
    change_camera(actor=None, camera=platform, source=str(own))
    for model in (SitePlan, Route):
        model._default_manager.all().delete()
    remove_camera(actor=None, camera=Camera.objects.get(name="Ticket hall"))
    prepared()
    assert Camera.objects.get(name="Car park").address == str(tmp_path / "demo" / f"car-park-{demo.CLIPS}.mp4")
    assert not old.exists()
    assert Camera.objects.get(name="Platform 2").address == str(own), "what somebody chose stays"
    assert own.exists()
    assert Camera.objects.get(pk=park.pk).plan_place.plan.name == demo.PLAN
    assert Route.objects.count() == len(demo.ROUTES)


def test_everybody_is_at_one_camera_at_a_time() -> None:
    """And gets from one to the next no faster than the routes say, over the end of the clips as well."""
    seen: dict[str, list[tuple[float, str]]] = {}
    for camera in demo.CAMERAS:
        for passage in camera.scene.passages:
            assert passage.at + PASSAGE_SECONDS <= SECONDS
            seen.setdefault(passage.who, []).append((passage.at, camera.name))
    assert set(seen) == set(WALKERS)
    for who, found in seen.items():
        found.sort()
        for (before, _), (after, _) in pairwise([*found, (found[0][0] + SECONDS, found[0][1])]):
            assert after - before - PASSAGE_SECONDS >= 5, who
        assert len({name for _, name in found}) >= 3, who


def test_the_password_is_told_until_somebody_used_it() -> None:
    first, second = prepared()[-1], prepared()[-1]
    assert "one-time password" in first
    assert "one-time password" in second
    assert first != second
    User.objects.filter(username="demo").update(last_login=UserFactory.create().date_joined)
    assert "one-time password" not in prepared()[-1]


def test_one_face_is_seen_in_the_middle_of_every_passage(pack: Pack, tmp_path: Path) -> None:
    prepared()
    for camera in demo.CAMERAS:
        capture = cv2.VideoCapture(str(tmp_path / "demo" / demo.clip_name(camera)))
        pictures = [capture.read()[1] for _ in range(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))]
        assert len(pictures) == SECONDS * demo.FPS
        for passage in camera.scene.passages:
            picture = pictures[int((passage.at + PASSAGE_SECONDS / 2) * demo.FPS)]
            assert len(pack.detect(picture.astype("uint8"))) == 1, f"{passage.who} at {camera.name}"


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
