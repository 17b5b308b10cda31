"""The only writer of on-call rotas: who takes turns, in which order, and who stands in when."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final

from accounts.models import User
from accounts.services import Actor, record
from alerts.models import Rota, RotaChange, RotaMember
from alerts.rule_checks import check_time_zone
from alerts.rule_values import RuleChanged, RuleError
from config.transactions import brief_transaction
from recognition.errors import RecognitionError
from recognition.names import clean_name, unique_name

MOST_MEMBERS: Final = 50
MOST_CHANGES: Final = 100
MOST_DAYS: Final = 366
_EARLIEST, _LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeValues:
    """Somebody (the user's id) stands in from when until when."""

    user: int
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RotaValues:
    """A rota; `members` are users' ids in the order in which they take turns."""

    name: str
    time_zone: str = ""
    first_day: date
    days_each: int = 7
    handover: time
    members: tuple[int, ...] = ()
    changes: tuple[ChangeValues, ...] = ()


@brief_transaction()
def save_rota(*, actor: Actor, rota: Rota | None, values: RotaValues, seen: str = "") -> Rota:
    """Makes a rota, or makes it be as the values say.

    `seen` is its marker as the actor saw it. Raises RuleError where a value can not be used, RuleChanged where somebody
    saved it since, RecognitionError where the name is taken.
    """
    if rota is not None:
        _lock(rota, seen)
    name = _checked(values)
    row = rota or Rota()
    row.name, row.time_zone = name, values.time_zone.strip()
    row.first_day, row.days_each, row.handover = values.first_day, values.days_each, values.handover
    with unique_name("rota", name):
        row.save()
    row.members.all().delete()
    RotaMember.objects.bulk_create(
        RotaMember(rota=row, user_id=user, position=position) for position, user in enumerate(values.members)
    )
    row.changes.all().delete()
    RotaChange.objects.bulk_create(
        RotaChange(rota=row, user_id=one.user, begins_at=one.begins_at, ends_at=one.ends_at) for one in values.changes
    )
    verb = "created" if rota is None else "changed"
    record(actor=actor, verb=verb, target=f"rota {row.pk}", name=name, members=len(values.members))
    return row


@brief_transaction()
def remove_rota(*, actor: Actor, rota: Rota) -> None:
    """Removes a rota; steps that name it tell nobody by it any more."""
    target, name = f"rota {rota.pk}", rota.name
    rota.delete()
    record(actor=actor, verb="deleted", target=target, name=name)


def values_of(rota: Rota) -> RotaValues:
    """What is stored of the rota."""
    return RotaValues(
        name=rota.name,
        time_zone=rota.time_zone,
        first_day=rota.first_day,
        days_each=rota.days_each,
        handover=rota.handover,
        members=tuple(member.user_id for member in rota.members.all()),
        changes=tuple(
            ChangeValues(user=one.user_id, begins_at=one.begins_at, ends_at=one.ends_at) for one in rota.changes.all()
        ),
    )


def marker(values: RotaValues) -> str:
    """A short text that is another one as soon as anything of the values is."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:32]


def _lock(rota: Rota, seen: str) -> None:
    row = Rota.objects.select_for_update().filter(pk=rota.pk).first()
    if row is None:
        raise RuleChanged("Somebody removed this rota while you had it open. Nothing was saved.")
    if seen and marker(values_of(row)) != seen:
        raise RuleChanged(
            "Somebody else saved this rota while you had it open. Nothing of yours was saved: open it again, and make"
            " your changes to what it says now."
        )


def _checked(values: RotaValues) -> str:
    """The name as it is stored; raises RuleError for the first thing that can not be used."""
    try:
        name = clean_name(values.name)
    except RecognitionError as error:
        raise RuleError("name", str(error)) from None
    check_time_zone("time_zone", values.time_zone.strip())
    if not 1 <= values.days_each <= MOST_DAYS:
        raise RuleError("days_each", f"A turn lasts 1 to {MOST_DAYS} days. Choose such a number.")
    if not _EARLIEST <= values.first_day < _LATEST:
        raise RuleError("first_day", f"The first day is from {_EARLIEST.year} on. Choose such a day.")
    _check_members(values.members)
    _check_changes(values.changes)
    return name


def _check_members(members: tuple[int, ...]) -> None:
    if not members:
        raise RuleError("members", "Nobody takes turns. Choose at least one person.")
    if len(members) > MOST_MEMBERS:
        raise RuleError("members", f"There are {len(members)} members; a rota takes at most {MOST_MEMBERS}.")
    if len(set(members)) < len(members):
        raise RuleError("members", "Somebody is in it twice. Everybody has one turn in a round.")
    _check_there("members", members)


def _check_changes(changes: tuple[ChangeValues, ...]) -> None:
    if len(changes) > MOST_CHANGES:
        raise RuleError("changes", f"There are {len(changes)} changes; a rota takes at most {MOST_CHANGES}.")
    if any(one.begins_at >= one.ends_at for one in changes):
        raise RuleError("changes", "Somebody would stand in until before they begin. Choose a later end.")
    _check_there("changes", tuple(one.user for one in changes))


def _check_there(field: str, users: tuple[int, ...]) -> None:
    if User.objects.filter(pk__in=users).count() != len(set(users)):
        raise RuleError(field, "Some of these people are gone: their accounts were removed. Choose again.")
