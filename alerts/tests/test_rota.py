"""Who is on call: turns by the clock on the wall, who stands in, and who is skipped."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.models import Rota, RotaChange, RotaMember
from alerts.rota import Turn, on_call, on_call_in, turns

pytestmark = pytest.mark.django_db
VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture
def people() -> list[User]:
    return [UserFactory.create(username=name, role=Role.VIEWER) for name in ("ada", "bob", "cleo")]


def rota(people: list[User], **values: Any) -> Rota:
    usual = {"name": "Nights", "first_day": date(2026, 3, 2), "days_each": 7, "handover": time(8), "time_zone": ""}
    made = Rota.objects.create(**usual | values)
    for position, user in enumerate(people):
        RotaMember.objects.create(rota=made, user=user, position=position)
    return made


def at(day: int, hour: int, minute: int = 0, *, month: int = 3, zone: Any = UTC) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=zone)


def name(found: User | None) -> str:
    return found.username if found else ""


@pytest.mark.parametrize(
    ("moment", "who"),
    [
        (at(2, 7, 59), ""),  # it has not begun
        (at(2, 8), "ada"),
        (at(9, 7, 59), "ada"),
        (at(9, 8), "bob"),
        (at(16, 8), "cleo"),
        (at(23, 8), "ada"),
        (at(1, 12, month=1), ""),
    ],
)
def test_members_take_turns(people: list[User], moment: datetime, who: str) -> None:
    assert name(on_call(rota(people), moment)) == who


@pytest.mark.parametrize(
    ("handover", "moment", "who"),
    [
        # The clock goes from 02:00 to 03:00 on 29 March 2026: half past two is when that hour is over.
        (time(2, 30), at(29, 1, 59, zone=VIENNA), "ada"),
        (time(2, 30), at(29, 3, 29, zone=VIENNA), "ada"),
        (time(2, 30), at(29, 3, 30, zone=VIENNA), "bob"),
        (time(8), at(29, 7, 59, zone=VIENNA), "ada"),
        (time(8), at(29, 8, zone=VIENNA), "bob"),
        (time(0), at(29, 0, zone=VIENNA), "bob"),
        (time(0), at(28, 23, 59, zone=VIENNA), "ada"),
    ],
)
def test_the_handover_is_by_the_clock_on_the_wall(
    people: list[User], handover: time, moment: datetime, who: str
) -> None:
    one = rota(people, time_zone="Europe/Vienna", first_day=date(2026, 3, 28), days_each=1, handover=handover)
    assert name(on_call(one, moment)) == who


def test_where_an_hour_comes_twice_it_is_handed_over_in_the_first(people: list[User]) -> None:
    one = rota(people, time_zone="Europe/Vienna", first_day=date(2026, 10, 24), days_each=1, handover=time(2, 30))
    before, first, second = (datetime(2026, 10, 25, *clock, tzinfo=UTC) for clock in ((0, 29), (0, 30), (1, 30)))
    assert [name(on_call(one, moment)) for moment in (before, first, second)] == ["ada", "bob", "bob"]


def test_who_stands_in_comes_first_and_the_last_of_them_wins(people: list[User]) -> None:
    one = rota(people)
    dora, emil = (UserFactory.create(username=name, role=Role.VIEWER) for name in ("dora", "emil"))
    RotaChange.objects.create(rota=one, user=dora, begins_at=at(3, 0), ends_at=at(5, 0))
    RotaChange.objects.create(rota=one, user=emil, begins_at=at(4, 0), ends_at=at(4, 12))
    moments = [at(2, 23), at(3, 0), at(4, 0), at(4, 12), at(5, 0)]
    assert [name(on_call(one, moment)) for moment in moments] == ["ada", "dora", "emil", "dora", "ada"]


def test_locked_accounts_are_skipped(people: list[User]) -> None:
    one = rota(people)
    locked = UserFactory.create(is_active=False, role=Role.VIEWER)
    RotaChange.objects.create(rota=one, user=locked, begins_at=at(2, 8), ends_at=at(9, 8))
    people[0].is_active = False
    people[0].save()
    assert name(on_call(one, at(3, 0))) == "bob"
    User.objects.update(is_active=False)
    assert on_call(one, at(3, 0)) is None


def test_who_may_not_see_alerts_any_more_is_skipped(people: list[User]) -> None:
    """What is meant for them is not sent: with them on call nobody would be told."""
    one = rota(people)
    RotaChange.objects.create(rota=one, user=UserFactory.create(), begins_at=at(2, 8), ends_at=at(9, 8))
    people[0].groups.clear()
    assert name(on_call(one, at(3, 0))) == "bob"


def test_a_rota_without_members_has_nobody() -> None:
    assert on_call(rota([]), at(3, 0)) is None
    assert turns(rota([], name="Other"), at(3, 0), at(4, 0)) == [Turn(user=None, begins_at=at(3, 0), ends_at=at(4, 0))]


def test_a_zone_that_is_not_known_counts_as_the_sites(people: list[User]) -> None:
    assert name(on_call(rota(people, time_zone="Nowhere/Land"), at(2, 8))) == "ada"


def test_several_rotas_at_once(people: list[User]) -> None:
    one, other, empty = rota(people), rota(people[1:], name="Days"), rota([], name="Nobody")
    found = on_call_in([one.pk, other.pk, empty.pk], at(3, 0))
    assert found == {one.pk: people[0].pk, other.pk: people[1].pk}
    assert on_call_in([], at(3, 0)) == {}


def test_turns_show_who_is_on_call_without_gaps(people: list[User]) -> None:
    one, dora = rota(people), UserFactory.create(username="dora", role=Role.VIEWER)
    RotaChange.objects.create(rota=one, user=dora, begins_at=at(8, 20), ends_at=at(9, 20))

    found = turns(one, at(1, 0), at(17, 0))

    assert [(name(turn.user), turn.begins_at, turn.ends_at, turn.stands_in) for turn in found] == [
        ("", at(1, 0), at(2, 8), False),
        ("ada", at(2, 8), at(8, 20), False),
        ("dora", at(8, 20), at(9, 20), True),
        ("bob", at(9, 20), at(16, 8), False),
        ("cleo", at(16, 8), at(17, 0), False),
    ]


def test_one_member_has_one_long_turn(people: list[User]) -> None:
    (found,) = turns(rota(people[:1]), at(3, 0), at(3, 0) + timedelta(days=60))
    assert name(found.user) == "ada"


def test_no_time_has_no_turns(people: list[User]) -> None:
    assert turns(rota(people), at(3, 0), at(3, 0)) == []


def test_a_change_that_ends_before_it_begins_is_none(people: list[User]) -> None:
    with pytest.raises(IntegrityError):
        RotaChange.objects.create(rota=rota(people), user=people[0], begins_at=at(5, 0), ends_at=at(4, 0))
