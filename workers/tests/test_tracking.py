"""Detections of one camera joined into tracks: by motion, then by appearance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recognition.engine import Embedding, FaceDetections
from workers.tracking import CUT_SECONDS, LOST_SECONDS, Floats, Look, Track, Tracker, Update, other_face

Box = tuple[float, float, float, float]


def vector(seed: int) -> Embedding:
    """An embedding far from that of every other seed."""
    found = np.zeros(16, np.float32)
    found[seed] = 1
    return found


def boxes(*rows: Box) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def detections(*rows: Box, score: float = 0.99) -> FaceDetections:
    count = len(rows)
    return FaceDetections(
        boxes=boxes(*rows),
        scores=np.full(count, score, np.float32),
        points=np.zeros((count, 5, 2), np.float32),
    )


def blind(at: int) -> Embedding | None:
    return None


def faces(*people: int) -> Look:
    """A look that sees these people in the detections, in their order."""
    return lambda at: vector(people[at])


class Scene:
    """Feeds a tracker frame by frame, as a loop does: a seen track learns the appearance of its detection."""

    def __init__(self) -> None:
        self.tracker = Tracker()
        self.ended: list[Track] = []

    def frame(self, t: float, *rows: Box, people: Sequence[int] = (), cut: bool = False) -> list[int]:
        """The number of the track that each detection belongs to."""
        look = faces(*people) if people else blind
        update = self.tracker.update(t, detections(*rows), look=look, cut=cut)
        for track, at in update.seen:
            if people:
                track.appearance = vector(people[at])
        self.ended += update.ended
        return numbers(update)


def numbers(update: Update) -> list[int]:
    return [track.number for track, _ in sorted(update.seen, key=lambda pair: pair[1])]


def test_a_face_that_walks_stays_one_track() -> None:
    scene = Scene()
    seen = {scene.frame(n * 0.2, (n * 12, 50, n * 12 + 40, 100))[0] for n in range(20)}
    assert seen == {1}
    assert not scene.ended


def test_velocity_carries_a_fast_face_over_missed_frames() -> None:
    scene = Scene()
    for n in range(8):
        scene.frame(n * 0.2, (n * 20, 50, n * 20 + 40, 100))
    # Two frames without a detection: where it was seen last and where it is now do not overlap at all.
    assert scene.frame(2.0, (200, 50, 240, 100)) == [1]


def test_two_faces_that_cross_keep_their_tracks() -> None:
    scene = Scene()
    for n in range(21):
        left, right = n * 10.0, 200 - n * 10.0
        rows: list[Box] = [(left, 50, left + 40, 100), (right, 80, right + 40, 130)]
        found = scene.frame(n * 0.1, *rows, people=(1, 2))
    assert found == [1, 2]
    assert [track.number for track in scene.tracker.tracks] == [1, 2]


def test_a_face_hidden_for_a_second_comes_back_as_the_same_track_by_its_appearance() -> None:
    scene = Scene()
    for n in range(3):
        scene.frame(n * 0.2, (10, 50, 50, 100), people=(1,))
    scene.frame(0.6)
    scene.frame(1.2)
    assert scene.frame(1.4, (300, 50, 340, 100), people=(1,)) == [1]


def test_somebody_else_who_appears_meanwhile_is_another_track() -> None:
    scene = Scene()
    for n in range(3):
        scene.frame(n * 0.2, (10, 50, 50, 100), people=(1,))
    assert scene.frame(1.4, (300, 50, 340, 100), people=(2,)) == [2]


def test_after_a_cut_only_appearance_counts() -> None:
    scene = Scene()
    here: Box = (10, 50, 50, 100)
    for n in range(3):
        scene.frame(n * 0.2, here, (200, 50, 240, 100), people=(1, 2))
    # The picture changes: another person stands exactly where the first was, and the first elsewhere.
    assert scene.frame(0.6, here, (100, 50, 140, 100), people=(3, 1), cut=True) == [3, 1]


def test_after_a_cut_a_face_that_nothing_is_known_of_starts_a_track() -> None:
    scene = Scene()
    for n in range(3):
        scene.frame(n * 0.2, (10, 50, 50, 100))
    assert scene.frame(0.6, (10, 50, 50, 100), cut=True) == [2]


def test_a_single_false_detection_opens_nothing() -> None:
    scene = Scene()
    scene.frame(0.0, (10, 50, 50, 100))
    assert not scene.tracker.tracks[0].confirmed
    scene.frame(0.5)
    scene.frame(1.2)
    assert scene.tracker.tracks == []
    assert scene.ended == []


@pytest.mark.parametrize(("score", "hits"), [(0.99, 2), (0.92, 4)])
def test_a_track_counts_when_it_was_seen_often_enough_for_its_scores(score: float, hits: int) -> None:
    tracker = Tracker()
    confirmed = []
    for n in range(5):
        tracker.update(n * 0.2, detections((10, 50, 50, 100), score=score), look=blind)
        confirmed.append(tracker.tracks[0].confirmed)
    assert confirmed.index(True) + 1 == hits


def test_a_track_ends_when_it_was_not_seen_for_too_long() -> None:
    scene = Scene()
    for n in range(3):
        scene.frame(n * 0.2, (10, 50, 50, 100))
    assert scene.tracker.expire(0.4 + LOST_SECONDS) == []
    assert [track.number for track in scene.tracker.expire(0.5 + LOST_SECONDS)] == [1]
    assert scene.tracker.tracks == []


def test_split_ends_a_track_and_starts_another_in_its_place() -> None:
    scene = Scene()
    here: Box = (10, 50, 50, 100)
    for n in range(3):
        scene.frame(n * 0.2, here)
    new = scene.tracker.split(scene.tracker.tracks[0], detections(here), 0, 0.6)
    assert (new.number, new.confirmed) == (2, False)
    assert scene.frame(0.8, here) == [2]
    assert new.confirmed


def test_at_the_end_only_tracks_that_counted_are_told() -> None:
    scene = Scene()
    scene.frame(0.0, (10, 50, 50, 100))
    scene.frame(0.2, (10, 50, 50, 100), (200, 50, 240, 100))
    assert [track.number for track in scene.tracker.drop_all()] == [1]
    assert scene.tracker.tracks == []


def walking(scene: Scene, x: float, *, until: float, speed: float = 100.0) -> None:
    """Person 1 goes to the right, 50 pixels a face, five times a second."""
    for n in range(round(until * 5)):
        scene.frame(n / 5, face(x + speed * n / 5), people=(1,))


def face(x: float, y: float = 100.0, side: float = 50.0) -> Box:
    return (x, y, x + side, y + side)


def test_motion_that_leaves_no_doubt_asks_for_no_look() -> None:
    tracker = Tracker()
    for n in range(10):
        rows = (face(n * 20), face(500 - n * 20, y=300))
        update = tracker.update(n * 0.2, detections(*rows), look=lambda at: pytest.fail("looked"))
    assert numbers(update) == [1, 2]


def test_a_face_so_fast_that_its_boxes_do_not_overlap_stays_one_track() -> None:
    scene = Scene()
    assert {scene.frame(n * 0.2, face(n * 90))[0] for n in range(8)} == {1}


def test_two_who_meet_and_turn_back_keep_their_tracks() -> None:
    scene = Scene()
    for n in range(21):
        near = 100 * abs(n - 10) / 5 + 20  # half of the distance, 40 at the nearest: the boxes overlap
        rows = (face(400 - near), face(400 + near, y=105))
        found = scene.frame(n * 0.2, *rows, people=(1, 2))
    assert found == [1, 2]


def test_who_is_hidden_by_another_does_not_give_up_the_track_to_that_one() -> None:
    scene = Scene()
    for n in range(16):
        left, right = face(n * 25), face(375 - n * 25)
        if 5 <= n <= 10:  # only the nearer one is found
            scene.frame(n * 0.2, right, people=(2,))
        else:
            found = scene.frame(n * 0.2, left, right, people=(1, 2))
    assert found == [1, 2]
    assert len(scene.tracker.tracks) == 2


def test_tracks_that_were_confused_in_a_crowd_get_back_their_faces_when_these_have_parted() -> None:
    scene = Scene()
    for n in range(5):
        scene.frame(n * 0.2, face(n * 20), face(160 - n * 20, y=103), people=(1, 2))
    # Side by side for a while, and nobody can be recognised: they turn round each other.
    for n in range(5, 8):
        scene.frame(n * 0.2, face(80 + n), face(84 - n, y=103))
    found = scene.frame(1.6, face(40), face(120), people=(1, 2))
    found = scene.frame(1.8, face(10), face(150), people=(1, 2))
    assert found == [1, 2]


def test_crowded_tracks_say_so_until_they_have_parted_for_a_while() -> None:
    scene = Scene()
    for n in range(4):
        scene.frame(n * 0.2, face(0), face(160 - 20 * n))
    assert not any(track.crowded for track in scene.tracker.tracks)
    for n in range(4, 7):
        scene.frame(n * 0.2, face(0), face(160 - 20 * n))
    assert all(track.crowded for track in scene.tracker.tracks)
    for n in range(7, 16):
        scene.frame(n * 0.2, face(0), face(40 + 20 * (n - 6)))
    assert not any(track.crowded for track in scene.tracker.tracks)


def test_a_face_hidden_for_two_seconds_goes_on_where_it_was_going() -> None:
    scene = Scene()
    walking(scene, 0, until=2.0)
    assert scene.frame(3.8, face(330), people=(1,)) == [1]


def test_a_face_hidden_for_two_seconds_comes_back_where_it_came_from() -> None:
    scene = Scene()
    walking(scene, 0, until=2.0)
    assert scene.frame(3.8, face(150), people=(1,)) == [1]


def test_somebody_else_who_comes_from_behind_the_same_pillar_is_another_track() -> None:
    scene = Scene()
    walking(scene, 0, until=2.0)
    assert scene.frame(3.4, face(330), people=(2,)) == [2]


@pytest.mark.parametrize("half", [(), (3,)], ids=["cannot be embedded", "looks like nobody"])
def test_half_a_face_that_comes_back_is_recognised_by_its_second_look(half: tuple[int, ...]) -> None:
    scene = Scene()
    walking(scene, 0, until=2.0)
    assert scene.frame(3.8, face(600), people=half) == [2]
    assert scene.frame(4.0, face(600), people=(1,)) == [1]
    assert [track.number for track in scene.tracker.tracks if track.confirmed] == [1]


def test_who_was_away_for_too_long_is_another_track_also_when_nothing_was_looked_at_meanwhile() -> None:
    scene = Scene()
    walking(scene, 0, until=1.0)
    assert scene.frame(0.8 + LOST_SECONDS + 0.1, face(100), people=(1,)) == [2]
    assert [track.number for track in scene.ended] == [1]


def test_after_a_cut_motion_counts_from_there_on() -> None:
    scene = Scene()
    walking(scene, 0, until=1.0)
    assert scene.frame(1.0, face(600), face(200, y=400), people=(1, 2), cut=True) == [1, 2]
    for n in range(1, 4):
        assert scene.frame(1.0 + n * 0.2, face(600 - n * 20), face(200 + n * 20, y=400)) == [1, 2]


def test_after_a_cut_a_track_that_is_not_seen_is_expected_nowhere() -> None:
    scene = Scene()
    walking(scene, 0, until=1.0)
    scene.frame(1.0, face(600), people=(2,), cut=True)
    # Just where the first person was going before the cut, but nothing is known of the face.
    assert scene.frame(1.2, face(120), face(600)) == [3, 2]


@pytest.mark.parametrize(("away", "number"), [(CUT_SECONDS - 0.1, 1), (CUT_SECONDS + 0.1, 2)])
def test_over_a_cut_only_those_go_on_who_were_in_view_before_it(away: float, number: int) -> None:
    scene = Scene()
    walking(scene, 0, until=1.0)
    assert scene.frame(0.8 + away, face(600), people=(1,), cut=True) == [number]
    assert len(scene.ended) == number - 1


@pytest.mark.parametrize(("alike", "number"), [(0.75, 1), (0.2, 2)])
def test_what_counts_as_alike_follows_the_packs_threshold(alike: float, number: int) -> None:
    tracker = Tracker(threshold=0.42)
    for n in range(3):
        update = tracker.update(n * 0.2, detections(face(0)), look=blind)
        update.seen[0][0].appearance = vector(1)
    look = np.float32(alike) * vector(1) + np.float32(np.sqrt(1 - alike**2)) * vector(2)
    assert numbers(tracker.update(1.6, detections(face(300)), look=lambda at: look)) == [number]


@pytest.mark.parametrize(("threshold", "other"), [(0.83755, 0.80), (0.42, 0.29)])
def test_a_look_at_somebody_else_lies_well_below_the_packs_threshold(threshold: float, other: float) -> None:
    assert other_face(threshold) == pytest.approx(other, abs=0.005)


@settings(deadline=None)
@given(
    scale=st.sampled_from([0.5, 1.0, 4.0]),
    speeds=st.lists(st.floats(-60, 60), min_size=1, max_size=4),
    fps=st.sampled_from([5.0, 10.0]),
)
def test_every_detection_gets_exactly_one_track_whatever_the_size_of_the_picture(
    scale: float, speeds: list[float], fps: float
) -> None:
    tracker = Tracker()
    found: list[list[int]] = []
    for n in range(6):
        rows = [
            face(scale * (300 + speed * n / fps), y=scale * 200 * place, side=scale * 50)
            for place, speed in enumerate(speeds)
        ]
        found.append(numbers(tracker.update(n / fps, detections(*rows), look=blind)))
    assert found == [list(range(1, len(speeds) + 1))] * 6
