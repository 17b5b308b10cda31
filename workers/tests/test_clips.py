"""Clips of alerts, from frames to the attachment: how long they are, who can be recognised in them, what they cost."""

from __future__ import annotations

import io
import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

import av
import numpy as np
import pytest

from alerts import attachments
from alerts.models import Alert, AlertStep, Attachment, StepKind
from cameras.drops import Drop
from cameras.models import Camera
from cameras.services import add_camera
from cameras.tests.factories import NOON
from recognition.engine import Image, Pack, similarity
from workers import clips
from workers.clips import EVERY_SECONDS, MOST_BYTES, RESTING_SECONDS, Clip, Clips
from workers.sightings import Watched
from workers.sources import Frame
from workers.studio import studio
from workers.tests.conftest import Enrol
from workers.tests.loops import loop_of
from workers.tests.scenes import ADA, EILEEN, ScriptedReader, Shot, portrait
from workers.tracking import Track


class Shelf:
    """Takes clips and does nothing with them."""

    def __init__(self) -> None:
        self.taken: list[Clip] = []

    def take(self, clip: Clip) -> None:
        self.taken.append(clip)


class Desk:
    """What is kept of a camera, without a loop."""

    def __init__(self, image: Image | None = None) -> None:
        self.shelf, self.drops = Shelf(), Counter[Drop]()
        self.clips = Clips(camera="Gate", ignored=[], drops=self.drops, taker=self.shelf)
        self.image = np.full((90, 160, 3), 90, np.uint8) if image is None else image

    def see(self, times: Iterable[float], *, rests: bool = False) -> Desk:
        for t in times:
            self.clips.keep(Frame.of(self.image, t=t, captured_at=NOON, received=t), rests=rests)
        return self


def watched(t: float, *, id_: uuid.UUID | None = None, number: int = 1) -> Watched:
    """A sighting that began at 0 and is decided at time t."""
    track = Track(number, np.zeros(4, np.float32), np.zeros((5, 2), np.float32), t, 0.99)
    seen = Watched(track, NOON, NOON + timedelta(seconds=t), id=id_ or uuid.uuid4())
    seen.decided_at = seen.moment(t)
    return seen


def seconds(begin: float, end: float, fps: float = 10.0) -> list[float]:
    return [begin + number / fps for number in range(round((end - begin) * fps))]


# --- what is kept ----------------------------------------------------------------------------------------------------


def test_a_clip_goes_from_ten_seconds_before_to_ten_after() -> None:
    desk = Desk().see(seconds(0, 30))
    desk.clips.begin(watched(29.5), [7])
    desk.see(seconds(30, 39.5))
    assert desk.shelf.taken == []
    desk.see(seconds(39.5, 41))
    (clip,) = desk.shelf.taken
    times = [still.t for still in clip.stills]
    assert times[0] == pytest.approx(19.5, abs=EVERY_SECONDS)
    assert times[-1] == pytest.approx(39.5, abs=EVERY_SECONDS)
    assert len(times) == pytest.approx(80, abs=3)
    assert np.diff(times).max() < 2 * EVERY_SECONDS
    assert (clip.alerts, clip.track, clip.at) == ((7,), 1, NOON + timedelta(seconds=29.5))


def test_alerts_of_one_sighting_share_a_clip_and_those_of_another_do_not() -> None:
    desk, one = Desk().see(seconds(0, 5)), uuid.uuid4()
    desk.clips.begin(watched(4, id_=one), [1, 2])
    desk.clips.begin(watched(4.5, number=2), [3])
    desk.see(seconds(5, 8))
    desk.clips.begin(watched(7.5, id_=one), [4])
    desk.see(seconds(8, 40))
    assert [(clip.alerts, clip.track) for clip in desk.shelf.taken] == [((1, 2, 4), 1), ((3,), 2)]
    desk.clips.begin(watched(39, id_=one), [5])  # the same sighting, much later
    desk.see(seconds(40, 50))
    assert [clip.alerts for clip in desk.shelf.taken] == [(1, 2, 4), (3,), (5,)]


def test_when_the_loop_ends_a_clip_is_shorter() -> None:
    desk = Desk().see(seconds(0, 3))
    desk.clips.begin(watched(2), [1])
    desk.clips.finish()
    (clip,) = desk.shelf.taken
    assert (clip.stills[0].t, clip.stills[-1].t) == pytest.approx((0, 2.8), abs=EVERY_SECONDS)
    assert desk.clips.bytes == 0


def test_a_camera_that_was_cut_off_does_not_hold_its_clip_back() -> None:
    desk = Desk().see(seconds(0, 5))
    desk.clips.begin(watched(4), [1])
    desk.clips.complete(13.9)
    assert desk.shelf.taken == []
    desk.clips.complete(14.1)
    assert desk.shelf.taken[0].stills[-1].t == pytest.approx(5, abs=2 * EVERY_SECONDS)


def test_an_alert_that_is_written_long_after_has_no_clip_and_that_is_counted() -> None:
    desk = Desk().see(seconds(0, 60))
    desk.clips.begin(watched(5), [1])
    desk.see(seconds(60, 61))
    assert desk.shelf.taken == []
    assert desk.drops == {Drop.CLIP_LOST: 1}


def test_memory_has_a_bound_in_time_and_in_bytes() -> None:
    desk = Desk()
    for t in seconds(0, 60):
        desk.see([t])
        if round(t * 10) % 10 == 0:
            desk.clips.begin(watched(t), [round(t)])
    kept = desk.clips._stills
    assert len(kept) <= 21.5 / EVERY_SECONDS
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), np.uint8)
    loud = Desk(noise)
    for t in seconds(0, 40, fps=4):
        loud.see([t])
        loud.clips.begin(watched(t), [1])
        assert loud.clips.bytes <= MOST_BYTES
        assert loud.clips.bytes == sum(len(still.jpeg) for still in loud.clips._stills)
    assert loud.clips.bytes > MOST_BYTES / 2


@pytest.mark.parametrize(
    ("size", "kept"),
    [((1080, 1920), (360, 640)), ((1200, 1600), (480, 640)), ((1921, 1081), (480, 270)), ((90, 161), (90, 160))],
)
def test_pictures_are_small_and_even(size: tuple[int, int], kept: tuple[int, int]) -> None:
    assert clips._small(np.zeros((*size, 3), np.uint8)).shape == (*kept, 3)


def test_where_nothing_moves_one_picture_a_second_is_enough_and_movement_wakes_it() -> None:
    desk = Desk().see(seconds(0, 8), rests=True)
    assert len(desk.clips._stills) == pytest.approx(8 / RESTING_SECONDS, abs=1)
    assert desk.clips.due_at == float("inf")
    desk.see(seconds(8, 10))
    assert len(desk.clips._stills) == pytest.approx(8 / RESTING_SECONDS + 2 / EVERY_SECONDS, abs=2)
    assert desk.clips.due_at - 9.9 <= EVERY_SECONDS


def test_looks_are_normalised_and_say_whose_face_is_in_doubt() -> None:
    desk = Desk()
    one, two, gone = (
        Track(number, np.array([16, 9, 32, 27], np.float32), np.zeros((5, 2), np.float32), t, 0.99)
        for number, t in ((1, 2.0), (2, 2.0), (3, 1.0))
    )
    frame = Frame.of(desk.image, t=2.0, captured_at=NOON, received=2.0)
    desk.clips.look(frame, [one, two, gone], {2})
    (look,) = desk.clips._looks
    assert look.numbers.tolist() == [1, 2]
    assert look.sure.tolist() == [True, False]
    assert look.boxes[0].tolist() == pytest.approx([0.1, 0.1, 0.2, 0.3])


# --- the whole way ---------------------------------------------------------------------------------------------------


def camera(*, clips: bool) -> Camera:
    return add_camera(actor=None, name="Door", source="rtsp://camera.example/1", clips=clips)


def decoded(data: bytes) -> list[tuple[float, Image]]:
    with av.open(io.BytesIO(data), "r") as container:
        return [
            (float(frame.time or 0), frame.to_ndarray(format="bgr24").astype(np.uint8))
            for frame in container.decode(video=0)
        ]


def likeness(pack: Pack, pictures: Sequence[Image], person: str) -> list[float]:
    """How much the face that resembles the person most does so, in each of the pictures."""
    reference = pack.analyse(portrait(person))[0].embedding
    return [
        max((similarity(face.embedding, reference) for face in pack.analyse(image, min_face=20)), default=-1.0)
        for image in pictures
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("at_once")
def test_from_frames_to_an_attachment_in_which_only_the_subject_can_be_recognised(pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    shots = (Shot(seconds=2), Shot(seconds=12, people=(EILEEN, ADA)), Shot(seconds=1))
    loop_of(camera(clips=True), ScriptedReader(shots)).run()
    assert studio().drain(60)
    row = Attachment.objects.get()
    alert = Alert.objects.get()
    assert (row.alert, row.media_type, row.added_by) == (alert, "video/mp4", None)
    assert row.name == f"Door {alert.captured_at:%Y-%m-%d %H.%M.%S} UTC.mp4"
    assert AlertStep.objects.get(kind=StepKind.ATTACHED).actor_name == "system"
    film = decoded(attachments.open_one(row).data)
    assert film[0][0] == 0
    assert film[-1][0] == pytest.approx(2.4 + 10, abs=0.5)  # decided within half a second of the appearance
    shown = [image for t, image in film if t > 3.0][::4]
    assert len(shown) >= 8
    assert min(likeness(pack, shown, EILEEN)) >= pack.threshold
    assert max(likeness(pack, shown, ADA)) < pack.threshold
    # Nor by whoever looks for the face where it was.
    (original,) = ScriptedReader((Shot(seconds=0.1, people=(EILEEN, ADA)),))._frames
    there = max(pack.analyse(original, embed=True), key=lambda face: float(face.box[0]))
    hidden = film[next(number for number, (t, _) in enumerate(film) if t >= 5)][1]
    assert similarity(pack.embed(hidden, there.points[None])[0], there.embedding) < pack.threshold
    # From the first picture on in which the bystander is seen.
    entering = [image for t, image in film if 1.0 <= t <= 3.0]
    assert max(likeness(pack, entering, ADA)) < pack.threshold


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("at_once")
def test_without_clips_nothing_is_kept(pack: Pack, enrolled: Enrol, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise AssertionError("a camera without clips keeps no pictures")

    for name in ("keep", "look", "begin", "__init__"):
        monkeypatch.setattr(Clips, name, fail)
    enrolled(EILEEN)
    loop_of(camera(clips=False), ScriptedReader((Shot(seconds=1.5, people=(EILEEN,)),))).run()
    assert Alert.objects.count() == 1
    assert not Attachment.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("at_once")
def test_a_loop_that_is_stopped_keeps_the_clip_so_far(pack: Pack, enrolled: Enrol) -> None:
    enrolled(EILEEN)
    stop = threading.Event()
    reader = ScriptedReader((Shot(seconds=9, people=(EILEEN,)),), at={2.0: stop.set})
    loop_of(camera(clips=True), reader, stop=stop).run()
    assert studio().drain(60)
    film = decoded(attachments.open_one(Attachment.objects.get()).data)
    assert film[-1][0] == pytest.approx(2.0, abs=0.3)
