"""The clips that benchmarks make: what is told of them is what they show; and the scores computed from that."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks import walks
from benchmarks.heads import package_people
from benchmarks.scores import Frame, Scores, iou, score
from benchmarks.stages import STAGES
from benchmarks.walks import Pillar, Shot, Stop, Walk
from recognition.engine import Pack
from recognition.engine.types import Floats

SIZE = (480, 270)
Box = tuple[float, float, float, float]


def across(person: str, seconds: float, *, y: float = 0.4, size: float = 0.35) -> Walk:
    return Walk(person=person, stops=(Stop(t=0, x=0.2, y=y, size=size), Stop(t=seconds, x=0.8, y=y, size=size)))


@pytest.mark.django_db
def test_the_truth_is_where_the_detector_finds_the_faces(tmp_path: Path, pack: Pack) -> None:
    shot = Shot(seconds=1, walks=(across("Eileen", 1.0),))
    clip = walks.render(tmp_path / "one.mp4", [shot], fps=10, size=SIZE)
    for number, picture in walks.pictures(clip, fps=5):
        (seen,) = clip.truth[number]
        found = pack.detect(picture, min_face=32)
        assert seen.visible > 0.95
        assert iou(found.boxes, np.array([seen.box], np.float32)).max() > 0.7


def test_a_pillar_hides_who_is_behind_it_and_a_nearer_face_one_that_is_further_away(tmp_path: Path) -> None:
    pillar = Pillar(left=0.35, right=0.65)
    far = across("Eileen", 1.0, size=0.3)
    near = Walk(person="Ben", stops=(Stop(t=0, x=0.2, y=0.4, size=0.5), Stop(t=1, x=0.2, y=0.4, size=0.5)))
    shot = Shot(seconds=1, walks=(near, far), pillars=(pillar,))
    clip = walks.render(tmp_path / "hidden.mp4", [shot], fps=10, size=SIZE)
    visible = [{seen.person: seen.visible for seen in frame} for frame in clip.truth]
    assert visible[0]["Eileen"] < 0.2  # behind Ben
    assert visible[5]["Eileen"] == 0.0  # behind the pillar
    assert visible[9]["Eileen"] > 0.8
    assert all(frame["Ben"] > 0.95 for frame in visible)


def test_a_clip_follows_from_its_seed_and_its_truth_is_kept_beside_it(tmp_path: Path) -> None:
    shots = [Shot(seconds=0.4, walks=(across("Ada", 0.4),)), Shot(seconds=0.3, background="brick.png")]
    clip = walks.render(tmp_path / "a.mp4", shots, fps=10, size=SIZE, seed=5)
    again = walks.render(tmp_path / "b.mp4", shots, fps=10, size=SIZE, seed=5)
    assert clip.cuts == (4,)
    assert (len(clip.truth), clip.seconds) == (7, 0.7)
    assert clip.truth == again.truth
    assert walks.load(clip.path) == clip
    first, second = ([picture for _, picture in walks.pictures(one)] for one in (clip, again))
    assert len(first) == 7
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_face_crosses_as_often_as_asked_and_nobody_is_there_in_between(tmp_path: Path) -> None:
    clip = walks.crossing(tmp_path / "c.mp4", seconds=6, fps=5, every=3, takes=1.6, people=["Ben", "Fay"], size=SIZE)
    seconds = [{seen.person for seen in frame if seen.visible > 0.5} for frame in clip.truth]
    changes = [people for at, people in enumerate(seconds) if at == 0 or people != seconds[at - 1]]
    assert changes == [set(), {"Ben"}, set(), {"Fay"}, set()]


def test_nobody_walks_without_a_head(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Zoe"):
        walks.render(tmp_path / "x.mp4", [Shot(seconds=0.2, walks=(across("Zoe", 0.2),))], size=SIZE)


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_stage_follows_from_its_seed_and_can_be_walked(stage: str) -> None:
    names = [head.name for head in package_people()]
    shots = STAGES[stage](names, seed=4)
    assert shots == STAGES[stage](names, seed=4)
    assert shots != STAGES[stage](names, seed=5)
    for shot in shots:
        for walk in shot.walks:
            times = [stop.t for stop in walk.stops]
            assert times == sorted(set(times))
            assert walk.person in names


# --- scores ----------------------------------------------------------------------------------------------------------

HERE, THERE = (0.0, 0.0, 10.0, 10.0), (100.0, 0.0, 110.0, 10.0)


def boxes(*rows: Box) -> Floats:
    return np.array(rows, np.float32).reshape(-1, 4)


def frame(truth: dict[int, Box], tracks: dict[int, Box], hidden: Sequence[int] = ()) -> Frame:
    return Frame(
        identities=tuple(truth),
        boxes=boxes(*truth.values()),
        asked=tuple(identity not in hidden for identity in truth),
        tracks=tuple(tracks),
        track_boxes=boxes(*tracks.values()),
    )


def test_tracks_that_are_right_score_one() -> None:
    found = score([frame({1: HERE, 2: THERE}, {7: HERE, 9: THERE})] * 5)
    assert found == Scores(faces=10, id_true=10, id_tracks=10)
    assert (found.mota, found.idf1) == (1.0, 1.0)


def test_an_exchange_of_two_tracks_is_two_switches_and_costs_the_identity_of_the_shorter_part() -> None:
    before, after = frame({1: HERE, 2: THERE}, {7: HERE, 9: THERE}), frame({1: HERE, 2: THERE}, {9: HERE, 7: THERE})
    found = score([before] * 6 + [after] * 4)
    assert (found.switches, found.misses, found.false, found.fragments) == (2, 0, 0, 0)
    assert found.mota == pytest.approx(1 - 2 / 20)
    assert found.idf1 == pytest.approx(2 * 12 / (20 + 20))


def test_a_track_that_pauses_is_a_fragment_and_a_new_number_after_it_a_switch_as_well() -> None:
    seen, missed, other = frame({1: HERE}, {7: HERE}), frame({1: HERE}, {}), frame({1: HERE}, {8: HERE})
    assert score([seen, missed, seen]) == Scores(faces=3, misses=1, fragments=1, id_true=2, id_tracks=2)
    assert score([seen, missed, other]) == Scores(faces=3, misses=1, fragments=1, switches=1, id_true=1, id_tracks=2)


def test_a_track_of_nothing_is_false_and_one_too_far_off_is_both_false_and_a_miss() -> None:
    assert score([frame({}, {7: HERE})]) == Scores(false=1, id_tracks=1)
    found = score([frame({1: HERE}, {7: (6.0, 0.0, 16.0, 10.0)})])
    assert found == Scores(faces=1, misses=1, false=1, id_tracks=1)
    assert found.mota == -1.0


def test_a_face_that_can_hardly_be_seen_is_neither_asked_for_nor_held_against_a_track() -> None:
    assert score([frame({1: HERE}, {7: HERE}, hidden=[1])]) == Scores()
    assert score([frame({1: HERE}, {}, hidden=[1])]) == Scores()


def test_a_hidden_face_has_no_right_to_the_track_of_the_one_before_it() -> None:
    moved = (1.0, 0.0, 11.0, 10.0)
    found = score([frame({1: HERE, 2: moved}, {7: HERE}, hidden=[1])] * 3)
    assert found == Scores(faces=3, id_true=3, id_tracks=3)


@pytest.mark.parametrize(
    ("a", "b", "share"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),  # the same
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),  # half of each
        ((0, 0, 10, 10), (0, 0, 5, 5), 0.25),  # one inside the other
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),  # touching
        ((0, 0, 10, 10), (30, 30, 40, 40), 0.0),  # apart
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),  # no area at all
    ],
)
def test_iou_of_two_boxes(a: Box, b: Box, share: float) -> None:
    assert iou(boxes(a), boxes(b))[0, 0] == pytest.approx(share)


def test_iou_compares_every_pair() -> None:
    assert iou(boxes((0, 0, 1, 1), (2, 2, 3, 3)), boxes((0, 0, 1, 1))).shape == (2, 1)
    assert iou(boxes(), boxes((0, 0, 1, 1))).shape == (0, 1)


@st.composite
def random_boxes(draw: st.DrawFn) -> Floats:
    corners = draw(arrays(np.float32, (draw(st.integers(1, 5)), 4), elements=st.floats(0, 500, width=32)))
    low, high = np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])
    return np.concatenate([low, high + 1], axis=1)


@given(a=random_boxes(), b=random_boxes())
def test_iou_is_a_share_symmetric_and_one_for_itself(a: Floats, b: Floats) -> None:
    shares = iou(a, b)
    assert (shares >= 0).all()
    assert (shares <= 1 + 1e-5).all()
    np.testing.assert_allclose(shares, iou(b, a).T, rtol=1e-5)
    np.testing.assert_allclose(np.diag(iou(a, a)), 1, rtol=1e-5)
