"""Where a face is expected, and how far from there it may be."""

from __future__ import annotations

import numpy as np
import pytest

from recognition.engine.types import Floats
from workers.course import Course


def box(x: float, y: float = 0.0, side: float = 40.0) -> Floats:
    return np.array([x, y, x + side, y + side], np.float32)


def moved(speed: float, *, frames: int = 10, step: float = 0.2, side: float = 40.0) -> Course:
    course = Course(box(0, side=side), 0.0)
    for n in range(1, frames):
        course.see(box(speed * n * step, side=side), n * step)
    return course


def test_a_face_that_was_seen_once_is_expected_where_it_was() -> None:
    np.testing.assert_allclose(Course(box(10, 20), 0.0).box_at(0.2), box(10, 20))


def test_a_steady_speed_is_learned_and_leads_ahead() -> None:
    course = moved(100)
    np.testing.assert_allclose(course.speed, [100, 0], atol=3)
    np.testing.assert_allclose(course.box_at(2.0), box(200), atol=4)


def test_a_face_out_of_sight_is_not_expected_to_run_on_for_ever() -> None:
    course = moved(100)
    assert course.middle_at(60.0)[0] < course.middle[0] + 151


def test_what_is_not_seen_becomes_less_certain() -> None:
    course = moved(100)
    variances = [course.variance_at(1.8 + wait) for wait in (0.1, 0.5, 1.0, 2.0)]
    assert variances == sorted(variances)
    assert variances[-1] > 50 * variances[0]


def test_one_look_after_a_gap_tells_the_new_speed() -> None:
    course = moved(100)
    course.see(box(180 - 150), 3.8)  # it has turned back
    assert course.speed[0] < -20


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_near_and_far_faces_are_followed_alike(scale: float) -> None:
    usual, other = moved(100), moved(100 * scale, side=40 * scale)
    np.testing.assert_allclose(other.box_at(2.5), usual.box_at(2.5) * scale, rtol=1e-4, atol=1e-3)
    assert other.variance_at(2.5) == pytest.approx(usual.variance_at(2.5) * scale**2, rel=1e-4)


def test_the_same_moment_twice_changes_nothing_for_the_worse() -> None:
    course = moved(100)
    course.see(box(180), 1.8)
    assert np.isfinite(course.box_at(2.0)).all()
    np.testing.assert_allclose(course.speed, [100, 0], atol=4)
