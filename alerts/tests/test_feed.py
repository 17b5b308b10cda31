"""What a page has to be told, and what it may say."""

from __future__ import annotations

import re

import pytest

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts.feed import CATCH_UP, Filters, News, Page
from alerts.models import Alert
from alerts.services import acknowledge
from alerts.tests.factories import AlertFactory
from cameras.tests.factories import SightingFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return UserFactory.create(role=Role.OPERATOR)


def added(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'afterbegin:#alert-list"><li[^>]* id="alert-(\d+)"', html)]


def changed(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="alert-(\d+)" data-id="\d+" hx-swap-oob="true"', html)]


def removed(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'id="alert-(\d+)" hx-swap-oob="delete"', html)]


def cursor(html: str) -> int:
    found = re.search(r'id="alert-cursor" value="(\d+)"', html)
    assert found is not None
    return int(found[1])


def test_everything_after_the_cursor_comes_once_and_in_order(user: User) -> None:
    first, second, third = (AlertFactory.create().pk for _ in range(3))
    news = News(Page.parse(f'{{"since": {first}}}'))
    html = news.html(user)
    assert added(html) == [second, third]
    assert cursor(html) == third
    assert added(news.html(user)) == []
    fourth = AlertFactory.create().pk
    assert added(news.html(user)) == [fourth]


def test_a_page_without_a_list_gets_the_count_and_the_announcement(user: User) -> None:
    row = AlertFactory.create(person_name="Ada <b>")
    html = News(Page.parse('{"since": 0, "feed": null}')).html(user)
    assert added(html) == []
    assert ">1</span>" in html
    assert "Ada &lt;b&gt;" in html
    assert cursor(html) == row.pk


def test_a_filtered_list_gets_only_what_it_admits(user: User) -> None:
    AlertFactory.create()
    wanted = AlertFactory.create()
    news = News(Page(since=0, filters=Filters(person=wanted.person_id, state="new")))
    assert added(news.html(user)) == [wanted.pk]


def test_of_too_many_only_the_newest_come_and_the_rest_is_told(user: User) -> None:
    sighting = SightingFactory.create()
    made = [AlertFactory.create(sighting=sighting).pk for _ in range(CATCH_UP + 3)]
    html = News(Page.parse('{"since": 0}')).html(user)
    assert added(html) == made[3:]
    assert "3 older alerts" in html
    assert cursor(html) == made[-1]


def test_the_list_is_kept_short(user: User) -> None:
    made = [AlertFactory.create().pk for _ in range(4)]
    news = News(Page(since=made[1], shown=(made[1], made[0]), filters=Filters(), keep=3))
    html = news.html(user)
    assert (added(html), removed(html)) == (made[2:], [made[0]])


def test_what_somebody_else_acknowledged_changes_once(user: User) -> None:
    rows = [AlertFactory.create() for _ in range(3)]
    shown = tuple(row.pk for row in reversed(rows))
    news = News(Page(since=shown[0], shown=shown, open=frozenset(shown), filters=Filters()))
    assert changed(news.html(user)) == []
    acknowledge(actor=user, alert=rows[1])
    html = news.html(user)
    assert changed(html) == [rows[1].pk]
    assert user.username in html
    assert ">2</span>" in html
    assert changed(news.html(user)) == []
    Alert.objects.filter(pk=rows[0].pk).delete()
    assert removed(news.html(user)) == [rows[0].pk]


def test_who_may_not_acknowledge_gets_no_button() -> None:
    AlertFactory.create()
    page = Page.parse('{"since": 0}')
    assert "/acknowledge/" in News(page).html(UserFactory.create(role=Role.OPERATOR))
    assert "/acknowledge/" not in News(page).html(UserFactory.create(role=Role.VIEWER))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        '{"since": -1}',
        '{"since": true}',
        '{"since": 1e400}',
        '{"since": 99999999999999999999}',
        "[" * 100_000,
    ],
)
def test_a_message_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Page.parse(text)


def test_odd_parts_of_a_message_count_as_not_given() -> None:
    page = Page.parse(
        '{"since": "7", "shown": [1, "2", null, {}, -4], "open": "x", "keep": -3, "feed": {"state": [], "person": "x"}}'
    )
    assert (page.since, page.shown, page.open, page.filters) == (7, (1, 2), frozenset(), Filters())
