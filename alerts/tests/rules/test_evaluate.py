"""When a rule fires: who, how sure, where, when, and what happened."""

from __future__ import annotations

from typing import Any

import pytest

from alerts.models import Direction, Trigger, Who
from alerts.rules.evaluate import evaluate, fired
from alerts.rules.facts import SightingFacts
from alerts.rules.where import PlacedZone, Where
from alerts.tests.rules.values import (
    CAMERA,
    LIST,
    NOON,
    PERSON,
    ZONE,
    Remembered,
    after,
    at_camera,
    book_of,
    earlier,
    in_zone,
    passed,
    rule,
    seen,
    times,
    undecided,
    unknown,
)
from cameras.models import PassageKind
from cameras.zones import ZoneShape

OTHER = 200  # a camera
NOBODY_BEFORE = Remembered()


def fires(asked: Any, facts: SightingFacts, history: Remembered = NOBODY_BEFORE) -> bool:
    return evaluate(asked, facts, history) is not None


# Who


@pytest.mark.parametrize(
    ("asked", "facts", "told"),
    [
        (rule(), seen(), True),
        (rule(), seen(lists={}), False),  # on the list, but not alike enough for it
        (rule(), seen(lists={2: "Staff"}, member_of=frozenset({2})), False),
        (rule(), unknown(), False),
        (rule(), undecided(), False),
        (rule(people=[PERSON], watchlists=[]), seen(lists={}, member_of=frozenset()), True),
        (rule(people=[PERSON + 1], watchlists=[]), seen(), False),
        (rule(never=[PERSON]), seen(), False),
        (rule(who=Who.UNKNOWN, watchlists=[]), unknown(), True),
        (rule(who=Who.UNKNOWN, watchlists=[]), seen(), False),
        (rule(who=Who.UNKNOWN, watchlists=[]), undecided(), False),  # it may still get a name
        (rule(who=Who.NOT_LISTED), seen(), False),
        (rule(who=Who.NOT_LISTED), seen(lists={}), False),  # allowed, however alike
        (rule(who=Who.NOT_LISTED), seen(lists={}, member_of=frozenset()), True),
        (rule(who=Who.NOT_LISTED), unknown(), True),
        (rule(who=Who.NOT_LISTED), undecided(), False),
        (rule(who=Who.NOT_LISTED, people=[PERSON], watchlists=[]), seen(lists={}, member_of=frozenset()), False),
        (rule(who=Who.ANYBODY, watchlists=[]), undecided(), True),
        (rule(who=Who.ANYBODY, watchlists=[]), seen(), True),
        (rule(who=Who.ANYBODY, watchlists=[], never=[PERSON]), seen(), False),
    ],
)
def test_who(asked: Any, facts: SightingFacts, told: bool) -> None:
    assert fires(asked, facts) is told


def test_a_firing_names_the_watchlist() -> None:
    firing = evaluate(rule(watchlists=[LIST, 2]), seen(lists={3: "Staff", LIST: "Wanted"}), NOBODY_BEFORE)

    assert firing is not None
    assert (firing.watchlist, firing.watchlist_name) == (LIST, "Wanted")


# How sure


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"min_similarity": 0.9}, True),
        ({"min_similarity": 0.901}, False),
        ({"min_quality": 0.6}, True),
        ({"min_quality": 0.61}, False),
        ({"min_frames": 20}, True),
        ({"min_frames": 21}, False),
    ],
)
def test_how_sure(columns: dict[str, Any], told: bool) -> None:
    assert fires(rule(**columns), seen()) is told


# Where


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (at_camera(CAMERA), True),
        (at_camera(OTHER), False),
        (Where(anywhere=False), False),  # all that it named was removed: never everywhere instead
    ],
)
def test_where(where: Where, told: bool) -> None:
    assert fires(rule(where=where), seen()) is told


def test_a_camera_that_was_removed_is_nowhere() -> None:
    assert not fires(rule(where=at_camera(CAMERA)), seen(camera=None))
    assert fires(rule(), seen(camera=None))


def circle(radius: float) -> PlacedZone:
    shape = ZoneShape(id=ZONE, ground="coordinates", shape="circle", points=((47.0, 8.0),), radius_m=radius)
    return PlacedZone(id=ZONE, name="Centre", shape=shape, on=None)


def plan_zone() -> PlacedZone:
    """The left half of a plan, with one camera in it and one beside it."""
    corners = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    shape = ZoneShape(id=ZONE, ground="plan", shape="polygon", points=corners)
    return PlacedZone(id=ZONE, name="Hall", shape=shape, on={CAMERA: (0.2, 0.5), OTHER: (0.8, 0.5)})


def test_zones_on_coordinates_and_plans_are_about_cameras() -> None:
    around = Where(anywhere=False, placed_zones=(circle(100),))
    assert fires(rule(where=around), seen())
    assert not fires(rule(where=around), seen(latitude=47.01))
    assert not fires(rule(where=around), seen(latitude=None))
    hall = Where(anywhere=False, placed_zones=(plan_zone(),))
    assert fires(rule(where=hall), seen())
    assert not fires(rule(where=hall), seen(camera=OTHER))
    assert not fires(rule(where=hall), seen(camera=3))


# When


def test_who_is_in_view_when_the_time_begins_counts_from_then_on() -> None:
    asked = rule(when=times("12:00-13:00"))
    early = seen(first_seen=after(-60), at=after(-50))

    assert not fires(asked, seen(first_seen=after(-60), at=after(-50), last_seen=after(-1)))
    firing = evaluate(asked, early, NOBODY_BEFORE)
    assert firing is not None
    assert firing.at == early.last_seen


def test_a_passage_counts_at_its_own_time() -> None:
    asked = rule(Trigger.ENTERS, where=in_zone(), when=times("12:00-13:00"))

    assert not fires(asked, seen(passages=(passed(PassageKind.ENTERED, -1),)))
    assert fires(asked, seen(passages=(passed(PassageKind.ENTERED, 1),)))


# What


def test_appears_in_a_zone() -> None:
    asked = rule(where=in_zone())

    assert not fires(asked, seen())
    firing = evaluate(asked, seen(passages=(passed(PassageKind.ENTERED, 1),)), NOBODY_BEFORE)
    assert firing is not None
    assert (firing.zone, firing.detail, firing.at) == (ZONE, "In Yard.", after(2))
    gone = seen(passages=(passed(PassageKind.ENTERED, 0.5), passed(PassageKind.LEFT, 1)))
    assert not fires(asked, gone)


@pytest.mark.parametrize(
    ("trigger", "kind", "detail"),
    [(Trigger.ENTERS, PassageKind.ENTERED, "Entered Yard."), (Trigger.LEAVES, PassageKind.LEFT, "Left Yard.")],
)
def test_enters_and_leaves(trigger: Trigger, kind: PassageKind, detail: str) -> None:
    asked = rule(trigger, where=in_zone())

    firing = evaluate(asked, seen(passages=(passed(kind, 3),)), NOBODY_BEFORE)
    assert firing is not None
    assert (firing.detail, firing.at, firing.zone) == (detail, after(3), ZONE)
    assert not fires(asked, seen(passages=(passed(kind, 3, zone=7),)))
    assert not fires(asked, seen())


@pytest.mark.parametrize(
    ("direction", "kind", "told"),
    [
        (Direction.EITHER, PassageKind.TO_LEFT, True),
        (Direction.EITHER, PassageKind.TO_RIGHT, True),
        (Direction.TO_LEFT, PassageKind.TO_LEFT, True),
        (Direction.TO_LEFT, PassageKind.TO_RIGHT, False),
        (Direction.TO_RIGHT, PassageKind.TO_RIGHT, True),
        (Direction.TO_RIGHT, PassageKind.TO_LEFT, False),
        (Direction.EITHER, PassageKind.ENTERED, False),
    ],
)
def test_crosses(direction: Direction, kind: PassageKind, told: bool) -> None:
    asked = rule(Trigger.CROSSES, where=in_zone(), direction=direction)

    assert fires(asked, undecided(passages=(passed(kind, 1),))) is False  # nobody who is listed, yet
    assert fires(asked, seen(passages=(passed(kind, 1),))) is told


def test_enters_an_area_of_cameras_from_outside() -> None:
    asked = rule(Trigger.ENTERS, where=Where(anywhere=False, placed_zones=(plan_zone(),)))

    assert fires(asked, seen())
    assert fires(asked, seen(), Remembered([earlier(-60, -30, OTHER)]))
    inside = Remembered([earlier(-50, -20, CAMERA)])
    assert not fires(asked, seen(camera=CAMERA), inside)


def test_leaves_an_area_of_cameras() -> None:
    asked = rule(Trigger.LEAVES, where=Where(anywhere=False, placed_zones=(plan_zone(),)))
    outside = seen(camera=OTHER)

    assert not fires(asked, outside)
    firing = evaluate(asked, outside, Remembered([earlier(-60, -30, CAMERA)]))
    assert firing is not None
    assert firing.detail == f"Left Hall, last seen there by Camera {CAMERA}."
    assert not fires(asked, outside, Remembered([earlier(-5000, -4000, CAMERA)]))  # long ago
    assert not fires(asked, seen(), Remembered([earlier(-60, -30, CAMERA)]))


def test_stays_in_view() -> None:
    asked = rule(Trigger.STAYS, seconds=60)

    assert not fires(asked, seen(last_seen=after(59.9)))
    firing = evaluate(asked, seen(last_seen=after(75)), NOBODY_BEFORE)
    assert firing is not None
    assert (firing.at, firing.detail) == (after(60), "In view for 1 min 15 s.")


def test_stays_over_tracks_that_break() -> None:
    """Who turns away and back has stayed; who was away for more than a minute has not."""
    asked = rule(Trigger.STAYS, where=at_camera(CAMERA), seconds=120)
    now = seen(last_seen=after(30))

    close = [earlier(-50, -20), earlier(-100, -60)]
    assert fires(asked, now, Remembered(close))
    assert not fires(asked, now, Remembered([earlier(-100, -61)]))
    assert not fires(asked, now, Remembered([earlier(-100, -20, OTHER)]))
    assert not fires(asked, now, Remembered([earlier(-50, -20)]))


def test_stays_in_a_zone() -> None:
    asked = rule(Trigger.STAYS, where=in_zone(), seconds=60)
    entered = passed(PassageKind.ENTERED, 10)

    assert not fires(asked, seen(last_seen=after(69), passages=(entered,)))
    firing = evaluate(asked, seen(last_seen=after(71), passages=(entered,)), NOBODY_BEFORE)
    assert firing is not None
    assert (firing.zone, firing.at) == (ZONE, after(70))
    again = (entered, passed(PassageKind.LEFT, 30), passed(PassageKind.ENTERED, 40))
    assert not fires(asked, seen(last_seen=after(99), passages=again))


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ([], False),
        ([earlier(-400, -300)], True),
        ([earlier(-400, -61)], True),
        ([earlier(-400, -59)], False),  # was hardly away
        ([earlier(-800, -700)], False),  # too long ago to count
        ([earlier(-400, -300), earlier(-40, -10)], False),
        ([earlier(-400, -300, OTHER)], False),
    ],
)
def test_returns(before: Any, told: bool) -> None:
    asked = rule(Trigger.RETURNS, where=at_camera(CAMERA), seconds=600, away_seconds=60)

    assert fires(asked, seen(), Remembered(before)) is told
    assert not fires(rule(Trigger.RETURNS, who=Who.ANYBODY, seconds=600), unknown(), Remembered(before))


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ([], False),
        ([earlier(-100, -90, OTHER)], True),
        ([earlier(-100, -90, 3)], False),
        ([earlier(-1000, -700, OTHER)], False),
        ([earlier(-100, -90, 3), earlier(-200, -190, OTHER)], True),
    ],
)
def test_here_after_there(before: Any, told: bool) -> None:
    asked = rule(Trigger.FOLLOWS, where=at_camera(CAMERA), before=at_camera(OTHER), seconds=600)

    assert fires(asked, seen(), Remembered(before)) is told
    assert not fires(asked, seen(camera=OTHER), Remembered(before))


def test_too_many_people() -> None:
    asked = rule(Trigger.CROWD, who=Who.ANYBODY, where=at_camera(CAMERA), count=3)
    others = [undecided(), unknown()]

    assert not fires(asked, seen(), Remembered(together=others[:1]))
    assert not fires(asked, seen(), Remembered(together=[others[0], seen(camera=OTHER)]))
    firing = evaluate(asked, seen(), Remembered(together=others))
    assert firing is not None
    assert not firing.about_person
    assert firing.detail == "3 people at once at Gate."
    only_listed = rule(Trigger.CROWD, where=at_camera(CAMERA), count=3)
    assert not fires(only_listed, seen(), Remembered(together=others))


def test_too_many_people_in_a_zone() -> None:
    asked = rule(Trigger.CROWD, who=Who.ANYBODY, where=in_zone(), count=2)
    inside = (passed(PassageKind.ENTERED, 1),)

    assert fires(asked, seen(passages=inside), Remembered(together=[undecided(passages=inside)]))
    assert not fires(asked, seen(passages=inside), Remembered(together=[undecided()]))
    assert not fires(asked, seen(), Remembered(together=[undecided(passages=inside)] * 2))


# All of them


def test_a_book_asks_only_the_rules_of_the_camera_and_the_past_only_where_it_matters() -> None:
    here, there = rule(pk=1, where=at_camera(CAMERA)), rule(pk=2, where=at_camera(OTHER))
    everywhere = rule(pk=3)
    past = rule(Trigger.RETURNS, pk=4, where=at_camera(OTHER), seconds=60)
    zoned = rule(Trigger.ENTERS, pk=5, where=in_zone())
    history = Remembered()

    book = book_of(here, there, everywhere, past, zoned)
    assert [one.rule for one in fired(book, seen(), history)] == [3, 1]
    assert history.asked == 0
    assert book.needs_passages(CAMERA)
    assert not book.needs_passages(OTHER)


def test_facts_say_since_when_a_track_is_in_a_zone() -> None:
    walk = (passed(PassageKind.ENTERED, 1), passed(PassageKind.LEFT, 2), passed(PassageKind.ENTERED, 3))

    assert seen(passages=walk).inside(ZONE) == after(3)
    assert seen(passages=walk[:2]).inside(ZONE) is None
    assert seen().inside(ZONE) is None
    assert seen().first_seen == NOON
