"""Rules as they are compiled: what they name, what of it is gone, and when they are read anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from alerts.models import ListPolicy, Rule, RuleStep, Trigger, Who
from alerts.rules import book as books
from alerts.rules.book import book
from cameras.models import Camera, CameraGroup, CameraPlace, Ground, Shape, SitePlan, Zone
from cameras.tests.factories import CameraFactory
from recognition.tests.factories import PersonFactory, WatchlistFactory

pytestmark = pytest.mark.django_db

SQUARE = [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5], [0.1, 0.5]]


def a_rule(**values: Any) -> Rule:
    return Rule.objects.create(**{"name": "A rule", "who": Who.ANYBODY} | values)


def a_zone(camera: Camera | None, **values: Any) -> Zone:
    given = {"name": "Yard", "ground": Ground.PICTURE, "shape": Shape.POLYGON, "points": SQUARE} | values
    return Zone.objects.create(camera=camera, **given)


def test_only_rules_that_are_on_are_in_the_book() -> None:
    on, off = a_rule(), a_rule(name="Off", enabled=False)

    assert on.pk in book().by_id
    assert off.pk not in book().by_id


def test_groups_stand_for_their_cameras() -> None:
    inside, outside = CameraFactory.create_batch(2)
    rule = a_rule(placed=True)
    group = CameraGroup.objects.create(name="Entrance")
    group.cameras.add(inside)
    rule.groups.add(group)

    assert [one.id for one in book().about(inside.pk)] == [rule.pk]
    assert list(book().about(outside.pk)) == []
    group.cameras.add(outside)
    assert [one.id for one in book().about(outside.pk)] == [rule.pk]


def test_a_rule_whose_places_were_all_removed_applies_nowhere() -> None:
    camera, other = CameraFactory.create_batch(2)
    rule = a_rule(placed=True)
    rule.cameras.add(camera)
    rule.zones.add(a_zone(camera))
    camera.delete()

    compiled = book().by_id[rule.pk]
    assert compiled.where.reach == frozenset()
    assert list(book().about(other.pk)) == []
    assert Zone.objects.get().is_orphaned


def test_zones_on_a_plan_reach_the_cameras_on_it() -> None:
    inside, beside, elsewhere = CameraFactory.create_batch(3)
    plan = SitePlan.objects.create(name="Ground floor", image=b"", media_type="image/png", width=10, height=10)
    for camera, x in ((inside, 0.3), (beside, 0.9)):
        CameraPlace.objects.create(camera=camera, plan=plan, x=x, y=0.3)
    rule = a_rule(placed=True, trigger=Trigger.ENTERS)
    rule.zones.add(a_zone(None, ground=Ground.PLAN, plan=plan))

    assert book().by_id[rule.pk].where.reach == frozenset({inside.pk, beside.pk})
    assert list(book().about(elsewhere.pk)) == []


def test_a_rule_whose_times_can_not_be_read_is_left_out() -> None:
    rule = a_rule(schedule="Someday")

    assert rule.pk not in book().by_id


def test_the_policy_of_a_list() -> None:
    watchlist = WatchlistFactory.create()
    assert not book().policy(watchlist.pk).two_person

    ListPolicy.objects.filter(watchlist=watchlist).update(two_person=True)
    assert book().policy(watchlist.pk).two_person
    assert not book().policy(None).two_person


@pytest.mark.parametrize("change", ["rule", "list", "person", "zone", "group", "step", "place", "policy"])
def test_every_change_of_what_rules_rest_on_is_noticed(change: str) -> None:
    rule, camera, watchlist = a_rule(), CameraFactory.create(), WatchlistFactory.create()
    zone = a_zone(camera)
    before = book()
    match change:
        case "rule":
            Rule.objects.filter(pk=rule.pk).update(severity="low")
        case "list":
            rule.watchlists.add(watchlist)
        case "person":
            rule.never_people.add(PersonFactory.create())
        case "zone":
            Zone.objects.filter(pk=zone.pk).update(name="Garden")
        case "group":
            CameraGroup.objects.create(name="Entrance").cameras.add(camera)
        case "step":
            RuleStep.objects.create(rule=rule)
        case "place":
            plan = SitePlan.objects.create(name="Floor", image=b"", media_type="image/png", width=1, height=1)
            CameraPlace.objects.create(camera=camera, plan=plan, x=0.5, y=0.5)
        case "policy":
            ListPolicy.objects.update(two_person=True)

    assert book() is not before


def test_an_unchanged_book_costs_one_query_and_within_the_pause_none(settings: Settings) -> None:
    a_rule()
    first = book()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert book() is first
    assert len(asked) == 1
    settings.RULES_POLL_SECONDS = 60.0
    with CaptureQueriesContext(connection) as asked:
        assert book() is first
    assert len(asked) == 0


def test_reading_a_thousand_rules_asks_no_more_often() -> None:
    def queries() -> int:
        books.forget()
        with CaptureQueriesContext(connection) as asked:
            book()
        return len(asked)

    a_rule()
    few = queries()
    Rule.objects.bulk_create([Rule(name=f"Rule {n}", who=Who.ANYBODY) for n in range(1000)])
    assert queries() == few
