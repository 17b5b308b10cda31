"""Who is on call: the members of a rota take turns that begin at a time of the day on the wall, and others stand in.

A turn lasts so many days of the calendar, from handover to handover. Where the clock is set forward over the time of
the handover it happens when that hour is over; where it is set back it happens at the first of the two. A member whose
account is locked, or who may not see alerts any more, is skipped: whoever is next takes the turn. Who stands in comes
before whoever's turn it is; of several who do at once, the one who began last.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from zoneinfo import ZoneInfoNotFoundError

from django.db.models import Prefetch
from django.utils import timezone

from accounts.models import User
from alerts.models import Rota, RotaChange, RotaMember
from alerts.rules.when import zone_of

_VIEW = "alerts.view_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """From when until when (UTC) somebody is on call. `user` None: nobody is. `stands_in`: it is not their turn."""

    user: User | None
    begins_at: datetime
    ends_at: datetime
    stands_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A rota with all that it depends on, read at one moment."""

    zone: tzinfo
    first_day: date
    days_each: int
    handover: time
    members: tuple[User, ...]  # in their order, locked ones too
    changes: tuple[RotaChange, ...]  # in the order in which they begin
    able: frozenset[int]  # those of them who can be told

    def at(self, moment: datetime) -> tuple[User | None, bool]:
        """Who is on call, and whether they stand in."""
        for change in reversed(self.changes):
            if change.begins_at <= moment < change.ends_at and change.user_id in self.able:
                return change.user, True
        return self._by_turn(moment), False

    def moment_of(self, day: date) -> datetime:
        """When turns are handed over on this day, if they are."""
        return datetime.combine(day, self.handover, self.zone).astimezone(UTC)

    def number(self, moment: datetime) -> int:
        """Which turn it is, from 0; below that the rota has not begun."""
        day = moment.astimezone(self.zone).date()
        if moment < self.moment_of(day):
            day -= timedelta(days=1)
        return (day - self.first_day).days // max(1, self.days_each)

    def _by_turn(self, moment: datetime) -> User | None:
        number = self.number(moment)
        if number < 0:
            return None
        count = len(self.members)
        inorder = (self.members[(number + skipped) % count] for skipped in range(count))
        return next((user for user in inorder if user.pk in self.able), None)


def on_call(rota: Rota, at: datetime) -> User | None:
    """Who is on call at this moment; None: nobody."""
    return next((plan.at(at)[0] for plan in _plans([rota.pk]).values()), None)


def on_call_in(rotas: Collection[int], at: datetime) -> dict[int, int]:
    """Who (the user's id) is on call in each of these rotas in which somebody is."""
    if not rotas:
        return {}
    found = {rota: plan.at(at)[0] for rota, plan in _plans(rotas).items()}
    return {rota: user.pk for rota, user in found.items() if user is not None}


def turns(rota: Rota, since: datetime, until: datetime) -> list[Turn]:
    """Who is on call from when until when, in order and without gaps, within that time."""
    plan = _plans([rota.pk]).get(rota.pk)
    if plan is None or since >= until:
        return []
    since, until = since.astimezone(UTC), until.astimezone(UTC)
    found: list[Turn] = []
    edges = [since, *_changes_of(plan, since, until), until]
    for begins_at, ends_at in pairwise(edges):
        user, stands_in = plan.at(begins_at)
        last = found[-1] if found else None
        if last is not None and (last.user, last.stands_in) == (user, stands_in):
            found[-1] = Turn(user=user, begins_at=last.begins_at, ends_at=ends_at, stands_in=stands_in)
        else:
            found.append(Turn(user=user, begins_at=begins_at, ends_at=ends_at, stands_in=stands_in))
    return found


def _changes_of(plan: _Plan, since: datetime, until: datetime) -> Sequence[datetime]:
    """The moments between these two at which somebody else may be on call, in order."""
    edges = {at.astimezone(UTC) for change in plan.changes for at in (change.begins_at, change.ends_at)}
    number = max(0, plan.number(since))
    while True:
        day = plan.first_day + timedelta(days=number * max(1, plan.days_each))
        handover = plan.moment_of(day)
        if handover >= until:
            break
        edges.add(handover)
        number += 1
    return sorted(at for at in edges if since < at < until)


def _plans(rotas: Collection[int]) -> dict[int, _Plan]:
    """The rotas of these ids that exist."""
    members = RotaMember.objects.select_related("user").order_by("position", "id")
    changes = RotaChange.objects.select_related("user").order_by("begins_at", "id")
    related = (Prefetch("members", members), Prefetch("changes", changes))
    found = list(Rota.objects.filter(pk__in=rotas).prefetch_related(*related))
    users = {one.user_id for row in found for one in row.members.all()}
    users |= {one.user_id for row in found for one in row.changes.all()}
    able = User.objects.with_perm(_VIEW).filter(pk__in=users).values_list("pk", flat=True) if users else ()
    can_be_told = frozenset(able)
    return {
        row.pk: _Plan(
            zone=_zone(row.time_zone),
            first_day=row.first_day,
            days_each=row.days_each,
            handover=row.handover,
            members=tuple(member.user for member in row.members.all()),
            changes=tuple(row.changes.all()),
            able=can_be_told,
        )
        for row in found
    }


def _zone(name: str) -> tzinfo:
    """A zone that is not known (any more) must leave nobody without somebody on call: it counts as the site's."""
    try:
        return zone_of(name)
    except (ZoneInfoNotFoundError, ValueError):
        return timezone.get_default_timezone()
