"""Every frame spent where it matters: less work, and the same people seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import cv2
import numpy as np
import pytest

from alerts.models import Alert
from alerts.reporting import report_sighting
from cameras.drops import Drop
from cameras.leases import release_leases
from cameras.models import Camera, Sighting, Verdict
from cameras.services import add_camera
from cameras.video.types import Picture
from recognition.engine import Image, Pack
from workers import camera_loop, sightings
from workers.camera_loop import REST_SECONDS, CameraLoop, Shared
from workers.looking import Region, find
from workers.scribe import Scribe
from workers.sources import Frame
from workers.tests import scenes
from workers.tests.conftest import Enrol
from workers.tests.loops import ReporterAtOnce, hold, loop_of, shared
from workers.tests.scenes import ADA, BEN, EILEEN, ScriptedReader, Shot
from workers.turns import Turns

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("at_once")]


@pytest.fixture
def camera() -> Camera:
    return add_camera(actor=None, name="Door", source="rtsp://camera.example/1")


@pytest.fixture
def pixels(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pixels the detector is given at each call."""
    given: list[int] = []
    detect = Pack.detect

    def counted(pack: Pack, image: Image, **options: Any) -> Any:
        given.append(image.shape[0] * image.shape[1])
        return detect(pack, image, **options)

    monkeypatch.setattr(Pack, "detect", counted)
    return given


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many faces are embedded at each call."""
    given: list[int] = []
    embed = Pack.embed

    def counted(pack: Pack, image: Image, points: Any) -> Any:
        given.append(len(points))
        return embed(pack, image, points)

    monkeypatch.setattr(Pack, "embed", counted)
    return given


def seen() -> list[tuple[Verdict, str]]:
    rows = Sighting.objects.order_by("first_seen", "track")
    return sorted((Verdict(row.verdict), row.person.name if row.person else "") for row in rows)


SCENE = (
    Shot(seconds=2),
    Shot(seconds=2, people=(EILEEN,)),
    Shot(seconds=3),
    Shot(seconds=2, people=(ADA, EILEEN)),
    Shot(seconds=3),
    Shot(seconds=2, people=(BEN,)),
    Shot(seconds=8),
)


def test_with_the_gate_the_same_people_are_seen_for_a_fraction_of_the_work(
    camera: Camera, pack: Pack, enrolled: Enrol, pixels: list[int], embedded: list[int]
) -> None:
    enrolled(EILEEN)
    enrolled(BEN)
    pixels.clear()
    embedded.clear()
    holding = hold(camera)
    loop_of(camera, ScriptedReader(SCENE), holding=holding, gating=False).run()
    everything, plain_pixels = seen(), sum(pixels)
    assert everything == [(Verdict.KNOWN, BEN), (Verdict.KNOWN, EILEEN), (Verdict.KNOWN, EILEEN), (Verdict.UNKNOWN, "")]
    Sighting.objects.all().delete()
    release_leases([holding.lease])
    pixels.clear()
    embedded.clear()
    loop_of(camera, ScriptedReader(SCENE)).run()
    assert seen() == everything
    assert sum(pixels) < 0.6 * plain_pixels  # though these faces fill half of the picture
    # Four tracks: each needs a few looks to be decided, not one for each of its ten frames.
    assert sum(embedded) <= 4 * 7


def test_all_faces_of_a_frame_are_embedded_at_once(camera: Camera, pack: Pack, embedded: list[int]) -> None:
    loop_of(camera, ScriptedReader([Shot(seconds=1, people=(EILEEN, ADA))])).run()
    assert 2 in embedded


def test_who_stands_where_the_mask_is_does_not_count(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    camera.masks = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]
    loop_of(camera, ScriptedReader([Shot(seconds=2, people=(EILEEN, ADA)), Shot(seconds=3)])).run()
    assert seen() == [(Verdict.UNKNOWN, "")]  # Eileen stands on the left
    assert not Alert.objects.exists()


class JumpingClock(ScriptedReader):
    """The machine's clock is set, by an hour, while somebody is in view."""

    def __init__(self, shots: Sequence[Shot], hours: float) -> None:
        super().__init__(shots)
        self._hours = hours

    def next(self, timeout: float) -> Frame | None:
        frame = super().next(timeout)
        if frame is None or frame.t < 1.0:
            return frame
        return replace(frame, captured_at=frame.captured_at + timedelta(hours=self._hours))


@pytest.mark.parametrize("hours", [-1.0, 1.0])
def test_a_clock_that_is_set_makes_no_sighting_negative_or_hours_long(
    camera: Camera, pack: Pack, enrolled: Enrol, hours: float
) -> None:
    enrolled(EILEEN)
    loop_of(camera, JumpingClock([Shot(seconds=2, people=(EILEEN,)), Shot(seconds=3)], hours)).run()
    row = Sighting.objects.get()
    assert 1.5 <= (row.last_seen - row.first_seen).total_seconds() <= 2
    assert row.first_seen <= Alert.objects.get().captured_at <= row.last_seen


def test_a_scene_without_motion_lets_the_reader_rest_until_something_moves(
    camera: Camera, pack: Pack, pixels: list[int]
) -> None:
    reader = ScriptedReader([Shot(seconds=REST_SECONDS + 3), Shot(seconds=0.5, people=(EILEEN,))])
    rested: list[bool] = []
    reader.at = {
        REST_SECONDS / 2: lambda: rested.append(reader.is_resting),
        REST_SECONDS + 2: lambda: rested.append(reader.is_resting),
    }
    loop_of(camera, reader).run()
    assert rested == [False, True]
    assert not reader.is_resting
    assert pixels.count(scenes.SIZE[0] * scenes.SIZE[1]) <= 2  # the whole frame: once at first, once for who came


def test_who_went_away_keeps_no_camera_awake(camera: Camera, pack: Pack) -> None:
    rested: list[bool] = []
    reader = ScriptedReader([Shot(seconds=2, people=(EILEEN,)), Shot(seconds=6)])
    reader.at = {1.9: lambda: rested.append(reader.is_resting), 4.5: lambda: rested.append(reader.is_resting)}
    loop = loop_of(camera, reader)
    while len(rested) < 2:
        loop.step()
    assert rested == [False, True]
    assert loop._following.tracks  # she may come back


def test_who_stands_still_keeps_the_camera_awake(camera: Camera, pack: Pack) -> None:
    class Still(ScriptedReader):
        """Nothing moves after the first picture."""

        kept: Image | None = None

        def next(self, timeout: float) -> Frame | None:
            frame = super().next(timeout)
            if frame is None:
                return None
            self.kept = frame.image if self.kept is None else self.kept
            return Frame.of(self.kept, t=frame.t, captured_at=frame.captured_at, received=frame.received)

    reader = Still([Shot(seconds=8, people=(EILEEN,))])
    rested: list[bool] = []
    reader.at = {second: lambda: rested.append(reader.is_resting) for second in (2.0, 4.0, 6.0, 7.9)}
    loop_of(camera, reader).run()
    assert rested == [False] * 4


class Busy(ScriptedReader):
    """Beside the people something without a face moves all the time."""

    def next(self, timeout: float) -> Frame | None:
        frame = super().next(timeout)
        if frame is None:
            return None
        image, left = frame.image.copy(), 430 + round(12 * np.sin(5 * frame.t))
        image[90:250, left : left + 30] = (30, 200, 90)
        return Frame.of(image, t=frame.t, captured_at=frame.captured_at, received=frame.received)


def test_what_moves_beside_a_face_without_showing_one_is_searched_less_often(
    camera: Camera, pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    searches: list[float] = []
    looks: list[float] = []

    def spied(image: Image, regions: Sequence[Region], *rest: Any, **options: Any) -> Any:
        assert loop._last is not None
        looks.append(loop._last.t)
        searches.extend(looks[-1:] if any(not region.follows for region in regions) else [])
        return find(image, regions, *rest, **options)

    monkeypatch.setattr(camera_loop, "find", spied)
    loop = loop_of(camera, Busy([Shot(seconds=1), Shot(seconds=7, people=(EILEEN,))]))
    loop.run()
    later = [t for t in searches if t >= 3]
    assert 4 <= len(later) <= 11  # twice a second and not at each of five looks
    assert len([t for t in looks if t >= 3]) >= 12


def test_who_comes_beside_somebody_who_is_followed_is_seen_within_a_second(
    camera: Camera, pack: Pack, enrolled: Enrol
) -> None:
    enrolled(BEN)
    shots = [Shot(seconds=4, people=(EILEEN,)), Shot(seconds=2, people=(EILEEN, BEN)), Shot(seconds=4)]
    began: list[float] = []
    reader = ScriptedReader(shots)
    reader.at = {4.0: lambda: began.append(reader.began.timestamp() + 4.0)}
    loop_of(camera, reader).run()
    row = Sighting.objects.get(person__name=BEN)
    assert row.first_seen.timestamp() - began[0] <= 0.7


class Pair(ScriptedReader):
    """A camera with two streams: what is looked at is small, and the second one shows the same four times as large."""

    def __init__(self, shots: Sequence[Shot], *, with_detail: bool) -> None:
        super().__init__(shots)
        self._large: dict[float, Image] = {}
        self.asked: list[bool] = []
        self.detail = self if with_detail else None
        self.size = (240, 135)

    def next(self, timeout: float) -> Frame | None:
        frame = super().next(timeout)
        if frame is None:
            return None
        large = cv2.resize(frame.image, (960, 540), interpolation=cv2.INTER_CUBIC)
        self._large = {frame.received: large.astype(np.uint8)}
        small = cv2.resize(frame.image, self.size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        return Frame.of(small, t=frame.t, captured_at=frame.captured_at, received=frame.received)

    def want(self, on: bool) -> None:
        self.asked.append(on)

    def near(self, received: float) -> Picture | None:
        image = self._large.get(received)
        return Picture.of(image) if image is not None else None


def test_a_small_face_is_recognised_from_the_second_stream(camera: Camera, pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    found: dict[bool, Sighting] = {}
    for with_detail in (False, True):
        holding = hold(camera)
        reader = Pair([Shot(seconds=2, people=(EILEEN, ADA)), Shot(seconds=3)], with_detail=with_detail)
        loop_of(camera, reader, holding=holding).run()
        release_leases([holding.lease])
        rows = Sighting.objects.order_by("-similarity")
        found[with_detail] = rows[0]
        if with_detail:
            assert reader.asked[0] is True  # as soon as there is somebody
            assert reader.asked[-1] is False  # and not for longer than that
            assert seen() == [(Verdict.KNOWN, EILEEN), (Verdict.UNKNOWN, "")]
        Sighting.objects.all().delete()
    without, with_it = found[False], found[True]
    assert with_it.similarity is not None
    assert without.similarity is None or with_it.similarity > without.similarity + 0.02
    assert with_it.quality > without.quality + 0.1


def test_while_the_database_hangs_the_loop_goes_on_and_all_it_saw_is_written_after(
    camera: Camera, pack: Pack, enrolled: Enrol, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolled(EILEEN)
    answers = threading.Event()

    def hanging(**kwargs: Any) -> Any:
        assert answers.wait(120)
        return report_sighting(**kwargs)

    monkeypatch.setattr(sightings, "report_sighting", hanging)
    reader = ScriptedReader(SCENE[:5], at={11.5: answers.set})  # it answers when everybody is gone again
    together = Shared(turns=Turns(1), reporter=ReporterAtOnce(), scribe=Scribe())
    loop_of(camera, reader, together=together).run()
    assert seen() == [(Verdict.KNOWN, EILEEN), (Verdict.KNOWN, EILEEN), (Verdict.UNKNOWN, "")]
    assert not Sighting.objects.filter(is_open=True).exists()
    assert Alert.objects.count() == 1


class Hasty(ScriptedReader):
    """A live camera: while the loop is busy, frames come that it does not see."""

    between = 0

    def next(self, timeout: float) -> Frame | None:
        frame = None
        for _ in range(self.between + 1):
            frame = super().next(timeout)
        return frame


@pytest.mark.parametrize(("waited", "reason"), [(0.0, Drop.STILL_BUSY), (9.0, Drop.NO_TURN)])
def test_looks_that_the_rate_asked_for_and_that_did_not_take_place_are_counted_by_reason(
    camera: Camera, pack: Pack, waited: float, reason: Drop
) -> None:
    reader = Hasty([Shot(seconds=6)])
    loop = loop_of(camera, reader)
    for _ in range(6):
        loop.step()
    assert loop._pace.missed == 0
    reader.between = 9  # one second without a look, at five a second
    loop._waited = waited
    loop.step()
    assert loop._pace.missed == 4
    assert loop._drops[reason] == 4
    assert loop._pace.wanted == 3 + 5


def test_what_a_resting_reader_leaves_out_was_not_missed(camera: Camera, pack: Pack) -> None:
    reader = Hasty([Shot(seconds=REST_SECONDS + 12)])
    loop = loop_of(camera, reader)
    while not reader.is_resting:
        loop.step()
    reader.between = 19  # key pictures only, one every two seconds
    for _ in range(4):
        loop.step()
    assert loop._pace.missed == 0


def test_a_busy_machine_lowers_the_rate_and_the_status_says_so(camera: Camera, pack: Pack) -> None:
    class Short(Turns):
        share = 0.5

    reporter = ReporterAtOnce()
    loop = loop_of(camera, ScriptedReader([Shot(seconds=4)]), together=shared(turns=Short(1), reporter=reporter))
    looks = steps(loop, lambda: loop._pace.wanted)
    assert looks == pytest.approx(10, abs=2)
    assert reporter._statuses[camera.pk].fps_wanted == 2.5


def steps(loop: CameraLoop, count: Callable[[], int]) -> int:
    while loop.step():
        loop._showing._said_at = float("-inf")
    return count()
