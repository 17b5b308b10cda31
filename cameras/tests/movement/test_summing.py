"""Sums are those of the sightings, whatever was changed when, and by whichever way they came about."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.tests.factories import UserFactory
from cameras.courses import pack
from cameras.models import CameraDay, DirtySlot, Identity, Link, Sighting, SumsState
from cameras.movement import summing
from cameras.movement.packing import COUNTS, unpack_arrivals, unpack_counts, unpack_dwells, unpack_heat
from cameras.movement.place import Period, everywhere
from cameras.movement.slots import BINS, EDGES, first_slot
from cameras.movement.sums import read_sums
from cameras.movement_tasks import sum_up
from cameras.services import remove_camera
from cameras.tests.movement import reference
from cameras.tests.movement.many import NOW, cameras, identities, random_sightings, sighting, stored
from recognition import merging
from recognition.services import delete_person
from recognition.tests.factories import PersonFactory

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 29)
NIGHT = datetime(2026, 3, 29, tzinfo=UTC)
Rows = dict[tuple[int, date], tuple[bytes, ...]]


def rows() -> Rows:
    """All sums as they are stored."""
    return {
        (row.camera_id, row.day): tuple(bytes(getattr(row, name)) for name in summing._COLUMNS)
        for row in CameraDay.objects.defer(None)
    }


def anew() -> Rows:
    """What the sums are when all are made from the beginning."""
    summing.rebuild()
    while not summing.sum_up(now=NOW).is_done:
        pass
    return rows()


def catch_up() -> None:
    while not summing.sum_up(now=NOW).is_done:
        pass


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_sightings(seed: int) -> None:
    of, who = cameras(), identities()
    rng = np.random.default_rng(seed)
    random_sightings(rng, number=400, since=NIGHT - timedelta(hours=4), days=1.4, of=of, who=who)
    catch_up()
    seen = stored()
    day = {(row.camera_id, row.day): row for row in CameraDay.objects.defer(None)}
    begin = NIGHT.timestamp()
    legs = reference.transitions(seen)
    for camera in of:
        row = day[camera.pk, DAY]
        counts, dwells = unpack_counts(row.counts), unpack_dwells(row.dwells)
        for number in range(96):
            start = begin + number * reference.SLOT
            own = [one for one in seen if one.camera == camera.pk and start <= one.first < start + reference.SLOT]
            wanted = {
                "sightings": len(own),
                "known": sum(one.verdict == "known" for one in own),
                "unknown": sum(one.verdict == "unknown" for one in own),
                "identities": len({one.identity for one in own if one.identity}),
                "followed": sum(one.identity > 0 for one in own),
                "doubted": sum(one.doubted for one in own),
            }
            assert {name: counts[number, COUNTS.index(name)] for name in wanted} == wanted
            there = reference.presence(seen, start, start + reference.SLOT)[camera.pk]
            assert counts[number, COUNTS.index("presence")] == pytest.approx(there * 10, abs=0.6)
            assert counts[number, COUNTS.index("dwell")] == pytest.approx(
                sum(one.last - one.first for one in own) * 10, abs=0.6
            )
            bins = np.histogram([one.last - one.first for one in own], EDGES)[0]
            assert dwells[number].tolist() == bins.tolist()
        came = [leg for leg in legs if leg[1].camera == camera.pk and 0 <= leg[1].first - begin < 86_400]
        arrivals = unpack_arrivals(row.arrivals)
        assert int(arrivals["count"].sum()) == len(came)
        assert int(arrivals["count"][arrivals["bin"] == BINS].sum()) == sum(leg[2] == 0 for leg in came)
        by_rest = [int(arrivals["count"][arrivals["rest"] == rest].sum()) for rest in range(3)]
        assert by_rest == [sum(_rest(leg) == rest for leg in came) for rest in range(3)]
        assert int(unpack_arrivals(row.arrivals_day)["count"].sum()) == len(came)
        where = reference.heat(one for one in seen if one.camera == camera.pk and 0 <= one.first - begin < 86_400)
        heat = unpack_heat(row.heat).sum(axis=0) / 10
        for (_, y, x), seconds in where.items():
            assert heat[y, x] == pytest.approx(seconds, abs=1.0)


def _rest(leg: tuple[object, ...]) -> int:
    order = {Link.RECOGNISED: 0, Link.HAND: 1}
    return max(order.get(Link(one.link), 2) for one in leg[:2])  # type: ignore[attr-defined]


def test_summing_up_again_changes_nothing() -> None:
    random_sightings(np.random.default_rng(5), number=200, since=NIGHT, days=1.4, of=cameras(), who=identities())
    catch_up()
    once = rows()
    assert once
    catch_up()
    assert rows() == once
    assert anew() == once


def test_without_sightings_there_is_nothing_to_sum_up() -> None:
    assert summing.sum_up(now=NOW) == summing.Round(days=0, slots=0, marks=0, is_done=True)
    assert not SumsState.objects.exists()


def test_what_is_open_is_summed_up_as_it_grows() -> None:
    (camera,), (one,) = cameras(1), identities(1)
    row = sighting(camera, None, NOW - timedelta(minutes=50), 5.0, is_open=True)
    catch_up()
    assert SumsState.objects.get().settled <= row.first_seen
    Sighting.objects.filter(pk=row.pk).update(last_seen=NOW, is_open=False, identity=one, link=Link.LINKED)
    summing.sum_up(now=NOW + timedelta(minutes=1))
    (found,) = CameraDay.objects.defer(None)
    counts = unpack_counts(found.counts).sum(axis=0)
    assert counts[COUNTS.index("dwell")] == 50 * 600
    assert counts[COUNTS.index("presence")] == 50 * 600
    assert counts[COUNTS.index("followed")] == 1


def test_what_came_late_is_found_within_the_hour_or_at_once_where_it_is_said() -> None:
    (camera,) = cameras(1)
    sighting(camera, None, NOW - timedelta(days=5))
    catch_up()
    late = sighting(camera, None, NOW - timedelta(hours=20))
    catch_up()
    assert not CameraDay.objects.filter(day=late.first_seen.date()).exists()
    summing.sum_up(now=NOW + timedelta(hours=1))
    assert CameraDay.objects.filter(day=late.first_seen.date()).exists()
    older = sighting(camera, None, NOW - timedelta(days=4))
    summing.mark_dirty(sightings=[older.pk])
    assert summing.waiting() == 1
    catch_up()
    assert CameraDay.objects.filter(day=older.first_seen.date()).exists()
    assert not DirtySlot.objects.exists()


def corrections() -> dict[str, Callable[[list[Sighting]], None]]:
    """What is done to sightings that were summed up long ago."""

    def split(some: list[Sighting]) -> None:
        Sighting.objects.filter(pk__in=[row.pk for row in some]).update(identity=identities(1)[0], link=Link.HAND)

    def doubt(some: list[Sighting]) -> None:
        Sighting.objects.filter(pk__in=[row.pk for row in some]).update(is_doubted=True)

    def forget(some: list[Sighting]) -> None:
        Sighting.objects.filter(pk__in=[row.pk for row in some]).update(identity=None, person=None)

    def delete(some: list[Sighting]) -> None:
        Sighting.objects.filter(pk__in=[row.pk for row in some]).delete()

    return {"split": split, "doubt": doubt, "forget": forget, "delete": delete}


@pytest.mark.parametrize("kind", corrections())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1000))
def test_corrections_are_in_the_sums_at_the_next_round(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with transaction.atomic():
        some = random_sightings(
            rng, number=120, since=NOW - timedelta(days=6), days=1.5, of=cameras(3), who=identities(3)
        )
        catch_up()
        chosen = [some[int(at)] for at in rng.choice(len(some), 7, replace=False)]
        summing.mark_dirty(sightings=[row.pk for row in chosen])
        corrections()[kind](chosen)
        catch_up()
        after = rows()
        assert after == anew()
        transaction.set_rollback(True)


def test_a_mark_by_the_time_counts_as_well() -> None:
    (camera,) = cameras(1)
    row = sighting(camera, None, NOW - timedelta(days=6))
    catch_up()
    row.delete()
    summing.mark_dirty(slots=[row.first_seen, row.first_seen])
    catch_up()
    assert not CameraDay.objects.exists()


def test_an_identity_that_goes_takes_its_transitions_along() -> None:
    first, second = cameras(2)
    (one,) = identities(1)
    sighting(first, one, NOW - timedelta(days=6))
    sighting(second, one, NOW - timedelta(days=6) + timedelta(minutes=2))
    catch_up()
    assert any(row.arrivals for row in CameraDay.objects.defer(None))
    one.delete()
    catch_up()
    assert Sighting.objects.filter(identity=None).count() == 2
    assert not any(row.arrivals for row in CameraDay.objects.defer(None))
    assert rows() == anew()


def test_a_removed_camera_takes_its_sums_along() -> None:
    first, second = cameras(2)
    (one,) = identities(1)
    sighting(first, one, NOW - timedelta(hours=3))
    sighting(second, one, NOW - timedelta(hours=3) + timedelta(minutes=2))
    catch_up()
    remove_camera(actor=UserFactory.create(), camera=first)
    assert {row.camera_id for row in CameraDay.objects.all()} == {second.pk}
    catch_up()
    period = Period(since=NOW - timedelta(days=1), until=NOW, zone=ZoneInfo("UTC"))
    sums = read_sums(everywhere(), period)
    assert sums.count("sightings").sum() == 1


def test_a_round_stops_when_its_time_is_over_and_the_next_goes_on() -> None:
    (camera,) = cameras(1)
    sighting(camera, None, NOW - timedelta(days=9))
    sighting(camera, None, NOW - timedelta(hours=1))
    done = summing.sum_up(budget=0.0, now=NOW)
    assert not done.is_done
    assert done.days == 1
    rounds = 1
    while not summing.sum_up(budget=0.0, now=NOW).is_done:
        rounds += 1
    assert rounds >= 8
    assert CameraDay.objects.count() == 2


def test_sightings_ahead_of_the_clock_count_when_their_time_comes() -> None:
    (camera,) = cameras(1)
    sighting(camera, None, NOW - timedelta(hours=1))
    sighting(camera, None, NOW + timedelta(hours=5))
    catch_up()
    assert CameraDay.objects.get().day == NOW.date()
    period = Period(since=NOW - timedelta(days=1), until=NOW + timedelta(days=1), zone=ZoneInfo("UTC"))
    assert read_sums(everywhere(), period).count("sightings").sum() == 1
    summing.sum_up(now=NOW + timedelta(hours=5))
    assert read_sums(everywhere(), period).count("sightings").sum() == 2


@pytest.mark.django_db(transaction=True)
def test_whoever_comes_second_leaves() -> None:
    (camera,) = cameras(1)
    sighting(camera, None, NOW - timedelta(hours=1))
    found: list[summing.Round] = []

    def second() -> None:
        found.append(summing.sum_up(now=NOW))
        connection.close()

    with transaction.atomic():
        assert summing._is_alone()
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert found == [summing.Round(days=0, slots=0, marks=0, is_done=False)]
    assert not CameraDay.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_change_that_commits_while_a_round_runs_is_not_lost() -> None:
    """Its mark can not be seen when the round takes marks, and is there for the next one."""
    (camera,), (one,) = cameras(1), identities(1)
    row = sighting(camera, one, NOW - timedelta(days=6))
    catch_up()
    summed, marked = threading.Event(), threading.Event()

    def correct() -> None:
        with transaction.atomic():
            summing.mark_dirty(sightings=[row.pk])
            Sighting.objects.filter(pk=row.pk).update(identity=None)
            marked.set()
            summed.wait(20)
        connection.close()

    thread = threading.Thread(target=correct)
    thread.start()
    marked.wait(20)
    catch_up()
    summed.set()
    thread.join()
    assert summing.waiting() == 1
    catch_up()
    (found,) = CameraDay.objects.defer(None)
    assert unpack_counts(found.counts).sum(axis=0)[COUNTS.index("followed")] == 0


def test_days_have_their_slots() -> None:
    assert first_slot(date(1970, 1, 2)) == 96
    assert first_slot(date(1969, 12, 31)) == -96


def test_a_person_who_is_erased_leaves_no_way_behind() -> None:
    """Their sightings stay as somebody's who can not be told; where in the picture they were does not."""
    first, second = cameras(2)
    person = PersonFactory.create()
    one = Identity.objects.create(person=person)
    course = pack(np.array([[0.0, 0.5, 0.5, 0.2]], np.float32))
    for number, camera in enumerate((first, second)):
        at = NOW - timedelta(days=6, minutes=-2 * number)
        sighting(camera, one, at, person=person, course=course)
    catch_up()
    assert any(row.arrivals for row in CameraDay.objects.defer(None))
    assert all(row.heat for row in CameraDay.objects.defer(None))
    delete_person(actor=UserFactory.create(), person=person)
    assert summing.waiting() == 1
    catch_up()
    after = list(CameraDay.objects.defer(None))
    assert len(after) == 2
    for row in after:
        counts = unpack_counts(row.counts).sum(axis=0)
        assert counts[COUNTS.index("sightings")] == 1
        assert counts[COUNTS.index("followed")] == counts[COUNTS.index("known")] == 0
        assert not row.arrivals
        assert not row.heat


def test_two_people_who_are_made_one_have_one_way() -> None:
    first, second = cameras(2)
    kept, gone = PersonFactory.create(), PersonFactory.create()
    for number, (camera, person) in enumerate(((first, kept), (second, gone))):
        identity = Identity.objects.create(person=person)
        sighting(camera, identity, NOW - timedelta(days=6, minutes=-2 * number), person=person)
    catch_up()
    assert not any(row.arrivals for row in CameraDay.objects.defer(None))
    merging.merge(actor=UserFactory.create(), kept=kept, gone=gone)
    catch_up()
    assert any(row.arrivals for row in CameraDay.objects.defer(None))
    assert rows() == anew()


def test_the_beat_and_the_command_sum_up(capsys: pytest.CaptureFixture[str]) -> None:
    (camera,) = cameras(1)
    sighting(camera, None, timezone.now() - timedelta(days=1))
    sum_up()
    (before,) = rows().items()
    CameraDay.objects.all().delete()
    call_command("sum_up_movement", "--anew")
    assert rows() == dict([before])
    assert "quarters of an hour" in capsys.readouterr().out
