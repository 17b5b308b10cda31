"""What a page has to be told, and what it may say."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.roles import Role
from accounts.tests.factories import UserFactory
from alerts import feed, lifecycle, reporting, selectors
from alerts.feed import CATCH_UP, Asked, Desk, May, Page, Said, Sheet
from alerts.filters import Filters
from alerts.models import Alert, AlertState
from alerts.selectors import MOST_COUNTED
from alerts.tests.factories import AlertFactory
from cameras.events import Change
from cameras.models import CameraEvent, EventKind
from cameras.tests.factories import CameraFactory, SightingFactory

pytestmark = pytest.mark.django_db
NOBODY = 0
LOOKS, ALL = May(), Filters()


@pytest.fixture
def user() -> User:
    return UserFactory.create(role=Role.OPERATOR)


def told(desk: Desk, page: Page, *, user: int = NOBODY, may: May = LOOKS) -> Sheet:
    (sheet,) = desk.sheets([Asked(page=page, may=may, user=user)])
    assert sheet is not None
    return sheet


def at(sheet: Sheet, filters: Filters | None = ALL) -> Page:
    """The page after it was sent the sheet."""
    return Page(since=sheet.since, newest=sheet.newest, filters=filters)


def now(filters: Filters | None = ALL) -> Page:
    """A page that has just loaded."""
    head = selectors.head()
    return Page(since=head.revision, newest=head.newest, filters=filters)


def items(html: str) -> list[int]:
    """The alerts that are sent, new ones and changed ones."""
    return [int(pk) for pk in re.findall(r'<li class="alert [^>]*id="alert-(\d+)"', html)]


def fresh(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'<li class="alert [^"]*is-fresh[^"]*" id="alert-(\d+)"', html)]


def gone(html: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-gone="(\d+)"', html)]


def soon(**more: object) -> Alert:
    """An alert of this moment."""
    return AlertFactory.create(captured_at=timezone.now(), **more)


def test_everything_after_the_cursor_comes_once_and_in_order() -> None:
    first = AlertFactory.create().pk
    page = now()
    second, third = (AlertFactory.create().pk for _ in range(2))
    desk = Desk()
    sheet = told(desk, page)
    assert first not in items(sheet.html)
    assert fresh(sheet.html) == [second, third]
    assert (sheet.newest, sheet.is_news) == (third, True)
    assert f'value="{sheet.since}" data-newest="{third}"' in sheet.html
    again = told(desk, at(sheet))
    assert (items(again.html), again.is_news) == ([], False)
    fourth = AlertFactory.create().pk
    assert fresh(told(desk, at(again)).html) == [fourth]


def test_pages_that_keep_up_and_pages_that_come_back_are_told_the_same() -> None:
    desk = Desk()
    page = now()
    known = told(desk, page)
    made = [soon().pk for _ in range(3)]
    followed = told(desk, at(known))
    returned = told(Desk(), page)
    assert fresh(followed.html) == fresh(returned.html) == made
    assert (followed.since, followed.newest) == (returned.since, returned.newest)


def test_those_who_ask_for_the_same_get_the_same_sheet() -> None:
    page = now()
    soon()
    asked = Asked(page=page, may=May(), user=NOBODY)
    one, other, third = Desk().sheets([asked, Asked(page=now(), may=May(), user=NOBODY), asked])
    assert one is third
    assert one is not other


def test_rendering_is_done_once_for_all_who_may_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[int] = []
    item = feed.item

    def counted(alert: Alert, may: May, **more: object) -> object:
        rendered.append(alert.pk)
        return item(alert, may, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(feed, "item", counted)
    desk = Desk()
    page = now()
    told(desk, page)
    made = [soon().pk, soon().pk]
    pages = [page, *(Page(since=page.since, newest=page.newest, filters=page.filters, keep=n) for n in range(1, 30))]
    sheets = desk.sheets([Asked(page=each, may=May(), user=NOBODY) for each in pages])
    assert all(sheet is not None and fresh(sheet.html) == made for sheet in sheets)
    assert sorted(rendered) == made


def test_only_so_many_are_caught_up_at_once() -> None:
    revision = now().since
    AlertFactory.create()
    desk = Desk()
    asked = [Asked(page=Page(since=revision, newest=n, filters=Filters()), may=May(), user=NOBODY) for n in range(9)]
    first = desk.sheets(asked, most_catching_up=5)
    assert sum(sheet is None for sheet in first) == 4
    left = [each for each, sheet in zip(asked, first, strict=True) if sheet is None]
    assert None not in desk.sheets(left, most_catching_up=5)


def test_a_page_without_a_list_gets_the_count_and_the_announcement() -> None:
    page = now(None)
    row = soon(person_name="Ada <b>")
    sheet = told(Desk(), page)
    assert items(sheet.html) == []
    assert ">1</span>" in sheet.html
    assert "Ada &lt;b&gt;" in sheet.html
    assert f'data-alert="{row.pk}" data-severity="high"' in sheet.html


def test_a_filtered_list_gets_only_what_it_admits() -> None:
    before = now()
    AlertFactory.create()
    wanted = AlertFactory.create()
    page = Page(since=before.since, newest=before.newest, filters=Filters(person=wanted.person_id, state="new"))
    assert items(told(Desk(), page).html) == [wanted.pk]


def test_what_does_not_fit_the_filter_any_more_leaves_and_what_does_comes(user: User) -> None:
    new, done = Filters(state="new"), Filters(state="acknowledged")
    rows = [AlertFactory.create() for _ in range(2)]
    page = now()
    desk = Desk()
    told(desk, page)
    lifecycle.acknowledge(actor=user, alert=rows[0])
    for each in (desk, Desk()):  # one that follows, one that has to look back
        leaving = told(each, Page(since=page.since, newest=page.newest, filters=new))
        assert (items(leaving.html), gone(leaving.html)) == ([], [rows[0].pk])
    coming = told(Desk(), Page(since=page.since, newest=page.newest, filters=done))
    assert (items(coming.html), fresh(coming.html), gone(coming.html)) == ([rows[0].pk], [], [])


def test_of_too_many_only_the_newest_come_and_the_rest_is_told() -> None:
    page = now()
    sighting = SightingFactory.create()
    made = [AlertFactory.create(sighting=sighting).pk for _ in range(CATCH_UP + 3)]
    html = told(Desk(), page).html
    assert fresh(html) == made[3:]
    assert "3 older alerts" in html
    assert f'data-id="{page.newest}.5"' in html


def test_what_somebody_did_changes_once(user: User) -> None:
    rows = [AlertFactory.create() for _ in range(3)]
    desk = Desk()
    sheet = told(desk, now())
    lifecycle.acknowledge(actor=user, alert=rows[1])
    sheet = told(desk, at(sheet))
    assert (items(sheet.html), fresh(sheet.html)) == ([rows[1].pk], [])
    assert user.username in sheet.html
    assert ">2</span>" in sheet.html
    sheet = told(desk, at(sheet))
    assert items(sheet.html) == []
    Alert.objects.filter(pk=rows[0].pk).delete()
    sheet = told(desk, at(sheet))
    assert gone(sheet.html) == [rows[0].pk]
    assert gone(told(desk, at(sheet)).html) == []


def test_what_was_removed_while_a_page_was_away_is_told() -> None:
    pk = AlertFactory.create().pk
    page = now()
    Alert.objects.all().delete()
    assert gone(told(Desk(), page).html) == [pk]


def test_who_may_not_acknowledge_gets_no_button() -> None:
    page = now()
    soon()
    desk = Desk()
    may, may_not = desk.sheets(
        [Asked(page=page, may=May(acknowledge=True), user=NOBODY), Asked(page=page, may=May(), user=NOBODY)]
    )
    assert may is not None
    assert may_not is not None
    assert "/acknowledge/" in may.html
    assert "/acknowledge/" not in may_not.html


def test_an_old_alert_is_never_told_as_if_it_were_new() -> None:
    """Late by its camera, or because the page was away: it says how old it is, and no sound is made for it."""
    page = now()
    old = timezone.now() - timedelta(minutes=3)
    AlertFactory.create(captured_at=old)
    late = told(Desk(), page).html
    assert "Came late: it is of" in late
    assert "data-severity" not in late[late.index("announcer") :]
    Alert.objects.update(created_at=old)
    away = told(Desk(), page).html
    assert "Came while you were away: it is of" in away
    desk = Desk()
    told(desk, now())
    soon(severity="low")
    soon(severity="critical")
    AlertFactory.create(captured_at=old, severity="medium")
    prompt = told(desk, page).html
    assert 'data-severity="critical"' in prompt[prompt.index("announcer") :]


def test_a_burst_is_handed_on_in_parts_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.feed._A_READ", 4)
    desk = Desk()
    page = now()
    told(desk, page)
    sighting = SightingFactory.create()
    made = [AlertFactory.create(sighting=sighting).pk for _ in range(10)]
    got: list[int] = []
    for _ in range(3):
        sheet = told(desk, page)
        got += fresh(sheet.html)
        page = at(sheet)
        assert desk.is_behind() == (len(got) < 10)
    assert got == made
    assert page.since == selectors.head().revision


def test_what_changed_again_while_it_was_read_comes_again(user: User) -> None:
    page = now()
    row = soon()
    desk = Desk()
    sheet = told(desk, page)
    lifecycle.acknowledge(actor=user, alert=row)
    assert items(told(desk, at(sheet)).html) == [row.pk]


def test_the_count_is_exact_up_to_a_thousand_and_says_how_severe() -> None:
    sighting = SightingFactory.create()
    for severity, number in (("critical", 2), ("low", 3)):
        AlertFactory.create_batch(number, sighting=sighting, severity=severity)
    AlertFactory.create(sighting=sighting, state=AlertState.ACKNOWLEDGED)
    found = selectors.counts()
    assert (found.total, str(found)) == (5, "5")
    assert [(str(severity), number) for severity, number in found.severities] == [
        ("critical", 2),
        ("high", 0),
        ("medium", 0),
        ("low", 3),
    ]
    absences = [Alert(severity="low", captured_at=timezone.now(), day=date(2026, 3, 14)) for _ in range(MOST_COUNTED)]
    Alert.objects.bulk_create(absences)
    assert str(selectors.counts()) == "1000+"


def test_nothing_open_is_no_number() -> None:
    assert str(selectors.counts()) == ""


def test_the_database_is_asked_as_often_for_many_pages() -> None:
    desk = Desk()
    page = now()
    told(desk, page)
    asked = [Asked(page=page, may=May(acknowledge=n % 2 == 0), user=n) for n in range(40)]
    soon()
    with CaptureQueriesContext(connection) as found:
        assert None not in desk.sheets(asked)
    assert len(found) <= 4


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
        '{"seen": -1}',
        "[" * 100_000,
    ],
)
def test_a_message_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Said.parse(text)


def test_odd_parts_of_a_message_count_as_not_given() -> None:
    said = Said.parse(
        '{"since": "7", "newest": {}, "keep": -3, "feed": {"state": [], "person": "x"}, "acknowledges": 1}'
    )
    assert said.page == Page(since=7, filters=Filters())


def test_a_page_says_what_it_shows_and_what_has_arrived() -> None:
    text = '{"since": 7, "newest": 5, "feed": {"state": "new", "person": 4}, "keep": 9999, "acknowledges": true}'
    wanted = Page(since=7, newest=5, filters=Filters(state="new", person=4), keep=500, acknowledges=True)
    assert Said.parse(text) == Said(page=wanted)
    assert Said.parse('{"since": 7, "feed": null}').page == Page(since=7)
    assert Said.parse('{"seen": 3}') == Said(seen=3)


# Cameras


def test_an_event_is_told_when_it_begins_ends_and_comes_again() -> None:
    camera = CameraFactory.create(name="Gate")
    desk = Desk()
    sheet = told(desk, now())
    event = CameraEvent.objects.create(camera=camera, camera_name="Gate", kind=EventKind.DOWN, began_at=timezone.now())
    reporting.report_events([(event, Change.BEGAN)])
    alert = Alert.objects.get()
    sheet = told(desk, at(sheet))
    assert fresh(sheet.html) == [alert.pk]
    assert "New alert:" in sheet.html
    assert "No pictures</a> at Gate" in sheet.html
    for ended_at, change, said in (
        (timezone.now(), Change.ENDED, "Over after"),
        (None, Change.AGAIN, "Still going on"),
    ):
        event.ended_at = ended_at
        event.save()
        reporting.report_events([(event, change)])
        sheet = told(desk, at(sheet))
        assert (items(sheet.html), fresh(sheet.html)) == ([alert.pk], [])
        assert said in sheet.html
    event.delete()
    assert gone(told(desk, at(sheet)).html) == [alert.pk]
