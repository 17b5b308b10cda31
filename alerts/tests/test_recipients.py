"""Whom a step means: themselves, as one of a group, on call, or a place of the site."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import recipients
from alerts.models import Rota, RotaMember, RuleStep, Training
from alerts.recipients import Place, places_of
from alerts.reviews import may_review
from alerts.tests.factories import rule
from alerts.tests.outboxes import member, own_place, place, step

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)


def on_call(*users: User) -> Rota:
    found = Rota.objects.create(name=f"Rota {Rota.objects.count()}", first_day=date(2026, 1, 1), handover=time(8))
    for position, user in enumerate(users):
        RotaMember.objects.create(rota=found, user=user, position=position)
    return found


def told(one: RuleStep) -> list[Place]:
    return places_of([one.pk], NOW).get(one.pk, [])


def test_nobody_is_named() -> None:
    assert places_of([], NOW) == {}
    assert told(step(rule())) == []


def test_every_way_leads_to_a_place() -> None:
    named, in_group, on_duty, off_duty = (UserFactory.create(role=Role.VIEWER) for _ in range(4))
    group = Group.objects.create(name="Guards")
    in_group.groups.add(group)
    places = {user: own_place(user) for user in (named, in_group, on_duty, off_duty)}
    room = place()
    one = step(rule(), users=[named], groups=[group], rotas=[on_call(on_duty)], places=[room])

    assert {(found.endpoint, found.user, found.group) for found in told(one)} == {
        (places[named], named.pk, None),
        (places[in_group], in_group.pk, group.pk),
        (places[on_duty], on_duty.pk, None),
        (room, None, None),
    }


def test_who_is_reached_in_three_ways_is_told_once_and_as_themselves() -> None:
    user, group = UserFactory.create(), Group.objects.create(name="Guards")
    user.groups.add(group)
    mine = own_place(user)
    one = step(rule(), users=[user], groups=[group], rotas=[on_call(user)])
    assert told(one) == [Place(endpoint=mine, user=user.pk)]


def test_who_is_on_call_is_told_as_themselves_though_they_are_in_a_group() -> None:
    user, group = UserFactory.create(role=Role.VIEWER), Group.objects.create(name="Guards")
    user.groups.add(group)
    own_place(user)
    assert [found.group for found in told(step(rule(), groups=[group], rotas=[on_call(user)]))] == [None]


def test_all_places_of_a_person_are_told_but_for_those_switched_off() -> None:
    user = UserFactory.create()
    two = {own_place(user), own_place(user)}
    own_place(user, enabled=False)
    assert {found.endpoint for found in told(step(rule(), users=[user]))} == two


def test_locked_accounts_are_not_told() -> None:
    user, group = UserFactory.create(is_active=False), Group.objects.create(name="Guards")
    user.groups.add(group)
    own_place(user)
    assert told(step(rule(), users=[user], groups=[group], rotas=[on_call(user)])) == []


def test_who_joins_a_group_is_told_from_then_on() -> None:
    user, group = UserFactory.create(), Group.objects.create(name="Guards")
    own_place(user)
    one = step(rule(), groups=[group])
    assert told(one) == []
    user.groups.add(group)
    assert len(told(one)) == 1
    user.groups.clear()
    assert told(one) == []


def test_each_step_has_its_own() -> None:
    which = rule()
    first, second = step(which, places=[place("One")]), step(which, after=5, places=[place("Two")])
    found = places_of([first.pk, second.pk], NOW)
    assert {pk: [one.endpoint.name for one in each] for pk, each in found.items()} == {
        first.pk: ["One"],
        second.pk: ["Two"],
    }


def test_who_may_see_alerts() -> None:
    viewer, nobody, locked = member(role=Role.VIEWER), UserFactory.create(), member(is_active=False)
    root = UserFactory.create(is_superuser=True)
    everybody = [user.pk for user in (viewer, nobody, locked, root)]
    assert recipients.who_may_see(everybody) == {viewer.pk, root.pk}
    assert recipients.who_may_see([]) == set()


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.REVIEWER, None])
@pytest.mark.parametrize(("begins", "ends"), [(-10, 10), (-10, -1), (-10, 0), (0, 5), (1, 5), (None, None)])
def test_who_may_review_is_what_reviews_say(role: Role | None, begins: int | None, ends: int | None) -> None:
    user, today = UserFactory.create(role=role), timezone.localdate()
    if begins is not None and ends is not None:
        days = [date.fromordinal(today.toordinal() + number) for number in (begins, ends)]
        Training.objects.create(user=user, course="Faces", trained_on=days[0], valid_until=days[1])
    fresh = User.objects.get(pk=user.pk)
    assert recipients.who_may_review([user.pk]) == ({user.pk} if may_review(fresh) else set())


def test_memberships() -> None:
    user, group = UserFactory.create(), Group.objects.create(name="Guards")
    user.groups.add(group)
    assert recipients.memberships([user.pk]) == {(user.pk, group.pk)}
    assert recipients.memberships([]) == set()
