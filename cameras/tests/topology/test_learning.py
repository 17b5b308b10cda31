"""Travel times that are learned from sightings: against counting by hand, and what teaches nothing."""

from __future__ import annotations

import itertools
from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.db import connection

from cameras import identity_tasks
from cameras.identities.linking import SLACK, Limits
from cameras.models import Camera, Link, Sighting, TravelTime
from cameras.services import remove_camera
from cameras.tests.factories import NOON, CameraFactory
from cameras.tests.topology.walks import seen, somebody, unknown, walk
from cameras.topology import learning
from cameras.topology.learning import DAYS, LEAST_COUNT, LEAST_PEOPLE, LONGEST, PER_PERSON, Learned, learn_travel_times
from recognition.packs import threshold_of
from recognition.tests.factories import PACK

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=12)
ENOUGH = Limits.of(0.83755).unlikely  # of the pack that tests' sightings name: so alike, a link needs nothing else


@pytest.fixture
def pair() -> tuple[Camera, Camera]:
    return CameraFactory.create(), CameraFactory.create()


def learned() -> list[Learned]:
    return sorted(learning.read(now=LATER), key=lambda one: (one.start, one.end))


def by_hand(now_rows: list[Sighting]) -> list[Learned]:
    """The same without SQL."""
    of: dict[int, list[Sighting]] = defaultdict(list)
    for row in now_rows:
        if row.identity_id is not None and not row.is_doubted:
            of[row.identity_id].append(row)
    took: dict[tuple[int, int], list[tuple[int, float, float]]] = defaultdict(list)
    for identity, rows in of.items():
        rows.sort(key=lambda row: (row.first_seen, row.pk))
        for before, after in itertools.pairwise(rows):
            sure = all(
                row.link in (Link.RECOGNISED, Link.HAND, Link.NEW)
                or (row.link == Link.LINKED and (row.link_similarity or 0) >= ENOUGH)
                for row in (before, after)
            )
            seconds = (after.first_seen - before.last_seen).total_seconds()
            cameras = before.camera_id, after.camera_id
            if sure and None not in cameras and cameras[0] != cameras[1] and seconds <= LONGEST.total_seconds():
                key = (before.camera_id or 0, after.camera_id or 0)
                took[key].append((identity, after.first_seen.timestamp(), seconds))
    found = []
    for (start, end), all_of_them in took.items():
        kept = []
        for identity in {one[0] for one in all_of_them}:
            newest = sorted((one for one in all_of_them if one[0] == identity), key=lambda one: -one[1])
            kept += newest[:PER_PERSON]
        people, seconds_each = {one[0] for one in kept}, [one[2] for one in kept]
        if len(kept) >= LEAST_COUNT and len(people) >= LEAST_PEOPLE:
            found.append(
                Learned(
                    start=start,
                    end=end,
                    count=len(kept),
                    people=len(people),
                    at_once=sum(one < -SLACK for one in seconds_each),
                    times=tuple(float(x) for x in np.percentile(seconds_each, [5, 50, 95])),  # type: ignore[arg-type]
                )
            )
    return sorted(found, key=lambda one: (one.start, one.end))


def test_the_pack_asks_for_what_tests_take_it_to() -> None:
    assert Limits.of(threshold_of(PACK) or 0).unlikely == pytest.approx(ENOUGH)


def test_what_is_learned_is_what_counting_by_hand_gives() -> None:
    rng = np.random.default_rng(5)
    cameras: list[Camera | None] = [*CameraFactory.create_batch(3), None]
    links = [Link.RECOGNISED, Link.HAND, Link.NEW, Link.LINKED]
    for _ in range(6):
        identity, at = somebody(), 0.0
        for _ in range(40):
            at += float(rng.choice([2, 30, 90, 4000], p=[0.2, 0.4, 0.3, 0.1]))
            seen(
                identity,
                cameras[rng.choice(4, p=[0.4, 0.3, 0.25, 0.05])],
                at,
                float(rng.integers(1, 20)),
                link=links[rng.choice(4, p=[0.5, 0.1, 0.1, 0.3])],
                link_similarity=float(rng.uniform(ENOUGH - 0.01, ENOUGH + 0.01)),
                is_doubted=bool(rng.random() < 0.1),
            )
    seen(None, cameras[0], 10)
    found, expected = learned(), by_hand(list(Sighting.objects.all()))
    assert len(found) >= 4
    assert [(one.start, one.end, one.count, one.people, one.at_once) for one in found] == [
        (one.start, one.end, one.count, one.people, one.at_once) for one in expected
    ]
    np.testing.assert_allclose([one.times for one in found], [one.times for one in expected], atol=1e-5)


def test_it_is_stored_with_its_time_and_learned_anew(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    for number in range(6):
        walk(somebody(), start, end, at=100 * number, takes=20 + number)
    assert learn_travel_times(now=LATER) == 1
    row = TravelTime.objects.get()
    assert (row.start, row.end, row.count, row.people, row.at_once) == (start, end, 6, 6, 0)
    assert (row.p05, row.p50, row.p95, row.learned_at) == (20.25, 22.5, 24.75, LATER)
    for number in range(6):
        walk(somebody(), start, end, at=1000 + 100 * number, takes=60)
    assert learn_travel_times(now=LATER + timedelta(minutes=15)) == 1
    row.refresh_from_db()
    assert (row.count, row.p95) == (12, 60.0)


def test_too_few_people_or_ways_teach_nothing(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    one = somebody()
    for number in range(10):
        walk(one, start, end, at=8000 * number, takes=20)
    assert learned() == []
    for _ in range(LEAST_PEOPLE - 2):
        walk(somebody(), start, end, at=0, takes=20)
    assert learned() == []
    walk(somebody(), start, end, at=0, takes=20)
    assert [row.people for row in learned()] == [LEAST_PEOPLE]


def test_nobody_speaks_for_all(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    guard = somebody()
    for number in range(PER_PERSON + 15):
        walk(guard, start, end, at=60 + 400 * number, takes=1)
    for _ in range(4):
        walk(somebody(), start, end, at=0, takes=50)
    (row,) = (one for one in learned() if one.start == start.pk)
    assert (row.count, row.people) == (PER_PERSON + 4, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"is_doubted": True},
        {"link": Link.LINKED, "link_similarity": ENOUGH - 0.001},  # a link that may rest on a travel time
        {"link": Link.LINKED, "link_similarity": 1.0, "pack": "nobody-knows-1"},
        {"link": ""},
    ],
    ids=["doubted", "linked because it was likely", "an unknown pack", "not linked yet"],
)
def test_what_is_not_sure_teaches_nothing(pair: tuple[Camera, Camera], change: dict[str, Any]) -> None:
    start, end = pair
    for number in range(6):
        identity = unknown()
        seen(identity, start, 100 * number)
        seen(identity, end, 100 * number + 30, **change)
    assert learned() == []


def test_it_does_not_learn_from_its_own_links_but_from_faces_that_needed_no_help(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    for number in range(6):
        identity = unknown()
        seen(identity, start, 100 * number, link=Link.NEW)
        seen(identity, end, 100 * number + 30, link=Link.LINKED, link_similarity=ENOUGH + 0.001)
    assert [(row.count, row.times[1]) for row in learned()] == [(6, 25.0)]


def test_who_is_at_both_at_once_is_counted(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    for number in range(6):
        identity = somebody()
        seen(identity, start, 100 * number, lasted=20)
        seen(identity, end, 100 * number + 10)
    assert [(row.at_once, row.times[1]) for row in learned()] == [(6, -10.0)]


def test_a_removed_camera_between_breaks_the_way(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    between = CameraFactory.create()
    for number in range(6):
        identity = somebody()
        seen(identity, start, 100 * number)
        seen(identity, between, 100 * number + 20)
        seen(identity, end, 100 * number + 40)
    assert len(learned()) == 2
    remove_camera(actor=None, camera=between)
    assert learned() == []


def test_a_camera_that_is_removed_while_it_is_learned_has_no_way(
    pair: tuple[Camera, Camera], monkeypatch: pytest.MonkeyPatch
) -> None:
    start, end = pair
    for number in range(6):
        walk(somebody(), start, end, at=100 * number, takes=20)
    found = learned()
    remove_camera(actor=None, camera=end)
    monkeypatch.setattr(learning, "read", lambda now: found)
    learn_travel_times(now=LATER)
    assert not TravelTime.objects.exists()


def test_what_was_learned_is_forgotten_when_it_is_old(pair: tuple[Camera, Camera]) -> None:
    start, end = pair
    for number in range(6):
        walk(somebody(), start, end, at=100 * number, takes=20)
    learn_travel_times(now=LATER)
    Sighting.objects.all().delete()
    learn_travel_times(now=LATER + timedelta(days=DAYS - 1))
    assert TravelTime.objects.count() == 1  # the newest sightings say nothing of it
    learn_travel_times(now=LATER + timedelta(days=DAYS + 1))
    assert not TravelTime.objects.exists()


def test_only_the_newest_are_read(pair: tuple[Camera, Camera], monkeypatch: pytest.MonkeyPatch) -> None:
    start, end = pair
    for number in range(6):
        walk(somebody(), start, end, at=100 * number, takes=20)
    monkeypatch.setattr(learning, "MOST", 4)
    assert learned() == []
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT id FROM cameras_sighting WHERE first_seen >= now() - interval '1 day'"
            " ORDER BY first_seen DESC, id DESC LIMIT 4"
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Sort" not in plan


def test_without_cameras_and_sightings_nothing_is_learned() -> None:
    assert learn_travel_times() == 0


def test_the_task_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []
    monkeypatch.setattr(learning, "learn_travel_times", lambda: called.append(1))
    identity_tasks.learn_travel_times()
    assert called == [1]
