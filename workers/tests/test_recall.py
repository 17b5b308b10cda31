"""The benchmark that tells what regions and rates lose: it counts right, and its loop is the camera's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.followed import snapshot
from benchmarks.looped import loop_over
from benchmarks.recall import Appearance, Followed, Outcome, Place, judge
from recognition.engine import Pack
from workers.tests import scenes
from workers.tests.scenes import BEN, EILEEN, Shot

HERE, THERE = (0.0, 0.0, 10.0, 10.0), (50.0, 0.0, 60.0, 10.0)


def places(box: tuple[float, float, float, float], *times: float) -> list[Place]:
    return [Place(t=t, box=box) for t in times]


def outcome(*sightings: Followed) -> Outcome:
    return Outcome(sightings=sightings, looks=0, megapixels=0.0)


TRUTH = (
    Appearance(person="Ada", name="Ada", places=places(HERE, 0.0, 0.2, 0.4)),
    Appearance(person="Ben", name="", places=places(THERE, 0.0, 0.2, 0.4)),
)


def test_who_is_seen_at_the_right_place_and_named_so_is_found_and_named() -> None:
    seen = outcome(Followed(places=places(HERE, 0.0, 0.2), names=["Ada"]), Followed(places=places(THERE, 0.4)))
    judged = judge(TRUTH, seen, least=1)
    assert (judged.found, judged.named, judged.wrong) == ((True, True), (True, False), 0)
    assert judge(TRUTH, seen, least=2).found == (True, False)


def test_a_name_at_somebody_elses_face_is_wrong_and_one_at_another_time_finds_nobody() -> None:
    seen = outcome(Followed(places=places(THERE, 0.2), names=["Ada"]), Followed(places=places(HERE, 2.0)))
    judged = judge(TRUTH, seen, least=1)
    assert (judged.found, judged.named, judged.wrong) == ((False, True), (False, False), 1)


@pytest.mark.django_db
def test_the_loop_of_the_benchmark_sees_who_comes_for_fewer_pixels_than_without_its_gate(
    tmp_path: Path, pack: Pack
) -> None:
    path = scenes.clip(tmp_path / "clip.mp4", Shot(seconds=1), Shot(seconds=2, people=(EILEEN, BEN)), Shot(seconds=2))
    ours, ungated = (loop_over(path, snapshot(pack), gating=gating) for gating in (True, False))
    assert len({one.number for one in ours.said}) == len({one.number for one in ungated.said}) == 2
    assert ours.looks < ungated.looks
    assert ours.pixels < ungated.pixels
