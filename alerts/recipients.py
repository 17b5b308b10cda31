"""Whom a step of a rule means: which endpoints of the site, and whose own.

The rules may come from a cache; who is in a group, who is on call, and where they are reached is read anew each time.
Who is reached in several ways through one endpoint is told once, and as themselves rather than as one of a group:
people who were named are told also after they have left a group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.models import User
from alerts import rota
from alerts.models import Endpoint, RuleStep, Training

VIEW: Final = "alerts.view_alert"
REVIEW: Final = "alerts.review_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody is told. `group`: they are told as one of these only."""

    endpoint: Endpoint
    user: int | None = None
    group: int | None = None


@dataclass(slots=True, kw_only=True)
class _Named:
    """What a step names."""

    users: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)
    rotas: set[int] = field(default_factory=set)
    endpoints: set[UUID] = field(default_factory=set)


def places_of(steps: Collection[int], at: datetime) -> dict[int, list[Place]]:
    """The places that each of these steps (ids of RuleStep) means at this moment, but for those switched off."""
    named = _named(steps)
    if not named:
        return {}
    members = _members({group for one in named.values() for group in one.groups})
    on_call = rota.on_call_in({found for one in named.values() for found in one.rotas}, at)
    people = {step: _people(one, members, on_call) for step, one in named.items()}
    endpoints = _endpoints(
        {user for found in people.values() for user in found}, {pk for one in named.values() for pk in one.endpoints}
    )
    return {step: _places(one, people[step], endpoints) for step, one in named.items()}


def who_may_see(users: Collection[int]) -> set[int]:
    """Those of these users who may see alerts now."""
    return set(_with_right(users, VIEW)) if users else set()


def who_may_review(users: Collection[int]) -> set[int]:
    """Those of these users of whom `alerts.reviews.may_review` is true, in one query."""
    if not users:
        return set()
    today = timezone.localdate()
    trained = Training.objects.filter(trained_on__lte=today, valid_until__gte=today).values("user")
    return set(_with_right(users, REVIEW).filter(pk__in=trained))


def memberships(users: Collection[int]) -> set[tuple[int, int]]:
    """(user, group) of these users."""
    if not users:
        return set()
    return set(User.groups.through.objects.filter(user__in=users).values_list("user_id", "group_id"))


def _with_right(users: Collection[int], right: str) -> QuerySet[User, int]:
    return User.objects.with_perm(right).filter(pk__in=users).values_list("pk", flat=True)


def _named(steps: Collection[int]) -> dict[int, _Named]:
    """What the steps name, in one query."""
    if not steps:
        return {}
    kinds = {"users": "user_id", "groups": "group_id", "rotas": "rota_id", "endpoints": "endpoint_id"}
    parts = [
        getattr(RuleStep, kind)
        .through.objects.filter(rulestep__in=steps)
        .values_list("rulestep_id", Value(kind, TextField()), Cast(column, TextField()))
        for kind, column in kinds.items()
    ]
    found: dict[int, _Named] = defaultdict(_Named)
    for step, kind, which in parts[0].union(*parts[1:], all=True):
        one = found[step]
        if kind == "endpoints":
            one.endpoints.add(UUID(which))
        else:
            getattr(one, kind).add(int(which))
    return dict(found)


def _members(groups: Collection[int]) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    if groups:
        through = User.groups.through.objects.filter(group__in=groups, user__is_active=True)
        for group, user in through.values_list("group_id", "user_id"):
            found[group].add(user)
    return found


def _people(one: _Named, members: Mapping[int, set[int]], on_call: Mapping[int, int]) -> dict[int, int | None]:
    """Who is told, and as one of which group; None: as themselves."""
    found: dict[int, int | None] = {}
    for group in sorted(one.groups, reverse=True):
        found |= dict.fromkeys(members.get(group, ()), group)
    found |= dict.fromkeys(one.users | {on_call[each] for each in one.rotas if each in on_call})
    return found


def _endpoints(users: Collection[int], others: Collection[UUID]) -> list[Endpoint]:
    wanted = Q(user__in=users, user__is_active=True) | Q(pk__in=others)
    return (
        list(Endpoint.objects.filter(wanted, enabled=True).select_related("user").order_by("name", "id"))
        if users or others
        else []
    )


def _places(one: _Named, people: Mapping[int, int | None], endpoints: Iterable[Endpoint]) -> list[Place]:
    return [
        Place(endpoint=endpoint, user=endpoint.user_id, group=_group(one, people, endpoint))
        for endpoint in endpoints
        if endpoint.pk in one.endpoints or endpoint.user_id in people
    ]


def _group(one: _Named, people: Mapping[int, int | None], endpoint: Endpoint) -> int | None:
    if endpoint.user_id is None or endpoint.pk in one.endpoints:
        return None
    return people[endpoint.user_id]
